"""Work rows: add, claim, settle, give back, park and wake. Whoever causes work adds the row in the same transaction.

A row is claimed by one UPDATE that pushes `due_at` to the end of a lease, so two workers cannot both win and what a dead
worker held falls due by itself. Rows stand in queues named "<priority>:<lane>"; finding the queues that are due costs two
index probes each however long they are, so a lane with a backlog of 100,000 rows does not slow the others down.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from sqlalchemy import ColumnElement, Integer, and_, bindparam, case, delete, func, literal, or_, select, text, update
from sqlalchemy.orm import Session

from leadloop.errors import Verdict
from store.models import Work
from store.sql import MakeInsert, Prepared, insert_new, rows_changed, table_of

FRESH, LATER, BACKFILL = 0, 1, 2  # priorities: fresh leads go before retries, retries before backfill
MAYBE_CALLED = 1  # what is left of `lost` once the row came back: its call may have gone out, long ago
TRIED_BEFORE = 2  # attempts of a row that was tried in an outage, however often


@dataclass(frozen=True, eq=False)
class WorkItem:
    """A claimed row; the same row claimed twice is two items. `lost` > 0: an earlier worker died with it in hand, so its
    call may have gone out. `outage`: it failed while its lane seemed ill, and the lane has not worked since.
    `again`: it was wanted anew while a worker had it, and is in hand for that now."""

    id: int
    kind: str
    subject_id: int
    lane: str
    queue: str
    attempts: int
    lost: int
    added_at: datetime
    outage: bool
    again: bool
    holder: str

    @property
    def priority(self) -> int:
        return priority_of(self.queue)


def queue_name(priority: int, lane: str) -> str:
    return f"{priority}:{lane}"


def lane_of(queue: str) -> str:
    return queue.partition(":")[2]


def priority_of(queue: str) -> int:
    return int(queue[0])


def _build_add(insert: MakeInsert, *, again: bool) -> Any:
    statement = insert(_TABLE)
    fresh = {name: statement.excluded[name] for name in ("lane", "queue", "due_at", "added_at")}
    fresh |= {"state": "open", "attempts": 0, "outage": False, "lost": _LOST_AFRESH}
    free = _TABLE.c.holder.is_(None)
    if not again:
        return statement.on_conflict_do_update(index_elements=["kind", "subject_id"], set_=fresh, where=free)
    kept = {name: case((free, value), else_=_TABLE.c[name]) for name, value in fresh.items()}
    wanted = {"again": case((free, _TABLE.c.again), else_=True), "added_at": fresh["added_at"]}
    return statement.on_conflict_do_update(index_elements=["kind", "subject_id"], set_=kept | wanted)


_TABLE = table_of(Work)
_LOST_AFRESH = case((_TABLE.c.lost > MAYBE_CALLED, MAYBE_CALLED), else_=_TABLE.c.lost)
_ADD = Prepared(lambda insert, _dialect: _build_add(insert, again=False))
_ADD_AGAIN = Prepared(lambda insert, _dialect: _build_add(insert, again=True))


def add_work(
    session: Session,
    kind: str,
    subject_ids: list[int],
    lane: str,
    *,
    now: datetime,
    priority: int = FRESH,
    due_at: datetime | None = None,
    again: bool = False,
) -> None:
    """Add one row for each subject. A row that is there already is woken instead, unless a worker has it in hand: with
    `again` it is then opened anew when that worker is done with it, whatever came of it.
    """
    taking: Taker | None = session.info.get(TAKING)
    if taking is not None and priority == FRESH and due_at is None and not again:
        subject_ids = taking.take(session, kind, subject_ids, lane, now=now)
    if not subject_ids:
        return
    statement = _ADD_AGAIN if again else _ADD
    statement.later(session, *_new_rows(kind, subject_ids, lane, now=now, priority=priority, due_at=due_at))


def _new_rows(
    kind: str,
    subject_ids: list[int],
    lane: str,
    *,
    now: datetime,
    priority: int = FRESH,
    due_at: datetime | None = None,
) -> list[dict[str, Any]]:
    row = {
        "kind": kind,
        "lane": lane,
        "queue": queue_name(priority, lane),
        "state": "open",
        "attempts": 0,
        "lost": 0,
        "outage": False,
        "due_at": due_at or now,
        "added_at": now,
    }
    return [row | {"subject_id": subject_id} for subject_id in subject_ids]


TAKING = "taking"  # in Session.info, a Taker: while an effect of a drain that has room is written


class Taker(Protocol):
    """Who takes fresh rows in the transaction that adds them: store/taking.py."""

    def take(self, session: Session, kind: str, subject_ids: list[int], lane: str, *, now: datetime) -> list[int]:
        """The subjects that were not taken."""


def add_claimed(
    session: Session, kind: str, subject_id: int, lane: str, *, holder: str, now: datetime, lease_s: float
) -> WorkItem | None:
    """Add a fresh row that `holder` has in hand from the start. None when there is a row already."""
    (row,) = _new_rows(kind, [subject_id], lane, now=now)
    claimed = row | {"attempts": 1, "holder": holder, "due_at": now + timedelta(seconds=lease_s)}
    added = _ADD_CLAIMED.run(session, [claimed]).first()
    return None if added is None else _item(added, holder)


_DUE_QUEUES = text(
    """
    WITH RECURSIVE found(queue) AS (
      SELECT min(queue) FROM work WHERE state = 'open'
      UNION ALL
      SELECT (SELECT min(queue) FROM work WHERE state = 'open' AND queue > found.queue) FROM found WHERE found.queue IS NOT NULL
    )
    SELECT queue, (SELECT min(due_at) FROM work WHERE state = 'open' AND work.queue = found.queue) AS due_at
    FROM found WHERE queue IS NOT NULL
    """
).columns(queue=Work.queue.type, due_at=Work.due_at.type)
_READ_QUEUES = Prepared(lambda _insert, _dialect: _DUE_QUEUES)


def read_queues(session: Session) -> list[tuple[str, datetime]]:
    """Every queue with open rows and the time its first row falls due, highest priority first."""
    return [(queue, due_at) for queue, due_at in _READ_QUEUES.run(session)]


# Written out, since an index on a part of the table serves only who names that part with a constant.
_OPEN = text("work.state = 'open'")


def _build_claim(dialect: str, *, newest: bool) -> Any:
    due = (
        select(_TABLE.c.id)
        .where(_OPEN, _TABLE.c.queue == bindparam("from_queue"), _TABLE.c.due_at <= bindparam("now", type_=_TIME))
        .order_by(_TABLE.c.due_at.desc() if newest else _TABLE.c.due_at)
        .limit(bindparam("most", type_=Integer))
    )
    if dialect == "postgresql":
        due = due.with_for_update(skip_locked=True)
    return (
        update(_TABLE)
        .where(_TABLE.c.id.in_(due))
        .values(
            attempts=_TABLE.c.attempts + 1,
            lost=_TABLE.c.lost + case((_TABLE.c.holder.is_(None), 0), else_=1),
            holder=bindparam("new_holder"),
            due_at=bindparam("lease_end", type_=_TIME),
        )
        .returning(*(_TABLE.c[name] for name in _ITEM_COLUMNS))
    )


_TIME = _TABLE.c.due_at.type
_ITEM_COLUMNS = ("id", "kind", "subject_id", "lane", "queue", "attempts", "lost", "added_at", "outage", "again")
_CLAIM = Prepared(lambda _insert, dialect: _build_claim(dialect, newest=False))
_CLAIM_NEWEST = Prepared(lambda _insert, dialect: _build_claim(dialect, newest=True))
_ADD_CLAIMED = insert_new(Work, ["kind", "subject_id"], *_ITEM_COLUMNS)


def claim(
    session: Session,
    room: Mapping[str, int],
    *,
    holder: str,
    now: datetime,
    lease_s: float,
    newest: Collection[str] = (),
) -> list[WorkItem]:
    """Take due rows: at most `room[queue]` of each queue named. Counts the attempt, starts the lease.

    Of a queue among `newest` those that fell due last come first.
    """
    taken: list[WorkItem] = []
    for queue, most in room.items():
        statement = _CLAIM_NEWEST if queue in newest else _CLAIM
        rows = statement.run(
            session,
            {
                "from_queue": queue,
                "now": now,
                "most": most,
                "new_holder": holder,
                "lease_end": now + timedelta(seconds=lease_s),
            },
        )
        taken += [_item(row, holder) for row in rows]
    return taken


def _item(row: Any, holder: str) -> WorkItem:
    work_id, kind, subject_id, lane, queue, attempts, lost, added_at, outage, again = row
    return WorkItem(work_id, kind, subject_id, lane, queue, attempts, lost, added_at, outage, again, holder)


def settle(session: Session, item: WorkItem, verdict: Verdict, *, now: datetime) -> bool:
    """Write down what became of a claimed row. False when the lease was lost meanwhile: then nothing changes."""
    mine = {"item_id": item.id, "by": item.holder, "tries": item.attempts}
    if verdict.state == "done":
        done = bool(_DONE.run(session, mine).rowcount)
        return bool(_OPEN_AGAIN.run(session, mine | {"left_lost": 0}).rowcount) or done
    if _OPEN_AGAIN.run(session, mine | {"left_lost": min(item.lost, MAYBE_CALLED)}).rowcount:
        return True
    changes = {
        "new_state": verdict.state,
        "new_due_at": verdict.due_at or now,
        "new_queue": queue_name(max(item.priority, LATER), item.lane) if verdict.counts else item.queue,
        "new_attempts": item.attempts if verdict.counts else item.attempts - 1,
        "new_lost": min(item.lost, MAYBE_CALLED),
        "new_outage": verdict.outage,
        "new_code": verdict.code,
        "new_message": verdict.message,
        "new_action": verdict.action,
    }
    return bool(_NOT_DONE.run(session, mine | changes).rowcount)


def settle_done(session: Session, items: list[WorkItem]) -> None:
    """Settle as done, at the end of the transaction; a row whose lease was lost is left alone."""
    mine = [{"item_id": item.id, "by": item.holder, "tries": item.attempts} for item in items]
    _DONE.later(session, *mine)
    _OPEN_AGAIN.later(session, *(one | {"left_lost": 0} for one in mine))


_MINE = and_(
    _TABLE.c.id == bindparam("item_id"),
    _TABLE.c.holder == bindparam("by"),
    _TABLE.c.attempts == bindparam("tries"),
)
_DONE = Prepared(lambda _insert, _dialect: delete(_TABLE).where(_MINE, _TABLE.c.again.is_(False)))
# Due since it was wanted again. `again` stays until somebody begins with it (begin_again). Workers that died before are no
# longer held against a row that was done: one that is always wanted anew would be given up for them in the end.
_OPEN_AGAIN = Prepared(
    lambda _insert, _dialect: (
        update(_TABLE)
        .where(_MINE, _TABLE.c.again.is_(True))
        .values(
            state="open",
            holder=None,
            due_at=_TABLE.c.added_at,
            attempts=0,
            outage=False,
            lost=bindparam("left_lost"),
        )
    )
)
_NOT_DONE = Prepared(
    lambda _insert, _dialect: (
        update(_TABLE)
        .where(_MINE)
        .values(
            state=bindparam("new_state"),
            holder=None,
            due_at=bindparam("new_due_at", type_=_TIME),
            queue=bindparam("new_queue"),
            attempts=bindparam("new_attempts"),
            lost=bindparam("new_lost"),
            outage=bindparam("new_outage"),
            code=bindparam("new_code"),
            message=bindparam("new_message"),
            action=bindparam("new_action"),
        )
    )
)


def begin_again(session: Session, item: WorkItem) -> None:
    """What was wanted anew is begun: from now on it may be wanted anew once more."""
    mine = {"item_id": item.id, "by": item.holder, "tries": item.attempts}
    _BEGIN_AGAIN.run(session, mine)


_BEGIN_AGAIN = Prepared(lambda _insert, _dialect: update(_TABLE).where(_MINE).values(again=False))


def is_held(session: Session, item: WorkItem) -> bool:
    """Whether the row is still this worker's: not once its lease ended and another one took it."""
    mine = {"item_id": item.id, "by": item.holder, "tries": item.attempts}
    return bool(_HELD.run(session, mine).all())


_HELD = Prepared(lambda _insert, _dialect: select(_TABLE.c.id).where(_MINE))


def renew(session: Session, items: list[WorkItem], *, until: datetime) -> None:
    """Push the end of the leases of rows that are still being worked on."""
    _RENEW.run(
        session,
        [{"item_id": item.id, "by": item.holder, "tries": item.attempts, "lease_end": until} for item in items],
    )


_RENEW = Prepared(
    lambda _insert, _dialect: update(_TABLE).where(_MINE).values(due_at=bindparam("lease_end", type_=_TIME))
)


def give_back(session: Session, items: list[WorkItem], *, now: datetime) -> None:
    """Return claimed rows that were not begun, as if they had not been claimed."""
    for item in items:
        session.execute(
            update(Work)
            .where(Work.id == item.id, Work.holder == item.holder, Work.attempts == item.attempts)
            .values(holder=None, due_at=now, attempts=item.attempts - 1)
            .execution_options(synchronize_session=False)
        )


def wake(
    session: Session,
    *,
    now: datetime,
    work_ids: list[int] | None = None,
    lane: str | None = None,
) -> int:
    """Make rows due now and open, with their tries counted afresh; returns how many.

    `work_ids` picks rows, `lane` all of a lane; neither: all that are parked or failed.
    """
    chosen: list[ColumnElement[bool]] = [Work.holder.is_(None)]
    values = {
        "state": "open",
        "due_at": now,
        "outage": False,
        "attempts": 0,
        "lost": _LOST_AFRESH,
        "added_at": now,
    }
    if work_ids is not None:
        chosen.append(Work.id.in_(work_ids))
    if lane is not None:
        chosen.append(Work.lane == lane)
    if work_ids is None and lane is None:
        chosen.append(Work.state.in_(("parked", "failed")))
    changed = session.execute(update(Work).where(*chosen).values(values).execution_options(synchronize_session=False))
    return rows_changed(changed)


def wake_after_outage(session: Session, lane: str, *, by: datetime) -> int:
    """Make rows that wait because their lane seemed ill due `by` then, if not earlier; returns how many.

    Tries in an outage say nothing about the row: one that fails again does not wait for hours on their account.
    """
    changed = session.execute(
        update(Work)
        .where(Work.lane == lane, Work.state == "open", Work.outage.is_(True), Work.holder.is_(None))
        .values(
            due_at=case((Work.due_at > by, by), else_=Work.due_at),
            attempts=case((Work.attempts > TRIED_BEFORE, TRIED_BEFORE), else_=Work.attempts),
            outage=False,
        )
        .execution_options(synchronize_session=False)
    )
    return rows_changed(changed)


def keep_probing(session: Session, lane: str, *, by: datetime) -> None:
    """Have one of the rows that wait because their lane seems ill due `by` then, unless some row of the lane is: with
    each of them at its own back-off, nobody would notice for hours that the outage is over."""
    queues = [queue_name(priority, lane) for priority in (FRESH, LATER, BACKFILL)]
    next_due = [
        session.scalar(select(func.min(Work.due_at)).where(_OPEN, Work.queue == queue, Work.due_at <= by))
        for queue in queues
    ]
    if any(next_due):
        return
    for queue in queues:
        first = (
            select(Work.id)
            .where(_OPEN, Work.queue == queue, Work.outage.is_(True), Work.holder.is_(None))
            .order_by(Work.due_at)
            .limit(1)
        )
        probe = update(Work).where(Work.id == first.scalar_subquery()).values(due_at=by)
        if rows_changed(session.execute(probe.execution_options(synchronize_session=False))):
            return


def list_work(session: Session, *, parked: bool = False, limit: int = 200, after_id: int = 0) -> list[Work]:
    """Rows by id; `parked` picks those that wait for a person (parked or failed)."""
    query = select(Work).where(Work.id > after_id).order_by(Work.id).limit(limit)
    if parked:
        query = query.where(or_(Work.state == "parked", Work.state == "failed"))
    return list(session.scalars(query))


def count_work(session: Session) -> list[tuple[str, str, int]]:
    """(kind, state, rows) for every kind and state there is."""
    query = select(Work.kind, Work.state, func.count(literal(1))).group_by(Work.kind, Work.state)
    return [(kind, state, count) for kind, state, count in session.execute(query)]


def drop_parked(session: Session, work_id: int) -> Work | None:
    """Take away a row that waits for a person, and return what it was. None when it does not (any more)."""
    row = session.get(Work, work_id, with_for_update=True)
    if row is None or row.holder is not None or row.state not in ("parked", "failed"):
        return None
    session.delete(row)
    session.flush()
    return row
