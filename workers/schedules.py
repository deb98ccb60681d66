"""The table of periodic work. With Redis, RQ's CronScheduler in `leadloop clock` asks for it; without, each process looks.
A thread of its own does it."""

import queue
import threading
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
LOOK_EVERY_S = 1.0


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


class Upkeep:
    """A thread that does periodic work: however long it takes, no drain, no ring and no lease waits for it.

    Every `every_s` seconds it does what is due; with None, only what it is asked for.
    """

    def __init__(self, services: Services, *, every_s: float | None = LOOK_EVERY_S) -> None:
        self._services = services
        self._every_s = every_s
        self._asked: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._loop, name="upkeep", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def ask(self, name: str) -> None:
        """Do this one as soon as there is time, unless somebody else did within its period."""
        self._asked.put(name)

    def stop(self) -> None:
        """Begin nothing more. What is under way may be left where it is: all of it can be done again."""
        self._asked.put(None)
        if self._thread.is_alive():
            self._thread.join(timeout=1)

    def _loop(self) -> None:
        while True:
            try:
                name = self._asked.get(timeout=self._every_s)
            except queue.Empty:
                name = ""
            if name is None:
                return
            try:
                if name:
                    run_scheduled(name, self._services)
                else:
                    run_due(self._services)
            except Exception as caught:  # a thread that everything leans on must outlive any bug
                log.exception("upkeep_failed", schedule=name or None, error=type(caught).__name__)
