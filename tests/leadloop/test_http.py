"""The HTTP door against a server that lies: everything it may do ends in time, within memory, and in the right error."""

import gzip
import io
import json
import logging
import socket
import threading
import time
import traceback
import zlib
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from raw_http import RawServer, Talk, answering, ok, once, raw_server

from leadloop.errors import LeadloopError, NeedsHuman, Retryable
from leadloop.http import HttpDoor, Unanswered, host_of, parse_retry_after
from leadloop.sockets import find_addresses, is_public, keep_alive_s, lookup_addresses

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
SECRET = "EAAsecretTOKEN"


@pytest.fixture
def door() -> HttpDoor:
    return HttpDoor()


def refusal(call: Callable[[], object]) -> LeadloopError:
    """What the call raised; fails the test when it did not, or when the text tells more than the host."""
    with pytest.raises(LeadloopError) as caught:
        call()
    shown = "".join(traceback.format_exception(caught.value)) + caught.value.message + caught.value.action
    assert SECRET not in shown
    return caught.value


# --- what is sent and what is read -----------------------------------------------------------------------------------


def test_request_and_answer(door: HttpDoor) -> None:
    with raw_server(answering(ok(b'{"a": "\xc3\x9f"}', "X-One: 1", "Set-Cookie: a=b"))) as server:
        answer = door.request(
            "GET", server.url("/p/ü?x=1"), headers={"Authorization": "Bearer t"}, params={"q": "İ &=😀"}
        )
    assert (answer.status, answer.json(), answer.headers["x-one"]) == (200, {"a": "ß"}, "1")
    head = server.requests[0].decode()
    assert head.startswith("GET /p/%C3%BC?x=1&q=%C4%B0+%26%3D%F0%9F%98%80 HTTP/1.1\r\n")
    assert "Authorization: Bearer t\r\n" in head
    assert "User-Agent: leadloop/" in head


@pytest.mark.parametrize("status", [204, 301, 400, 404, 429, 500, 503, 599])
def test_any_status_is_an_answer(door: HttpDoor, status: int) -> None:
    with raw_server(once(ok(b"" if status == 204 else b"x", status=f"{status} Word"))) as server:
        assert door.request("GET", server.url()).status == status


def test_bodies_are_sent_as_they_are(door: HttpDoor) -> None:
    with raw_server(answering(ok())) as server:
        door.request("POST", server.url(), json_body={"ad": "İstanbul 😀", "n": [1, None]})
        door.request("POST", server.url(), body=b"\x00raw\xff", headers={"Content-Type": "x/y"})
        door.request("POST", server.url(), body="text ğ")
        door.request("POST", server.url(), form={"batch": "a&b=ı"})
        door.request("POST", server.url(), json_body=[], headers={"content-type": "application/vnd.x+json"})
        door.request("POST", server.url())
    bodies = [request.partition(b"\r\n\r\n") for request in server.requests]
    assert json.loads(bodies[0][2]) == {"ad": "İstanbul 😀", "n": [1, None]}
    assert b"Content-Type: application/json" in bodies[0][0]
    assert bodies[1][2] == b"\x00raw\xff"
    assert bodies[2][2] == "text ğ".encode()
    assert bodies[3][2] == b"batch=a%26b%3D%C4%B1"
    assert b"application/vnd.x+json" in bodies[4][0]
    assert b"application/json" not in bodies[4][0]
    assert bodies[5][2] == b""


def test_lone_surrogates_become_the_replacement_character(door: HttpDoor) -> None:
    with raw_server(answering(ok())) as server:
        door.request("POST", server.url(), json_body={"a": "x\ud800y", "b": "\ud83d\ude00"})
        door.request("POST", server.url(), params={"q": "\udfff"}, form={"f": "\ud800"})
    assert json.loads(server.requests[0].partition(b"\r\n\r\n")[2]) == {"a": "x\ufffdy", "b": "😀"}
    assert b"q=%EF%BF%BD" in server.requests[1]
    assert server.requests[1].endswith(b"f=%EF%BF%BD")


def test_nan_is_refused_before_anything_is_sent(door: HttpDoor) -> None:
    with pytest.raises(ValueError, match="JSON"):
        door.request("POST", "http://127.0.0.1:9/", json_body={"a": float("nan")})


def test_json_of_an_answer(door: HttpDoor) -> None:
    with raw_server(answering(ok(b"[" * 100_000), ok(b"\xff\xfe"), ok(b""), ok(b'"half'), ok(b"1" * 10_000))) as server:
        for _ in range(5):
            answer = door.request("GET", server.url())
            with pytest.raises(ValueError):
                answer.json()


def test_body_and_headers_stay_out_of_repr(door: HttpDoor) -> None:
    with raw_server(once(ok(b"zoe@example.com", "X: zoe"))) as server:
        assert "zoe" not in repr(door.request("GET", server.url()))


def test_unpacks_gzip_and_deflate(door: HttpDoor) -> None:
    members = gzip.compress(b"one ") + gzip.compress(b"two")
    with raw_server(
        answering(
            ok(members, "Content-Encoding: gzip"),
            ok(zlib.compress(b"three"), "Content-Encoding: deflate"),
            ok(gzip.compress(b""), "Content-Encoding: gzip"),
        )
    ) as server:
        bodies = [door.request("GET", server.url()).body for _ in range(3)]
    assert bodies == [b"one two", b"three", b""]
    assert server.accepted == 1


# --- answers that are wrong ------------------------------------------------------------------------------------------

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

BROKEN = {
    "nothing": b"",
    "half a status line": b"HTTP/1.",
    "garbage": b"\x00\x01\x02 lorem ipsum\r\n\r\n",
    "another protocol": b"SSH-2.0-OpenSSH_9.6\r\n",
    "absurd status": b"HTTP/1.1 99999999999 Word\r\n\r\n",
    "status not a number": b"HTTP/1.1 OK 200\r\n\r\n",
    "half the headers": b"HTTP/1.1 200 OK\r\nContent-Le",
    "endless header line": b"HTTP/1.1 200 OK\r\nX: " + b"a" * 200_000 + b"\r\n\r\n",
    "too many headers": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 5_000 + b"\r\n",
    "half a body": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + b'{"id": "1"',
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "chunks cut off": CHUNKED + b"5\r\nhello\r\n5\r\nhel",
    "chunks without an end": CHUNKED + b"5\r\nhello\r\n",
    "chunk size not a number": CHUNKED + b"zz\r\nhello\r\n0\r\n\r\n",
    "negative chunk size": CHUNKED + b"-5\r\nhello\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_answer_is_retryable(door: HttpDoor, data: bytes) -> None:
    with raw_server(once(data)) as server:
        error = refusal(lambda: door.request("GET", server.url("/?t=" + SECRET)))
    assert isinstance(error, Retryable)
    assert (error.code, error.outage) == ("connection_broken", True)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "gzip, gzip", "gzip, gzip, gzip, gzip, gzip, gzip"])
def test_a_body_that_cannot_be_unpacked(door: HttpDoor, encoding: str) -> None:
    with raw_server(once(ok(b"not packed at all", f"Content-Encoding: {encoding}"))) as server:
        error = refusal(lambda: door.request("GET", server.url()))
    assert (error.code, isinstance(error, Retryable)) == ("garbage_answer", True)


def test_a_length_that_is_too_short_does_not_spoil_the_next_answer(door: HttpDoor) -> None:
    def handle(talk: Talk) -> None:
        while talk.read() is not None:
            talk.send(
                b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}HTTP/1.1 500 Smuggled\r\nContent-Length: 0\r\n\r\n"
            )

    with raw_server(handle) as server:
        answers = [door.request("GET", server.url()) for _ in range(5)]
    assert [(answer.status, answer.body) for answer in answers] == [(200, b"{}")] * 5


EARLY_HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"


@pytest.mark.parametrize("at_once", [True, False], ids=["in one piece", "the answer later"])
@pytest.mark.parametrize("status", [100, 102, 103, 199])
def test_interim_answers_are_read_over(door: HttpDoor, status: int, at_once: bool) -> None:
    interim = EARLY_HINTS.replace(b"103", str(status).encode()) * 2
    asked = iter(range(1, 3))

    def handle(talk: Talk) -> None:
        while talk.read() is not None:
            answer = ok(b'{"id": "%d"}' % next(asked))
            if at_once:
                talk.send(interim + answer)
            else:
                talk.trickle(interim + answer, every_s=0.0005)

    with raw_server(handle) as server:
        answers = [door.request("POST", server.url()) for _ in range(2)]
    assert [(answer.status, answer.json()["id"]) for answer in answers] == [(200, "1"), (200, "2")]
    assert answers[0].headers == {"content-length": "11"}
    assert server.accepted == 1


@pytest.mark.parametrize(
    "interim",
    [b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n", EARLY_HINTS * 100],
    ids=["101", "without an end"],
)
def test_what_ends_in_an_interim_answer_is_none_and_is_not_kept(door: HttpDoor, interim: bytes) -> None:
    with raw_server(answering(interim + ok())) as server:
        for _ in range(2):
            error = refusal(lambda: door.request("POST", server.url()))
            assert (error.code, isinstance(error, Unanswered)) == ("garbage_answer", True)
    assert server.accepted == 2


def test_it_is_known_whether_anything_was_sent(door: HttpDoor) -> None:
    with raw_server(Talk.hang) as server:
        error = refusal(lambda: door.request("POST", server.url(), read_s=0.05))
        assert (error.code, isinstance(error, Unanswered)) == ("timeout", True)
        error = refusal(lambda: door.request("POST", server.url(), total_s=0.0))
        assert (error.code, isinstance(error, Unanswered)) == ("timeout", False)
    error = refusal(lambda: door.request("POST", server.url()))
    assert (error.code, isinstance(error, Unanswered)) == ("connection_refused", False)
    with raw_server(once(ok(b"x" * 500))) as server:
        error = refusal(lambda: door.request("POST", server.url(), max_bytes=100))
    assert (error.code, isinstance(error, Unanswered)) == ("answer_too_large", True)


def test_a_broken_handshake_sent_nothing(door: HttpDoor) -> None:
    with raw_server(once(b"no TLS at all\r\n\r\n")) as server:
        error = refusal(lambda: door.request("POST", server.url().replace("http:", "https:")))
    assert (isinstance(error, Retryable), isinstance(error, Unanswered)) == (True, False)


def test_an_unknown_length_is_read_to_the_end(door: HttpDoor) -> None:
    with raw_server(once(b"HTTP/1.1 200 OK\r\nContent-Length: lots\r\n\r\nabc")) as server:
        assert door.request("GET", server.url()).body == b"abc"


def endless(start: bytes, block: bytes) -> Callable[[Talk], None]:
    def handle(talk: Talk) -> None:
        talk.read()
        talk.send(start)
        while not talk.server.over.is_set():
            talk.send(block)

    return handle


def packed(size: int) -> bytes:
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb", compresslevel=9) as file:
        for _ in range(size // 1_000_000):
            file.write(b"\0" * 1_000_000)
    return out.getvalue()


@pytest.mark.parametrize(
    ("start", "block"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 10_000),
        (CHUNKED, b"2710\r\n" + b"x" * 10_000 + b"\r\n"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\n", b"x" * 10_000),
        (b"HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n", b"x" * 10_000),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (CHUNKED + b"0\r\n", b"Trailer: x\r\n"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n", gzip.compress(b"")),
    ],
    ids=["body", "chunks", "length", "redirect", "interim answers", "trailers", "empty gzip members"],
)
def test_an_endless_answer_is_cut_off(door: HttpDoor, start: bytes, block: bytes) -> None:
    with raw_server(endless(start, block)) as server:
        error = refusal(lambda: door.request("GET", server.url(), max_bytes=100_000))
    assert (error.code, isinstance(error, Retryable)) == ("answer_too_large", True)


def test_a_gzip_bomb_is_cut_off_while_it_is_unpacked(door: HttpDoor) -> None:
    bomb = packed(200_000_000)
    assert len(bomb) < 300_000
    with raw_server(once(ok(bomb, "Content-Encoding: gzip"))) as server:
        assert refusal(lambda: door.request("GET", server.url())).code == "answer_too_large"
    twice = gzip.compress(bomb)
    with raw_server(once(ok(twice, "Content-Encoding: gzip, gzip"))) as server:
        assert refusal(lambda: door.request("GET", server.url())).code == "answer_too_large"


def test_an_answer_of_just_the_size_is_read(door: HttpDoor) -> None:
    with raw_server(answering(ok(b"x" * 1_000_000))) as server:
        assert len(door.request("GET", server.url(), max_bytes=1_000_000).body) == 1_000_000
        assert refusal(lambda: door.request("GET", server.url(), max_bytes=999_999)).code == "answer_too_large"


# --- time ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "slowly"),
    [
        (b"", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}" + b" " * 5_000),
        (b"HTTP/1.1 200 OK\r\n", b"X-Slow: " + b"a" * 5_000),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", b"x" * 9_999),
        (b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 9999\r\n\r\n", b"x" * 9_999),
        (CHUNKED, b"1\r\nx\r\n" * 5_000),
        (CHUNKED + b"1\r\nx\r\n", b"0" * 5_000),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n", gzip.compress(b"")[:10] + b"\0" * 5_000),
    ],
    ids=["status line", "header", "body", "redirect", "chunks", "chunk size", "gzip that yields nothing"],
)
def test_a_trickle_is_cut_off_at_the_deadline(door: HttpDoor, start: bytes, slowly: bytes) -> None:
    def handle(talk: Talk) -> None:
        talk.read()
        talk.send(start)
        talk.trickle(slowly)

    started = time.monotonic()
    with raw_server(handle) as server:
        error = refusal(lambda: door.request("GET", server.url("/?t=" + SECRET), total_s=0.3, read_s=5))
    assert (error.code, isinstance(error, Retryable), time.monotonic() - started < 5) == ("timeout", True, True)


def test_silence_is_cut_off_after_read_s(door: HttpDoor) -> None:
    with raw_server(lambda talk: talk.hang()) as server:
        error = refusal(lambda: door.request("GET", server.url(), read_s=0.1))
    assert (error.code, error.scope) == ("timeout", "item")


def test_a_body_that_nobody_reads_is_cut_off(door: HttpDoor) -> None:
    with raw_server(lambda talk: talk.hang()) as server:
        error = refusal(lambda: door.request("POST", server.url(), body=b"x" * 50_000_000, total_s=0.3))
    assert error.code == "timeout"


def test_a_deadline_that_has_passed_sends_nothing(door: HttpDoor) -> None:
    with raw_server(answering(ok())) as server:
        assert refusal(lambda: door.request("GET", server.url(), total_s=0.0)).code == "timeout"
        assert server.accepted == 0


def test_a_resolver_that_hangs_is_left_behind() -> None:
    over = threading.Event()

    def lookup(host: str, port: int) -> list[tuple[int, object]]:
        over.wait(30)
        return []

    started = time.monotonic()
    error = refusal(lambda: HttpDoor(lookup=lookup).request("GET", "http://crm.example/", connect_s=0.1))
    over.set()
    assert (error.code, time.monotonic() - started < 5) == ("timeout", True)


def test_a_dead_address_leaves_time_for_the_next() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, raw_server(answering(ok())) as server:
        waiting = [socket.socket() for _ in range(8)]  # fill the backlog: further connects hang
        for sock in waiting:
            sock.setblocking(False)
            sock.connect_ex(full.getsockname())
        addresses = [(socket.AF_INET, full.getsockname()), (socket.AF_INET, ("127.0.0.1", server.port))]
        door = HttpDoor(lookup=lambda host, port: addresses)
        assert door.request("GET", "http://crm.example/", connect_s=1.0).status == 200
        for sock in waiting:
            sock.close()


# --- connections -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        ok(b"{}"),
        ok(b""),
        b"HTTP/1.1 204 No Content\r\n\r\n",
        CHUNKED + b"2\r\n{}\r\n0\r\n\r\n",
        ok(gzip.compress(b"{}" * 50_000), "Content-Encoding: gzip"),
        ok(b"x" * 300_000),
        ok(b"moved", "Location: /", status="302 Found"),
        ok(b"oops", status="500 Oops"),
    ],
    ids=["length", "empty", "204", "chunked", "gzip", "large", "redirect", "500"],
)
def test_a_connection_is_used_again(door: HttpDoor, answer: bytes) -> None:
    with raw_server(answering(answer)) as server:
        for _ in range(5):
            door.request("GET", server.url())
        assert (server.accepted, len(server.requests)) == (1, 5)


def test_many_threads_share_a_door(door: HttpDoor) -> None:
    def handle(talk: Talk) -> None:
        while (request := talk.read()) is not None:
            talk.send(ok(request.split(b" ", 2)[1]))

    wrong: list[object] = []

    def work(thread: int) -> None:
        for number in range(20):
            path = f"/{thread}/{number}"
            try:
                body = door.request("GET", server.url(path)).body.decode()
            except LeadloopError as caught:
                body = caught.message
            if body != path:
                wrong.append((path, body))

    with raw_server(handle) as server:
        threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wrong == []
        assert server.accepted <= 16


def closing_after_first(*, reset: bool = False, answer_second: bytes = b"") -> Callable[[Talk], None]:
    """The first connection answers once, waits for the next request and then closes without an answer."""

    def handle(talk: Talk) -> None:
        talk.read()
        talk.send(ok(b"first"))
        if talk.number == 1:
            talk.read()
            talk.send(answer_second)
            if reset:
                talk.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
            return
        while talk.read() is not None:
            talk.send(ok(b"second"))

    return handle


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
def test_a_get_on_a_connection_just_closed_is_sent_again(door: HttpDoor, reset: bool) -> None:
    with raw_server(closing_after_first(reset=reset)) as server:
        bodies = [door.request("GET", server.url()).body for _ in range(2)]
        assert (bodies, server.accepted, len(server.requests)) == ([b"first", b"first"], 2, 3)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_what_changes_something_is_never_sent_again(door: HttpDoor, method: str) -> None:
    with raw_server(closing_after_first()) as server:
        door.request(method, server.url(), body=b"1")
        error = refusal(lambda: door.request(method, server.url(), body=b"2"))
        assert (error.code, server.accepted, len(server.requests)) == ("connection_broken", 1, 2)


def test_a_get_is_not_sent_again_once_an_answer_began(door: HttpDoor) -> None:
    with raw_server(closing_after_first(answer_second=b"HTTP/1.1 200 OK\r\nCont")) as server:
        door.request("GET", server.url())
        assert refusal(lambda: door.request("GET", server.url())).code == "connection_broken"
        assert server.accepted == 1


def test_a_get_is_not_sent_again_on_a_new_connection(door: HttpDoor) -> None:
    with raw_server(once(b"")) as server:
        refusal(lambda: door.request("GET", server.url()))
        assert (server.accepted, len(server.requests)) == (1, 1)


def test_all_connections_gone_stale_at_once_cost_one_new_one(door: HttpDoor) -> None:
    both = threading.Barrier(2)

    def handle(talk: Talk) -> None:
        talk.read()
        if talk.number <= 2:
            both.wait(10)  # so that two connections are open, and idle afterwards
            talk.send(ok(b"first"))
            talk.read()
            return
        talk.send(ok(b"second"))

    with raw_server(handle) as server:
        threads = [threading.Thread(target=door.request, args=("GET", server.url())) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (door.request("GET", server.url()).body, server.accepted) == (b"second", 3)


def test_an_idle_connection_that_was_closed_is_replaced_even_for_a_post(door: HttpDoor) -> None:
    closed = threading.Event()

    def handle(talk: Talk) -> None:
        talk.read()
        talk.send(ok(b"first"))
        talk.sock.shutdown(socket.SHUT_RDWR)
        closed.set()

    with raw_server(handle) as server:
        door.request("POST", server.url())
        closed.wait(10)
        assert door.request("POST", server.url()).status == 200


def test_a_connection_is_dropped_before_the_server_does(door: HttpDoor) -> None:
    with raw_server(answering(ok(b"", "Keep-Alive: timeout=1, max=100"))) as server:
        door.request("POST", server.url())
        door.request("POST", server.url())
        assert server.accepted == 2


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, float("inf")),
        ("", float("inf")),
        ("timeout=5", 4.0),
        ("max=100, Timeout=75", 74.0),
        ("timeout=0", 0.0),
        ("timeout=-3", float("inf")),
        ("timeout=x", float("inf")),
        ("timeout=" + "9" * 400, 999_999_998.0),
        ("timeout=٣", float("inf")),
    ],
)
def test_keep_alive_header(header: str | None, seconds: float) -> None:
    assert keep_alive_s(header) == seconds


def test_a_redirect_is_an_answer_and_never_followed(door: HttpDoor) -> None:
    with raw_server(answering(ok(b"", "Location: http://169.254.169.254/", status="302 Found"))) as server:
        answer = door.request("GET", server.url())
        assert (answer.status, answer.headers["location"], len(server.requests)) == (
            302,
            "http://169.254.169.254/",
            1,
        )


def test_cookies_are_ignored(door: HttpDoor) -> None:
    with raw_server(answering(ok(b"", "Set-Cookie: session=1; Path=/"))) as server:
        for _ in range(3):
            door.request("GET", server.url())
        assert not any(b"cookie" in request.lower() for request in server.requests)


def test_the_environment_is_ignored(door: HttpDoor, monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    netrc = f"{tmp_path}/netrc"
    with open(netrc, "w") as file:
        file.write("machine 127.0.0.1 login zoe password hidden\n")
    monkeypatch.setenv("NETRC", netrc)
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with raw_server(answering(ok())) as server:
        assert door.request("GET", server.url()).status == 200
        assert b"authorization" not in server.requests[0].lower()


def test_a_door_closes_its_idle_connections(door: HttpDoor) -> None:
    gone = threading.Event()

    def handle(talk: Talk) -> None:
        while talk.read() is not None:
            talk.send(ok())
        gone.set()

    with raw_server(handle) as server:
        door.request("GET", server.url())
        door.close()
        assert gone.wait(10)
        assert door.request("GET", server.url()).status == 200  # and opens new ones when asked


# --- what cannot be reached ------------------------------------------------------------------------------------------


def test_refused(door: HttpDoor) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    error = refusal(lambda: door.request("GET", f"http://127.0.0.1:{port}/?t={SECRET}"))
    assert (error.code, error.message, isinstance(error, Retryable) and error.outage) == (
        "connection_refused",
        "127.0.0.1 refused the connection.",
        True,
    )


def test_a_name_that_does_not_exist() -> None:
    def lookup(host: str, port: int) -> list[tuple[int, object]]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    error = refusal(lambda: HttpDoor(lookup=lookup).request("GET", f"https://nowhere.example/{SECRET}"))
    assert (error.code, isinstance(error, Retryable) and error.outage) == ("dns_failed", True)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "crm.example/leads",
        "//crm.example/",
        "ftp://crm.example/",
        "file:///etc/passwd",
        "httpx://crm.example/",
        "http://",
        "http:///path",
        "http://[::1",
        "http://crm.example:99999/",
        "http://crm.example:port/",
        "http://.example/",
        "http://" + "a" * 64 + ".example/",
        "http://crm.example/\r\nX-Injected: 1",
        "http://crm.example\r\nX: 1/",
        "http://crm.example/\x00",
        "http://crm.example/\x7f",
        "http://crm.example/\ud800",
        "http://crm\ud800.example/",
        "http://１２７.0.0.1/",
        "http://ⓛocalhost/",
    ],
)
def test_a_malformed_address_waits_for_a_person(door: HttpDoor, url: str) -> None:
    error = refusal(lambda: door.request("GET", url))
    assert (error.code, type(error), error.scope) == ("bad_url", NeedsHuman, "lane")
    assert "\n" not in error.message


@pytest.mark.parametrize(
    "headers",
    [
        {"X": "a\r\nX-Injected: 1"},
        {"X": "a\nb"},
        {"X": "a\rb"},
        {"X\r\nY": "a"},
        {"X: Y": "a"},
        {"": "a"},
        {"Authorization": f"Bearer {SECRET}\n"},
        {"Authorization": f" Bearer {SECRET}"},
        {"Authorization": f"Bearer {SECRET}İ"},
        {"Authorization": f"Bearer {SECRET}\ud800"},
        {"X": "\x00"},
    ],
)
def test_a_header_cannot_smuggle(door: HttpDoor, headers: dict[str, str]) -> None:
    with raw_server(answering(ok())) as server:
        error = refusal(lambda: door.request("GET", server.url(), headers=headers))
    assert (error.code, type(error), error.scope, server.requests) == ("bad_header", NeedsHuman, "lane", [])


def test_names_in_any_script_are_looked_up_in_their_ascii_form() -> None:
    asked: list[str] = []

    def lookup(host: str, port: int) -> list[tuple[int, object]]:
        asked.append(host)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    for name in ("bücher.example", "ıspanak.example", "пример.example", "a_b.example"):
        assert refusal(lambda: HttpDoor(lookup=lookup).request("GET", f"http://{name}/")).code == "dns_failed"  # noqa: B023
    assert asked == ["xn--bcher-kva.example", "xn--spanak-o9a.example", "xn--e1afmkfd.example", "a_b.example"]


def test_no_log_line_quotes_an_address(door: HttpDoor, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    strange = b"HTTP/1.1 200 OK\r\nno colon here\r\n: x\r\nContent-Length: 2\r\n\r\n{}"
    with raw_server(once(strange)) as server:
        door.request("GET", server.url("/?t=" + SECRET))
        refusal(lambda: door.request("GET", server.url("/?t=" + SECRET), total_s=0.0))
    assert SECRET not in caplog.text


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://user:pass@crm.example:8443/p?t=1#f", "crm.example"),
        ("https://[::1]:80/", "[::1]"),
        ("http://[::1", "?"),
        ("", "?"),
        ("http://crm.example\\@evil.example/", "crm.example"),
    ],
)
def test_host_of(url: str, host: str) -> None:
    assert host_of(url) == host


# --- private addresses -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "100.64.0.1",
        "127.0.0.1",
        "127.255.255.254",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.8",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.9",
        "224.0.0.1",
        "239.1.1.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "::ffff:0:0",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a00:1",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:db8::1",
        "2001:10::1",
        "2002:7f00:1::1",
        "2002:808:808::1",
        "3fff::1",
        "5f00::1",
        "fc00::1",
        "fd12:3456::1",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
        "ff0e::1",
    ],
)
def test_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "1.1.1.1",
        "8.8.8.8",
        "157.240.0.35",
        "172.15.0.1",
        "172.32.0.1",
        "192.167.0.1",
        "223.255.255.1",
        "2606:4700::1111",
        "::ffff:8.8.8.8",
        "2a03:2880:f10c:283:face:b00c:0:25de",
        "64:ff9b::808:808",
    ],
)
def test_public(address: str) -> None:
    assert is_public(address)


SPELLINGS = [
    "127.0.0.1",
    "localhost",
    "LOCALHOST",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0x7f.0.0.1",
    "0177.0.0.1",
    "0",
    "0.0.0.0",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::]",
    "public.example@127.0.0.1",
]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_this_machine_is_refused_however_it_is_spelt(spelling: str) -> None:
    with raw_server(answering(ok())) as server:
        error = refusal(lambda: HttpDoor(public_only=True).request("GET", server.url(host=spelling)))
        assert (error.code, type(error), error.scope) == ("address_refused", NeedsHuman, "lane")
        assert "allow_private" in error.action
        assert server.accepted == 0  # not even a connection was made


@pytest.mark.parametrize("spelling", [spelling for spelling in SPELLINGS if "[::]" not in spelling])
def test_and_reached_where_that_is_allowed(spelling: str) -> None:
    """The counterproof: each spelling does lead here, so that refusing it above means something."""
    with raw_server(answering(ok())) as server:
        assert HttpDoor().request("GET", server.url(host=spelling)).status == 200


@pytest.mark.parametrize("host", ["169.254.169.254", "[fe80::1]", "[fd00::1]", "10.1.2.3", "[64:ff9b::7f00:1]"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_addresses_inside_are_refused_at_once(host: str, scheme: str) -> None:
    error = refusal(lambda: HttpDoor(public_only=True).request("GET", f"{scheme}://{host}/latest/meta-data"))
    assert error.code == "address_refused"


def test_a_public_name_with_a_private_address_is_refused() -> None:
    """DNS rebinding: the name is looked up once, judged, and the judged address is the one that is called."""
    asked: list[str] = []

    def lookup(host: str, port: int) -> list[tuple[int, object]]:
        asked.append(host)
        return [(socket.AF_INET, ("127.0.0.1", port)), (socket.AF_INET6, ("::1", port, 0, 0))]

    with raw_server(answering(ok())) as server:
        door = HttpDoor(public_only=True, lookup=lookup)
        assert refusal(lambda: door.request("GET", server.url(host="rebind.example"))).code == "address_refused"
        assert (server.accepted, asked) == (0, ["rebind.example"])


def test_only_the_public_ones_of_several_addresses_are_called() -> None:
    def lookup(host: str, port: int) -> list[tuple[int, object]]:
        # A socket of the wrong family cannot send anything to the public address: nothing leaves this machine.
        return [(socket.AF_INET, ("127.0.0.1", port)), (socket.AF_INET6, ("8.8.8.8", port))]

    with raw_server(answering(ok())) as server:
        door = HttpDoor(public_only=True, lookup=lookup)
        error = refusal(lambda: door.request("GET", server.url(host="mixed.example")))
        assert error.code != "address_refused"
        assert server.accepted == 0


def test_numbers_need_no_resolver() -> None:
    def lookup(host: str, port: int) -> list[tuple[int, object]]:
        raise AssertionError("the resolver was asked")

    for host in ("127.0.0.1", "0x7f000001", "::1"):
        assert find_addresses(host, 80, lookup, 1.0)
    with pytest.raises(AssertionError):
        find_addresses("crm.example", 80, lookup, 1.0)
    assert lookup_addresses("localhost", 80)


# --- Retry-After -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, None),
        ("", None),
        ("120", 120.0),
        (" 7 ", 7.0),
        ("0", 0.0),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("٣", None),
        ("9" * 400, 999_999_999.0),
        ("Sun, 22 Nov 2026 08:01:00 GMT", 60.0),
        ("Sun, 22 Nov 2026 07:00:00 GMT", 0.0),
        ("Sun, 22 Nov 2026 08:01:00", 60.0),
        ("Sun, 22 Nov 99999 08:00:00 GMT", None),
        ("Sun, 99 Nov 2026 08:00:00 GMT", None),
        ("Sun, 22 Nov 2026 08:00:00 +99999999999999999999", None),
        ("Sun, 22 Nov 99999999999999999999 08:00:00 GMT", None),
        ("\x00", None),
    ],
)
def test_retry_after(text: str | None, seconds: float | None) -> None:
    assert parse_retry_after(text, now=NOW) == seconds


def test_retry_after_of_an_answer(door: HttpDoor) -> None:
    with raw_server(once(ok(b"", "retry-AFTER: 30", status="429 Slow"))) as server:
        assert door.request("GET", server.url()).retry_after_s == 30.0


def test_the_server_of_these_tests_serves_ipv6() -> None:
    with raw_server(answering(ok()), family=socket.AF_INET6) as server:
        assert HttpDoor().request("GET", server.url(host="[::1]")).status == 200
        assert refusal(lambda: HttpDoor(public_only=True).request("GET", server.url(host="[::1]"))).code == (
            "address_refused"
        )
        assert isinstance(server, RawServer)
