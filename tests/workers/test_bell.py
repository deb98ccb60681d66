"""The bell on a real Redis: one waiting job, never in the way, and what an emptied or absent Redis does to it."""

import threading
import time
from collections.abc import Iterator

import pytest
from rq import Queue
from servers import RedisServer, free_port, start_redis
from serving.clients import wait_until
from structlog.testing import capture_logs

from workers.bell import HINT, QUEUE, Listener, LocalBell, RqBell, SilentBell, begin_drain, connect


@pytest.fixture
def redis_server() -> Iterator[RedisServer]:
    server = start_redis()
    yield server
    server.stop()


def test_never_more_than_one_drain_waits(redis_server: RedisServer) -> None:
    bell = RqBell(redis_server.url)
    assert [bell.ring_now() for _ in range(5)] == [True, False, False, False, False]
    with redis_server.client() as client:
        assert Queue(QUEUE, connection=client).count == 1


def test_once_a_drain_has_begun_the_next_may_wait(redis_server: RedisServer) -> None:
    bell, client = RqBell(redis_server.url), connect(redis_server.url)
    bell.ring_now()
    queue = Queue(QUEUE, connection=client)
    client.lpop(queue.key)  # a worker takes the job
    begin_drain(client)
    assert bell.ring_now()
    assert queue.count == 1
    client.close()


def test_a_worker_that_died_before_beginning_does_not_silence_the_bell(redis_server: RedisServer) -> None:
    bell, client = RqBell(redis_server.url), connect(redis_server.url)
    bell.ring_now()
    queue = Queue(QUEUE, connection=client)
    client.lpop(queue.key)  # taken, and then nothing more is heard of it
    assert bell.ring_now()
    assert queue.count == 1
    client.close()


def test_an_emptied_redis_is_rung_again(redis_server: RedisServer) -> None:
    bell, client = RqBell(redis_server.url), connect(redis_server.url)
    bell.ring_now()
    client.flushall()
    assert bell.ring_now()
    client.close()


def test_ringing_never_waits_and_never_raises_without_redis() -> None:
    bell = RqBell(f"redis://127.0.0.1:{free_port()}/0")
    began = time.monotonic()
    for _ in range(1000):
        bell.ring()
    assert time.monotonic() - began < 1.0


def test_a_ring_is_heard_soon(redis_server: RedisServer) -> None:
    bell = RqBell(redis_server.url)
    bell.ring()
    with redis_server.client() as client:
        queue = Queue(QUEUE, connection=client)
        deadline = time.monotonic() + 10
        while not queue.count and time.monotonic() < deadline:
            time.sleep(0.005)
        assert queue.count == 1


def test_the_local_bell_wakes_whoever_is_connected() -> None:
    bell, heard = LocalBell(), []
    bell.ring()
    bell.connect(lambda: heard.append(1))
    bell.ring()
    assert heard == [1]
    SilentBell().ring()


def test_closing_rings_what_was_to_be_rung(redis_server: RedisServer) -> None:
    """As a command does that adds work and ends right away."""
    bell = RqBell(redis_server.url)
    bell.ring()
    bell.close()
    with redis_server.client() as client:
        assert Queue(QUEUE, connection=client).count == 1


def test_closing_without_redis_is_quick_and_silent() -> None:
    bell = RqBell(f"redis://127.0.0.1:{free_port()}/0")
    bell.ring()
    began = time.monotonic()
    with capture_logs() as lines:
        bell.close()
    assert time.monotonic() - began < 5
    assert lines == []


def test_drains_under_way_hear_the_bell(redis_server: RedisServer) -> None:
    heard = threading.Semaphore(0)
    listener = Listener(redis_server.url, heard.release)
    listener.start()
    bell = RqBell(redis_server.url)
    try:
        assert bell.ring_now()
        assert heard.acquire(timeout=10)
        assert not bell.ring_now(), "the waiting job is enough"
        assert heard.acquire(timeout=10), "who is under way is told all the same"
        with redis_server.client() as client:
            assert wait_until(lambda: client.llen(HINT) == 0)
    finally:
        listener.stop()


def test_a_listener_comes_back_after_redis_was_away(redis_server: RedisServer) -> None:
    heard = threading.Event()
    listener = Listener(redis_server.url, heard.set)
    listener.start()
    try:
        redis_server.kill()
        redis_server.start_again()
        assert wait_until(lambda: (RqBell(redis_server.url).ring_now(), heard.wait(0.2))[1])
    finally:
        listener.stop()
