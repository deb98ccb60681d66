"""Outlet over a pair of sockets, with clients that read, dawdle or leave."""

import socket
import threading
from collections.abc import Iterator

import pytest

from leadloop.serving import Limits
from leadloop.serving.answering import ClientGone, Outlet

Pair = tuple[socket.socket, socket.socket]
QUICK = Limits(answer_bytes=100_000, send_s=0.2, send_bytes_per_s=1 << 30)


@pytest.fixture
def pair() -> Iterator[Pair]:
    server, client = socket.socketpair()
    server.setblocking(False)
    client.settimeout(10)
    with server, client:
        yield server, client


def drained(client: socket.socket, size: int) -> int:
    got = 0
    while got < size:
        got += len(client.recv(1 << 20))
    return got


def test_head_and_body_leave_together(pair: Pair) -> None:
    server, client = pair
    outlet = Outlet(server, threading.Semaphore(1), Limits())
    outlet.sendall(b"head ")
    client.setblocking(False)
    with pytest.raises(BlockingIOError):
        client.recv(100)
    assert outlet.untouched
    outlet.sendall(b"body")
    assert client.recv(100) == b"head body"
    assert not outlet.untouched


def test_an_answer_nobody_reads_is_left_to_the_loop(pair: Pair) -> None:
    server, client = pair
    outlet = Outlet(server, threading.Semaphore(1), Limits(answer_bytes=10_000_000))
    outlet.sendall(b"head")
    outlet.sendall(bytes(5_000_000))
    assert 0 < len(outlet.pending) < 5_000_004
    assert not outlet.push()
    reader = threading.Thread(target=drained, args=(client, 5_000_004))
    reader.start()
    while not outlet.push():
        pass
    reader.join()


def test_a_longer_answer_waits_for_its_reader(pair: Pair) -> None:
    server, client = pair
    slots = threading.Semaphore(1)
    outlet = Outlet(server, slots, Limits(answer_bytes=100_000))
    reader = threading.Thread(target=drained, args=(client, 20_000_004))
    reader.start()
    outlet.sendall(b"head")
    for _ in range(20):
        outlet.sendall(bytes(1_000_000))
        assert len(outlet.pending) <= 100_000
    while not outlet.push():
        pass
    reader.join()
    assert slots.acquire(blocking=False)


def test_a_client_that_reads_nothing_is_given_up(pair: Pair) -> None:
    server, _client = pair
    slots = threading.Semaphore(1)
    outlet = Outlet(server, slots, QUICK)
    outlet.sendall(b"head")
    with pytest.raises(ClientGone):
        outlet.sendall(bytes(5_000_000))
    assert outlet.broken
    assert slots.acquire(blocking=False), "the place is free again"


def test_patience_is_for_the_whole_answer(pair: Pair) -> None:
    """Many small writes do not add up to many times the patience."""
    server, client = pair
    outlet = Outlet(server, threading.Semaphore(1), Limits(answer_bytes=100_000, send_s=0.2, send_bytes_per_s=1 << 40))
    outlet.sendall(b"head")
    outlet.sendall(bytes(90_000))

    def dawdle() -> None:
        for _ in range(1000):
            outlet.sendall(bytes(100_000))
            client.recv(1000)

    with pytest.raises(ClientGone):
        dawdle()


def test_only_so_many_threads_wait(pair: Pair) -> None:
    server, _client = pair
    slots = threading.Semaphore(1)
    slots.acquire()
    outlet = Outlet(server, slots, Limits(answer_bytes=100_000))
    outlet.sendall(b"head")
    with pytest.raises(ClientGone):
        outlet.sendall(bytes(5_000_000))
    assert outlet.broken


def test_a_client_that_left(pair: Pair) -> None:
    server, client = pair
    outlet = Outlet(server, threading.Semaphore(1), Limits())
    client.close()
    outlet.sendall(b"head")
    with pytest.raises(ClientGone):
        outlet.sendall(b"body")
    assert outlet.broken


def test_an_untouched_answer_can_be_replaced(pair: Pair) -> None:
    server, client = pair
    outlet = Outlet(server, threading.Semaphore(1), Limits())
    outlet.sendall(b"head")
    with pytest.raises(OSError, match=r"^$"):
        outlet.shutdown(socket.SHUT_WR)
    outlet.close()
    assert outlet.untouched
    assert not outlet.broken
    outlet.replace(b"sorry")
    assert outlet.push()
    assert client.recv(100) == b"sorry"


def test_a_touched_answer_is_broken_off(pair: Pair) -> None:
    server, client = pair
    outlet = Outlet(server, threading.Semaphore(1), Limits())
    outlet.sendall(b"head")
    outlet.send(b"half")
    outlet.abort()
    assert outlet.broken
    outlet.begin()
    assert not outlet.broken
    assert client.recv(100) == b"headhalf"
