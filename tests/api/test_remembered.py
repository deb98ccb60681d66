"""What takes long is kept for a while."""

import threading

import pytest
from sqlalchemy.exc import OperationalError

from api.remembered import Remembered


class Ticks:
    """A clock, and readings that take some of its time."""

    def __init__(self):
        self.now = 100.0
        self.reads = 0

    def __call__(self):
        return self.now

    def read(self, took_s):
        def read():
            self.reads += 1
            self.now += took_s
            return self.reads

        return read


def test_what_is_quick_is_always_fresh():
    clock = Ticks()
    kept = Remembered(clock=clock)
    assert [kept.get(clock.read(0.04)) for _ in range(3)] == [1, 2, 3]


def test_what_is_slow_is_kept_for_twenty_times_as_long():
    clock = Ticks()
    kept = Remembered(clock=clock)
    assert kept.get(clock.read(0.2)) == 1
    clock.now += 3.9
    assert kept.get(clock.read(0.2)) == 1
    clock.now += 0.2
    assert kept.get(clock.read(0.2)) == 2


def test_what_is_very_slow_is_kept_for_fifteen_seconds_at_most():
    clock = Ticks()
    kept = Remembered(clock=clock)
    kept.get(clock.read(60))
    clock.now += 14.9
    assert kept.get(clock.read(60)) == 1
    clock.now += 0.2
    assert kept.get(clock.read(60)) == 2


def test_least_time_holds_for_what_is_quick():
    clock = Ticks()
    kept = Remembered(clock=clock, least_s=2.0)
    kept.get(clock.read(0))
    clock.now += 1.9
    assert kept.get(clock.read(0)) == 1
    clock.now += 0.2
    assert kept.get(clock.read(0)) == 2


def test_failure_is_not_kept():
    def fall():
        raise OperationalError("", {}, Exception("gone"))

    kept = Remembered(least_s=60)
    with pytest.raises(OperationalError):
        kept.get(fall)
    assert kept.get(lambda: "well") == "well"


def test_many_at_once_read_once():
    started, release, reads = threading.Event(), threading.Event(), []
    kept = Remembered(least_s=60)

    def read():
        reads.append(1)
        started.set()
        release.wait(10)
        return "value"

    threads = [threading.Thread(target=kept.get, args=(read,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    started.wait(10)
    release.set()
    for thread in threads:
        thread.join(10)
    assert len(reads) == 1
