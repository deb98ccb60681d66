"""What the jobs of the lead path read before they call out: one statement each, only the columns they need."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, false, func, select
from sqlalchemy.orm import Session

from store.models import Connection, Delivery, Form, Lead, Notice, Notifier, Page, RawEvent
from store.sql import Prepared, table_of

_lead, _page, _form = table_of(Lead), table_of(Page), table_of(Form)
_delivery, _connection = table_of(Delivery), table_of(Connection)
_notice, _notifier = table_of(Notice), table_of(Notifier)
_event = table_of(RawEvent)


class RowGone(LookupError):
    """The row a job is about does not exist (any more)."""


@dataclass(frozen=True)
class EventToRead:
    """A raw event whose body is to be read."""

    id: int
    body: bytes = field(repr=False)
    received_at: datetime


@dataclass(frozen=True)
class LeadToRead:
    """A lead that is to be read from Graph, with what is known of its Page and form."""

    id: int
    leadgen_id: str
    page_id: str
    form_id: str | None
    ad_id: str | None
    created_at: datetime | None
    received_at: datetime
    state: str
    page_configured: bool
    page_name: str | None
    token_sealed: str | None = field(repr=False)
    default_country: str | None
    snapshot: dict[str, Any] | None = field(repr=False)
    form_tried_at: datetime | None


@dataclass(frozen=True)
class DeliveryToMake:
    """A delivery with the lead's card and the connection it goes through."""

    id: int
    lead_id: int
    state: str
    steps: list[str]
    made: list[list[str | None]]
    remote_kind: str | None
    remote_id: str | None
    remote_url: str | None
    attempts: int
    pushed_at: datetime | None
    delivered_at: datetime | None
    leadgen_id: str
    form_id: str | None
    received_at: datetime
    card: dict[str, Any] | None = field(repr=False)
    connection_id: int
    connection_name: str
    changed_at: datetime
    removed_at: datetime | None


@dataclass(frozen=True)
class NoticeToSend:
    """An alert with the lead's card and the notifier it goes through."""

    id: int
    lead_id: int
    state: str
    maybe_repeated: bool
    target: str
    leadgen_id: str
    received_at: datetime
    card: dict[str, Any] | None = field(repr=False)
    notifier_id: int
    notifier_name: str
    template: str | None
    changed_at: datetime
    removed_at: datetime | None


_READ_EVENT = Prepared(
    lambda _insert, _dialect: select(_event.c.id, _event.c.body, _event.c.received_at).where(
        _event.c.id == bindparam("wanted")
    )
)
_READ_LEAD = Prepared(
    lambda _insert, _dialect: (
        select(
            _lead.c.id,
            _lead.c.leadgen_id,
            _lead.c.page_id,
            _lead.c.form_id,
            _lead.c.ad_id,
            _lead.c.created_at,
            _lead.c.received_at,
            _lead.c.state,
            func.coalesce(_page.c.configured, false()),
            _page.c.name,
            _page.c.token_sealed,
            _page.c.default_country,
            _form.c.snapshot,
            _form.c.tried_at,
        )
        .select_from(
            _lead.outerjoin(_page, _page.c.page_id == _lead.c.page_id).outerjoin(
                _form, _form.c.form_id == _lead.c.form_id
            )
        )
        .where(_lead.c.id == bindparam("wanted"))
    )
)
_READ_DELIVERY = Prepared(
    lambda _insert, _dialect: (
        select(
            _delivery.c.id,
            _delivery.c.lead_id,
            _delivery.c.state,
            _delivery.c.steps,
            _delivery.c.made,
            _delivery.c.remote_kind,
            _delivery.c.remote_id,
            _delivery.c.remote_url,
            _delivery.c.attempts,
            _delivery.c.pushed_at,
            _delivery.c.delivered_at,
            _lead.c.leadgen_id,
            _lead.c.form_id,
            _lead.c.received_at,
            _lead.c.card,
            _connection.c.id,
            _connection.c.name,
            _connection.c.changed_at,
            _connection.c.removed_at,
        )
        .select_from(
            _delivery.join(_lead, _lead.c.id == _delivery.c.lead_id).join(
                _connection, _connection.c.id == _delivery.c.connection_id
            )
        )
        .where(_delivery.c.id == bindparam("wanted"))
    )
)
_READ_NOTICE = Prepared(
    lambda _insert, _dialect: (
        select(
            _notice.c.id,
            _notice.c.lead_id,
            _notice.c.state,
            _notice.c.maybe_repeated,
            _notice.c.target,
            _lead.c.leadgen_id,
            _lead.c.received_at,
            _lead.c.card,
            _notifier.c.id,
            _notifier.c.name,
            _notifier.c.template,
            _notifier.c.changed_at,
            _notifier.c.removed_at,
        )
        .select_from(
            _notice.join(_lead, _lead.c.id == _notice.c.lead_id).join(
                _notifier, _notifier.c.id == _notice.c.notifier_id
            )
        )
        .where(_notice.c.id == bindparam("wanted"))
    )
)
_RUNG = Prepared(
    lambda _insert, _dialect: (
        select(_notice.c.id, _notice.c.target)
        .where(_notice.c.lead_id == bindparam("of_lead"), _notice.c.notifier_id == bindparam("of_notifier"))
        .order_by(_notice.c.id)
    )
)


def load_event(session: Session, event_id: int) -> EventToRead:
    return EventToRead(*_one(session, _READ_EVENT, event_id))


def load_lead(session: Session, lead_id: int) -> LeadToRead:
    return LeadToRead(*_one(session, _READ_LEAD, lead_id))


def load_delivery(session: Session, delivery_id: int) -> DeliveryToMake:
    return DeliveryToMake(*_one(session, _READ_DELIVERY, delivery_id))


def load_notice(session: Session, notice_id: int) -> NoticeToSend:
    return NoticeToSend(*_one(session, _READ_NOTICE, notice_id))


def find_rung(session: Session, notice: NoticeToSend) -> list[tuple[int, str]]:
    """(notice id, address) of all notices of this lead and notifier, in the order in which they were made."""
    rows = _RUNG.run(session, {"of_lead": notice.lead_id, "of_notifier": notice.notifier_id})
    return [(notice_id, target) for notice_id, target in rows]


def _one(session: Session, statement: Prepared, wanted: int) -> Any:
    row = statement.run(session, {"wanted": wanted}).first()
    if row is None:
        raise RowGone(f"row {wanted} is gone")
    return row
