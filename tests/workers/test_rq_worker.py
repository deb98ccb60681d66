"""The worker process and its bell: who drains when, and who is told to stop."""

import os
import signal
import time
from typing import Any

import pytest
from fakes import make_services
from redis.exceptions import ConnectionError as RedisAway
from sqlalchemy import Engine

from workers import rq_worker
from workers.rq_worker import Family, WorkerProcess


class FakeDrainer:
    """Counts drains; `is_draining` as told."""

    stopping = False

    def __init__(self) -> None:
        self.drains = 0
        self.wakes = 0
        self.is_draining = False

    def drain(self, **_how: float) -> int:
        self.drains += 1
        return 0

    def wake(self) -> None:
        self.wakes += 1


@pytest.fixture
def process(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> WorkerProcess:
    made = WorkerProcess(make_services(engine))
    made.drainer = FakeDrainer()  # type: ignore[assignment]
    monkeypatch.setattr(rq_worker, "CURRENT", [made])
    monkeypatch.setattr(rq_worker, "begin_drain", lambda _redis: None)
    monkeypatch.setattr(rq_worker, "_redis_of", lambda _services: None)
    return made


def test_with_redis_the_sweeper_rings_and_leaves_draining_to_the_job(process: WorkerProcess) -> None:
    rings: list[int] = []
    process.ring_or_drain(lambda: rings.append(1))
    assert (len(rings), process.drainer.drains) == (1, 0)  # type: ignore[attr-defined]


def test_without_redis_the_sweeper_drains_and_does_not_wait_for_redis_each_time(process: WorkerProcess) -> None:
    tries: list[int] = []

    def ring_now() -> None:
        tries.append(1)
        raise RedisAway("gone")

    for _ in range(3):
        process.ring_or_drain(ring_now)
    assert (len(tries), process.drainer.drains) == (1, 3)  # type: ignore[attr-defined]


def test_a_job_that_finds_a_drain_under_way_ends_without_ringing(process: WorkerProcess, monkeypatch: Any) -> None:
    """Otherwise it would ring for the next job, which ends at once and rings again: seventy jobs a second."""
    monkeypatch.setattr(rq_worker, "anything_due", lambda _services: True)
    process.drainer.is_draining = True  # type: ignore[misc]
    rq_worker.drain_job()
    assert process.services.bell.rings == 0  # type: ignore[attr-defined]
    assert (process.drainer.drains, process.drainer.wakes) == (0, 1)  # type: ignore[attr-defined]
    process.drainer.is_draining = False  # type: ignore[misc]
    rq_worker.drain_job()
    assert process.services.bell.rings == 1  # type: ignore[attr-defined]
    assert process.drainer.drains == 1  # type: ignore[attr-defined]


def test_a_child_that_is_just_being_started_is_told_to_stop_too() -> None:
    children: list[int] = []

    def start() -> int:
        child = os.posix_spawn("/bin/sleep", ["sleep", "60"], {})
        children.append(child)
        os.kill(os.getpid(), signal.SIGTERM)  # comes before the child is noted
        return child

    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    try:
        began = time.monotonic()
        Family(1, start).run()
        assert time.monotonic() - began < 30
    finally:
        signal.signal(signal.SIGTERM, before[0])
        signal.signal(signal.SIGINT, before[1])
        for child in children:
            with pytest.raises(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
