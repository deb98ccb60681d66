"""What is held, and what is parked for a person."""

from sqlalchemy.orm import Session

from leadloop.cli.checkups.findings import Finding
from store.figures import OTHER, read_names
from store.lanes import list_lanes
from store.models import Lane
from store.work import count_work


def check_lanes(session: Session, only: frozenset[str] | None = None) -> list[Finding]:
    """Every lane that is held; `only` these, where it is given."""
    names = read_names(session)
    held = [(lane, rows) for lane, rows in list_lanes(session) if lane.hold and (only is None or lane.name in only)]
    if not held:
        return [Finding("ok", "lanes", "held", "Nothing is held.")] if only is None else []
    return [_held(names.lane(lane.name), lane, rows) for lane, rows in held]


def check_parked(session: Session) -> list[Finding]:
    """Rows that no try will help before a person acts."""
    parked = sum(rows for _kind, state, rows in count_work(session) if state in ("parked", "failed"))
    if not parked:
        return [Finding("ok", "parked", "parked", "Nothing waits for a person.")]
    why = "1 row waits for a person." if parked == 1 else f"{parked:,} rows wait for a person."
    return [Finding("error", "parked", "parked", why, "leadloop work list --parked tells each with its mend.")]


def _held(called: str, lane: Lane, rows: int) -> Finding:
    name = lane.name if called.endswith(f":{OTHER}") else called
    waits = "1 row waits" if rows == 1 else f"{rows:,} rows wait"
    why = f"Held since {lane.since:%Y-%m-%d %H:%M} UTC, {waits}: {lane.message or lane.code or 'the log says why.'}"
    return Finding("error", lane.code or "held", name, why, lane.action or "")
