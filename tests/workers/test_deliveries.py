"""Leads on their way into a CRM: one adapter for each connection, as many calls as it takes, and what is measured."""

import json
import threading
from collections.abc import Iterator

import pytest
from conftest import Clock
from fake_crms.single import Single
from fakes import make_services
from lead_rows import add, make_lead, on_sqlite
from sqlalchemy import Engine, select, update
from sqlalchemy.orm import Session

from crm_adapters import ADAPTERS, adapter_kinds, get_adapter
from leadloop.ports import Services
from store.models import Connection, Delivery, Lead
from store.replay import replay_lead
from store.work import add_work
from workers import deliveries
from workers.drain import Drainer
from workers.jobs import Job
from workers.lane_caps import LaneCaps, read_lane_caps

JOBS = {"delivery": Job(deliveries.run, deliveries.fail, deliveries.current_fingerprint)}
MEASURED = "leadloop_webhook_to_crm_seconds"


@pytest.fixture(autouse=True)
def single(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Single]]:
    monkeypatch.setitem(ADAPTERS, "single", "fake_crms.single:Single")
    monkeypatch.setattr(Single, "made", [])
    monkeypatch.setattr(Single, "entered", threading.Event())
    _forget()
    yield Single
    _forget()


def _forget() -> None:
    get_adapter.cache_clear()
    adapter_kinds.cache_clear()


@pytest.fixture
def services(engine: Engine, clock: Clock) -> Iterator[Services]:
    made = make_services(engine, now=clock)
    yield made
    made.writer.close()


def connect(services: Services, name: str = "crm", adapter: str = "single") -> Connection:
    sealed = services.vault.seal(json.dumps({"token": ""}))
    made = Connection(name=name, adapter=adapter, settings_sealed=sealed, changed_at=services.now())
    add(services, made)
    return made


def deliver(services: Services, count: int, *, connection_id: int = 1) -> None:
    leads = [make_lead(f"{connection_id}-{number}", services.now()) for number in range(count)]
    add(services, *leads)
    rows = [Delivery(lead_id=lead.id, connection_id=connection_id, created_at=services.now()) for lead in leads]
    add(services, *rows)
    lane = f"crm:{connection_id}"
    services.writer.write(
        lambda session: add_work(session, "delivery", [row.id for row in rows], lane, now=services.now())
    )


def test_a_crm_that_takes_one_call_gets_one_from_the_first_on(services: Services, single: type[Single]) -> None:
    single.takes_s = 0.02
    connect(services)
    deliver(services, 20)
    read_lane_caps(services)
    drainer = Drainer(services, JOBS, threads=8)
    assert drainer.drain() == 20
    drainer.stop(1.0)
    assert [one.most_running for one in single.made] == [1]


def test_many_threads_make_one_adapter(services: Services, single: type[Single]) -> None:
    """As in a process that was told of no cap."""
    single.takes_s = 0.05
    connect(services)
    deliver(services, 20)
    drainer = Drainer(services, JOBS, threads=8)
    assert drainer.drain() == 20
    drainer.stop(1.0)
    assert len(single.made) == 1


@on_sqlite
def test_an_adapter_that_is_replaced_is_closed_after_its_last_call(
    services: Services, single: type[Single], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(single, "hold", threading.Event())
    connect(services)
    deliver(services, 2)
    with services.read() as session:
        rows = [deliveries.load_delivery(session, number) for number in (1, 2)]
    first = threading.Thread(target=_push, args=(rows[0], services))
    first.start()
    assert single.entered.wait(10)
    changed = {"changed_at": clock.forward(seconds=1)}
    services.writer.write(lambda session: session.execute(update(Connection).values(changed)) and None)
    with services.read() as session:
        fresh = deliveries.load_delivery(session, 2)
    with deliveries.use_adapter(fresh, services) as (adapter, _):
        old, new = single.made
        assert adapter is new
        assert not old.closed
    with deliveries.use_adapter(rows[1], services) as (adapter, _):
        assert adapter is new, "a delivery that was read before the change makes no third"
    assert single.hold is not None
    single.hold.set()
    first.join(10)
    assert (old.closed, old.closed_in_use, new.closed, len(single.made)) == (True, False, False, 2)


def _push(delivery: deliveries.DeliveryToMake, services: Services) -> None:
    with deliveries.use_adapter(delivery, services) as (adapter, _):
        card = deliveries.make_card(adapter, delivery.card or {}, None)
        adapter.push_lead(card, deliveries.Earlier(None))


def test_caps_are_those_of_the_adapters_also_of_connections_made_later(services: Services) -> None:
    connect(services)
    caps = LaneCaps(services)
    assert [caps.get(lane, 24) for lane in ("crm:1", "crm:9", "graph:1", "events")] == [1, 24, 24, 24]
    connect(services, "hubspot", "hubspot")
    connect(services, "gone", "no_such_adapter")
    assert [caps.get(f"crm:{number}", 24) for number in (1, 2, 3)] == [1, 10, 24]


def test_a_lead_that_is_pushed_again_is_measured_once(services: Services, clock: Clock) -> None:
    connect(services)
    deliver(services, 1)
    drainer = Drainer(services, JOBS, threads=2)
    drainer.drain()
    assert services.counters.get(MEASURED, connection="crm") == 1  # type: ignore[attr-defined]
    clock.forward(days=1)
    with Session(services.engine) as session, session.begin():
        replay_lead(session, session.scalars(select(Lead)).one(), now=clock(), again=True)
    assert drainer.drain() >= 1
    drainer.stop(1.0)
    with Session(services.engine) as session:
        assert session.scalars(select(Delivery)).one().attempts == 2
    assert services.counters.get(MEASURED, connection="crm") == 1  # type: ignore[attr-defined]
