"""Conversions: what follows from outcomes, taken in batches by whoever sends them, and what Meta answered.

A row is marked as being sent before the request goes out, in a transaction of its own: whatever dies after that, nobody takes
it for unsent. The states: docs/conversions.md.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, func, or_, select, update
from sqlalchemy.orm import Session

from leadloop.conversions.funnel import Past
from leadloop.conversions.routes import Route
from store.conversion_models import Conversion, Dataset
from store.lanes import graph_lane
from store.sql import Prepared, insert_new, table_of
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


def read_past(session: Session, dataset_id: str, subject: Subject) -> list[Past]:
    """What was decided for the same lead or contact and dataset before. Test events were not."""
    mine = []
    if subject.lead_id is not None:
        mine.append(Conversion.lead_id == subject.lead_id)
    if subject.contact_id is not None:
        mine.append(Conversion.contact_id == subject.contact_id)
    query = select(
        Conversion.stage, Conversion.event_name, Conversion.state, Conversion.event_time, Conversion.order_id
    ).where(Conversion.dataset_id == dataset_id, Conversion.is_test.is_(False), or_(*mine))
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
    """One event in hand. `happened_at` is the outcome's time of arrival, from which freshness is measured."""

    id: int
    route: Route
    payload: dict[str, Any] = field(repr=False)
    tries: int
    sent_at: datetime
    created_at: datetime


def _build_take(dialect: str) -> Any:
    due = (
        select(_conversion.c.id)
        .where(
            _conversion.c.dataset_id == bindparam("of_dataset"),
            _conversion.c.state == bindparam("queued"),
            _conversion.c.is_test.is_(False),
        )
        .order_by(_conversion.c.id)
        .limit(bindparam("most"))
    )
    if dialect == "postgresql":
        due = due.with_for_update(skip_locked=True)
    return (
        update(_conversion)
        .where(_conversion.c.id.in_(due))
        .values(
            state="sending",
            tries=_conversion.c.tries + 1,
            sent_at=bindparam("at", type_=_conversion.c.sent_at.type),
            code=None,
            message=None,
            action=None,
        )
        .returning(
            *(
                _conversion.c[name]
                for name in ("id", "route", "payload", "tries", "sent_at", "created_at", "deadline_at")
            )
        )
    )


_TAKE = Prepared(lambda _insert, dialect: _build_take(dialect))


def take_events(session: Session, dataset_id: str, *, most: int, now: datetime) -> list[Event]:
    """Up to `most` queued events, oldest first, marked as being sent. Those past their deadline are marked expired instead."""
    expire(session, now=now, dataset_id=dataset_id)
    rows = _TAKE.run(session, {"of_dataset": dataset_id, "queued": "queued", "most": most, "at": now}).all()
    taken = [Event(row.id, row.route, row.payload, row.tries, row.sent_at, row.created_at) for row in rows]
    return sorted(taken, key=lambda event: event.id)


EXPIRED = (
    "event_too_old",
    "It could not be sent before it was too old for Meta.",
    "Nothing can be done; its time must not be changed. Find out why it took so long.",
)


def expire(session: Session, *, now: datetime, dataset_id: str | None = None) -> int:
    """Mark what can no longer arrive in time; returns how many. Nothing is re-dated and nothing tried for ever."""
    code, message, action = EXPIRED
    change = (
        update(Conversion)
        .where(Conversion.state.in_(("queued", "held")), Conversion.deadline_at <= now)
        .values(state="expired", code=code, message=message, action=action, settled_at=now)
    )
    if dataset_id is not None:
        change = change.where(Conversion.dataset_id == dataset_id)
    changed = session.execute(change.execution_options(synchronize_session=False))
    return int(changed.rowcount)  # type: ignore[attr-defined]  # a CursorResult: the statement is an UPDATE


def list_left_behind(session: Session, dataset_id: str) -> list[Event]:
    """What a worker had marked as being sent when it died: nobody else can have it, since a dataset has one row of work."""
    query = select(Conversion).where(
        Conversion.dataset_id == dataset_id, Conversion.state == "sending", Conversion.is_test.is_(False)
    )
    return [
        Event(row.id, row.route, row.payload or {}, row.tries, row.sent_at or row.created_at, row.created_at)  # type: ignore[arg-type]  # a Route, as it was kept
        for row in session.scalars(query)
    ]


def settle_events(
    session: Session,
    ids: Iterable[int],
    state: str,
    *,
    now: datetime,
    reason: tuple[str, str, str] | None = None,
    answer: Mapping[str, Any] | None = None,
    fbtrace_id: str | None = None,
) -> None:
    """Note what became of events that were being sent. One that somebody else settled meanwhile is left alone."""
    code, message, action = reason or (None, None, None)
    change = (
        update(Conversion)
        .where(Conversion.id.in_(list(ids)), Conversion.state == "sending")
        .values(
            state=state,
            code=code,
            message=message,
            action=action,
            answer=None if answer is None else dict(answer),
            fbtrace_id=fbtrace_id,
            settled_at=None if state == "queued" else now,
        )
    )
    session.execute(change.execution_options(synchronize_session=False))


def count_queued(session: Session, dataset_id: str, *, most: int) -> int:
    """How many events wait to be sent; counted up to `most`."""
    query = select(Conversion.id).where(
        Conversion.dataset_id == dataset_id, Conversion.state == "queued", Conversion.is_test.is_(False)
    )
    return int(session.scalar(select(func.count()).select_from(query.limit(most).subquery())) or 0)
