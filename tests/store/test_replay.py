"""Replaying a lead, also while a worker has its delivery in hand."""

from conftest import Clock
from fakes import make_services
from lead_rows import add, make_lead
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from leadloop.errors import NeedsHuman
from leadloop.ports import Services
from store.deliveries import note_delivered
from store.models import Connection, Delivery, Lead
from store.replay import replay_event, replay_lead
from store.work import WorkItem, add_work, count_work
from workers.drain import Drainer
from workers.jobs import Effect, Job

REF = ("contact", "1", None)


def prepare(engine: Engine, clock: Clock) -> Services:
    services = make_services(engine, now=clock)
    connection = Connection(id=1, name="crm", adapter="webhook", settings_sealed="x", changed_at=clock())
    delivery = Delivery(id=1, lead_id=1, connection_id=1, created_at=clock())
    add(services, make_lead("222", clock()), connection, delivery)
    services.writer.write(lambda session: add_work(session, "delivery", [1], "crm:1", now=clock()))
    return services


def drain(services: Services, push: object) -> list[str]:
    """Work off deliveries; the state in which each push found its delivery."""
    found: list[str] = []

    def run(item: WorkItem, services: Services) -> Effect:
        with services.read() as session:
            found.append(session.get_one(Delivery, item.subject_id).state)
        if len(found) == 1:
            push()  # type: ignore[operator]
        return lambda session, now: note_delivered(session, item.subject_id, REF, ["note"], now=now)

    jobs = {"delivery": Job(run), "lead": Job(lambda _item, _services: None)}
    drainer = Drainer(services, jobs, threads=8)
    drainer.drain()
    drainer.stop(0)
    return found


def test_a_lead_replayed_while_its_delivery_is_in_hand_is_pushed_anew(engine: Engine, clock: Clock) -> None:
    services = prepare(engine, clock)

    def replay() -> None:
        clock.forward(seconds=1)
        services.writer.write(lambda session: replay_lead(session, session.get_one(Lead, 1), now=clock(), again=True))

    assert drain(services, replay) == ["waiting", "waiting"]
    with Session(engine) as session:
        assert session.get_one(Delivery, 1).state == "delivered"
        assert count_work(session) == []


def test_without_again_what_is_delivered_meanwhile_stays_so(engine: Engine, clock: Clock) -> None:
    services = prepare(engine, clock)

    def replay() -> None:
        services.writer.write(lambda session: replay_lead(session, session.get_one(Lead, 1), now=clock(), again=False))

    assert drain(services, replay) == ["waiting"]


def test_a_replay_outlives_a_parking_under_way(engine: Engine, clock: Clock) -> None:
    services = prepare(engine, clock)

    def replay() -> None:
        services.writer.write(lambda session: replay_lead(session, session.get_one(Lead, 1), now=clock(), again=True))
        raise NeedsHuman("no such field", code="unmapped", action="map it")

    assert drain(services, replay) == ["waiting", "waiting"]


def test_an_event_that_is_not_there_is_not_replayed(engine: Engine, clock: Clock) -> None:
    services = prepare(engine, clock)
    assert not services.writer.write(lambda session: replay_event(session, 7, now=clock()))
