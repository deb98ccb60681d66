"""A lead that comes after its outcome: what waited is joined to it."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, bindparam, or_, select, text, update
from sqlalchemy.orm import Session

from leadloop.emails import email_key
from store.conversion_models import Outcome
from store.outcome_subjects import Named, find_subjects
from store.outcomes import OUTCOME_LANE, SOME_WAIT
from store.sql import Prepared, table_of
from store.work import FRESH, add_work

_outcome = table_of(Outcome)
_WAITING = text("outcome.state = 'waiting'")  # written out, so that a planner sees the partial index
TOGETHER = 500
LONGEST_WINDOW = timedelta(days=63)  # what waits longer than any event may be old is left alone
READ_AT_THE_LATEST = timedelta(days=5)  # then its id alone has to do for a lead that still could not be read


def _build_by_lead(_insert: Any, _dialect: str) -> Any:
    named = or_(
        and_(_outcome.c.named_kind == "leadgen_id", _outcome.c.named_value == bindparam("of_leadgen_id")),
        and_(_outcome.c.named_kind == "email", _outcome.c.named_value == bindparam("of_email")),
        and_(_outcome.c.named_kind == "phone", _outcome.c.named_value == bindparam("of_phone")),
    )
    return _joined(named)


def _build_by_record(_insert: Any, _dialect: str) -> Any:
    return _joined(
        and_(
            _outcome.c.named_kind == "crm_id",
            _outcome.c.named_value == bindparam("of_record"),
            _outcome.c.connection == bindparam("of_connection"),
        )
    )


def _joined(named: Any) -> Any:
    changed = update(_outcome).where(_WAITING, named).values(state="joined", lead_id=bindparam("to_lead"))
    return changed.returning(_outcome.c.id)


_SOME_WAIT = Prepared(lambda _insert, _dialect: select(_outcome.c.id).where(_WAITING).limit(1))
_JOIN_BY_LEAD = Prepared(_build_by_lead)
_JOIN_BY_RECORD = Prepared(_build_by_record)


def join_lead(
    session: Session, lead_id: int, *, leadgen_id: str, email: str | None, phone: str | None, now: datetime
) -> int:
    """After a lead was read, or found to be unreadable for ever: what waited for it goes on. How many outcomes did."""
    if not _some_wait(session):
        return 0
    named = {
        "to_lead": lead_id,
        "of_leadgen_id": leadgen_id,
        "of_email": email_key(email) if email else None,
        "of_phone": phone,
    }
    joined = _JOIN_BY_LEAD.run(session, named).scalars().all()
    _go_on(session, joined, now=now)
    return len(joined)


def join_record(session: Session, lead_id: int, *, connection: str, remote_id: str, now: datetime) -> None:
    """After a lead was put into a CRM: what came about that record before goes on."""
    if not _some_wait(session):
        return
    named = {"to_lead": lead_id, "of_record": remote_id, "of_connection": connection}
    _go_on(session, _JOIN_BY_RECORD.run(session, named).scalars().all(), now=now)


Place = tuple[datetime, int]  # received_at and id of an outcome


def _some_wait(session: Session) -> bool:
    """Whether any outcome waits: asked once in a transaction, in which many leads of a burst are noted."""
    if SOME_WAIT not in session.info:
        session.info[SOME_WAIT] = _SOME_WAIT.run(session).first() is not None
    return bool(session.info[SOME_WAIT])


def join_late(
    session: Session, *, since: datetime, now: datetime, after: Place | None = None
) -> tuple[int, Place | None]:
    """Look once more for the leads of what came in since then: of two transactions at the same moment neither may have seen
    the other. At most TOGETHER at a time; (how many were joined, the place to go on after, None: that was all).

    A lead that could not be read for days is taken as it is: its id alone says most to Meta.
    """
    # In the order of an index that begins with the time: in that of the ids, all there ever was would be read each minute.
    query = select(Outcome).where(_WAITING, Outcome.received_at >= (since if after is None else after[0]))
    if after is not None:
        query = query.where(or_(Outcome.received_at > after[0], Outcome.id > after[1]))
    query = query.order_by(Outcome.received_at, Outcome.id).limit(TOGETHER)
    rows = list(session.scalars(query))
    named = [Named(row.named_kind, row.named_value, row.connection, row.occurred_at) for row in rows]  # type: ignore[arg-type]  # as it was kept
    joined = []
    for row, subject in zip(rows, find_subjects(session, named), strict=True):
        if not subject.known and now - row.occurred_at > READ_AT_THE_LATEST and subject.unread_id is not None:
            row.lead_id = subject.unread_id
        elif subject.known:
            row.lead_id, row.contact_id = subject.lead_id, subject.contact_id
        else:
            continue
        row.state = "joined"
        joined.append(row.id)
    session.flush()
    _go_on(session, joined, now=now)
    return len(joined), (rows[-1].received_at, rows[-1].id) if len(rows) == TOGETHER else None


def _go_on(session: Session, outcome_ids: Any, *, now: datetime) -> None:
    if outcome_ids:
        add_work(session, "outcome", sorted(outcome_ids), OUTCOME_LANE, now=now, priority=FRESH)
