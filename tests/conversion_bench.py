"""The way back in this process: outcomes are decided and sent to a pretend Meta, on a real database and a clock set by hand."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from conftest import Clock
from fakes import make_services
from lead_rows import add, make_lead
from sqlalchemy import Engine, select, update
from sqlalchemy.orm import Session

from leadloop.conversions.answers import EventRefused, EventsUnanswered, Received
from leadloop.conversions.datasets import DatasetInfo
from leadloop.conversions.outcome import read_outcome
from leadloop.ports import Services
from store.conversion_models import Conversion
from store.models import Connection, Funnel, Page, Work
from store.outcomes import add_outcomes
from workers.drain import Drainer
from workers.registry import JOBS

DATASET = "900000000000001"
STAGES: list[dict[str, Any]] = [
    {"stage": "new", "event": "Raw Lead"},
    {"stage": "qualified", "event": "Lead"},
    {"stage": "demo", "event": "Demo Scheduled"},
    {"stage": "won", "event": "Purchase", "value": "required"},
    {"stage": "lost"},
]
Answer = Callable[[Sequence[Mapping[str, Any]]], Received]


def refused() -> EventRefused:
    return EventRefused("An event is at fault.", code="graph_100_2804003", action="Mend it.", meta_code="100/2804003")


@dataclass
class Meta:
    """Takes events as Meta does: all of a request or none. `says` is what the next requests meet, in turn."""

    bad: set[str] = field(default_factory=set)
    says: list[Exception | Answer] = field(default_factory=list)
    stored: list[dict[str, Any]] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    ill: Exception | None = None  # what a question meets
    asked: int = 0

    def send_events(
        self, dataset_id: str, events: Sequence[Mapping[str, Any]], *, token: str, test_event_code: str | None = None
    ) -> Received:
        assert token == "system-token"
        self.sizes.append(len(events))
        if self.says:
            said = self.says.pop(0)
            if isinstance(said, Exception):
                raise said
            return said(events)
        if any(event["event_name"] in self.bad for event in events):
            raise refused()
        return self.take(events)

    def read_dataset(self, dataset_id: str, *, token: str) -> DatasetInfo:
        self.asked += 1
        if self.ill is not None:
            raise self.ill
        return DatasetInfo(dataset_id)

    def take(self, events: Sequence[Mapping[str, Any]]) -> Received:
        self.stored += [dict(event) for event in events]
        return Received(len(events), "trace-1", (), {"events_received": len(events)})

    def take_and_hang(self, events: Sequence[Mapping[str, Any]]) -> Received:
        self.take(events)
        raise EventsUnanswered("No answer.", code="timeout", maybe_stored=True)

    def names(self) -> list[str]:
        return [event["event_name"] for event in self.stored]

    def ids(self) -> list[str]:
        return [event["event_id"] for event in self.stored]


@dataclass
class Bench:
    services: Services
    clock: Clock
    meta: Meta
    drainer: Drainer

    def drain(self, **delta: float) -> None:
        self.clock.forward(**delta)
        self.drainer.drain()

    def tell(self, *given: dict[str, Any], drain: bool = True) -> None:
        now = self.clock()
        inputs = [read_outcome(one, now=now) for one in given]
        verdicts = self.services.writer.write(lambda s: add_outcomes(s, inputs, source="api", now=now))
        assert all(verdict.state != "refused" for verdict in verdicts), verdicts
        if drain:
            self.drain()

    def outcome(self, stage: str, leadgen_id: str = "222222222222222", **more: Any) -> dict[str, Any]:
        lead = {"leadgen_id": leadgen_id}
        return {"lead": lead, "stage": stage, "occurred_at": self.clock().isoformat(), "connection": "crm"} | more

    def rows(self) -> list[Conversion]:
        with Session(self.services.engine) as session:
            return list(session.scalars(select(Conversion).order_by(Conversion.id)))

    def states(self) -> list[tuple[str | None, str, str | None]]:
        return [(row.event_name, row.state, row.code) for row in self.rows()]

    def work(self) -> list[Work]:
        with Session(self.services.engine) as session:
            return list(session.scalars(select(Work)))

    def funnel(self, stages: list[dict[str, Any]] | None = None, *, connection: str = "crm", **options: Any) -> None:
        def change(session: Session) -> None:
            session.execute(update(Funnel).values(stages=stages or STAGES, options=options, connection=connection))

        self.services.writer.write(change)

    def leads(self, count: int) -> list[str]:
        ids = [str(300_000_000_000_000 + number) for number in range(count)]
        add(self.services, *(make_lead(one, self.clock() - timedelta(hours=1)) for one in ids))
        return ids


def make_bench(engine: Engine, clock: Clock, *, meta: Meta | None = None, **settings: Any) -> Bench:
    """A worker on this database. Its writer is to be closed."""
    meta = meta or Meta()
    how = {"meta_access_token": "system-token", "events_batch": 10, "events_batch_most": 40} | settings
    services = make_services(engine, now=clock, **how)
    services = Services(**(vars(services) | {"events_graph": meta}))
    return Bench(services, clock, meta, Drainer(services, JOBS, threads=4))


def fill_bench(bench: Bench) -> None:
    """A Page, a CRM, a funnel and one lead."""
    add(
        bench.services,
        Page(page_id="111111111111111", name="Acme", default_country="TR", business_country="TR"),
        Connection(name="crm", adapter="webhook", settings_sealed="-", changed_at=bench.clock()),
        Funnel(position=0, connection="crm", dataset_id=DATASET, stages=STAGES, options={}),
        make_lead("222222222222222", bench.clock() - timedelta(hours=1)),
    )
