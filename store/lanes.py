"""Lanes that rest: a Page at Graph, a connection, a notifier that asked for rest or cannot work until somebody acts.

Names: `graph` (the whole app), `graph:<page or dataset id>`, `crm:<connection id>`, `alert:<notifier id>:<target>` (one
address, so that a dead one does not silence its neighbours). A lane without a row is free. `graph` resting makes every
`graph:…` rest.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import case, delete, func, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Session

from store.models import Lane, Work
from store.sql import Prepared, rows_changed, table_of
from store.work import wake, wake_after_outage


@dataclass(frozen=True)
class Rest:
    """A lane that is to rest until `until`. `hold`: a person has to act; `fingerprint` of what failed (token, settings)."""

    lane: str
    until: datetime
    hold: bool = False
    code: str | None = None
    message: str | None = None
    action: str | None = None
    fingerprint: str | None = None
    failed: bool = True  # False: nothing went wrong, the other side only wants fewer calls
    rows: tuple[int, ...] = ()  # ids of the work rows that failed one after the other, when that is why it rests
    tell: tuple[
        tuple[int, str], ...
    ] = ()  # (notifier id, target) of who is to hear of it, should the lane be newly held


@dataclass(frozen=True)
class LaneState:
    """Whether a lane rests, is held, and how often in a row it failed."""

    name: str
    rest_until: datetime
    hold: bool
    failures: int


def graph_lane(object_id: str) -> str:
    """Of a Page, or of a dataset: Meta gives no two things the same id."""
    return f"graph:{object_id}"


def crm_lane(connection_id: int) -> str:
    return f"crm:{connection_id}"


def alert_lane(notifier_id: int, target: str) -> str:
    return f"alert:{notifier_id}:{target}"


def rest_lane(session: Session, rest: Rest, *, now: datetime) -> bool:
    """Let a lane rest; a longer rest wins. True when the lane was not held before and now is (tell somebody, once)."""
    insert = sqlite_insert if session.get_bind().dialect.name == "sqlite" else postgresql_insert
    statement = insert(Lane).values(
        name=rest.lane,
        rest_until=rest.until,
        since=now,
        hold=rest.hold,
        failures=len(rest.rows) or int(rest.failed),
        failed=list(rest.rows),
        fingerprint=rest.fingerprint,
        code=rest.code,
        message=rest.message,
        action=rest.action,
    )
    told = {name: statement.excluded[name] for name in ("hold", "fingerprint", "code", "message", "action")}
    keep_hold = Lane.hold.is_(True) & statement.excluded.hold.is_(False)
    statement = statement.on_conflict_do_update(
        index_elements=["name"],
        set_={
            "rest_until": func.max(Lane.rest_until, statement.excluded.rest_until)
            if session.get_bind().dialect.name == "sqlite"
            else func.greatest(Lane.rest_until, statement.excluded.rest_until),
            "failures": len(rest.rows) or Lane.failures + int(rest.failed),
            "failed": statement.excluded.failed,
            "since": case((Lane.hold.is_(True), Lane.since), else_=statement.excluded.since)
            if rest.hold
            else Lane.since,
            **told,
        },
        where=~keep_hold,
    )
    # Two processes may find a dead token at the same moment: whose time it is that the lane is held since tells it.
    since = session.scalar(statement.returning(Lane.since).execution_options(populate_existing=True))
    return rest.hold and since == now


def free_lane(session: Session, lane: str, *, now: datetime, wake_by: datetime | None = None) -> bool:
    """A lane works again: forget its rest, and try what waited because the other side was ill at once, or `wake_by`."""
    freed = session.execute(delete(Lane).where(Lane.name == lane).execution_options(synchronize_session=False))
    woken = wake_after_outage(session, lane, by=wake_by or now)
    return rows_changed(freed) > 0 or woken > 0


def free_changed(session: Session, lanes: Mapping[str, str], *, now: datetime) -> list[str]:
    """Free held lanes whose token or settings are no longer those that failed; returns their names.

    `lanes` maps a name → the fingerprint now; `alert:<notifier id>` stands for all addresses of that notifier.
    """
    held = session.scalars(select(Lane).where(Lane.hold.is_(True))).all()
    changed = []
    for lane in held:
        current = lanes.get(lane.name) or lanes.get(lane.name.rpartition(":")[0])
        if current is not None and current != lane.fingerprint:
            changed.append(lane.name)
    for name in changed:
        free_lane(session, name, now=now)
        wake(session, now=now, lane=name)
    return changed


def read_lanes(session: Session) -> list[LaneState]:
    """All lanes with a row: those that rest, and those whose rest is over but which have not worked since."""
    return [LaneState(*row) for row in _READ_LANES.run(session)]


_lane = table_of(Lane)
_READ_LANES = Prepared(
    lambda _insert, _dialect: select(_lane.c.name, _lane.c.rest_until, _lane.c.hold, _lane.c.failures)
)


def find_lane(session: Session, name: str) -> Lane | None:
    return session.scalar(select(Lane).where(Lane.name == name).execution_options(populate_existing=True))


def is_resting(lane: str, names: set[str]) -> bool:
    """Whether the lane, or all of its kind (`graph`), is among the names that rest."""
    return lane in names or lane.partition(":")[0] in names


def list_lanes(session: Session) -> list[tuple[Lane, int]]:
    """Every lane that rests or is held, with the number of open rows that wait for it."""
    waiting = select(Work.lane, func.count().label("rows")).where(Work.state == "open").group_by(Work.lane).subquery()
    query = (
        select(Lane, func.coalesce(waiting.c.rows, 0))
        .outerjoin(waiting, waiting.c.lane == Lane.name)
        .order_by(Lane.name)
    )
    return [(lane, int(rows)) for lane, rows in session.execute(query)]
