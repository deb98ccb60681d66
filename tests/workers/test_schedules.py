"""Periodic work has one turn in its period, however many clocks there are."""

import threading

from conftest import Clock
from fakes import make_services
from sqlalchemy import Engine

from workers.schedules import Periodic, take_turn


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
