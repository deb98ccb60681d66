"""Conversions: what follows from outcomes, taken in batches by whoever sends them, and what Meta answered.

A row is marked as being sent before the request goes out, in a transaction of its own: whatever dies after that, nobody takes
it for unsent. The states: docs/conversions.md.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Integer, TextClause, and_, bindparam, delete, func, or_, select, text, update
from sqlalchemy.orm import Session

from leadloop.conversions.funnel import Past
from leadloop.conversions.routes import Route
from store.conversion_models import Conversion, Dataset
from store.lanes import graph_lane
from store.sql import Prepared, insert_new, rows_changed, table_of
from store.work import FRESH, add_work

SEND = "conversions"  # the kind of work: one row for each dataset
OPEN_TO_CHANGE = frozenset({"held", "refused", "expired", "skipped"})  # Meta was not told: it may be, later

_conversion, _dataset = table_of(Conversion), table_of(Dataset)


def dataset_lane(dataset_id: str) -> str:
    """A lane of Graph's: a limit of the whole app rests it, too."""
    return graph_lane(dataset_id)


@dataclass(frozen=True)
class Draft:
    """One conversion as it was decided. `reason` is (code, message, action)."""

    dataset_id: str
    connection: str
    route: Route
    stage: str
    event_time: datetime
    deadline_at: datetime
    state: str
    event_name: str | None = None
    event_id: str | None = None
    order_id: str | None = None
    filled: bool = False
    reason: tuple[str, str, str] | None = None
    warnings: Sequence[Mapping[str, str]] = ()
    payload: Mapping[str, Any] | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Subject:
    """Whom it is about: at least one of the two."""

    lead_id: int | None
    contact_id: int | None


_ADD = insert_new(Conversion, ["dataset_id", "event_id", "event_name"], "id")
_ADD_DATASET = insert_new(Dataset, ["dataset_id"])


def read_past(session: Session, dataset_id: str, subject: Subject, *, order_id: str | None = None) -> list[Past]:
    """What was decided for the same lead or contact and dataset before, but for what was skipped, and tests: they
    decide nothing.

    With `order_id` only what may be of this deal.
    """
    mine = []
    if subject.lead_id is not None:
        mine.append(Conversion.lead_id == subject.lead_id)
    if subject.contact_id is not None:
        mine.append(Conversion.contact_id == subject.contact_id)
    query = select(
        Conversion.stage, Conversion.event_name, Conversion.state, Conversion.event_time, Conversion.order_id
    ).where(
        Conversion.dataset_id == dataset_id,
        Conversion.is_test.is_(False),
        Conversion.state != "skipped",
        or_(*mine),
    )
    if order_id is not None:
        query = query.where(or_(Conversion.order_id.is_(None), Conversion.order_id == order_id))
    return [Past(*row) for row in session.execute(query)]


def put_conversion(session: Session, draft: Draft, subject: Subject, outcome_id: int, *, now: datetime) -> int | None:
    """Keep what was decided. An event that was held, refused or expired before takes its place under the same id; one that
    Meta may know already is left alone (None)."""
    row = _row(draft, subject, outcome_id, now)
    added = _ADD.run(session, [row]).scalars().all()
    if added:
        return int(added[0])
    there = session.scalars(
        select(Conversion)
        .where(
            Conversion.dataset_id == draft.dataset_id,
            Conversion.event_id == draft.event_id,
            Conversion.event_name == draft.event_name,
        )
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one()
    if there.state not in OPEN_TO_CHANGE:
        return None
    for name, value in row.items():
        if name not in ("created_at", "tries"):
            setattr(there, name, value)
    session.flush()
    return there.id


def _row(draft: Draft, subject: Subject, outcome_id: int, now: datetime) -> dict[str, Any]:
    code, message, action = draft.reason or (None, None, None)
    return {
        "outcome_id": outcome_id,
        "lead_id": subject.lead_id,
        "contact_id": subject.contact_id,
        "dataset_id": draft.dataset_id,
        "connection": draft.connection,
        "route": draft.route,
        "stage": draft.stage,
        "order_id": draft.order_id,
        "filled": draft.filled,
        "event_name": draft.event_name,
        "event_id": draft.event_id,
        "event_time": draft.event_time,
        "deadline_at": draft.deadline_at,
        "state": draft.state,
        "code": code,
        "message": message,
        "action": action,
        "warnings": [dict(one) for one in draft.warnings],
        "payload": None if draft.payload is None else dict(draft.payload),
        "answer": None,
        "fbtrace_id": None,
        "is_test": False,
        "tries": 0,
        "created_at": now,
        "sent_at": None,
        "settled_at": None if draft.state == "queued" else now,
    }


def forget_skipped(session: Session, outcome_ids: Iterable[int]) -> None:
    """Before outcomes are decided anew: what was skipped for them is decided again, too."""
    gone = delete(Conversion).where(
        Conversion.outcome_id.in_(list(outcome_ids)), Conversion.state == "skipped", Conversion.event_id.is_(None)
    )
    session.execute(gone.execution_options(synchronize_session=False))


NO_CONSENT = (
    "no_consent",
    "The person took back the consent before it was sent.",
    "Do not send it; a consent that is given again is a new outcome.",
)


def withdraw(session: Session, subject: Subject, *, now: datetime) -> int:
    """Refuse what is still to be sent about somebody who no longer consents; how many. What is under way cannot be recalled."""
    mine = [Conversion.lead_id == subject.lead_id] if subject.lead_id is not None else []
    if subject.contact_id is not None:
        mine.append(Conversion.contact_id == subject.contact_id)
    code, message, action = NO_CONSENT
    change = (
        update(Conversion)
        .where(or_(*mine), Conversion.state.in_(("queued", "held")), Conversion.is_test.is_(False))
        .values(state="refused", code=code, message=message, action=action, settled_at=now)
    )
    changed = session.execute(change.execution_options(synchronize_session=False))
    return rows_changed(changed)


def want_sending(session: Session, dataset_ids: Iterable[str], *, now: datetime, priority: int = FRESH) -> None:
    """Have the queued events of these datasets sent: one row of work for each dataset, so that they go together."""
    names = sorted(set(dataset_ids))
    if not names:
        return
    _ADD_DATASET.run(
        session, [{"dataset_id": name, "configured": False, "position": 0, "created_at": now} for name in names]
    )
    ids = dict(session.execute(select(Dataset.dataset_id, Dataset.id).where(Dataset.dataset_id.in_(names))).all())
    for name in names:
        add_work(session, SEND, [ids[name]], dataset_lane(name), now=now, priority=priority, again=True)


# --- sending -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Event:
    """One event in hand. `tries` counts this one, so that nobody takes one try's end for another's; `sent_at` is when it was
    first tried; `created_at`, when it was decided, is what freshness is measured from."""

    id: int
    route: Route
    payload: dict[str, Any] = field(repr=False)
    tries: int
    sent_at: datetime
    created_at: datetime


# Written out: SQLite uses an index on a part of the table for those who say the same words, PostgreSQL for a constant.
_OPEN = text("conversion.state IN ('queued', 'sending', 'held', 'unknown')")
# No equation, and in the order of that index: PostgreSQL would read the whole history by its ids, hoping for one soon.
_QUEUED = _conversion.c.state.between("queued", "queued")


def _build_next(dialect: str) -> Any:
    due = (
        select(_conversion.c.id, _conversion.c.deadline_at)
        .where(
            _OPEN,
            _conversion.c.dataset_id == bindparam("of_dataset"),
            _QUEUED,
            _conversion.c.is_test.is_(False),
        )
        .order_by(_conversion.c.state, _conversion.c.id)
        .limit(bindparam("most", type_=Integer))
    )
    return due.with_for_update(skip_locked=True) if dialect == "postgresql" else due


_EVENT_COLUMNS = [_conversion.c[name] for name in ("id", "route", "payload", "tries", "sent_at", "created_at")]
_NEXT = Prepared(lambda _insert, dialect: _build_next(dialect))
_TAKE = Prepared(
    lambda _insert, _dialect: (
        update(_conversion)
        .where(_conversion.c.id.in_(bindparam("these", expanding=True)))
        .values(
            state="sending",
            tries=_conversion.c.tries + 1,
            sent_at=func.coalesce(_conversion.c.sent_at, bindparam("at", type_=_conversion.c.sent_at.type)),
            code=None,
            message=None,
            action=None,
        )
        .returning(*_EVENT_COLUMNS)
    )
)


def take_events(session: Session, dataset_id: str, *, most: int, now: datetime) -> list[Event]:
    """Up to `most` queued events, oldest first, marked as being sent. Those past their deadline are marked expired instead."""
    while True:
        rows = _NEXT.run(session, {"of_dataset": dataset_id, "most": most}).all()
        in_time = [row.id for row in rows if row.deadline_at > now]
        if len(in_time) < len(rows):
            _expire(session, Conversion.id.in_([row.id for row in rows]), now=now)
        if in_time or not rows:
            break
    if not in_time:
        return []
    taken = [Event(*row) for row in _TAKE.run(session, {"these": in_time, "at": now})]
    return sorted(taken, key=lambda event: event.id)


EXPIRED = (
    "event_too_old",
    "It could not be sent before it was too old for Meta.",
    "Nothing can be done; its time must not be changed. Find out why it took so long.",
)


def expire(session: Session, *, now: datetime) -> int:
    """Mark what can no longer arrive in time; returns how many. Nothing is re-dated and nothing tried for ever."""
    return _expire(session, _OPEN, now=now)


def _expire(session: Session, chosen: ColumnElement[bool] | TextClause, *, now: datetime) -> int:
    code, message, action = EXPIRED
    change = (
        update(Conversion)
        .where(chosen, Conversion.state.in_(("queued", "held")), Conversion.deadline_at <= now)
        .values(state="expired", code=code, message=message, action=action, settled_at=now)
    )
    changed = session.execute(change.execution_options(synchronize_session=False))
    return rows_changed(changed)


def list_left_behind(session: Session, dataset_id: str) -> list[Event]:
    """What is marked as being sent. For whoever begins to send this dataset: the hands of one that died or was frozen."""
    query = select(*_EVENT_COLUMNS).where(
        _OPEN,
        _conversion.c.dataset_id == dataset_id,
        _conversion.c.state == "sending",
        _conversion.c.is_test.is_(False),
    )
    return [Event(*row) for row in session.execute(query.order_by(_conversion.c.id))]


GIVEN_UP = "worker_died"  # the code of what was found in the hands of a worker that had lost its work


def settle_events(
    session: Session,
    events: Iterable[Event],
    state: str,
    *,
    now: datetime,
    reason: tuple[str, str, str] | None = None,
    answer: Mapping[str, Any] | None = None,
    fbtrace_id: str | None = None,
) -> None:
    """Note what became of events that were being sent.

    Somebody else may have settled them meanwhile: a worker that was frozen for longer than its lease finds its events given
    up as unknown, or queued again. What Meta has taken is accepted, whatever stands there by now; what it surely has not is
    no longer unknown, if it was given up in that same try. All else is left as it stands.
    """
    code, message, action = reason or (None, None, None)
    change = update(Conversion).values(
        state=state,
        code=code,
        message=message,
        action=action,
        answer=None if answer is None else dict(answer),
        fbtrace_id=fbtrace_id,
        settled_at=None if state == "queued" else now,
    )
    by_tries: dict[int, list[int]] = {}
    for event in events:
        by_tries.setdefault(event.tries, []).append(event.id)
    for tries, ids in by_tries.items():
        mine = change.where(Conversion.id.in_(ids), _may_settle(state, tries))
        session.execute(mine.execution_options(synchronize_session=False))


def _may_settle(state: str, tries: int) -> ColumnElement[bool]:
    if state == "accepted":
        return Conversion.state != "accepted"
    mine: ColumnElement[bool] = Conversion.state == "sending"
    if state != "unknown":
        mine = or_(mine, and_(Conversion.state == "unknown", Conversion.code == GIVEN_UP))
    return and_(mine, Conversion.tries == tries)


def count_queued(session: Session, dataset_id: str, *, most: int) -> int:
    """How many events wait to be sent; counted up to `most`."""
    query = (
        select(_conversion.c.id)
        .where(_OPEN, _conversion.c.dataset_id == dataset_id, _QUEUED, _conversion.c.is_test.is_(False))
        .order_by(_conversion.c.state, _conversion.c.id)
    )
    return int(session.scalar(select(func.count()).select_from(query.limit(most).subquery())) or 0)
