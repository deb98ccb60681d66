"""Places for lanes: whatever hangs, something fresh elsewhere starts at once, and a burst still fills the threads."""

from collections import Counter
from datetime import UTC, datetime
from itertools import count

import pytest

import workers.lanes
from store.work import WorkItem
from workers.lanes import SLOW_S, LaneRoom

WHEN = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


class Room:
    """A LaneRoom with an endless backlog in the queues named, and a stopwatch set by hand."""

    def __init__(self, threads: int, monkeypatch: pytest.MonkeyPatch, caps: dict[str, int] | None = None) -> None:
        self.now = 1_000.0
        monkeypatch.setattr(workers.lanes.time, "monotonic", lambda: self.now)
        self.room = LaneRoom(threads, caps)
        self.threads = threads
        self.in_flight: list[WorkItem] = []
        self._ids = count(1)

    def fill(self, *queues: str, most: int | None = None) -> Counter[str]:
        """Claim as much as there is room for and begin it; how much of each lane is in flight then."""
        while shares := self.room.share(list(queues)):
            for queue, places in shares.items():
                for _ in range(places if most is None else min(most, places)):
                    self._enter(queue)
            if most is not None:
                break
        assert len(self.in_flight) <= self.threads
        return Counter(item.lane for item in self.in_flight)

    def starts_at_once(self, lane: str) -> bool:
        return bool(self.room.share([f"0:{lane}"]))

    def end(self, lane: str, places: int = 1_000) -> None:
        for item in [item for item in self.in_flight if item.lane == lane][:places]:
            self.in_flight.remove(item)
            self.room.leave(item)

    def _enter(self, queue: str) -> None:
        kind, lane = "kind", queue.partition(":")[2]
        item = WorkItem(next(self._ids), kind, 1, lane, queue, 1, 0, WHEN, False, False, "me")
        self.in_flight.append(item)
        self.room.enter(item)
        self.room.begin(item)


@pytest.fixture
def make_room(monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    return lambda threads=64, caps=None: Room(threads, monkeypatch, caps)


def test_a_burst_from_one_page_to_one_crm_fills_the_threads(make_room) -> None:  # type: ignore[no-untyped-def]
    found = make_room().fill("0:crm:1", "0:graph:1")
    assert found["graph:1"] >= 28
    assert found["crm:1"] >= 22
    assert make_room().fill("0:graph:1")["graph:1"] == 32
    assert make_room().fill("0:crm:1")["crm:1"] == 24


@pytest.mark.parametrize("threads", [8, 16, 32, 64, 256])
@pytest.mark.parametrize(
    "hanging",
    [
        ["crm:1", "crm:2"],
        ["crm:1", "crm:2", "crm:3"],
        ["graph:1", "graph:2", "graph:3"],
        ["graph:1", "graph:2", "crm:1", "crm:2", "crm:3", "events"],
        ["alert:1:a", "alert:1:b", "alert:2:c", "alert:2:d"],
        [f"graph:{number}" for number in range(30)],
    ],
)
def test_whatever_hangs_the_other_kinds_start_at_once(make_room, threads: int, hanging: list[str]) -> None:  # type: ignore[no-untyped-def]
    room = make_room(threads)
    room.fill(*(f"0:{lane}" for lane in hanging))
    kinds = {lane.partition(":")[0] for lane in hanging}
    for lane in {"events", "graph:new", "crm:new", "alert:9:new"}:
        if lane.partition(":")[0] not in kinds:
            assert room.starts_at_once(lane), lane


@pytest.mark.parametrize("threads", [32, 64, 256])
def test_a_crm_starts_at_once_while_others_hang_one_after_the_other(make_room, threads: int) -> None:  # type: ignore[no-untyped-def]
    room = make_room(threads)
    for lane in ("graph:1", "graph:2", "crm:1", "crm:2", "crm:3"):
        room.fill(f"0:{lane}")
        room.now += SLOW_S + 1
    assert room.starts_at_once("crm:4")
    assert room.starts_at_once("alert:1:a")


def test_many_slow_lanes_of_a_kind_take_a_bounded_part_and_each_of_them_a_turn(make_room) -> None:  # type: ignore[no-untyped-def]
    room = make_room()
    lanes = [f"crm:{number}" for number in range(20)]
    for lane in lanes:  # each was slow before
        room.fill(f"0:{lane}", most=1)
        room.now += SLOW_S + 1
        room.end(lane)
    found = room.fill(*(f"0:{lane}" for lane in lanes))
    assert 16 <= sum(found.values()) <= 20
    assert room.fill("0:crm:quick", "0:graph:1")["crm:quick"] >= 8
    waiting = [lane for lane in lanes if lane not in found]
    for lane in found:
        room.end(lane)
    assert set(room.fill(*(f"0:{lane}" for lane in lanes))) >= set(waiting), (
        "those that waited are served in their turn"
    )


def test_a_call_that_hangs_is_not_forgotten_when_a_later_one_ends(make_room) -> None:  # type: ignore[no-untyped-def]
    room = make_room()
    room.fill("0:crm:1", most=1)
    (stuck,) = room.in_flight
    room.now += 1
    room.fill("0:crm:1", most=1)
    later = room.in_flight[-1]
    room.now += SLOW_S - 0.5
    room.in_flight.remove(later)
    room.room.leave(later)
    assert room.fill("0:crm:1")["crm:1"] == 4, "the lane is slow: the first call still hangs"
    assert stuck in room.in_flight


def test_a_lane_that_is_quick_again_gets_its_places_back(make_room) -> None:  # type: ignore[no-untyped-def]
    room = make_room()
    room.fill("0:crm:1", most=1)
    room.now += SLOW_S + 1
    room.end("crm:1")
    assert room.fill("0:crm:1")["crm:1"] == 4
    room.now += 0.1
    room.end("crm:1")
    assert room.fill("0:crm:1")["crm:1"] == 24


def test_fresh_rows_go_before_retries_and_lanes_of_one_priority_share(make_room) -> None:  # type: ignore[no-untyped-def]
    shares = make_room().room.share(["0:crm:1", "1:crm:1", "0:crm:2"])
    assert "1:crm:1" not in shares or shares["1:crm:1"] <= shares["0:crm:1"]
    assert abs(shares["0:crm:1"] - shares["0:crm:2"]) <= 1


def test_an_adapter_bounds_its_lane(make_room) -> None:  # type: ignore[no-untyped-def]
    assert make_room(caps={"crm:1": 1}).fill("0:crm:1", "0:crm:2")["crm:1"] == 1


@pytest.mark.parametrize("threads", [4, 5, 6, 8, 12, 16, 64])
@pytest.mark.parametrize("kind", ["graph", "crm", "alert"])
def test_one_that_hangs_leaves_places_to_its_neighbours(make_room, threads: int, kind: str) -> None:  # type: ignore[no-untyped-def]
    room = make_room(threads)
    room.fill(f"0:{kind}:1")
    assert room.starts_at_once(f"{kind}:2") or (threads == 4 and kind == "alert")


@pytest.mark.parametrize("threads", [1, 2, 3, 4, 5])
def test_few_threads_work_on_every_kind(make_room, threads: int) -> None:  # type: ignore[no-untyped-def]
    lanes = ["events", "graph:1", "crm:1", "alert:1:a", "other"]
    for lane in lanes:
        assert make_room(threads).fill(f"0:{lane}"), lane
    hanging = lanes[1 : min(threads, 4)]
    room = make_room(threads)
    room.fill(*(f"0:{lane}" for lane in hanging))
    if threads > 1:
        left = next(lane for lane in lanes if lane not in hanging)
        assert room.starts_at_once(left), "as many destinations may hang as there are threads but one"
