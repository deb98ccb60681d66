"""PatientWorker in real processes, met by slow, hostile and merely unusual clients."""

import contextlib
import hashlib
import os
import signal
import socket
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import psutil
import pytest
from serving.clients import PATIENCE_S, Serve, Web, Wire, post, wait_until

pytestmark = pytest.mark.services

PROMPT_S = 3.0  # generous; on a quiet machine it is milliseconds
MIB = 1024 * 1024
GET = b"GET /pid HTTP/1.1\r\nHost: x\r\n\r\n"


def attack(web: Web) -> tuple[list[Wire], list[Wire]]:
    """200 clients with half a head, 50 with half a body."""
    heads = [web.wire().send(b"POST /echo HTTP/1.1\r\nHost: x\r\nX-A: ") for _ in range(200)]
    bodies = [web.wire().send(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n\r\nabc") for _ in range(50)]
    return heads, bodies


def test_slow_clients_do_not_hold_the_server(serve: Serve) -> None:
    web = serve()
    heads, bodies = attack(web)
    for _ in range(3):
        for wire in heads + bodies:
            wire.send(b"x")
        started = time.monotonic()
        assert web.post("/echo", b"a lead", timeout_s=PATIENCE_S).json["bytes"] == 6
        assert time.monotonic() - started < PROMPT_S


def test_the_stock_worker_is_held_by_the_same_clients(serve: Serve) -> None:
    web = serve(worker="stock")
    assert web.post("/echo", b"a lead").status == 200
    attack(web)
    with pytest.raises(TimeoutError):
        web.post("/echo", b"a lead", timeout_s=PROMPT_S)


def test_a_trickled_head_and_a_trickled_body_end_in_408(web: Web) -> None:
    head = web.wire().send(b"POST /echo HTTP/1.1\r\nX-A: ")
    body = web.wire().send(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n\r\nabc")
    chunk = web.wire().send(b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n500\r\nab")
    started = time.monotonic()
    while time.monotonic() - started < 1.0:  # bytes that keep coming do not extend the time
        for wire in (head, body, chunk):
            wire.trickle(b"c")
        time.sleep(0.1)
    for wire in (head, body, chunk):
        answer = wire.answer()
        assert answer.status == 408
        assert b"within 1.5 seconds" in answer.body
        assert answer.headers["connection"] == "close"
        assert wire.is_closed()
    assert time.monotonic() - started < 1.5 + PROMPT_S


def test_a_client_that_says_nothing_is_closed_without_a_word(web: Web) -> None:
    assert web.wire().is_closed()


def test_too_long_a_body_is_answered_before_it_is_sent(web: Web) -> None:
    started = time.monotonic()
    wire = web.wire().send(f"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: {5 * MIB}\r\n\r\n".encode())
    answer = wire.answer()
    assert answer.status == 413
    assert answer.headers["connection"] == "close"
    assert wire.is_closed()
    assert time.monotonic() - started < PROMPT_S


def test_too_long_a_body_is_413_also_when_it_is_on_its_way(web: Web) -> None:
    wire = web.wire()
    wire.send(f"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: {5 * MIB}\r\n\r\n".encode() + bytes(100_000))
    assert wire.answer().status == 413


def test_an_application_that_reads_without_looking_gets_413_too(web: Web) -> None:
    wire = web.wire().send(f"POST /read-blindly HTTP/1.1\r\nHost: x\r\nContent-Length: {5 * MIB}\r\n\r\n".encode())
    assert wire.answer().status == 413


def test_too_long_a_chunked_body_is_413(web: Web) -> None:
    wire = web.wire().send(b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(65):
        wire.trickle(b"10000\r\n" + bytes(65_536) + b"\r\n")
    assert wire.answer().status == 413


def test_a_body_as_long_as_allowed_arrives_whole(web: Web) -> None:
    body = os.urandom(4 * MIB)
    answer = web.post("/echo", body)
    assert (answer.status, answer.json["sha256"]) == (200, hashlib.sha256(body).hexdigest())


def test_chunks_trailers_and_extensions(web: Web) -> None:
    wire = web.wire()
    head = b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    for part in (head, b"5;a=b\r\nhe", b"llo\r", b"\n1\r\n!\r\n0", b"\r\nX-T: 1\r", b"\n\r\n"):
        wire.send(part)
    assert wire.answer().json["sha256"] == hashlib.sha256(b"hello!").hexdigest()
    assert wire.send(GET).answer().status == 200


def test_pipelined_requests_are_answered_in_order(web: Web) -> None:
    wire = web.wire()
    wire.send(b"".join(post("/echo", b"x" * size) for size in range(30)) + GET)
    assert [wire.answer().json["bytes"] for _ in range(30)] == list(range(30))
    assert "pid" in wire.answer().json


def test_a_flood_of_pipelined_requests_is_answered_whole(web: Web) -> None:
    """More than is read ahead: the server stops reading and goes on."""
    wire = web.wire()
    wire.socket.setblocking(False)
    todo, answered = memoryview(post("/echo", bytes(3000)) * 200), b""
    until = time.monotonic() + PATIENCE_S
    while answered.count(b'"bytes":3000') < 200 and time.monotonic() < until:
        with contextlib.suppress(BlockingIOError):
            todo = todo[wire.socket.send(todo) :] if todo else todo
        try:
            answered += wire.socket.recv(MIB)
        except BlockingIOError:
            time.sleep(0.001)
    assert answered.count(b'"bytes":3000') == 200


def test_a_body_the_application_does_not_read_is_not_taken_for_a_request(web: Web) -> None:
    wire = web.wire().send(post("/ignore", GET) + b"POST /ignore HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")
    assert wire.answer().body == b"not read"
    wire.send(b"%x\r\n%s\r\n0\r\n\r\n" % (len(GET), GET) + GET)
    assert wire.answer().body == b"not read"
    assert "pid" in wire.answer().json


def test_kept_alive_a_connection_serves_many_requests(web: Web) -> None:
    wire = web.wire()
    assert {wire.send(GET).answer().headers["connection"] for _ in range(50)} == {"keep-alive"}


def test_http_1_0_is_closed_unless_it_asks_otherwise(web: Web) -> None:
    wire = web.wire().send(b"GET /pid HTTP/1.0\r\n\r\n")
    assert wire.answer().status == 200
    assert wire.is_closed()
    wire = web.wire()
    for _ in range(2):
        assert wire.send(b"GET /pid HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").answer().status == 200


def test_a_client_that_closes_its_side_gets_its_answers(web: Web) -> None:
    wire = web.wire().send(GET + GET)
    wire.socket.shutdown(socket.SHUT_WR)
    assert [wire.answer().status for _ in range(2)] == [200, 200]
    assert wire.is_closed()


def test_expect_100_continue(web: Web) -> None:
    wire = web.wire().send(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
    assert wire.answer().status == 100
    assert wire.send(b"hello").answer().json["bytes"] == 5
    wire.send(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello")
    assert wire.answer().status == 200  # already sent: nothing to continue


def test_expect_100_continue_is_refused_at_once_when_too_long(web: Web) -> None:
    wire = web.wire().send(
        f"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: {5 * MIB}\r\nExpect: 100-continue\r\n\r\n".encode()
    )
    assert wire.answer().status == 413


def test_half_requests_leave_no_thread_and_no_file_behind(web: Web) -> None:
    worker = web.worker()
    assert wait_until(lambda: len(worker.net_connections()) == 1)  # the listener
    files, threads = worker.num_fds(), worker.num_threads()
    heads, bodies = attack(web)
    assert web.get("/pid").status == 200
    assert worker.num_fds() > files + 200
    for number, wire in enumerate(heads + bodies):
        if number % 2:  # half of them with a reset
            wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        wire.close()
    assert wait_until(lambda: worker.num_fds() == files)
    assert worker.num_threads() == threads


REFUSED = {
    "TLS": (400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(14, 255))),
    "NUL": (400, bytes(100)),
    "words": (400, b"HELLO THERE\r\n\r\n"),
    "no target": (400, b"GET\r\n\r\n"),
    "lower-case method": (400, b"get / HTTP/1.1\r\n\r\n"),
    "HTTP/2": (400, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "HTTP/3.0": (400, b"GET / HTTP/3.0\r\nHost: x\r\n\r\n"),
    "bare LF": (400, b"GET / HTTP/1.1\nHost: x\n\n"),
    "bare LF in a header": (400, b"GET / HTTP/1.1\r\nHost: x\nX: y\r\n\r\n"),
    "folded": (400, b"GET / HTTP/1.1\r\nHost: x\r\n y\r\n\r\n"),
    "space before colon": (400, b"GET / HTTP/1.1\r\nHost : x\r\n\r\n"),
    "two hosts": (400, b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n"),
    "NUL in a header": (400, b"GET / HTTP/1.1\r\nHost: x\0\r\n\r\n"),
    "length and chunks": (
        400,
        b"POST /ignore HTTP/1.1\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    "two lengths": (400, b"POST /ignore HTTP/1.1\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcde"),
    "list of lengths": (400, b"POST /ignore HTTP/1.1\r\nContent-Length: 4, 4\r\n\r\nabcd"),
    "signed length": (400, b"POST /ignore HTTP/1.1\r\nContent-Length: +4\r\n\r\nabcd"),
    "negative length": (400, b"POST /ignore HTTP/1.1\r\nContent-Length: -4\r\n\r\nabcd"),
    "length of Arabic digits": (400, "POST /ignore HTTP/1.1\r\nContent-Length: ٤\r\n\r\nabcd".encode()),
    "endless length": (400, b"POST /ignore HTTP/1.1\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\nabcd"),
    "unknown coding": (501, b"POST /ignore HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
    "chunked twice": (400, b"POST /ignore HTTP/1.1\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"),
    "not chunked last": (400, b"POST /ignore HTTP/1.1\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n"),
    "chunks in 1.0": (400, b"POST /ignore HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "chunk size 0x5": (400, b"POST /ignore HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n"),
    "chunk size -5": (400, b"POST /ignore HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n"),
    "chunk size empty": (400, b"POST /ignore HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n\r\nhello\r\n0\r\n\r\n"),
    "chunk with bare LF": (400, b"POST /ignore HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n"),
    "chunk too short": (400, b"POST /ignore HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhello\r\n0\r\n\r\n"),
    "bad trailer": (400, b"POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 5\r\n\r\n"),
    "expectation": (417, b"POST /ignore HTTP/1.1\r\nExpect: a-miracle\r\nContent-Length: 1\r\n\r\n1"),
    "long target": (414, b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n\r\n"),
    "endless target": (414, b"GET /" + b"a" * 17_000),
    "many headers": (431, b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 101 + b"\r\n"),
    "long header": (431, b"GET / HTTP/1.1\r\nX: " + b"y" * 9000 + b"\r\n\r\n"),
    "long head": (431, b"GET / HTTP/1.1\r\n" + (b"X: " + b"y" * 8000 + b"\r\n") * 9),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_http_is_refused_and_closed(web: Web, name: str) -> None:
    status, data = REFUSED[name]
    started = time.monotonic()
    wire = web.wire().send(data + GET)
    answer = wire.answer()
    assert answer.status == status
    assert answer.headers["connection"] == "close"
    assert wire.is_closed(), "what comes after it must never be read as a request"
    assert time.monotonic() - started < PROMPT_S


def test_a_refusal_repeats_nothing_of_what_was_sent(web: Web) -> None:
    answer = web.wire().send(b"GET / HTTP/1.1\r\nAuthorization : Bearer zoe@example.com\r\n\r\n").answer()
    assert answer.status == 400
    assert b"zoe" not in answer.body
    assert "zoe" not in web.log()


@pytest.mark.parametrize("path", ["/big?kib=16384", "/stream?kib=16384", "/big?kib=900"])
def test_clients_that_do_not_read_their_answer_do_not_hold_the_server(web: Web, path: str) -> None:
    deaf = [web.wire(receive_buffer=4096).send(f"GET {path} HTTP/1.1\r\n\r\n".encode()) for _ in range(40)]
    started = time.monotonic()
    for _ in range(3):
        assert web.post("/echo", b"a lead").status == 200
    assert time.monotonic() - started < PROMPT_S
    for wire in deaf:
        wire.close()


def test_a_deaf_client_is_given_up(web: Web) -> None:
    worker = web.worker()
    wire = web.wire(receive_buffer=4096).send(b"GET /big?kib=16384 HTTP/1.1\r\n\r\n")
    port = wire.socket.getsockname()[1]

    def open_at_server() -> bool:
        return any(conn.raddr and conn.raddr.port == port for conn in worker.net_connections())

    assert wait_until(open_at_server)
    assert wait_until(lambda: not open_at_server())


@pytest.mark.parametrize("path", ["/big?kib=6000", "/stream?kib=6400"])
def test_a_slow_reader_gets_all_of_its_answer(web: Web, path: str) -> None:
    wire = web.wire(receive_buffer=16_384).send(f"GET {path} HTTP/1.1\r\n\r\n".encode())
    answer = wire.answer()
    assert len(answer.body) == int(path.split("=")[1]) * 1024
    assert wire.send(GET).answer().status == 200


def test_errors_of_the_application_are_500_and_logged(web: Web) -> None:
    wire = web.wire().send(b"GET /boom HTTP/1.1\r\n\r\n")
    answer = wire.answer()
    assert (answer.status, answer.headers["connection"]) == (500, "close")
    assert wire.is_closed()
    assert b"before the answer" not in answer.body
    assert wait_until(lambda: "before the answer" in web.log())


def test_half_an_answer_is_not_made_to_look_whole(web: Web) -> None:
    wire = web.wire().send(b"GET /boom-later HTTP/1.1\r\n\r\n")
    with pytest.raises(ConnectionError):
        wire.answer()


def test_too_much_in_memory_costs_those_who_hold_most(serve: Serve) -> None:
    web = serve(limits={"buffered_bytes": 2 * MIB})

    def begin(length: int, received: int) -> Wire:
        return web.wire().send(f"POST /echo HTTP/1.1\r\nContent-Length: {length}\r\n\r\n".encode() + bytes(received))

    modest = [begin(201_000, 200_000) for _ in range(8)]
    small = web.wire().send(b"POST /echo HTTP/1.1\r\nContent-Length: 9\r\n\r\nx")
    hog = begin(MIB, 700_000)
    answer = hog.answer()
    assert (answer.status, answer.headers["retry-after"]) == (503, "5")
    assert web.post("/echo", bytes(100_000)).json["bytes"] == 100_000
    assert small.send(b"x" * 8).answer().json["bytes"] == 9
    for wire in modest:
        assert wire.send(bytes(1000)).answer().json["bytes"] == 201_000


def test_with_all_connections_taken_the_oldest_make_place(serve: Serve) -> None:
    web = serve(options={"worker_connections": 50})
    idle = [web.wire().send(b"GET ") for _ in range(50)]
    assert web.get("/pid").status == 200
    later = [web.wire().send(b"GET ") for _ in range(30)]
    for _ in range(5):
        assert web.get("/pid").status == 200
    assert idle[0].is_closed()
    assert later[-1].send(b"/pid HTTP/1.1\r\n\r\n").answer().status == 200


def test_running_out_of_files_is_survived(serve: Serve) -> None:
    web = serve(options={"worker_connections": 5000})
    worker = web.worker()
    files = worker.num_fds() + 40
    psutil.Process(worker.pid).rlimit(psutil.RLIMIT_NOFILE, (files, files))
    crowd = [web.wire().send(b"GET ") for _ in range(120)]
    for _ in range(5):
        assert web.get("/pid").json["pid"] == worker.pid
    assert crowd[0].is_closed()


class Gate:
    """Where requests to /gate wait until the test lets them through."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(PATIENCE_S)
        self.doors: list[socket.socket] = []

    def in_hand(self, web: Web) -> Wire:
        """A request that a thread works on until open()."""
        port = self.listener.getsockname()[1]
        wire = web.wire().send(f"GET /gate?port={port} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        self.doors.append(self.listener.accept()[0])
        return wire

    def open(self) -> None:
        while self.doors:
            self.doors.pop().close()


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.open()
    gate.listener.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_finishes_what_is_in_hand(serve: Serve, gate: Gate, number: int, tmp_path: Path) -> None:
    web = serve(diary=str(tmp_path / "diary"), threads=2, limits={"stop_s": 0.3, "sweep_s": 0.1})
    pid = web.worker().pid
    idle = web.wire().send(GET)
    assert idle.answer().status == 200
    slow = web.wire().send(b"GET / HTTP/1.1\r\nX-A: ")
    working = [gate.in_hand(web) for _ in range(2)]
    queued = [web.wire().send(GET) for _ in range(2)]
    if number == signal.SIGINT:
        os.killpg(web.process.pid, number)  # as a terminal does
    else:
        web.process.send_signal(number)
    assert slow.answer().status == 503
    assert idle.is_closed()
    assert web.process.poll() is None
    gate.open()
    answers = [wire.answer() for wire in working + queued]
    assert [answer.status for answer in answers] == [200] * 4
    assert [answer.headers["connection"] for answer in answers] == ["close"] * 4
    for wire in working + queued:
        wire.close()
    assert web.process.wait(PATIENCE_S) == 0
    assert (tmp_path / "diary").read_text().split() == ["start", str(pid), "stop", str(pid)]


def test_a_second_ctrl_c_stops_at_once(serve: Serve, gate: Gate) -> None:
    web = serve()
    stuck = gate.in_hand(web)
    web.process.send_signal(signal.SIGINT)
    assert wait_until(lambda: "Handling signal: int" in web.log())
    web.process.send_signal(signal.SIGINT)
    assert web.process.wait(PATIENCE_S) == 0
    assert stuck.is_closed()


def test_a_killed_worker_is_replaced(serve: Serve) -> None:
    web = serve()
    first = web.worker()
    first.kill()
    first.wait(PATIENCE_S)
    second = web.worker()
    assert second.pid != first.pid
    assert web.post("/echo", b"a lead").status == 200


def test_bursts_come_through_whole(web: Web) -> None:
    """In whatever order the threads and the loop get to them."""
    sizes = count()
    wires = [web.wire() for _ in range(100)]
    for _ in range(5):
        sent = [next(sizes) for _ in wires]
        for wire, size in zip(wires, sent, strict=True):
            wire.send(post("/echo", b"x" * size))
        assert [wire.answer().json["bytes"] for wire in wires] == sent
