"""Loop, stepped by hand: the test plays the threads, so every order of events can be had."""

import queue
import random
import selectors
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import pytest
from gunicorn.config import Config

from leadloop.serving import Limits
from leadloop.serving.connections import Connection, Inbox, Stage
from leadloop.serving.loop import Loop

LIMITS = Limits(
    receive_s=0.1, sweep_s=0.001, linger_s=0.1, pipelined_bytes=2000, buffered_bytes=3_000_000, answer_bytes=400_000
)
POST = b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello"


@dataclass
class Stepped:
    loop: Loop
    jobs: "queue.SimpleQueue[Connection | None]"
    selector: selectors.BaseSelector
    address: tuple[str, int]
    clients: list[socket.socket] = field(default_factory=list)

    def client(self) -> socket.socket:
        client = socket.create_connection(self.address, timeout=5)
        self.clients.append(client)
        return client

    def next_job(self) -> Connection:
        for _ in range(1000):
            self.loop.step()
            with suppress(queue.Empty):
                job = self.jobs.get_nowait()
                assert job is not None
                return job
        raise AssertionError("no request was handed over")

    def settle(self) -> None:
        """Step until nothing has happened for a while."""
        quiet = 0
        while quiet < 10:
            quiet = quiet + 1 if self.loop.step() else 0

    def step_until_empty(self) -> None:
        until = time.monotonic() + 10
        while len(self.loop) and time.monotonic() < until:
            self.loop.step()


@pytest.fixture
def stepped() -> Iterator[Stepped]:
    config = Config()
    config.set("http_parser", "python")
    config.set("keepalive", 1)
    jobs: queue.SimpleQueue[Connection | None] = queue.SimpleQueue()
    inbox = Inbox()
    inbox.init()
    selector = selectors.DefaultSelector()
    loop = Loop(config, LIMITS, jobs=jobs, inbox=inbox, selector=selector, most=100)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        loop.open([listener])
        stepped = Stepped(loop, jobs, selector, listener.getsockname())
        yield stepped
        for client in stepped.clients:
            client.close()
        loop.close()
        inbox.close()


def answer(stepped: Stepped, conn: Connection, body: bytes = b"hello", *, keep: bool = True) -> None:
    """What a thread does."""
    conn.sock.sendall(b"head ")
    conn.sock.sendall(body)
    stepped.loop.finish(conn, keep=keep)


def test_a_request_is_handed_over_once_it_is_whole(stepped: Stepped) -> None:
    client = stepped.client()
    client.sendall(POST[:-1])
    stepped.settle()
    assert stepped.jobs.empty()
    assert stepped.loop.buffered_bytes == 4
    client.sendall(POST[-1:])
    conn = stepped.next_job()
    assert conn.request.body.read() == b"hello"
    answer(stepped, conn)
    assert client.recv(100) == b"head hello"
    assert conn.stage is Stage.WAITING
    assert stepped.loop.buffered_bytes == 0


def test_the_next_request_waits_for_the_answer_to_this_one(stepped: Stepped) -> None:
    client = stepped.client()
    client.sendall(POST)
    first = stepped.next_job()
    client.sendall(POST + POST)
    stepped.settle()
    assert stepped.jobs.empty()
    answer(stepped, first)
    second = stepped.next_job()
    assert second is first
    stepped.settle()
    assert stepped.jobs.empty()
    answer(stepped, second)
    answer(stepped, stepped.next_job())
    assert client.recv(100) == b"head hello" * 3


def test_what_is_read_ahead_is_bounded(stepped: Stepped) -> None:
    client = stepped.client()
    client.sendall(POST[:-1])
    stepped.settle()
    client.sendall(POST[-1:])
    conn = stepped.next_job()
    client.settimeout(0)
    for _ in range(20):
        with suppress(BlockingIOError):
            client.send(bytes(20_000))
        stepped.settle()
    assert 2000 < stepped.loop.buffered_bytes < 2000 + 64 * 1024
    stepped.loop.abandon(conn)
    stepped.step_until_empty()
    assert stepped.loop.buffered_bytes == 0


@pytest.mark.parametrize("abruptly", [False, True])
def test_a_client_that_leaves_while_in_hand(stepped: Stepped, abruptly: bool) -> None:
    client = stepped.client()
    client.sendall(POST[:-1])
    stepped.settle()
    client.sendall(POST[-1:])
    conn = stepped.next_job()
    if abruptly:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.close()
    stepped.settle()
    assert conn.stage is Stage.IN_HAND, "it is the thread's"
    stepped.loop.finish(conn, keep=True)
    stepped.step_until_empty()
    assert conn.stage is Stage.CLOSED


def test_data_and_answer_may_cross(stepped: Stepped) -> None:
    """The loop reads before the thread is done, the thread looks before the loop is told: nothing gets stuck."""
    client = stepped.client()
    client.sendall(POST)
    conn = stepped.next_job()
    client.sendall(POST)
    answer(stepped, conn)  # the loop has not seen the second request yet
    answer(stepped, stepped.next_job())
    client.sendall(POST)
    stepped.settle()
    answer(stepped, stepped.jobs.get_nowait())  # now it has
    client.sendall(POST)
    answer(stepped, stepped.next_job(), keep=False)
    stepped.settle()
    assert client.recv(1000) == b"head hello" * 4
    assert client.recv(1000) == b""


def test_an_answer_flows_on_without_a_thread(stepped: Stepped) -> None:
    client = stepped.client()
    client.sendall(POST + POST)
    body = random.Random(1).randbytes(390_000)
    conn = stepped.next_job()
    conn.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    answer(stepped, conn, body)
    stepped.settle()
    assert conn.stage is Stage.FLUSHING
    assert stepped.loop.buffered_bytes > 100_000
    client.settimeout(0)
    got = b""
    until = time.monotonic() + 10
    while len(got) < 390_005 and time.monotonic() < until:
        stepped.loop.step()
        with suppress(BlockingIOError):
            got += client.recv(1 << 20)
    assert got == b"head " + body
    assert stepped.next_job() is conn, "the pipelined one follows"
    assert not conn.mask & selectors.EVENT_WRITE
    answer(stepped, conn)
    stepped.settle()
    assert stepped.loop.buffered_bytes == 0


def test_all_memory_is_given_back(stepped: Stepped) -> None:
    """Clients do anything at any time; in the end nothing is counted and nothing is open."""
    rng = random.Random(20261122)
    big = b"POST / HTTP/1.1\r\nContent-Length: 300000\r\n\r\n" + bytes(300_000)
    chunked = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    bad = b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n"
    in_hand: list[Connection] = []
    for _ in range(3000):
        action = rng.randrange(7)
        if action == 0 and len(stepped.clients) < 60:
            stepped.client().settimeout(0)
        elif action == 1 and stepped.clients:
            with suppress(OSError):
                rng.choice(stepped.clients).send(
                    rng.choice([POST, POST[:20], POST[20:], big, chunked, bad, big[:90_000]])
                )
        elif action == 4 and stepped.clients:
            with suppress(OSError):
                rng.choice(stepped.clients).recv(1_000_000)
        elif action == 2 and stepped.clients and rng.random() < 0.3:
            client = stepped.clients.pop(rng.randrange(len(stepped.clients)))
            if rng.random() < 0.5:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            client.close()
        elif action == 3 and in_hand:
            conn = in_hand.pop(rng.randrange(len(in_hand)))
            conn.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
            with suppress(OSError):
                conn.sock.sendall(b"head")
                conn.sock.sendall(bytes(rng.choice([10, 300_000])))
            stepped.loop.finish(conn, keep=rng.random() < 0.7)
        else:
            stepped.loop.step()
        with suppress(queue.Empty):
            in_hand.append(stepped.jobs.get_nowait())
    for client in stepped.clients:
        client.close()
    for conn in in_hand:
        stepped.loop.finish(conn, keep=True)
    until = time.monotonic() + 10
    while len(stepped.loop) and time.monotonic() < until:
        stepped.loop.step()
        with suppress(queue.Empty):
            stepped.loop.finish(stepped.jobs.get_nowait(), keep=True)
    assert len(stepped.loop) == 0
    assert stepped.loop.buffered_bytes == 0
    assert len(stepped.selector.get_map()) == 2  # the listener and the inbox


def test_inbox_wakes_once_for_many() -> None:
    inbox = Inbox()
    inbox.init()
    seen: list[int] = []
    with selectors.DefaultSelector() as selector:
        selector.register(inbox.fileno(), selectors.EVENT_READ)
        for number in range(100):
            inbox.defer(seen.append, number)
        assert selector.select(0)
        inbox.defer(inbox.defer, seen.append, 100)  # what a callback leaves is not forgotten
        inbox.run_callbacks()
        assert seen == list(range(101))
        while selector.select(0):
            inbox.run_callbacks()
        inbox.defer(seen.append, 101)
        assert selector.select(0)
        inbox.run_callbacks()
        assert seen[-1] == 101
    inbox.close()
    inbox.defer(seen.append, 102)  # nobody is left to hear it, and that is fine
