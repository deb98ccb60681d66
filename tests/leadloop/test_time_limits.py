"""What may hang is waited for so long and no longer, and by one thread only."""

import threading
from collections.abc import Callable

import pytest

from leadloop.time_limits import TimeLimit


def fail() -> None:
    raise LookupError("no")


def test_what_is_in_time_gives_its_result_or_raises() -> None:
    limit = TimeLimit(10)
    assert limit.run(lambda: 7) == 7
    with pytest.raises(LookupError):
        limit.run(fail)
    assert limit.run(lambda: 8) == 8


def hanging() -> tuple[Callable[[], str], threading.Event, list[threading.Thread]]:
    release, threads = threading.Event(), []

    def hang() -> str:
        threads.append(threading.current_thread())
        release.wait(20)
        return "late"

    return hang, release, threads


def test_what_hangs_is_given_up_and_takes_one_thread_however_often_it_is_asked_for() -> None:
    hang, release, threads = hanging()
    limit = TimeLimit(0.05)
    for _ in range(20):
        with pytest.raises(TimeoutError):
            limit.run(hang)
    assert len(threads) == 1
    release.set()
    threads[0].join(10)
    assert limit.run(lambda: 7) == 7


def test_who_comes_while_another_is_read_waits_for_its_turn() -> None:
    hang, release, threads = hanging()
    limit, got, begun = TimeLimit(10), [], threading.Event()

    def slow() -> str:
        begun.set()
        return hang()

    first = threading.Thread(target=lambda: got.append(limit.run(slow)))
    second = threading.Thread(target=lambda: got.append(limit.run(lambda: "second")))
    first.start()
    assert begun.wait(10)
    second.start()
    release.set()
    first.join(10)
    second.join(10)
    assert sorted(got) == ["late", "second"]
    assert len(threads) == 1
