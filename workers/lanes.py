"""How much of each lane may be in flight in this process, so that one slow or broken destination never holds up another."""

import threading
import time
from collections import defaultdict
from collections.abc import Mapping

SLOW_S = 2.0
MOST_WHEN_SLOW = 4
MOST_WHEN_TROUBLED = 1  # a probe
CAPS = {"events": 16, "graph": 32, "crm": 24, "alert": 16, "backfill": 2}
OTHER_CAP = 16


class LaneRoom:
    """Counts what is in flight by lane. A lane that is slow gets few places until it is quick again."""

    def __init__(self, threads: int, caps: Mapping[str, int] | None = None) -> None:
        """`caps` bounds single lanes below their kind's cap (what an adapter says its CRM can take)."""
        self._threads = threads
        self._caps = caps if caps is not None else {}
        self._lock = threading.Lock()
        self._in_flight: dict[str, int] = defaultdict(int)
        self._started: dict[str, list[float]] = defaultdict(list)
        self._last_took_s: dict[str, float] = {}
        self._troubled: set[str] = set()
        self._probed: set[str] = set()

    def share(self, queues: list[str]) -> dict[str, int]:
        """Places for each queue (in order of priority): no lane beyond its cap, all lanes served before one gets all."""
        with self._lock:
            free = self._threads - sum(self._in_flight.values())
            rooms = {lane: self._cap(lane) - self._in_flight[lane] for lane in {q.partition(":")[2] for q in queues}}
            shares: dict[str, int] = {}
            for priority in sorted({queue.partition(":")[0] for queue in queues}):
                group = [queue for queue in queues if queue.partition(":")[0] == priority]
                for position, queue in enumerate(group):
                    lane = queue.partition(":")[2]
                    fair = max(1, free // (len(group) - position)) if free > 0 else 0
                    share = min(fair, rooms[lane], free)
                    if share > 0:
                        shares[queue] = share
                        rooms[lane] -= share
                        free -= share
            return shares

    def _cap(self, lane: str) -> int:
        if lane in self._probed:
            return MOST_WHEN_TROUBLED
        cap = min(CAPS.get(lane.partition(":")[0], OTHER_CAP), max(1, self._threads - 1))
        cap = min(cap, self._caps.get(lane, cap))
        oldest = self._started[lane][0] if self._started[lane] else None
        slow_now = oldest is not None and time.monotonic() - oldest > SLOW_S
        if slow_now or self._last_took_s.get(lane, 0.0) > SLOW_S:
            return min(cap, MOST_WHEN_SLOW)
        return cap

    def enter(self, lane: str) -> None:
        """A row of this lane was claimed."""
        with self._lock:
            self._in_flight[lane] += 1

    def try_enter(self, lane: str) -> bool:
        """Like enter(), when there is a place for one more."""
        with self._lock:
            free = self._threads - sum(self._in_flight.values())
            if free <= 0 or self._cap(lane) <= self._in_flight[lane]:
                return False
            self._in_flight[lane] += 1
            return True

    def cancel(self, lane: str) -> None:
        """What entered will not be worked on after all."""
        with self._lock:
            self._in_flight[lane] -= 1

    def begin(self, lane: str) -> None:
        """Its call begins now."""
        with self._lock:
            self._started[lane].append(time.monotonic())

    def leave(self, lane: str, *, took_s: float) -> None:
        with self._lock:
            self._in_flight[lane] -= 1
            if self._started[lane]:
                self._started[lane].pop(0)
            self._last_took_s[lane] = took_s

    def note_troubled(self, troubled: set[str], probed: set[str]) -> None:
        """`troubled`: lanes that failed and have not worked since; `probed`: those of them that get one try at a time."""
        with self._lock:
            self._troubled = set(troubled)
            self._probed = set(probed)

    def note_troubled_lane(self, lane: str) -> None:
        with self._lock:
            self._troubled.add(lane)

    def is_troubled(self, lane: str) -> bool:
        with self._lock:
            return lane in self._troubled
