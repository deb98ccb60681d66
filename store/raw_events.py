"""Raw events: one row for each signed POST, identical bytes once."""

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Dialect, Integer, bindparam, func, select, update
from sqlalchemy.orm import Session

from store.models import RawEvent
from store.sql import Prepared, table_of
from store.work import FRESH, queue_name

EVENT_LANE = "events"


@dataclass(frozen=True)
class ReceivedEvent:
    """A signed notice as it came in. `object` is Meta's word for what it is about, None when it cannot be read."""

    source: str
    object: str | None
    body: bytes = field(repr=False)
    headers: dict[str, str] = field(repr=False)
    received_at: datetime

    @property
    def body_sha256(self) -> str:
        return hashlib.sha256(self.body).hexdigest()


def add_raw_events(session: Session, events: list[ReceivedEvent]) -> list[int | None]:
    """Keep events that arrived together, and add the work of reading them. The row's id of each that is new, else None.

    The very same bytes again are the same row (its `repeats` counts them) and no new work.
    """
    connection: Connection = session.info.get("connection") or session.connection()
    keys = [(event.source, event.body_sha256) for event in events]
    first = dict(zip(reversed(keys), reversed(events), strict=True))
    rows = [_row(key, first[key], connection.dialect) for key in sorted(first)]
    new = (
        _add_on_sqlite(connection, rows) if connection.dialect.name == "sqlite" else _add_on_postgres(connection, rows)
    )
    fresh = [new.pop(key, None) for key in keys]
    repeats = Counter(key for key, event_id in zip(keys, fresh, strict=True) if event_id is None)
    if repeats:
        counted = [{"of_source": key[0], "of_sha256": key[1], "more": more} for key, more in sorted(repeats.items())]
        _COUNT_REPEATS.run(session, counted)
    return fresh


def _row(key: tuple[str, str], event: ReceivedEvent, dialect: Dialect) -> tuple[Any, ...]:
    to_time, to_json = _bind("received_at", dialect), _bind("headers", dialect)
    return (*key, event.object, event.body, len(event.body), to_json(event.headers), to_time(event.received_at))


@lru_cache
def _bind(column: str, dialect: Dialect) -> Callable[[Any], Any]:
    """What SQLAlchemy does to a value of this column on its way to the driver."""
    found = _TABLE.c[column].type.dialect_impl(dialect).bind_processor(dialect)
    return found if found is not None else lambda value: value


def mark_read(session: Session, event_id: int, *, verdict: str, reason: str | None, now: datetime) -> None:
    """Note what became of an event: read, kept, partly or unreadable, with the reason in plain words."""
    _MARK_READ.later(session, {"event_id": event_id, "new_verdict": verdict, "new_reason": reason, "new_read_at": now})


_TABLE = table_of(RawEvent)
# Written out for each driver: every notice pays for these, and through SQLAlchemy's Core each costs several times as much.
_COLUMNS = "source, body_sha256, object, body, size, headers, received_at"
_WORK_COLUMNS = "kind, subject_id, lane, queue, state, attempts, lost, outage, due_at, added_at"
_WORK_VALUES = (
    f"'event', id, '{EVENT_LANE}', '{queue_name(FRESH, EVENT_LANE)}', 'open', 0, 0, %s, received_at, received_at"
)
_SQLITE_EVENTS = (
    f"INSERT INTO raw_event ({_COLUMNS}, verdict, repeats) VALUES (?, ?, ?, ?, ?, ?, ?, 'new', 0)"  # noqa: S608  constants of ours only
    " ON CONFLICT (source, body_sha256) DO NOTHING"
)
_SQLITE_WORK = f"INSERT INTO work ({_WORK_COLUMNS}) SELECT {_WORK_VALUES % 0} FROM raw_event WHERE id > ?"  # noqa: S608  constants of ours only
_POSTGRES_ALL = f"""
    WITH new AS (
      INSERT INTO raw_event ({_COLUMNS}, verdict, repeats)
      SELECT *, 'new', 0 FROM unnest(%s::text[], %s::text[], %s::text[], %s::bytea[], %s::int[], %s::text[], %s::timestamptz[])
      ON CONFLICT (source, body_sha256) DO NOTHING RETURNING id, source, body_sha256, received_at
    ), reading AS (
      INSERT INTO work ({_WORK_COLUMNS}) SELECT {_WORK_VALUES % "false"} FROM new ORDER BY id
    )
    SELECT id, source, body_sha256 FROM new
    """  # noqa: S608  constants of ours only


def _add_on_sqlite(connection: Connection, rows: list[tuple[Any, ...]]) -> dict[tuple[str, str], int]:
    """The only writer there is: what has a higher id than there was before is what we added."""
    before = connection.exec_driver_sql("SELECT coalesce(max(id), 0) FROM raw_event").scalar_one()
    connection.exec_driver_sql(_SQLITE_EVENTS, rows)
    connection.exec_driver_sql(_SQLITE_WORK, (before,))
    added = connection.exec_driver_sql("SELECT id, source, body_sha256 FROM raw_event WHERE id > ?", (before,))
    return {(source, digest): event_id for event_id, source, digest in added}


def _add_on_postgres(connection: Connection, rows: list[tuple[Any, ...]]) -> dict[tuple[str, str], int]:
    """One statement, so one round trip, for all of them and the work they cause."""
    added = connection.exec_driver_sql(_POSTGRES_ALL, tuple(list(column) for column in zip(*rows, strict=True)))
    return {(source, digest): event_id for event_id, source, digest in added}


_COUNT_REPEATS = Prepared(
    lambda _insert, _dialect: (
        update(_TABLE)
        .where(_TABLE.c.source == bindparam("of_source"), _TABLE.c.body_sha256 == bindparam("of_sha256"))
        .values(repeats=_TABLE.c.repeats + bindparam("more", type_=Integer))
    )
)
_MARK_READ = Prepared(
    lambda _insert, _dialect: (
        update(_TABLE)
        .where(_TABLE.c.id == bindparam("event_id"))
        .values(
            verdict=bindparam("new_verdict"),
            reason=bindparam("new_reason"),
            read_at=bindparam("new_read_at", type_=_TABLE.c.read_at.type),
        )
    )
)


def count_verdicts(session: Session, *, since: datetime | None = None) -> dict[str, int]:
    """How many events have each verdict."""
    query = select(RawEvent.verdict, func.count()).group_by(RawEvent.verdict)
    if since is not None:
        query = query.where(RawEvent.received_at >= since)
    return dict(session.execute(query).all())


def list_events(session: Session, *, verdicts: tuple[str, ...] | None, limit: int) -> list[Any]:
    """Events without their bodies, newest first: id, object, size, received_at, verdict, reason, repeats."""
    query = select(
        RawEvent.id,
        RawEvent.object,
        RawEvent.size,
        RawEvent.received_at,
        RawEvent.verdict,
        RawEvent.reason,
        RawEvent.repeats,
    )
    query = query.order_by(RawEvent.id.desc()).limit(limit)
    return list(session.execute(query.where(RawEvent.verdict.in_(verdicts)) if verdicts else query))


def newest_received_at(session: Session) -> datetime | None:
    """When the last notice came in (for "time since the last webhook")."""
    return session.scalar(select(func.max(RawEvent.received_at)))


def stored_within(session: Session, *, now: datetime, seconds: float) -> int:
    """Events received in the last `seconds`."""
    query = select(func.count()).where(RawEvent.received_at >= now - timedelta(seconds=seconds))
    return int(session.scalar(query) or 0)
