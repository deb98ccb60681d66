"""Raw events: one row for each signed POST, identical bytes once."""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, false, func, literal_column, select, update
from sqlalchemy.orm import Session

from store.models import RawEvent, Work
from store.sql import MakeInsert, Prepared, insert_new, table_of
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


def add_raw_events(session: Session, events: list[ReceivedEvent]) -> list[bool]:
    """Keep events that arrived together, and add the work of reading them. True for each that is new.

    The very same bytes again are the same row (its `repeats` counts them) and no new work.
    """
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    keys: list[tuple[str, str]] = []
    for event in events:
        key = (event.source, event.body_sha256)
        keys.append(key)
        if key not in rows:
            rows[key] = {
                "source": event.source,
                "object": event.object,
                "body": event.body,
                "body_sha256": key[1],
                "size": len(event.body),
                "headers": event.headers,
                "received_at": event.received_at,
                "verdict": "new",
                "repeats": 0,
            }
    added = _ADD_EVENTS.run(session, [rows[key] for key in sorted(rows)]).all()
    new = {(source, digest): event_id for event_id, source, digest in added}
    if new:
        at = events[0].received_at
        _ADD_READING.run(session, [{"of_event": event_id, "at": at} for event_id in sorted(new.values())])
    fresh: list[bool] = []
    seen: set[tuple[str, str]] = set()
    for key in keys:
        fresh.append(key in new and key not in seen)
        if not fresh[-1]:
            _count_repeat(session, key)
        seen.add(key)
    return fresh


def _count_repeat(session: Session, key: tuple[str, str]) -> None:
    _COUNT_REPEAT.run(session, {"of_source": key[0], "of_sha256": key[1]})


def mark_read(session: Session, event_id: int, *, verdict: str, reason: str | None, now: datetime) -> None:
    """Note what became of an event: read, kept, partly or unreadable, with the reason in plain words."""
    _MARK_READ.later(session, {"event_id": event_id, "new_verdict": verdict, "new_reason": reason, "new_read_at": now})


_TABLE = table_of(RawEvent)
_ADD_EVENTS = insert_new(RawEvent, ["source", "body_sha256"], "id", "source", "body_sha256")


def _build_add_reading(insert: MakeInsert, _dialect: str) -> Any:
    """The work of reading an event: like add_work(), with what never differs written out, as every notice pays for it."""
    table = table_of(Work)
    at = bindparam("at", type_=table.c.due_at.type)
    return insert(table).values(
        kind=literal_column("'event'"),
        subject_id=bindparam("of_event"),
        lane=literal_column(f"'{EVENT_LANE}'"),
        queue=literal_column(f"'{queue_name(FRESH, EVENT_LANE)}'"),
        state=literal_column("'open'"),
        attempts=literal_column("0"),
        lost=literal_column("0"),
        outage=false(),
        due_at=at,
        added_at=at,
    )


_ADD_READING = Prepared(_build_add_reading)
_COUNT_REPEAT = Prepared(
    lambda _insert, _dialect: (
        update(_TABLE)
        .where(_TABLE.c.source == bindparam("of_source"), _TABLE.c.body_sha256 == bindparam("of_sha256"))
        .values(repeats=_TABLE.c.repeats + 1)
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
