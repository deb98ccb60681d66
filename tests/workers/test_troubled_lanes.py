"""Rows that a CRM cannot take, and a CRM that is away: what they cost their neighbours, told by a clock set by hand."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from conftest import NOW, Clock
from fakes import make_services
from lead_rows import on_sqlite
from sqlalchemy import Engine, func, select, update
from sqlalchemy.orm import Session

from leadloop.errors import Permanent, Retryable
from store.lanes import read_lanes
from store.models import Work
from store.work import WorkItem, add_work, lane_of, read_queues
from workers.drain import Drainer
from workers.jobs import Job
from workers.settling import LONGEST_REST_ANSWERED_S, LONGEST_REST_S, TOLERATED, WAKE_S

Trouble = Callable[[int, datetime], Exception | None]
POISON = 1_000  # leads from this number on are answered 500


def answered_500() -> Retryable:
    return Retryable("It broke.", code="http_500", outage=True, answered=True)


def timed_out() -> Retryable:
    return Retryable("No answer.", code="timeout", outage=True)


def poison(subject_id: int, _now: datetime) -> Retryable | None:
    return answered_500() if subject_id >= POISON else None


class Simulation:
    """One CRM, leads that arrive, and a drain each second. A call takes no time."""

    def __init__(self, engine: Engine, clock: Clock, trouble: Trouble) -> None:
        self.engine, self.clock, self.trouble = engine, clock, trouble
        self.services = make_services(engine, now=clock)
        self.added_at: dict[int, datetime] = {}
        self.done_at: dict[int, datetime] = {}
        self.tries: dict[int, list[datetime]] = defaultdict(list)
        self.drainer = Drainer(self.services, {"delivery": Job(self._push)}, threads=64)

    def _push(self, item: WorkItem, _services: object) -> None:
        now = self.clock()
        self.tries[item.subject_id].append(now)
        if (trouble := self.trouble(item.subject_id, now)) is not None:
            raise trouble
        self.done_at[item.subject_id] = now

    def add(self, *subject_ids: int) -> None:
        now = self.clock()
        self.added_at |= dict.fromkeys(subject_ids, now)
        self.services.writer.write(lambda session: add_work(session, "delivery", list(subject_ids), "crm:1", now=now))

    def run(self, seconds: int, *, arrivals: dict[int, int] | None = None) -> None:
        """`arrivals`: second → the lead that arrives then."""
        start = self.clock()
        coming = {start + timedelta(seconds=second): lead for second, lead in (arrivals or {}).items()}
        end = start + timedelta(seconds=seconds)
        while self.clock() < end:
            if (lead := coming.pop(self.clock(), None)) is not None:
                self.add(lead)
            self.drainer.drain()
            self.clock.now = min(end, *coming, self._next_due())

    def _next_due(self) -> datetime:
        """When a drain has something to do again; not closer than the second in which the sweeper looks."""
        now = self.clock()
        with Session(self.engine) as session:
            rests = {lane.name: lane.rest_until for lane in read_lanes(session)}
            due = [max(due_at, rests.get(lane_of(queue), due_at)) for queue, due_at in read_queues(session)]
        return max(now + timedelta(seconds=1), min(due, default=now + timedelta(days=1)))

    def waited_s(self, subject_ids: range) -> list[float]:
        return sorted((self.done_at[lead] - self.added_at[lead]).total_seconds() for lead in subject_ids)

    def left(self) -> int:
        with Session(self.engine) as session:
            return session.scalar(select(func.count()).select_from(Work)) or 0

    def gaps_s(self, subject_id: int) -> list[float]:
        """Seconds between the tries of one row."""
        tries = self.tries[subject_id]
        return [(later - earlier).total_seconds() for earlier, later in pairwise(tries)]

    def calls(self) -> int:
        return sum(len(tries) for tries in self.tries.values())

    def all_done_after(self, moment: datetime) -> float:
        """Seconds from the moment to the last lead's arrival in the CRM."""
        assert self.left() == 0
        return (max(self.done_at.values()) - moment).total_seconds()


@pytest.fixture
def simulate(engine: Engine, clock: Clock) -> Iterator[Callable[[Trouble], Simulation]]:
    made: list[Simulation] = []

    def make(trouble: Trouble) -> Simulation:
        made.append(Simulation(engine, clock, trouble))
        return made[-1]

    yield make
    for world in made:
        world.drainer.stop(0)
        world.services.writer.close()


Simulate = Callable[[Trouble], Simulation]


def test_a_lead_that_is_always_answered_500_costs_its_neighbours_nothing(simulate: Simulate) -> None:
    world = simulate(poison)
    world.add(POISON)
    world.run(300)
    world.run(300, arrivals={second: 1 + second // 7 for second in range(0, 140, 7)})
    assert world.waited_s(range(1, 21)) == [0.0] * 20
    assert world.left() == 1


def test_thirty_such_leads_in_a_burst_cost_seconds(simulate: Simulate) -> None:
    world = simulate(poison)
    world.add(*range(POISON, POISON + 30))
    world.run(600, arrivals={second: 1 + second // 10 for second in range(3, 600, 10)})
    waited = world.waited_s(range(1, 61))
    assert waited[30] == 0, "the median"
    assert waited[-1] <= LONGEST_REST_ANSWERED_S + 1, "the worst"


@on_sqlite
def test_such_leads_are_tried_less_and_less(simulate: Simulate) -> None:
    world = simulate(poison)
    world.add(*range(POISON, POISON + 30))
    world.run(2 * 3600, arrivals={second: 1 + second // 60 for second in range(0, 2 * 3600, 60)})
    for lead in range(POISON, POISON + 30):
        gaps = world.gaps_s(lead)
        assert len(gaps) <= 16, gaps
        assert min(gaps) >= 2 * 0.75
        assert gaps[-1] > 600


def test_a_lead_in_trouble_alone_in_its_lane_is_not_tried_every_half_minute_for_ever(simulate: Simulate) -> None:
    world = simulate(poison)
    world.add(POISON)
    world.run(3600)
    assert len(world.tries[POISON]) <= 25


def test_a_few_leads_that_always_time_out_cost_their_neighbours_nothing(simulate: Simulate) -> None:
    world = simulate(lambda lead, _now: timed_out() if lead >= POISON else None)
    world.add(*range(POISON, POISON + TOLERATED - 1))
    world.run(600, arrivals={second: 1 + second // 7 for second in range(3, 600, 7)})
    assert world.waited_s(range(1, 87)) == [0.0] * 86
    assert len(world.tries[POISON]) <= 12


@on_sqlite
@pytest.mark.parametrize(("kind", "minutes", "calls"), [(timed_out, 180, 400), (answered_500, 20, 350)])
def test_after_an_outage_everything_flows_at_once(
    simulate: Simulate, kind: Callable[[], Retryable], minutes: int, calls: int
) -> None:
    over = NOW + timedelta(minutes=minutes)
    world = simulate(lambda _lead, now: kind() if now < over else None)
    world.add(*range(1, 200))
    world.run(minutes * 60, arrivals={second: 200 + second // 60 for second in range(60, minutes * 60, 120)})
    assert world.calls() <= calls, "it is probed, and not called for every lead again and again"
    world.run(60)
    assert world.all_done_after(over) <= LONGEST_REST_S + WAKE_S + 1


@on_sqlite
def test_an_outage_that_comes_back_is_an_outage_again(simulate: Simulate) -> None:
    first, second, over = NOW + timedelta(hours=1), NOW + timedelta(minutes=61), NOW + timedelta(hours=2)

    def trouble(lead: int, now: datetime) -> Retryable | None:
        works = now >= over or (first <= now < second and lead == 1)
        return None if works else timed_out()

    world = simulate(trouble)
    world.add(*range(1, 101))
    world.run(3600)
    world.add(1)  # the one success between the two
    world.run(3600)
    world.run(60)
    assert world.all_done_after(over) <= LONGEST_REST_S + WAKE_S + 1


@on_sqlite
def test_few_rows_in_a_long_outage_are_woken_together(simulate: Simulate) -> None:
    over = NOW + timedelta(hours=3)
    world = simulate(lambda _lead, now: timed_out() if now < over else None)
    world.add(1, 2, 3)
    world.run(3 * 3600)
    world.run(60)
    assert world.all_done_after(over) <= LONGEST_REST_S + WAKE_S + 1


def test_a_refusal_by_a_crm_that_is_back_leaves_a_probe(simulate: Simulate) -> None:
    """The one row that was to notice the end of the outage is refused for itself: another one has to."""
    over = NOW + timedelta(minutes=20)

    def trouble(lead: int, now: datetime) -> Exception | None:
        if now < over:
            return timed_out()
        return Permanent("no", code="http_422") if lead == 1 else None

    world = simulate(trouble)
    world.add(1, 2, 3)
    world.run(20 * 60)
    with Session(world.engine) as session, session.begin():
        session.execute(update(Work).where(Work.subject_id > 1).values(due_at=over + timedelta(hours=5)))
        session.execute(update(Work).where(Work.subject_id == 1).values(due_at=over))
    world.run(120)
    assert set(world.done_at) == {2, 3}
