"""Bytes in, whole requests out: what one connection has sent so far, judged without any I/O.

gunicorn's own parser reads every head and every body; here is only decided when it has all it needs. It never sees a
socket: where the bytes end, it meets the end of the stream, so nobody can make it wait.
"""

import io
import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from gunicorn.http.body import CHUNK_EXT_RE, Body, LengthReader
from gunicorn.http.errors import (
    ConfigurationProblem,
    ExpectationFailed,
    LimitRequestHeaders,
    LimitRequestLine,
    NoMoreData,
    ParseException,
    UnsupportedTransferCoding,
)
from gunicorn.http.message import Request
from gunicorn.http.unreader import Unreader
from werkzeug.exceptions import RequestEntityTooLarge


@dataclass(frozen=True)
class Limits:
    """What clients may use of one worker process. Bytes, and seconds by a monotonic clock.

    `head_bytes`: request line and headers of one request; more is 431.
    `body_bytes`: a larger body is not read at all: the application is asked at once and answers 413.
    `receive_s`: from the first byte of a request to its last; longer is 408.
    `buffered_bytes`: everything held for clients in this process; beyond it whoever holds most is answered 503.
    `pipelined_bytes`: read ahead on a connection whose request is being worked on.
    `answer_bytes`: of an answer that its client does not read yet; beyond it the answering thread waits.
    `send_s`, `send_bytes_per_s`: patience with a client that reads its answer slowly.
    `linger_s`, `linger_bytes`: what is still read and thrown away after a last answer, so that it arrives
    (RFC 9112 §9.6).
    `stop_s`: how long a stopping worker waits for requests that are not all there.
    `sweep_s`: how often time limits are looked at.
    """

    head_bytes: int = 64 * 1024
    body_bytes: int = 4 * 1024 * 1024
    receive_s: float = 15.0
    buffered_bytes: int = 64 * 1024 * 1024
    pipelined_bytes: int = 64 * 1024
    answer_bytes: int = 512 * 1024
    send_s: float = 15.0
    send_bytes_per_s: int = 32 * 1024
    linger_s: float = 2.0
    linger_bytes: int = 256 * 1024
    stop_s: float = 2.0
    sweep_s: float = 0.5


class Refusal(Exception):
    """A request the server answers by itself, before closing the connection. `text` is one plain sentence."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status} {text}")
        self.status = status
        self.text = text

    def page(self) -> bytes:
        """The whole answer, head and body."""
        phrase = HTTPStatus(self.status).phrase
        body = f"{self.status} {phrase}: {self.text}\n".encode("ascii", "replace")
        retry = "Retry-After: 5\r\n" if self.status == HTTPStatus.SERVICE_UNAVAILABLE else ""
        head = (
            f"HTTP/1.1 {self.status} {phrase}\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\n"
            f"{retry}Content-Length: {len(body)}\r\n\r\n"
        )
        return head.encode("ascii") + body


_STATUS: dict[type[Exception], int] = {
    LimitRequestLine: 414,
    LimitRequestHeaders: 431,
    ExpectationFailed: 417,
    UnsupportedTransferCoding: 501,
    ConfigurationProblem: 500,
}


def refusal_for(caught: Exception) -> Refusal:
    """gunicorn's parser error as an answer. It names the rule and never repeats what the client sent."""
    status = _STATUS.get(type(caught), 400)
    return Refusal(status, f"the request is not acceptable HTTP/1.1 ({type(caught).__name__}).")


class BodyTooLarge(io.RawIOBase):
    """Stands for a body that nobody will read."""

    def readable(self) -> bool:
        return True

    def readinto(self, _buffer: object) -> int:
        raise RequestEntityTooLarge


class BufferedUnreader(Unreader):
    """gunicorn's source of bytes, holding bytes that are already here. At their end: end of stream, or `at_end` raised.

    Hands out what was asked for and no more than a socket would: the chunk reader copies all it is given.
    """

    def __init__(self, data: bytes, *, at_end: type[Exception] | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._at_end = at_end
        self.feed(data)

    def feed(self, data: bytes) -> None:
        """Go on with `data`, once what came before is used up."""
        self._data = data
        self._at = 0

    @property
    def used_up(self) -> bool:
        return self._at >= len(self._data) and not self.buf.getbuffer().nbytes

    def chunk(self, size_hint: int | None = None) -> bytes:
        at = self._at
        self._at = at + max(size_hint or 0, 8192)
        data = self._data[at : self._at]
        if not data and self._at_end is not None:
            raise self._at_end
        return data


class ChunkedEnd:
    """Finds where a chunked body ends while it arrives piece by piece (RFC 9112 §7.1). As strict as gunicorn's reader.

    Many tiny chunks are refused: each costs gunicorn's reader microseconds, a body of them would cost seconds.
    """

    MOST_LINE = 8190
    MOST_TINY = 1024
    TINY = 64
    _SIZE = re.compile(rb"([0-9A-Fa-f]{1,16})(?:[ \t]*(;.*))?", re.DOTALL)

    def __init__(self, most: int) -> None:
        self._most = most
        self._at = 0
        self._size = 0
        self._count = 0
        self._trailers = False

    def find(self, data: bytearray) -> int | None:
        """The offset behind the body, or None until more came. `data` only ever grows between calls.

        Raises Refusal: 400 when it is malformed, 413 when the chunks (or their framing) exceed `most` bytes.
        """
        while not self._trailers:
            end_of_line = data.find(b"\r\n", self._at)
            if end_of_line < 0:
                self._check_line(len(data) - self._at)
                return None
            size = self._read_size(bytes(data[self._at : end_of_line]))
            if self._size + size > self._most or end_of_line > 2 * self._most + self.MOST_LINE:
                raise Refusal(413, "the request body is too large.")
            end = end_of_line + 2 + size
            if size == 0:
                self._at = end
                self._trailers = True
                break
            if len(data) < end + 2:
                return None
            if data[end : end + 2] != b"\r\n":
                raise Refusal(400, "a chunk of the request body does not end where it should.")
            self._at = end + 2
            self._size += size
            self._count += 1
            if self._count > self.MOST_TINY and self._size < self._count * self.TINY:
                raise Refusal(400, f"the request body has chunks of less than {self.TINY} bytes on average.")
        return self._end_of_trailers(data)

    def _end_of_trailers(self, data: bytearray) -> int | None:
        if data[self._at : self._at + 2] == b"\r\n":
            return self._at + 2
        end = data.find(b"\r\n\r\n", self._at)
        if end >= 0:
            return end + 4
        self._check_line(len(data) - self._at)
        return None

    def _check_line(self, length: int) -> None:
        if length > self.MOST_LINE:
            raise Refusal(400, "a line of the chunked request body is too long.")

    def _read_size(self, line: bytes) -> int:
        match = self._SIZE.fullmatch(line)
        if match is None or (match[2] is not None and not CHUNK_EXT_RE.fullmatch(match[2])):
            raise Refusal(400, "a chunk size of the request body is not a hexadecimal number.")
        return int(match[1], 16)


class _MoreNeeded(Exception):
    """The head is fine as far as it goes."""


_LIKE_HTTP = re.compile(rb"(?:\r\n?)?[!$%&'*+.^_`|~0-9A-Z-]{0,20}(?: |\Z)")


class Intake:
    """What one connection has sent and nobody has answered yet.

    Add bytes to `buffer`, then call take(): the next whole request, or None until more came.
    """

    __slots__ = (
        "_cfg",
        "_chunks",
        "_client",
        "_continue",
        "_count",
        "_limits",
        "_probe_at",
        "_searched",
        "buffer",
        "head",
    )

    def __init__(self, cfg: Any, client: Any, limits: Limits) -> None:
        self._cfg = cfg
        self._client = client
        self._limits = limits
        self._count = 0
        self.buffer = bytearray()
        self._next_request()

    def _next_request(self) -> None:
        self.head: Any = None
        self._chunks: ChunkedEnd | None = None
        self._continue = False
        self._searched = 0
        self._probe_at = 1

    @property
    def begun(self) -> bool:
        """Whether part of a request is here (an empty line alone is not)."""
        return self.head is not None or len(self.buffer) > 2 or bool(self.buffer.strip())

    def take(self) -> Any | None:
        """gunicorn's Request, or None. Raises Refusal.

        A body of known length is its `body`, a chunked one must go through decode_chunks() first. A body beyond the
        limit is not waited for: whoever reads it gets werkzeug's RequestEntityTooLarge, and `must_close` is set.
        """
        if self.head is None and not self._read_head():
            return None
        request = self.head
        try:
            end = self._end_of_body()
        except Refusal as refusal:
            if refusal.status != HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
                raise
            self.buffer.clear()
            request.force_close()
            request.body = BodyTooLarge()
        else:
            if end is None:
                return None
            if self._chunks is None:
                request.body = io.BytesIO(self._cut(end))
            else:
                request.unreader.feed(self._cut(end))
        self._next_request()
        return request

    def continue_due(self) -> bool:
        """True once for a request that waits for `100 Continue` before it sends its body (RFC 9110 §10.1.1)."""
        due, self._continue = self._continue and not self.buffer, False
        return due

    def _read_head(self) -> bool:
        buffer = self.buffer
        end = buffer.find(b"\r\n\r\n", max(0, self._searched - 3)) + 4
        if end > self._limits.head_bytes or (end < 4 and len(buffer) > self._limits.head_bytes):
            raise Refusal(431, f"the request line and headers exceed {self._limits.head_bytes} bytes.")
        if end < 4:
            self._searched = len(buffer)
            self._probe()
            return False
        self._count += 1
        self.head = self._parse(BufferedUnreader(self._cut(end)))
        self._continue = self.head._expected_100_continue
        self.head._expected_100_continue = False  # sent by the loop, or not at all
        if not isinstance(self.head.body.reader, LengthReader):
            self._chunks = ChunkedEnd(self._limits.body_bytes)
        return True

    def _cut(self, end: int) -> bytes:
        if end == len(self.buffer):  # the usual case, and for a large body one copy less
            data = bytes(self.buffer)
            self.buffer.clear()
        else:
            data = bytes(self.buffer[:end])
            del self.buffer[:end]
        return data

    def _probe(self) -> None:
        """Refuse what can never become a request without waiting for its end. At each doubling: linear in total."""
        if len(self.buffer) < self._probe_at:
            return
        self._probe_at = 2 * len(self.buffer)
        if not _LIKE_HTTP.match(self.buffer):
            raise Refusal(400, "this is not HTTP. TLS is ended by a proxy in front of this server.")
        try:
            self._parse(BufferedUnreader(bytes(self.buffer), at_end=_MoreNeeded))
        except _MoreNeeded:
            return

    def _parse(self, unreader: BufferedUnreader) -> Any:
        try:
            return Request(self._cfg, unreader, self._client, self._count)  # type: ignore[no-untyped-call]
        except (ParseException, NoMoreData, StopIteration) as caught:
            raise refusal_for(caught) from caught

    def _end_of_body(self) -> int | None:
        if self._chunks is not None:
            return self._chunks.find(self.buffer)
        length: int = self.head.body.reader.length
        if length > self._limits.body_bytes:
            raise Refusal(413, "the request body is too large.")
        return length if len(self.buffer) >= length else None


def decode_chunks(request: Any) -> None:
    """Make the body of a chunked request readable; leaves any other as it is. Takes a while for very many chunks.

    Raises Refusal when gunicorn's reader finds fault with it, or an end elsewhere than ChunkedEnd did: what follows on
    the connection must be read as the next request by everybody, or by nobody.
    """
    body = request.body
    if not isinstance(body, Body):
        return
    try:
        data = body.read()  # type: ignore[no-untyped-call]
    except (ParseException, NoMoreData) as caught:
        raise refusal_for(caught) from caught
    if not request.unreader.used_up:
        raise Refusal(400, "the chunks of the request body do not add up.")
    request.body = io.BytesIO(data)
