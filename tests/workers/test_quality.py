"""Meta asked how good the events are: now and then, kept when something changed, and never at the cost of sending."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from conftest import NOW, Clock
from fakes import make_services
from lead_rows import add
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from leadloop.errors import LeadloopError, NeedsHuman, Retryable
from leadloop.ports import Services
from store.conversion_models import Conversion, Dataset, QualityPoint
from store.conversions import dataset_lane
from store.lanes import Rest, free_lane, rest_lane
from store.models import Lane, Work
from workers import quality
from workers.drain import Drainer
from workers.registry import JOBS
from workers.schedules import SCHEDULES

DATASET = "900000000000001"
WEB = {"web": [{"event_name": "Lead", "event_match_quality": {"composite_score": 6.4}}]}
REFUSALS = [
    NeedsHuman("The token is dead.", code="graph_190", action="Enter a new one.", scope="lane"),
    NeedsHuman("No right.", code="graph_10", action="Assign the dataset.", scope="lane"),
    Retryable("Limited.", code="graph_4", action="", scope="lane", retry_after_s=3_600),
    Retryable("No answer.", code="timeout", action="", outage=True),
]


@dataclass
class Meta:
    """Answers with `says`, which is raised if it is an error."""

    says: dict[str, Any] | LeadloopError = field(default_factory=dict)
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)

    def read_dataset_quality(self, dataset_id: str, *, token: str, agent_name: str | None = None) -> dict[str, Any]:
        self.asked.append((dataset_id, token, agent_name))
        if isinstance(self.says, LeadloopError):
            raise self.says
        return self.says


@dataclass
class Bench:
    services: Services
    clock: Clock
    meta: Meta
    drainer: Drainer

    def poll(self) -> None:
        """What the clock does every six hours, and the worker within the half hour after."""
        quality.want_quality(self.services)
        self.clock.forward(seconds=quality.SPREAD_S)
        self.drainer.drain()

    def points(self) -> list[tuple[Any, str | None]]:
        with Session(self.services.engine) as session:
            rows = session.scalars(select(QualityPoint).order_by(QualityPoint.id))
            return [(row.answer, row.code) for row in rows]

    def all(self, model: Any) -> list[Any]:
        with Session(self.services.engine) as session:
            return list(session.scalars(select(model)))


def sent(dataset_id: str = DATASET, **changes: Any) -> Conversion:
    at = changes.pop("at", NOW - timedelta(hours=1))
    row = {
        "dataset_id": dataset_id,
        "connection": "crm",
        "route": "website",
        "stage": "won",
        "event_name": "Lead",
        "event_id": "1",
        "event_time": at,
        "deadline_at": at,
        "state": "accepted",
        "created_at": at,
        "sent_at": at,
    }
    return Conversion(**(row | changes))


def dataset(dataset_id: str = DATASET) -> Dataset:
    return Dataset(dataset_id=dataset_id, created_at=NOW)


@pytest.fixture
def bench(engine: Engine, clock: Clock) -> Iterator[Bench]:
    meta = Meta()
    services = make_services(engine, now=clock, meta_access_token="system-token")
    services = Services(**(vars(services) | {"events_graph": meta}))
    add(services, dataset(), sent())
    yield Bench(services, clock, meta, Drainer(services, JOBS, threads=2))
    services.writer.close()


def test_meta_is_asked_under_our_own_name_and_its_answer_kept(bench: Bench) -> None:
    bench.meta.says = WEB
    bench.poll()
    assert bench.meta.asked == [(DATASET, "system-token", "leadloop")]
    assert bench.points() == [(WEB, None)]
    assert bench.all(Work) == []


def test_it_is_asked_every_six_hours_and_spread_over_half_an_hour(bench: Bench) -> None:
    (periodic,) = [one for one in SCHEDULES if one.run is quality.want_quality]
    assert periodic.every_s == 6 * 3_600
    add(bench.services, *(dataset(str(n)) for n in range(30)), *(sent(str(n)) for n in range(30)))
    quality.want_quality(bench.services)
    waits = sorted((row.due_at - bench.clock()).total_seconds() for row in bench.all(Work))
    assert len(waits) == 31
    assert waits[0] == 0
    steps = {round(later - earlier) for earlier, later in pairwise(waits)}
    assert steps == {58}
    assert waits[-1] < 1_800


def test_a_single_dataset_is_asked_about_at_once(bench: Bench) -> None:
    quality.want_quality(bench.services)
    (row,) = bench.all(Work)
    assert row.due_at == bench.clock()


def test_wanted_twice_it_is_asked_once(bench: Bench) -> None:
    quality.want_quality(bench.services)
    bench.poll()
    assert len(bench.meta.asked) == 1


def test_a_dataset_without_events_or_with_old_ones_only_is_left_alone(bench: Bench) -> None:
    add(
        bench.services,
        dataset("1"),
        dataset("2"),
        sent("2", at=NOW - timedelta(days=63)),
        dataset("3"),
        sent("3", state="held", sent_at=None),
    )
    bench.poll()
    assert [dataset_id for dataset_id, *_more in bench.meta.asked] == [DATASET]


def test_nothing_to_see_is_kept_as_such_and_the_same_again_is_not(bench: Bench) -> None:
    bench.poll()
    bench.clock.forward(hours=6)
    bench.poll()
    assert (bench.points(), len(bench.meta.asked)) == ([({}, None)], 2)
    bench.clock.forward(hours=20)
    bench.poll()
    assert bench.points() == [({}, None), ({}, None)]
    bench.clock.forward(hours=6)
    bench.meta.says = WEB
    bench.poll()
    assert bench.points()[-1] == (WEB, None)


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda one: one.code)
def test_a_question_that_fails_is_noted_and_stops_nothing(bench: Bench, refusal: LeadloopError) -> None:
    bench.meta.says = refusal
    bench.poll()
    assert bench.points() == [(None, refusal.code)]
    assert (bench.all(Lane), bench.all(Work)) == ([], [])
    (point,) = bench.all(QualityPoint)
    assert (point.message, point.action) == (refusal.message, refusal.action)


def test_without_a_token_nobody_is_asked_and_the_mend_is_kept(bench: Bench) -> None:
    settings = bench.services.settings.with_(meta_access_token="")
    bench.services = Services(**(vars(bench.services) | {"settings": settings}))
    bench.drainer = Drainer(bench.services, JOBS, threads=2)
    bench.poll()
    (point,) = bench.all(QualityPoint)
    assert (bench.meta.asked, point.code) == ([], "no_token")
    assert "META_ACCESS_TOKEN" in point.action


@pytest.mark.parametrize("lane", [dataset_lane(DATASET), "graph"])
@pytest.mark.parametrize("hold", [True, False], ids=["held", "resting"])
def test_while_its_lane_is_held_or_rests_nobody_is_asked(bench: Bench, lane: str, hold: bool) -> None:
    def rest() -> None:
        until = bench.clock() + timedelta(days=1)
        bench.services.writer.write(lambda s: rest_lane(s, Rest(lane, until, hold=hold), now=bench.clock()))

    rest()
    bench.poll()
    assert (bench.all(Work), bench.meta.asked) == ([], [])
    bench.services.writer.write(lambda s: free_lane(s, lane, now=bench.clock()))
    quality.want_quality(bench.services)
    rest()  # between the wish and the question
    bench.clock.forward(seconds=quality.SPREAD_S)
    bench.drainer.drain()
    assert (bench.all(Work), bench.meta.asked, bench.points()) == ([], [], [])


def test_old_points_are_forgotten_once_a_day(bench: Bench) -> None:
    assert any(one.run is quality.forget_old_points and one.every_s == 86_400 for one in SCHEDULES)
    bench.poll()
    bench.clock.forward(days=401)
    quality.forget_old_points(bench.services)
    assert bench.points() == []
