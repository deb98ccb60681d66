"""How much of each lane may be in flight in this process, so that one slow or broken destination never holds up another.

The threads are shared out so that whatever hangs, something fresh elsewhere starts at once: some places are kept for each
kind of lane, for those of its lanes that have nothing in flight yet. The others are common; of those one lane, one kind,
and the slow lanes of a kind together may each take a bounded part.
"""

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from store.work import FRESH, WorkItem, lane_of, queue_name

SLOW_S = 2.0
MOST_WHEN_SLOW = 4
MOST_WHEN_TROUBLED = 1  # a probe
CAPS = {"events": 16, "graph": 32, "crm": 24, "alert": 16, "backfill": 2}
OTHER_CAP = 16
KINDS = ("events", "graph", "crm", "alert")  # those with places of their own
HALVES = ("graph", "crm")  # all lanes of such a kind together have half of the threads, of another a quarter


@dataclass
class _Kind:
    """What the lanes of one kind have in flight. `kept`: places for first calls; `common`: most of the common places."""

    kept: int
    common: int
    lanes: int = 0  # with something in flight
    slow_lanes: int = 0
    calls: int = 0
    slow_calls: int = 0

    def count(self, calls: int, *, lanes: int, slow: bool) -> None:
        self.lanes += lanes
        self.calls += calls
        if slow:
            self.slow_lanes += lanes
            self.slow_calls += calls

    @property
    def taken(self) -> int:
        """Common places in use: all calls but the first of as many lanes as places are kept. Slow lanes have at most half
        of what is kept, so that a quick one finds some."""
        return self.calls - min(self.kept, self.lanes - self.slow_lanes + self._slow_kept)

    @property
    def full(self) -> bool:
        return self.taken > self.common

    @property
    def slow_full(self) -> bool:
        return self.slow_calls - self._slow_kept > max(1, self.common // 2)

    @property
    def _slow_kept(self) -> int:
        return min(self.slow_lanes, self.kept // 2)


def _make_kind(kind: str, threads: int) -> _Kind:
    share = max(1, threads // 2 if kind in HALVES else threads // 4)
    if threads <= len(KINDS):
        return _Kind(kept=0, common=share)
    kept = 1 if kind == "events" else max(1, threads // 20)
    return _Kind(kept=kept if kind in KINDS else 0, common=share)


class _Plan:
    """What is in flight by lane, and what may be taken on top of it."""

    def __init__(self, threads: int, in_flight: Mapping[str, int], slow: set[str]) -> None:
        self._threads = threads
        self._slow = slow
        self._in_flight: dict[str, int] = defaultdict(int)
        self._kinds = {kind: _make_kind(kind, threads) for kind in KINDS}
        self._common = threads - sum(kind.kept for kind in self._kinds.values())
        for lane, calls in in_flight.items():
            self._count(lane, calls)

    def take(self, lane: str, cap: int) -> bool:
        """Take a place for one more call of this lane, which may have `cap` in flight. False: there is none."""
        kind = self._kind(lane)
        if self._in_flight[lane] >= cap or sum(one.calls for one in self._kinds.values()) >= self._threads:
            return False
        before = kind.taken
        self._count(lane, 1)
        if kind.taken == before:
            return True  # one of the places kept for this kind
        too_many = kind.full or (lane in self._slow and kind.slow_full)
        if too_many or sum(one.taken for one in self._kinds.values()) > self._common:
            self._count(lane, -1)
            return False
        return True

    def most(self, lane: str) -> int:
        """The most that one lane may take, so that another of its kind finds a place."""
        if self._threads < 2 * len(KINDS):
            return 1
        return min(self._kind(lane).common, self._common)

    def _count(self, lane: str, calls: int) -> None:
        before = self._in_flight[lane]
        self._in_flight[lane] = after = before + calls
        self._kind(lane).count(calls, lanes=(after > 0) - (before > 0), slow=lane in self._slow)

    def _kind(self, lane: str) -> _Kind:
        name = lane.partition(":")[0]
        if name not in self._kinds:
            self._kinds[name] = _make_kind(name, self._threads)
        return self._kinds[name]


class LaneRoom:
    """Counts what is in flight by lane. A lane that is slow gets few places until it is quick again."""

    def __init__(self, threads: int, caps: Mapping[str, int] | None = None) -> None:
        """`caps` bounds single lanes below their kind's cap (what an adapter says its CRM can take)."""
        self._threads = threads
        self._caps = caps if caps is not None else {}
        self._lock = threading.RLock()
        self._in_flight: dict[str, dict[WorkItem, float | None]] = {}  # and when each call began
        self._last_took_s: dict[str, float] = {}
        self._troubled: set[str] = set()
        self._probed: set[str] = set()
        self._reserved: Counter[str] = Counter()
        self._turn = 0

    def share(self, queues: list[str]) -> dict[str, int]:
        """Places for each queue: those of the highest priority first, all of one priority in turn."""
        with self._lock:
            now = time.monotonic()
            in_flight = Counter({lane: len(items) for lane, items in self._in_flight.items() if items})
            in_flight.update(+self._reserved)
            lanes = {lane_of(queue) for queue in queues}
            slow = {lane for lane in lanes | set(in_flight) if self._is_slow(lane, now)}
            plan = _Plan(self._threads, in_flight, slow)
            caps = {lane: min(plan.most(lane), self._cap(lane, slow=lane in slow)) for lane in lanes}
            shares: dict[str, int] = defaultdict(int)
            self._turn += 1
            for priority in sorted({queue.partition(":")[0] for queue in queues}):
                group = [queue for queue in queues if queue.partition(":")[0] == priority]
                first = self._turn % len(group)  # nobody is last for ever
                group = group[first:] + group[:first]
                while group:
                    group = [queue for queue in group if plan.take(lane_of(queue), caps[lane_of(queue)])]
                    for queue in group:
                        shares[queue] += 1
            return dict(shares)

    def _cap(self, lane: str, *, slow: bool) -> int:
        if lane in self._probed:
            return MOST_WHEN_TROUBLED
        cap = CAPS.get(lane.partition(":")[0], OTHER_CAP)
        cap = min(cap, self._caps.get(lane, cap))
        return min(cap, MOST_WHEN_SLOW, max(1, self._threads // 8)) if slow else cap

    def _is_slow(self, lane: str, now: float) -> bool:
        if lane in self._probed or self._last_took_s.get(lane, 0.0) > SLOW_S:
            return True
        calls = self._in_flight.get(lane, {})
        return any(began is not None and now - began > SLOW_S for began in calls.values())

    def enter(self, item: WorkItem) -> None:
        """A row was claimed."""
        with self._lock:
            self._in_flight.setdefault(item.lane, {})[item] = None

    def reserve(self, lane: str) -> bool:
        """Keep a place for a fresh row that is just being added to this lane, if there is one. Ends with release()."""
        with self._lock:
            if not self.share([queue_name(FRESH, lane)]):
                return False
            self._reserved[lane] += 1
            return True

    def release(self, lane: str) -> None:
        with self._lock:
            self._reserved[lane] -= 1

    def begin(self, item: WorkItem) -> None:
        """Its call begins now."""
        with self._lock:
            if item in self._in_flight.get(item.lane, ()):
                self._in_flight[item.lane][item] = time.monotonic()

    def leave(self, item: WorkItem) -> None:
        with self._lock:
            calls = self._in_flight.get(item.lane, {})
            began = calls.pop(item, None)
            if not calls:
                self._in_flight.pop(item.lane, None)
            if began is not None:
                self._last_took_s[item.lane] = time.monotonic() - began

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
