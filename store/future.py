"""Times that lie further ahead than anybody can have meant: what a clock that ran ahead leaves behind once it is set right.

A row that was added while the clock was two hours ahead would stand still for two hours.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, TextClause, and_, case, or_, select, text, update
from sqlalchemy.orm import Session

from store.models import Lane, Work
from store.sql import Prepared, rows_changed
from store.work import FRESH, priority_of

AHEAD_S = 10.0  # clocks of several machines may differ by so much
JITTER = 1.25  # back-off is spread by so much
Condition = ColumnElement[bool] | TextClause


@dataclass(frozen=True)
class Longest:
    """The longest that each thing may wait, in seconds. `rest_s`: a lane that was asked to; `outage_s`: one that is ill."""

    lease_s: float
    retry_s: float
    hold_s: float
    rest_s: float
    outage_s: float


@dataclass(frozen=True)
class Impossible:
    """What stands still by mistake: queues with such rows, and lanes."""

    queues: tuple[str, ...] = ()
    lanes: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.queues or self.lanes)


# As in read_queues: two index probes for each queue, however long it is.
_LAST_DUE = text(
    """
    WITH RECURSIVE found(queue) AS (
      SELECT min(queue) FROM work WHERE state = 'open'
      UNION ALL
      SELECT (SELECT min(queue) FROM work WHERE state = 'open' AND queue > found.queue) FROM found WHERE found.queue IS NOT NULL
    )
    SELECT queue, (SELECT max(due_at) FROM work WHERE state = 'open' AND work.queue = found.queue) AS due_at
    FROM found WHERE queue IS NOT NULL
    """
).columns(queue=Work.queue.type, due_at=Work.due_at.type)
_READ_LAST_DUE = Prepared(lambda _insert, _dialect: _LAST_DUE)
_OPEN = text("work.state = 'open'")


def find_impossible(session: Session, longest: Longest, *, now: datetime) -> Impossible:
    """Cheap enough to ask now and then: only where the last row of a queue is suspicious is the queue looked into."""
    queues = []
    for queue, due_at in _READ_LAST_DUE.run(session):
        fresh = priority_of(queue) == FRESH
        if due_at > _after(now, 0 if fresh else longest.retry_s * JITTER):
            wanted = _rows(queue, longest, now=now, fresh=fresh)
            if session.scalar(select(Work.id).where(*wanted).limit(1)) is not None:
                queues.append(queue)
    lanes = [lane.name for lane in session.scalars(select(Lane)) if lane.rest_until > _after(now, _most(lane, longest))]
    return Impossible(tuple(queues), tuple(lanes))


def pull_in(session: Session, found: Impossible, longest: Longest, *, now: datetime) -> int:
    """Have what stands still by mistake fall due: rows now, rows in hand after one lease. How many rows."""
    rows = 0
    for queue in found.queues:
        wanted = _rows(queue, longest, now=now, fresh=priority_of(queue) == FRESH)
        rows += _fall_due(session, *wanted, lease_s=longest.lease_s, now=now)
    if found.lanes:
        _end_rests(session, Lane.name.in_(found.lanes), now=now)
    return rows


def pull_in_all(session: Session, *, lease_s: float, now: datetime) -> int:
    """After the clock was seen to be set back: nobody can tell what was noted before and what after, so that all that
    waits is tried once, and every lane. How many rows."""
    _end_rests(session, Lane.rest_until > now, now=now)
    lease_end = now + timedelta(seconds=lease_s)
    waits = or_(and_(Work.holder.is_(None), Work.due_at > now), Work.due_at > lease_end)
    return _fall_due(session, _OPEN, waits, lease_s=lease_s, now=now)


def _rows(queue: str, longest: Longest, *, now: datetime, fresh: bool) -> list[Condition]:
    anything = Work.due_at > _after(now, longest.retry_s * JITTER)
    if not fresh:
        return [_OPEN, Work.queue == queue, anything]
    untried = and_(Work.holder.is_(None), Work.attempts == 0, Work.code.is_(None))
    in_hand = and_(Work.holder.is_not(None), Work.due_at > _after(now, longest.lease_s))
    return [_OPEN, Work.queue == queue, Work.due_at > _after(now, 0), or_(anything, untried, in_hand)]


def _fall_due(session: Session, *wanted: Condition, lease_s: float, now: datetime) -> int:
    due_at = case((Work.holder.is_(None), now), else_=now + timedelta(seconds=lease_s))
    change = update(Work).where(*wanted).values(due_at=due_at)
    done = session.execute(change.execution_options(synchronize_session=False))
    return rows_changed(done)


def _end_rests(session: Session, which: ColumnElement[bool], *, now: datetime) -> None:
    change = update(Lane).where(which).values(rest_until=now)
    session.execute(change.execution_options(synchronize_session=False))


def _most(lane: Lane, longest: Longest) -> float:
    if lane.hold:
        return longest.hold_s
    return longest.outage_s if lane.failed else longest.rest_s


def _after(now: datetime, seconds: float) -> datetime:
    return now + timedelta(seconds=seconds + AHEAD_S)
