"""Periodic work has one turn in its period, however many clocks there are."""

import threading
import time
from collections.abc import Callable, Iterator

import pytest
from conftest import Clock
from fakes import make_services
from sqlalchemy import Engine, select

from store.models import Work
from store.work import add_work
from workers import rq_worker, schedules
from workers.bell import LocalBell
from workers.embedded import EmbeddedWorker
from workers.rq_worker import WorkerProcess, scheduled_job
from workers.schedules import Periodic, Upkeep, take_turn


def test_one_turn_in_a_period(engine: Engine, clock: Clock) -> None:
    services = make_services(engine, now=clock)
    periodic = Periodic("x", 60, lambda _services: None)

    def turn() -> bool:
        return services.writer.write(lambda session: take_turn(session, periodic, now=clock()))

    assert [turn(), turn()] == [True, False]
    clock.forward(seconds=30)
    assert not turn()
    clock.forward(seconds=31)
    assert turn()
    clock.forward(hours=-5)  # the clock was set back: better once too often than never again
    assert turn()


def test_many_clocks_at_once_get_one_turn(engine: Engine, clock: Clock) -> None:
    every = [make_services(engine, now=clock) for _ in range(4)]
    periodic = Periodic("x", 60, lambda _services: None)
    turns: list[bool] = []

    def turn(number: int) -> None:
        turns.append(every[number].writer.write(lambda session: take_turn(session, periodic, now=clock())))

    threads = [threading.Thread(target=turn, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(turns) == [False, False, False, True]


class Hanging:
    """Periodic work that has begun and does not end."""

    def __init__(self) -> None:
        self.begun, self.go_on = threading.Event(), threading.Event()

    def run(self, _services: object) -> None:
        self.begun.set()
        self.go_on.wait(60)


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hanging]:
    made = Hanging()
    monkeypatch.setattr(schedules, "SCHEDULES", (Periodic("hanging", 60, made.run),))
    yield made
    made.go_on.set()


def becomes_true(is_so: Callable[[], bool], *, within_s: float = 20.0) -> bool:
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        if is_so():
            return True
        time.sleep(0.05)
    return False


def test_what_falls_due_is_done_while_periodic_work_takes_long(engine: Engine, hanging: Hanging) -> None:
    services = make_services(engine)
    worker = EmbeddedWorker(services, LocalBell())
    worker.start()
    try:
        assert hanging.begun.wait(20)
        services.writer.write(lambda session: add_work(session, "no such job", [1], "events", now=services.now()))

        def is_tried() -> bool:
            with services.read() as session:
                return session.scalar(select(Work.code)) is not None

        assert becomes_true(is_tried)  # nobody rang: the sweeper found it
    finally:
        worker.stop()


def test_a_job_of_the_queue_only_begins_periodic_work(
    engine: Engine, hanging: Hanging, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = WorkerProcess(make_services(engine))
    monkeypatch.setattr(rq_worker, "CURRENT", [process])
    process.upkeep.start()
    began = time.monotonic()
    scheduled_job("hanging")
    assert time.monotonic() - began < 5
    assert hanging.begun.wait(20)
    process.upkeep.stop()


def test_periodic_work_that_fails_does_not_end_the_others(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    done = threading.Event()
    failing = Periodic("failing", 60, lambda _services: {}["no such key"])
    monkeypatch.setattr(schedules, "SCHEDULES", (failing, Periodic("good", 60, lambda _services: done.set())))
    upkeep = Upkeep(make_services(engine))
    upkeep.ask("failing")
    upkeep.start()
    assert done.wait(20)
    upkeep.stop()
