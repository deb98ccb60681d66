"""The tables. What they hold in words: docs/glossary.md. Their ids are text, ours are integers; times are aware UTC."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Text,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from store.types import Json, UtcDateTime

BigId = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts up by itself only for INTEGER


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {str: Text, datetime: UtcDateTime, bytes: LargeBinary, dict[str, Any]: Json, list[Any]: Json}


class RawEvent(Base):
    """One signed POST as received. `verdict`: new → read, kept (nothing we use yet), partly, or unreadable."""

    __tablename__ = "raw_event"
    __table_args__ = (
        UniqueConstraint("source", "body_sha256"),
        Index("ix_raw_event_received_at", "received_at"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    source: Mapped[str]
    object: Mapped[str | None]
    body: Mapped[bytes]
    body_sha256: Mapped[str]
    size: Mapped[int]
    headers: Mapped[dict[str, Any]] = mapped_column(default=dict)
    received_at: Mapped[datetime]
    verdict: Mapped[str] = mapped_column(default="new")
    reason: Mapped[str | None]
    repeats: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    read_at: Mapped[datetime | None]


class Page(Base):
    """A Meta asset that sends us notices. `configured` False: it wrote to us, but no configuration names it.

    `env_names` here and below: which stored secret came from which environment variable, by JSON pointer
    ({"/access_token": "ACME_PAGE_TOKEN"}), so that an export can write "$ACME_PAGE_TOKEN" again.
    """

    __tablename__ = "page"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    page_id: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str | None]
    token_sealed: Mapped[str | None]
    default_country: Mapped[str | None]
    business_country: Mapped[str | None]
    dataset_id: Mapped[str | None]
    env_names: Mapped[dict[str, Any] | None]
    configured: Mapped[bool] = mapped_column(default=True)
    position: Mapped[int] = mapped_column(default=0)


class Form(Base):
    """One instant form as Meta describes it: a snapshot, since published forms do not change (a change is a new id)."""

    __tablename__ = "form"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    form_id: Mapped[str] = mapped_column(unique=True)
    page_id: Mapped[str | None]
    name: Mapped[str | None]
    locale: Mapped[str | None]
    status: Mapped[str | None]
    snapshot: Mapped[dict[str, Any] | None]
    read_at: Mapped[datetime | None]
    tried_at: Mapped[datetime | None]


class Lead(Base):
    """One submitted form. `state`: waiting (not read yet), read, gone (Meta says it will never be readable).

    `answer` is what Graph said, `card` what we made of it (leadloop.leads.LeadCard as JSON), `match_keys` its hashes for
    Meta's user_data (leadloop.conversions.people.MatchKeys). `routed` None: not known yet, False: no route matched, so
    that it is kept and shown. `email` is in lower case, for finding it; the card has it as it was typed.
    """

    __tablename__ = "lead"
    __table_args__ = (
        Index("ix_lead_received", "received_at", "id"),
        Index("ix_lead_form_id", "form_id", "received_at", "id"),
        Index("ix_lead_page_id", "page_id", "received_at", "id"),
        Index("ix_lead_email", "email"),
        Index("ix_lead_phone", "phone"),
        Index(
            "ix_lead_unread",
            "state",
            "received_at",
            "id",
            sqlite_where=text("state <> 'read'"),
            postgresql_where=text("state <> 'read'"),
        ),
        Index(
            "ix_lead_unrouted",
            "received_at",
            "id",
            sqlite_where=text("routed = 0"),
            postgresql_where=text("NOT routed"),
        ),
        Index(
            "ix_lead_test",
            "received_at",
            "id",
            sqlite_where=text("is_test = 1"),
            postgresql_where=text("is_test"),
        ),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    leadgen_id: Mapped[str] = mapped_column(unique=True)
    page_id: Mapped[str]
    form_id: Mapped[str | None]
    ad_id: Mapped[str | None]
    source: Mapped[str] = mapped_column(default="webhook")
    state: Mapped[str] = mapped_column(default="waiting")
    created_at: Mapped[datetime | None]
    received_at: Mapped[datetime]
    read_at: Mapped[datetime | None]
    is_test: Mapped[bool] = mapped_column(default=False)
    routed: Mapped[bool | None]
    email: Mapped[str | None]
    phone: Mapped[str | None]
    answer: Mapped[dict[str, Any] | None]
    card: Mapped[dict[str, Any] | None]
    match_keys: Mapped[dict[str, Any] | None]


class LeadEvent(Base):
    """One line of a lead's story. `detail` holds ids, codes and times, nothing personal."""

    __tablename__ = "lead_event"
    __table_args__ = (Index("ix_lead_event_lead_id", "lead_id", "id"), UniqueConstraint("dedup_key"))

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    lead_id: Mapped[int] = mapped_column(ForeignKey("lead.id", ondelete="CASCADE"))
    at: Mapped[datetime]
    kind: Mapped[str]
    raw_event_id: Mapped[int | None] = mapped_column(BigId)
    detail: Mapped[dict[str, Any]] = mapped_column(default=dict)
    dedup_key: Mapped[str | None]


class Connection(Base):
    """One account at one CRM. `state_sealed` is what the adapter keeps between calls (refreshed tokens, say)."""

    __tablename__ = "connection"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    adapter: Mapped[str]
    settings_sealed: Mapped[str]
    env_names: Mapped[dict[str, Any] | None]
    state_sealed: Mapped[str | None]
    changed_at: Mapped[datetime]
    removed_at: Mapped[datetime | None]
    position: Mapped[int] = mapped_column(default=0)


class Notifier(Base):
    """A group of Apprise addresses that are rung together. `admin`: rung when something needs a person, too."""

    __tablename__ = "notifier"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    urls_sealed: Mapped[str]
    env_names: Mapped[dict[str, Any] | None]
    template: Mapped[str | None]
    admin: Mapped[bool] = mapped_column(default=False, server_default=false())
    changed_at: Mapped[datetime]
    removed_at: Mapped[datetime | None]
    position: Mapped[int] = mapped_column(default=0)


class Route(Base):
    """Which leads go to which connections and notifiers. "*" matches all."""

    __tablename__ = "route"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    position: Mapped[int]
    pages: Mapped[list[Any]]
    forms: Mapped[list[Any]]
    connections: Mapped[list[Any]]
    notifiers: Mapped[list[Any]]


class Mapping(Base):
    """Field templates of one connection, for some forms."""

    __tablename__ = "mapping"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    position: Mapped[int]
    connection: Mapped[str]
    forms: Mapped[list[Any]]
    fields: Mapped[dict[str, Any]]


class Funnel(Base):
    """A connection's stages as conversion events of a dataset. `options` are the keys of its table in the configuration
    file besides connection, dataset_id and stages, as they stand there."""

    __tablename__ = "funnel"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    position: Mapped[int]
    connection: Mapped[str]
    dataset_id: Mapped[str]
    stages: Mapped[list[Any]]
    options: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default=text("'{}'"))


class Delivery(Base):
    """One lead to one connection. `state`: waiting, delivered, parked, failed. `steps` are those already done, `made`
    the records ([kind, id, link]) that exist in the CRM while the push is not complete."""

    __tablename__ = "delivery"
    __table_args__ = (
        UniqueConstraint("lead_id", "connection_id"),
        Index("ix_delivery_connection_id", "connection_id"),
        Index("ix_delivery_remote_id", "remote_id"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    lead_id: Mapped[int] = mapped_column(ForeignKey("lead.id", ondelete="CASCADE"))
    connection_id: Mapped[int] = mapped_column(ForeignKey("connection.id"))
    state: Mapped[str] = mapped_column(default="waiting")
    steps: Mapped[list[Any]] = mapped_column(default=list)
    made: Mapped[list[Any]] = mapped_column(default=list)
    remote_kind: Mapped[str | None]
    remote_id: Mapped[str | None]
    remote_url: Mapped[str | None]
    attempts: Mapped[int] = mapped_column(default=0)
    code: Mapped[str | None]
    message: Mapped[str | None]
    action: Mapped[str | None]
    created_at: Mapped[datetime]
    pushed_at: Mapped[datetime | None]
    delivered_at: Mapped[datetime | None]


class Notice(Base):
    """One alert about one lead to one address. `target` is a fingerprint of the address, which itself is a secret.

    `maybe_repeated`: it may have rung before (no answer came, or a worker died between sending and noting), so that one
    more ring may be the second.
    """

    __tablename__ = "notice"
    __table_args__ = (UniqueConstraint("lead_id", "notifier_id", "target"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    lead_id: Mapped[int] = mapped_column(ForeignKey("lead.id", ondelete="CASCADE"))
    notifier_id: Mapped[int] = mapped_column(ForeignKey("notifier.id"))
    target: Mapped[str]
    state: Mapped[str] = mapped_column(default="waiting")
    attempts: Mapped[int] = mapped_column(default=0)
    maybe_repeated: Mapped[bool] = mapped_column(default=False)
    code: Mapped[str | None]
    message: Mapped[str | None]
    action: Mapped[str | None]
    created_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]


class Work(Base):
    """Something still to be done; done rows are deleted. `state`: open, parked (for a person), failed (never works).

    `lane` is what may not hold up others (a Page at Graph, a connection, a notifier); `queue` is "<priority>:<lane>".
    `holder` is set while a worker has it, until `due_at`, the end of its lease; `lost` counts leases that ran out since
    it last came back. `outage`: it waits because its lane seems ill. `again`: it was wanted anew while a worker had it.
    """

    __tablename__ = "work"
    __table_args__ = (
        UniqueConstraint("kind", "subject_id"),
        Index(
            "ix_work_open",
            "queue",
            "due_at",
            sqlite_where=text("state = 'open'"),
            postgresql_where=text("state = 'open'"),
        ),
        Index("ix_work_lane", "lane", "state", "kind"),
        {"sqlite_autoincrement": True},  # SQLite would give the id of a deleted row again, and logs tell rows by id
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    kind: Mapped[str]
    subject_id: Mapped[int] = mapped_column(BigId)
    lane: Mapped[str]
    queue: Mapped[str]
    state: Mapped[str] = mapped_column(default="open")
    attempts: Mapped[int] = mapped_column(default=0)
    lost: Mapped[int] = mapped_column(default=0)
    holder: Mapped[str | None]
    due_at: Mapped[datetime]
    added_at: Mapped[datetime]
    outage: Mapped[bool] = mapped_column(default=False)
    again: Mapped[bool] = mapped_column(default=False, server_default=false())
    code: Mapped[str | None]
    message: Mapped[str | None]
    action: Mapped[str | None]


class Lane(Base):
    """A lane that rests. `hold`: until somebody acts; it is probed now and then, and freed when `fingerprint` (of the
    token or settings that failed) no longer is the current one. `failed`: ids of the work rows that failed one after the
    other while it seems ill; empty when the other side asked for the rest."""

    __tablename__ = "lane"

    name: Mapped[str] = mapped_column(primary_key=True)
    rest_until: Mapped[datetime]
    since: Mapped[datetime]
    hold: Mapped[bool] = mapped_column(default=False)
    failures: Mapped[int] = mapped_column(default=0)
    failed: Mapped[list[Any]] = mapped_column(default=list, server_default=text("'[]'"))
    fingerprint: Mapped[str | None]
    code: Mapped[str | None]
    message: Mapped[str | None]
    action: Mapped[str | None]


class Backfill(Base):
    """How far reading Meta's list of one form has come, so that it resumes where it stopped. With "page:<id>" as its form: a
    Page to be read because a notice named no lead (store/asked_pages.py)."""

    __tablename__ = "backfill"
    __table_args__ = (UniqueConstraint("form_id"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    form_id: Mapped[str]
    page_id: Mapped[str]
    since: Mapped[datetime]
    after: Mapped[str | None]
    seen: Mapped[int] = mapped_column(default=0)
    added: Mapped[int] = mapped_column(default=0)
    started_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class ApiKey(Base):
    """A program's key; only its SHA-256 is kept (it has 256 random bits, so that a slow hash would add nothing)."""

    __tablename__ = "api_key"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    key_sha256: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class Metric(Base):
    """Sums for /metrics, added to by every process. `labels` is canonical JSON."""

    __tablename__ = "metric"

    name: Mapped[str] = mapped_column(primary_key=True)
    labels: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[float]


class Schedule(Base):
    """When each piece of periodic work last ran, so that several clocks do not run it twice."""

    __tablename__ = "schedule"

    name: Mapped[str] = mapped_column(primary_key=True)
    last_run_at: Mapped[datetime]
