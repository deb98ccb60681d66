"""Intake: whatever the pieces, the same requests as gunicorn's own parser reads from a socket."""

import io
from itertools import pairwise
from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.http.errors import NoMoreData, ParseException
from gunicorn.http.parser import RequestParser
from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug.exceptions import RequestEntityTooLarge

from leadloop.serving import Limits
from leadloop.serving.receiving import BufferedUnreader, ChunkedEnd, Intake, Refusal, decode_chunks

CLIENT = ("127.0.0.1", 40_000)
Seen = tuple[str, str, bytes]


def config() -> Config:
    config = Config()
    config.set("http_parser", "python")
    return config


CONFIG = config()


def taken(pieces: list[bytes], limits: Limits | None = None) -> tuple[list[Seen], int | None]:
    """Method, target and body of each request in what a client sends, and the status of the refusal that ended it."""
    intake = Intake(CONFIG, CLIENT, limits or Limits())
    seen: list[Seen] = []
    try:
        for piece in pieces:
            intake.buffer += piece
            while (request := intake.take()) is not None:
                decode_chunks(request)
                seen.append((request.method, request.uri, request.body.read()))
                if request.should_close():
                    return seen, None
    except Refusal as refusal:
        return seen, refusal.status
    return seen, None


def read_by_gunicorn(data: bytes) -> tuple[list[Seen], str]:
    """The same from gunicorn's parser, and how it ended: "all read", "cut off" or "refused"."""
    parser = RequestParser(CONFIG, iter([data]), CLIENT)
    seen: list[Seen] = []
    try:
        for request in parser:
            seen.append((request.method, request.uri, request.body.read()))
    except NoMoreData:
        return seen, "cut off"
    except ParseException:
        return seen, "refused"
    return seen, "all read"


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


bodies = st.binary(max_size=40)
extensions = st.sampled_from([b"", b";a", b";a=b", b' ; a="\\"c"', b";", b" ", b";a=b=c", b";\ra"])
sizes = st.sampled_from(
    [b"%x", b"%X", b"0%x", b"%x ", b"0x%x", b"-%x", b"%x\n", b"+%x", b"1%x", b"00000000000000000%x"]
)
trailers = st.sampled_from([b"", b"X-T: 1\r\n", b"Host: x\r\n", b"X T: 1\r\n", b"\n", b"X-T: 1\r\nX-U: 2\r\n"])


@st.composite
def chunked_bodies(draw: st.DrawFn, *, correct: bool) -> bytes:
    body = b""
    for data in draw(st.lists(st.binary(min_size=1, max_size=20), max_size=4)):
        size, extension = (b"%x", b"") if correct else (draw(sizes), draw(extensions))
        ending = b"\r\n" if correct else draw(st.sampled_from([b"\r\n", b"\r\n", b"\n", b"", b"\rX"]))
        body += size % len(data) + extension + b"\r\n" + data + ending
    return body + b"0\r\n" + (b"" if correct else draw(trailers)) + b"\r\n"


@st.composite
def requests(draw: st.DrawFn, *, correct: bool) -> bytes:
    method = draw(
        st.sampled_from([b"GET", b"POST", b"OPTIONS", b"X-A"] if correct else [b"GET", b"POST", b"get", b"G", b""])
    )
    target = draw(st.sampled_from([b"/", b"/a?b=c", b"/%C4%B0"] if correct else [b"/", b"*", b"a", b"\xc4\xb0", b"//"]))
    version = draw(st.sampled_from([b"HTTP/1.1"] if correct else [b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0", b"HTTP/1.1 "]))
    lines = [b" ".join([method, target, version])]
    lines += draw(
        st.lists(
            st.sampled_from([b"Host: x", b"X-A:", b"X-A: \xff"] + ([] if correct else [b"X A: b", b" y"])),
            max_size=2,
            unique=True,
        )
    )
    framing = draw(st.sampled_from(["none", "length", "chunks"] + ([] if correct else ["both", "coding", "lengths"])))
    body = draw(bodies)
    if framing in ("length", "both", "lengths"):
        number = b"%d" if correct else draw(st.sampled_from([b"%d", b"+%d", b"%d,%d", b"-%d", b"%dx", b"0%d"]))
        lines.append(b"Content-Length: " + (number % ((len(body),) * number.count(b"%"))))
        lines += [lines[-1]] * (framing == "lengths")
    if framing in ("chunks", "both"):
        lines.append(b"Transfer-Encoding: chunked")
        body = draw(chunked_bodies(correct=correct))
    if framing == "coding":
        lines.append(
            b"Transfer-Encoding: "
            + draw(st.sampled_from([b"gzip", b"x", b"chunked, chunked", b"chunked, gzip", b"gzip, chunked"]))
        )
    if framing == "none":
        body = b""
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


@settings(max_examples=150, deadline=None)
@given(st.lists(requests(correct=True), min_size=1, max_size=4), st.lists(st.integers(0, 10_000), max_size=8))
def test_correct_requests_are_read_alike_however_they_arrive(sent: list[bytes], places: list[int]) -> None:
    data = b"".join(sent)
    expected, ending = read_by_gunicorn(data)
    assert (len(expected), ending) == (len(sent), "all read")
    assert taken(cut(data, places)) == (expected, None)


@settings(max_examples=400, deadline=None)
@given(st.lists(requests(correct=False), min_size=1, max_size=3), st.lists(st.integers(0, 10_000), max_size=8))
def test_incorrect_requests_are_never_read_otherwise_than_by_gunicorn(sent: list[bytes], places: list[int]) -> None:
    """No request that gunicorn does not see too, and nothing it refuses let through: this is what smuggling needs."""
    data = b"".join(sent)
    expected, ending = read_by_gunicorn(data)
    seen, status = taken(cut(data, places))
    assert seen == expected[: len(seen)]
    if ending == "all read":  # we count the digits of a chunk size, gunicorn does not
        assert seen == expected or (status == 400 and b"00000000000000000" in data)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=5))
def test_any_bytes_end_in_a_request_a_refusal_or_a_wait(data: bytes, places: list[int]) -> None:
    seen, status = taken(cut(data, places))
    assert not seen
    assert status in (None, 400, 414, 431)


@pytest.mark.parametrize("size", [1, 7, 100])
def test_one_byte_at_a_time(size: int) -> None:
    data = b"POST /a HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcGET /b HTTP/1.1\r\n\r\n"
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    assert taken(pieces) == ([("POST", "/a", b"abc"), ("GET", "/b", b"")], None)


def test_nothing_is_begun_by_an_empty_line() -> None:
    intake = Intake(CONFIG, CLIENT, Limits())
    for data, begun in ((b"\r", False), (b"\n", False), (b"G", True)):
        intake.buffer += data
        assert intake.take() is None
        assert intake.begun is begun


def test_a_head_may_be_as_long_as_the_limit_and_no_longer() -> None:
    line = b"X: " + b"y" * 95 + b"\r\n"
    head = b"GET / HTTP/1.1\r\n" + line * 10
    limits = Limits(head_bytes=len(head) + 2)
    assert taken([head + b"\r\n"], limits) == ([("GET", "/", b"")], None)
    assert taken([head + b"X\r\n\r\n"], limits) == ([], 431)
    assert taken([head, b"X" * 3], limits) == ([], 431)


def request_with(data: bytes, limits: Limits) -> Any:
    intake = Intake(CONFIG, CLIENT, limits)
    intake.buffer += data
    request = intake.take()
    assert request is not None
    return request


@pytest.mark.parametrize("begun", [b"b\r\n", b"b\r\nhello world\r\n0\r\n\r\n", b""])
@pytest.mark.parametrize("framing", [b"Content-Length: 11", b"Content-Length: 11\r\nExpect: 100-continue", b"chunks"])
def test_too_long_a_body_is_handed_over_unread(framing: bytes, begun: bytes) -> None:
    if framing == b"chunks":
        framing, begun = b"Transfer-Encoding: chunked", begun or b"a\r\n0123456789\r\n1\r\n"
    request = request_with(b"POST / HTTP/1.1\r\n" + framing + b"\r\n\r\n" + begun, Limits(body_bytes=10))
    assert request.should_close()
    assert not request._expected_100_continue
    decode_chunks(request)
    for read in (
        lambda: request.body.read(),
        lambda: request.body.readline(),
        lambda: request.body.read(1),
        lambda: list(request.body),
    ):
        with pytest.raises(RequestEntityTooLarge):
            read()


def test_chunks_add_up_to_the_limit() -> None:
    limits = Limits(body_bytes=10)
    exact = b"5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n"
    request = request_with(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + exact, limits)
    decode_chunks(request)
    assert request.body.read() == b"helloworld"
    with pytest.raises(Refusal, match="413"):
        ChunkedEnd(10).find(bytearray(b"5\r\nhello\r\n6\r\nworld!\r\n0\r\n\r\n"))
    with pytest.raises(Refusal, match="413"):  # framing counts as well
        ChunkedEnd(10).find(bytearray((b"1;" + b"a" * 2000 + b"\r\nx\r\n") * 6 + b"0\r\n\r\n"))


@pytest.mark.parametrize("line", [b"5" + b";" + b"a" * 8190, b"0\r\n" + b"X: " + b"a" * 8190])
def test_lines_among_chunks_are_bounded(line: bytes) -> None:
    with pytest.raises(Refusal, match="400"):
        ChunkedEnd(1_000_000).find(bytearray(line))


def test_100_continue_is_due_once_and_only_before_the_body() -> None:
    head = b"POST / HTTP/1.1\r\nContent-Length: 3\r\nExpect: 100-Continue\r\n\r\n"
    intake = Intake(CONFIG, CLIENT, Limits())
    intake.buffer += head
    assert intake.take() is None
    assert [intake.continue_due(), intake.continue_due()] == [True, False]
    intake.buffer += b"abc" + head + b"a"
    request = intake.take()
    assert request is not None
    assert not request._expected_100_continue
    assert intake.take() is None
    assert not intake.continue_due()


def test_http_1_0_expects_nothing() -> None:
    intake = Intake(CONFIG, CLIENT, Limits())
    intake.buffer += b"POST / HTTP/1.0\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"
    assert intake.take() is None
    assert not intake.continue_due()


def test_the_unreader_gives_no_more_than_a_socket_would() -> None:
    unreader = BufferedUnreader(bytes(20_000))
    assert [len(unreader.read()) for _ in range(4)] == [8192, 8192, 3616, 0]
    unreader.feed(b"abc")
    assert not unreader.used_up
    assert unreader.read(2) == b"ab"
    assert not unreader.used_up
    assert unreader.read() == b"c"
    assert unreader.used_up


def test_many_tiny_chunks_are_refused() -> None:
    tiny = b"1\r\nx\r\n"
    assert ChunkedEnd(10_000).find(bytearray(tiny * 1024 + b"0\r\n\r\n")) == 1024 * len(tiny) + 5
    with pytest.raises(Refusal, match="400"):
        ChunkedEnd(10_000).find(bytearray(tiny * 1025 + b"0\r\n\r\n"))
    assert ChunkedEnd(1_000_000).find(bytearray((b"40\r\n" + bytes(64) + b"\r\n") * 2000 + b"0\r\n\r\n"))


def test_refusals_are_whole_answers() -> None:
    page = io.BytesIO(Refusal(503, "later.").page())
    assert page.readline() == b"HTTP/1.1 503 Service Unavailable\r\n"
    assert b"Retry-After: 5\r\n" in page.getvalue()
    head, body = page.getvalue().split(b"\r\n\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
