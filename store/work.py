"""Work rows: add, claim, settle, give back, park and wake. Whoever causes work adds the row in the same transaction.

A row is claimed by one UPDATE that pushes `due_at` to the end of a lease, so two workers cannot both win and what a dead
worker held falls due by itself. Rows stand in queues named "<priority>:<lane>"; finding the queues that are due costs two
index probes each however long they are, so a lane with a backlog of 100,000 rows does not slow the others down.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Select, and_, bindparam, case, delete, func, literal, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Session

from leadloop.errors import Verdict
from store.models import Work

FRESH, LATER, BACKFILL = 0, 1, 2  # priorities: fresh leads go before retries, retries before backfill


@dataclass(frozen=True)
class WorkItem:
    """A claimed row. `lost` > 0: an earlier worker died with it in hand, so its call may have gone out."""

    id: int
    kind: str
    subject_id: int
    lane: str
    queue: str
    attempts: int
    lost: int
    added_at: datetime
    holder: str

    @property
    def priority(self) -> int:
        return int(self.queue[0])


def queue_name(priority: int, lane: str) -> str:
    return f"{priority}:{lane}"


def lane_of(queue: str) -> str:
    return queue.partition(":")[2]


def add_work(
    session: Session,
    kind: str,
    subject_ids: list[int],
    lane: str,
    *,
    now: datetime,
    priority: int = FRESH,
    due_at: datetime | None = None,
) -> None:
    """Add one row for each subject. A row that is there already is woken instead, unless a worker has it in hand."""
    if not subject_ids:
        return
    insert = sqlite_insert if session.get_bind().dialect.name == "sqlite" else postgresql_insert
    statement = insert(Work)
    statement = statement.on_conflict_do_update(
        index_elements=["kind", "subject_id"],
        set_={
            "state": "open",
            "lane": statement.excluded.lane,
            "queue": statement.excluded.queue,
            "due_at": statement.excluded.due_at,
            "added_at": statement.excluded.added_at,
            "attempts": 0,
            "outage": False,
        },
        where=Work.holder.is_(None),
    )
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
    session.execute(statement, [row | {"subject_id": subject_id} for subject_id in subject_ids])


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


def read_queues(session: Session) -> list[tuple[str, datetime]]:
    """Every queue with open rows and the time its first row falls due, highest priority first."""
    return [(queue, due_at) for queue, due_at in session.execute(_DUE_QUEUES)]


# Written out, since an index on a part of the table serves only who names that part with a constant.
_OPEN = text("work.state = 'open'")


def _due(queue: object, now: object, most: object) -> Select[tuple[int]]:
    return (
        select(Work.id).where(_OPEN, Work.queue == queue, Work.due_at <= now).order_by(Work.due_at).limit(most)  # type: ignore[arg-type]
    )


_CLAIM_COLUMNS = (Work.id, Work.kind, Work.subject_id, Work.lane, Work.queue, Work.attempts, Work.lost, Work.added_at)
_QUEUE, _NOW, _MOST = bindparam("from_queue"), bindparam("now", type_=Work.due_at.type), bindparam("most")


def _claim_statement(*, skip_locked: bool) -> object:
    due = _due(_QUEUE, _NOW, _MOST)
    if skip_locked:
        due = due.with_for_update(skip_locked=True)
    return (
        update(Work.__table__)  # type: ignore[arg-type]
        .where(Work.id.in_(due))
        .values(
            attempts=Work.attempts + 1,
            lost=Work.lost + case((Work.holder.is_(None), 0), else_=1),
            holder=bindparam("new_holder"),
            due_at=bindparam("lease_end", type_=Work.due_at.type),
        )
        .returning(*_CLAIM_COLUMNS)
        .execution_options(synchronize_session=False)
    )


_CLAIM = {"sqlite": _claim_statement(skip_locked=False), "postgresql": _claim_statement(skip_locked=True)}


def claim(session: Session, room: Mapping[str, int], *, holder: str, now: datetime, lease_s: float) -> list[WorkItem]:
    """Take due rows: at most `room[queue]` of each queue named. Counts the attempt, starts the lease."""
    statement = _CLAIM[session.get_bind().dialect.name]
    taken: list[WorkItem] = []
    for queue, most in room.items():
        rows = session.execute(
            statement,  # type: ignore[call-overload]
            {
                "from_queue": queue,
                "now": now,
                "most": most,
                "new_holder": holder,
                "lease_end": now + timedelta(seconds=lease_s),
            },
        )
        taken += [WorkItem(*row, holder=holder) for row in rows]
    return taken


def settle(session: Session, item: WorkItem, verdict: Verdict, *, now: datetime) -> bool:
    """Write down what became of a claimed row. False when the lease was lost meanwhile: then nothing changes."""
    mine = and_(Work.id == item.id, Work.holder == item.holder, Work.attempts == item.attempts)
    if verdict.state == "done":
        done = session.execute(delete(Work).where(mine).execution_options(synchronize_session=False))
        return bool(done.rowcount)  # type: ignore[attr-defined]
    changed = session.execute(
        update(Work)
        .where(mine)
        .values(
            state=verdict.state,
            holder=None,
            due_at=verdict.due_at or now,
            queue=queue_name(max(item.priority, LATER), item.lane) if verdict.counts else item.queue,
            attempts=item.attempts if verdict.counts else item.attempts - 1,
            outage=verdict.outage,
            code=verdict.code,
            message=verdict.message,
            action=verdict.action,
        )
        .execution_options(synchronize_session=False)
    )
    return bool(changed.rowcount)  # type: ignore[attr-defined]


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
    outage_only: bool = False,
) -> int:
    """Make rows due now and open, with their tries counted afresh; returns how many.

    `work_ids` picks rows, `lane` all of a lane; neither: all that are parked or failed. `outage_only` picks rows that
    wait because the other side was ill, and leaves their count of attempts alone.
    """
    chosen = [Work.holder.is_(None)]
    values: dict[str, object] = {"state": "open", "due_at": now, "outage": False}
    if work_ids is not None:
        chosen.append(Work.id.in_(work_ids))
    if lane is not None:
        chosen.append(Work.lane == lane)
    if work_ids is None and lane is None:
        chosen.append(Work.state.in_(("parked", "failed")))
    if outage_only:
        chosen += [Work.state == "open", Work.outage.is_(True)]
    else:
        values |= {"attempts": 0, "added_at": now}
    changed = session.execute(update(Work).where(*chosen).values(values).execution_options(synchronize_session=False))
    return int(changed.rowcount)  # type: ignore[attr-defined]


def release_holders(session: Session, *, holders: list[str], now: datetime) -> int:
    """Make rows of workers that are known to be dead due at once, instead of at the end of their lease."""
    changed = session.execute(
        update(Work)
        .where(Work.holder.in_(holders), Work.state == "open")
        .values(due_at=now)
        .execution_options(synchronize_session=False)
    )
    return int(changed.rowcount)  # type: ignore[attr-defined]


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
