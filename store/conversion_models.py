"""The tables of the way back: who a lead is, what happened to it, and what Meta was told and answered.

What they hold in words: docs/glossary.md.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from store.models import Base, BigId


class Contact(Base):
    """A person, joined from identities."""

    __tablename__ = "contact"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    created_at: Mapped[datetime]


class Identity(Base):
    """One way in which a contact is known. `kind`: email, phone, psid, igsid, wa_id, crm …; `scope` says within what it is
    unique (the Page, the WhatsApp account, the connection; "" for e-mail and phone).

    `detail` is what came with it: the ctwa_clid of the first touch and its time (never replaced by a later click).
    """

    __tablename__ = "identity"
    __table_args__ = (
        UniqueConstraint("kind", "scope", "value", name="uq_identity_value"),
        Index("ix_identity_contact_id", "contact_id"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    contact_id: Mapped[int] = mapped_column(ForeignKey("contact.id", ondelete="CASCADE"))
    kind: Mapped[str]
    scope: Mapped[str] = mapped_column(default="")
    value: Mapped[str]
    detail: Mapped[dict[str, Any]] = mapped_column(default=dict)
    first_seen_at: Mapped[datetime]


class Outcome(Base):
    """What somebody said happened, as history: never changed, only joined to its lead and decided on.

    `named_kind` and `named_value` are how it named the lead (leadgen_id, crm_id, email, phone). `value` is decimal text.
    `state`: waiting (no such lead yet), joined. `decided_at` None: what Meta is told of it is not settled yet.
    `dedup_key` is a hash of what it says, so that the same notice twice is one row.
    """

    __tablename__ = "outcome"
    __table_args__ = (
        UniqueConstraint("dedup_key"),
        Index("ix_outcome_lead_id", "lead_id", "occurred_at"),
        Index("ix_outcome_contact_id", "contact_id", "occurred_at"),
        Index(
            "ix_outcome_waiting",
            "named_kind",
            "named_value",
            sqlite_where=text("state = 'waiting'"),
            postgresql_where=text("state = 'waiting'"),
        ),
        Index("ix_outcome_received_at", "received_at", "id"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    source: Mapped[str]
    connection: Mapped[str | None]
    lead_id: Mapped[int | None] = mapped_column(ForeignKey("lead.id", ondelete="CASCADE"))
    contact_id: Mapped[int | None] = mapped_column(ForeignKey("contact.id", ondelete="CASCADE"))
    named_kind: Mapped[str]
    named_value: Mapped[str]
    stage: Mapped[str]
    occurred_at: Mapped[datetime]
    value: Mapped[str | None]
    currency: Mapped[str | None]
    order_id: Mapped[str | None]
    fields: Mapped[dict[str, Any]] = mapped_column(default=dict)
    received_at: Mapped[datetime]
    dedup_key: Mapped[str]
    state: Mapped[str]
    decided_at: Mapped[datetime | None]


class Dataset(Base):
    """A dataset (pixel) at Meta. `configured`: the file has a [[datasets]] table for it; others are known from funnels.

    `seen` is what Meta said of it when it was last looked at.
    """

    __tablename__ = "dataset"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    dataset_id: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str | None]
    token_sealed: Mapped[str | None]
    env_names: Mapped[dict[str, Any] | None]
    configured: Mapped[bool] = mapped_column(default=False)
    position: Mapped[int] = mapped_column(default=0)
    seen: Mapped[dict[str, Any] | None]
    checked_at: Mapped[datetime | None]
    created_at: Mapped[datetime]


class Conversion(Base):
    """One event for the Conversions API and what became of it.

    `state`: queued, sending (a request may be under way), accepted, refused, held (until something is known or mended),
    expired (too old for Meta), skipped (not to be told), unknown (sent, no answer). `payload` is the event as it is sent.
    `event_id` is None only of what is skipped. `order_id` tells a lead's deals apart; `filled`: the stage was jumped over.
    """

    __tablename__ = "conversion"
    __table_args__ = (
        UniqueConstraint("dataset_id", "event_id", "event_name", name="uq_conversion_event"),
        Index("ix_conversion_outcome_id", "outcome_id"),
        Index("ix_conversion_lead_id", "lead_id", "id"),
        Index("ix_conversion_contact_id", "contact_id", "id"),
        Index("ix_conversion_created_at", "dataset_id", "created_at", "id"),
        Index("ix_conversion_newest", "created_at", "id"),
        Index(
            "ix_conversion_not_told",
            "created_at",
            "id",
            sqlite_where=text("state NOT IN ('accepted', 'skipped')"),
            postgresql_where=text("state NOT IN ('accepted', 'skipped')"),
        ),
        Index(
            "ix_conversion_open",
            "dataset_id",
            "state",
            "id",
            sqlite_where=text("state IN ('queued', 'sending', 'held', 'unknown')"),
            postgresql_where=text("state IN ('queued', 'sending', 'held', 'unknown')"),
        ),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    outcome_id: Mapped[int | None] = mapped_column(ForeignKey("outcome.id", ondelete="CASCADE"))
    lead_id: Mapped[int | None] = mapped_column(ForeignKey("lead.id", ondelete="CASCADE"))
    contact_id: Mapped[int | None] = mapped_column(ForeignKey("contact.id", ondelete="CASCADE"))
    dataset_id: Mapped[str]
    connection: Mapped[str]
    route: Mapped[str]
    stage: Mapped[str]
    order_id: Mapped[str | None]
    filled: Mapped[bool] = mapped_column(default=False)
    event_name: Mapped[str | None]
    event_id: Mapped[str | None]
    event_time: Mapped[datetime]
    deadline_at: Mapped[datetime]
    state: Mapped[str]
    code: Mapped[str | None]
    message: Mapped[str | None]
    action: Mapped[str | None]
    warnings: Mapped[list[Any]] = mapped_column(default=list)
    payload: Mapped[dict[str, Any] | None]
    answer: Mapped[dict[str, Any] | None]
    fbtrace_id: Mapped[str | None]
    is_test: Mapped[bool] = mapped_column(default=False)
    tries: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
    settled_at: Mapped[datetime | None]


class QualityPoint(Base):
    """What Meta's Dataset Quality API said at one time: a point of a time series. `answer` None: it was refused, `code`."""

    __tablename__ = "quality_point"
    __table_args__ = (Index("ix_quality_point_dataset_id", "dataset_id", "at"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    dataset_id: Mapped[str]
    at: Mapped[datetime]
    answer: Mapped[dict[str, Any] | None]
    code: Mapped[str | None]
    message: Mapped[str | None]
    action: Mapped[str | None]


class IdempotencyKey(Base):
    """What a program was answered for a request that carried an Idempotency-Key, to answer the same again."""

    __tablename__ = "idempotency_key"
    __table_args__ = (
        UniqueConstraint("api_key_id", "key_sha256", name="uq_idempotency_key_key"),
        Index("ix_idempotency_key_created_at", "created_at"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    api_key_id: Mapped[int] = mapped_column(ForeignKey("api_key.id", ondelete="CASCADE"))
    key_sha256: Mapped[str]
    body_sha256: Mapped[str]
    status: Mapped[int]
    answer: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]


class AdminAlert(Base):
    """One alert to one address about a lane that is held since `since`: at most one for each."""

    __tablename__ = "admin_alert"
    __table_args__ = (UniqueConstraint("lane", "since", "notifier_id", "target", name="uq_admin_alert_lane"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    lane: Mapped[str]
    since: Mapped[datetime]
    notifier_id: Mapped[int] = mapped_column(ForeignKey("notifier.id", ondelete="CASCADE"))
    target: Mapped[str]
    code: Mapped[str | None]
    message: Mapped[str | None]
    action: Mapped[str | None]
    created_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
