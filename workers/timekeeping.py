"""A clock that is set back must not make anything stand still: seen by the clock that only goes forward, or by times that
nobody can have meant."""

import threading
import time

from leadloop.logs import get_logger
from leadloop.ports import Services
from store.future import Longest, find_impossible, pull_in, pull_in_all
from workers.settling import LONGEST_REST_S

log = get_logger(__name__)
STEP_S = 5.0  # a clock that is only corrected a little is left alone
LOOK_EVERY_S = 60.0
META_WINDOW_S = 86_400.0  # Graph asks for up to a day of rest


class Timekeeper:
    """Looks each time it is asked to, which is each second in a process that works."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._lock = threading.Lock()
        self._ahead_s: float | None = None  # of the wall clock, before time.monotonic()
        self._looked_at = float("-inf")

    def look(self) -> None:
        """Cheap unless the clock was set back or a minute is over. Raises SQLAlchemyError, and then looks again."""
        if not self._lock.acquire(blocking=False):
            return
        try:
            self._look()
        finally:
            self._lock.release()

    def _look(self) -> None:
        services, now, monotonic = self._services, self._services.now(), time.monotonic()
        ahead_s = now.timestamp() - monotonic
        back_s = 0.0 if self._ahead_s is None else self._ahead_s - ahead_s
        lease_s = services.settings.lease_s
        if back_s > STEP_S:
            rows = services.writer.write(lambda session: pull_in_all(session, lease_s=lease_s, now=now))
            log.warning("clock_set_back", by_s=round(back_s), rows=rows, note="all that waits is tried now")
        elif monotonic - self._looked_at >= LOOK_EVERY_S:
            self._pull_in_impossible()
            self._looked_at = monotonic
        self._ahead_s = ahead_s

    def _pull_in_impossible(self) -> None:
        services, now, policy = self._services, self._services.now(), self._services.settings.retry_policy
        longest = Longest(
            lease_s=services.settings.lease_s,
            retry_s=policy.longest_s,
            hold_s=policy.hold_probe_s,
            rest_s=max(policy.longest_s, META_WINDOW_S),
            outage_s=LONGEST_REST_S,
        )
        with services.read() as session:
            found = find_impossible(session, longest, now=now)
        if found:
            rows = services.writer.write(lambda session: pull_in(session, found, longest, now=now))
            log.warning("times_ahead_pulled_in", rows=rows, lanes=len(found.lanes), note="was the clock ahead?")
