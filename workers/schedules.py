"""The table of periodic work. With Redis, RQ's CronScheduler in `leadloop clock` enqueues it; without, a thread runs it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from leadloop.errors import LeadloopError
from leadloop.logs import get_logger
from leadloop.ports import Services
from store.models import Schedule
from workers import quality, upkeep
from workers.holds import free_changed_lanes

log = get_logger(__name__)


@dataclass(frozen=True)
class Periodic:
    """Something done every `every_s` seconds, by one process at a time."""

    name: str
    every_s: int
    run: Callable[[Services], None]


SCHEDULES = (
    Periodic("free_changed_lanes", 10, free_changed_lanes),
    Periodic("join_waiting_outcomes", 60, upkeep.join_recent_outcomes),
    Periodic("join_older_outcomes", 3600, upkeep.join_older_outcomes),
    Periodic("expire_conversions", 300, upkeep.expire_conversions),
    Periodic("remove_kept_answers", 3600, upkeep.remove_kept_answers),
    Periodic("poll_quality", quality.EVERY_S, quality.want_quality),
    Periodic("forget_quality_points", 86_400, quality.forget_old_points),
)


def run_scheduled(name: str, services: Services) -> bool:
    """Run one schedule unless somebody else did within its period. True when it ran."""
    periodic = next(one for one in SCHEDULES if one.name == name)
    now = services.now()
    if not services.writer.write(lambda session: take_turn(session, periodic, now=now)):
        return False
    periodic.run(services)
    return True


def run_due(services: Services) -> list[str]:
    """Run what is due; returns the names. What fails is logged and has its turn again."""
    ran = []
    for periodic in SCHEDULES:
        try:
            if run_scheduled(periodic.name, services):
                ran.append(periodic.name)
        except (SQLAlchemyError, LeadloopError) as caught:
            log.warning("schedule_failed", schedule=periodic.name, error=type(caught).__name__)
    return ran


def take_turn(session: Session, periodic: Periodic, *, now: datetime) -> bool:
    """Whether it is this caller's turn; then the time is noted. Tolerates a tenth of the period of early calls."""
    last = session.scalar(select(Schedule.last_run_at).where(Schedule.name == periodic.name))
    if last is not None and timedelta(0) <= now - last < timedelta(seconds=periodic.every_s * 0.9):
        return False
    insert = sqlite_insert if session.get_bind().dialect.name == "sqlite" else postgresql_insert
    statement = insert(Schedule).values(name=periodic.name, last_run_at=now)
    statement = statement.on_conflict_do_update(
        index_elements=["name"], set_={"last_run_at": now}, where=Schedule.last_run_at == last
    )
    return bool(session.execute(statement.returning(Schedule.name)).all())
