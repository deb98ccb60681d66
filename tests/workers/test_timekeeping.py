"""A clock that was ahead and is set right: nothing stands still until it has caught up."""

from datetime import timedelta

import pytest
from conftest import NOW, Clock
from fakes import make_services
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

import workers.timekeeping
from leadloop.errors import Verdict
from leadloop.ports import Services
from store.lanes import Rest, read_lanes, rest_lane
from store.models import Work
from store.work import FRESH, WorkItem, add_work, claim, queue_name, settle
from workers.timekeeping import LOOK_EVERY_S, STEP_S, Timekeeper

LANE = "crm:1"
AHEAD = NOW + timedelta(hours=2)


def add(services: Services, *subject_ids: int) -> None:
    services.writer.write(lambda session: add_work(session, "a", list(subject_ids), LANE, now=services.now()))


def take(services: Services, most: int = 1) -> list[WorkItem]:
    queue, now = queue_name(FRESH, LANE), services.now()
    return services.writer.write(lambda session: claim(session, {queue: most}, holder="w", now=now, lease_s=120))


def waits(services: Services, item: WorkItem, seconds: float, *, counts: bool = True) -> None:
    due_at = services.now() + timedelta(seconds=seconds)
    verdict = Verdict("open", due_at=due_at, code="http_500", counts=counts)
    services.writer.write(lambda session: settle(session, item, verdict, now=services.now()))


def due_in_s(engine: Engine, clock: Clock) -> list[float]:
    with Session(engine) as session:
        return [(row.due_at - clock()).total_seconds() for row in session.scalars(select(Work).order_by(Work.id))]


class Stopwatch:
    """time.monotonic() beside the clock: it goes on when the clock is set."""

    def __init__(self, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock, self.seconds = clock, 500.0
        monkeypatch.setattr(workers.timekeeping.time, "monotonic", lambda: self.seconds)

    def forward(self, seconds: float) -> None:
        self.seconds += seconds
        self.clock.forward(seconds=seconds)


@pytest.fixture
def stopwatch(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Stopwatch:
    return Stopwatch(clock, monkeypatch)


def test_rows_of_a_clock_that_was_ahead_before_the_start_are_pulled_in(
    engine: Engine, clock: Clock, stopwatch: Stopwatch
) -> None:
    services = make_services(engine, now=clock)
    clock.now = NOW + timedelta(days=3)
    add(services, 1, 2, 3)
    _held, retried = take(services, 2)
    waits(services, retried, 3600)
    clock.now = NOW
    Timekeeper(services).look()
    assert due_in_s(engine, clock) == [120, 0, 0], "one in hand gets a lease, in case its worker lives"


def test_a_fresh_row_is_never_two_hours_ahead(engine: Engine, clock: Clock, stopwatch: Stopwatch) -> None:
    services = make_services(engine, now=clock)
    clock.now = AHEAD
    add(services, 1)
    clock.now = NOW
    Timekeeper(services).look()
    assert due_in_s(engine, clock) == [0]


def test_what_is_meant_is_left_alone(engine: Engine, clock: Clock, stopwatch: Stopwatch) -> None:
    services = make_services(engine, now=clock)
    add(services, 1, 2, 3)
    _held, retried, limited = take(services, 3)
    waits(services, retried, 86_400)
    waits(services, limited, 86_000, counts=False)
    keeper = Timekeeper(services)
    keeper.look()
    for _ in range(200):
        stopwatch.forward(1)
        keeper.look()
    stopwatch.seconds += STEP_S - 1  # a small correction
    keeper.look()
    clock.now = NOW
    assert due_in_s(engine, clock) == [120, 86_400, 86_000]


def test_a_clock_seen_to_be_set_back_makes_all_that_waits_due_once(
    engine: Engine, clock: Clock, stopwatch: Stopwatch
) -> None:
    services = make_services(engine, now=clock)
    clock.now = AHEAD
    keeper = Timekeeper(services)
    keeper.look()
    add(services, 1, 2)
    (held,) = take(services)
    add(services, 3)
    rest = Rest(LANE, AHEAD + timedelta(hours=1), code="http_429")
    services.writer.write(lambda session: rest_lane(session, rest, now=AHEAD))
    stopwatch.forward(1)
    clock.now = NOW
    keeper.look()
    assert due_in_s(engine, clock) == [120, 0, 0]
    with Session(engine) as session:
        assert [lane.rest_until for lane in read_lanes(session)] == [NOW]
    waits(services, held, 600)
    stopwatch.forward(1)
    keeper.look()
    assert due_in_s(engine, clock)[0] == 599, "once"


@pytest.mark.parametrize(
    ("rest", "ends"),
    [
        (Rest(LANE, AHEAD, rows=(1, 2, 3, 4, 5)), True),
        (Rest(LANE, AHEAD, hold=True), True),
        (Rest(LANE, AHEAD, code="http_429"), False),
        (Rest(LANE, NOW + timedelta(days=2), code="http_429"), True),
        (Rest(LANE, NOW + timedelta(seconds=30), rows=(1, 2, 3, 4, 5)), False),
        (Rest(LANE, NOW + timedelta(seconds=900), hold=True), False),
    ],
)
def test_a_rest_longer_than_its_kind_allows_ends(
    engine: Engine, clock: Clock, stopwatch: Stopwatch, rest: Rest, ends: bool
) -> None:
    services = make_services(engine, now=clock)
    services.writer.write(lambda session: rest_lane(session, rest, now=NOW))
    Timekeeper(services).look()
    with Session(engine) as session:
        assert [lane.rest_until for lane in read_lanes(session)] == [NOW if ends else rest.until]


def test_it_looks_again_after_a_minute(engine: Engine, clock: Clock, stopwatch: Stopwatch) -> None:
    services = make_services(engine, now=clock)
    keeper = Timekeeper(services)
    keeper.look()
    services.writer.write(lambda session: add_work(session, "a", [1], LANE, now=AHEAD))  # by a machine that is ahead
    stopwatch.forward(LOOK_EVERY_S - 1)
    keeper.look()
    assert due_in_s(engine, clock)[0] > 3600
    stopwatch.forward(1)
    keeper.look()
    assert due_in_s(engine, clock) == [0]
