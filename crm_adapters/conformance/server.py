"""A pretend CRM on 127.0.0.1 for an adapter's tests: it keeps what it received and can be told to fail in any way.

An author subclasses FakeCrm and writes `answer()` (what that CRM does with a request) and `records()` (what it holds).
"""

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import parse_qsl, unquote, urlsplit

Manner = Literal["whole", "half", "drop", "hang"]


@dataclass(frozen=True)
class Received:
    """One request as it arrived. `path` is without the query and not decoded; `headers` have names in lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    def json(self) -> Any:
        """The body as JSON; None when it is empty, ValueError when it is not JSON."""
        return json.loads(self.body) if self.body else None

    @property
    def target(self) -> str:
        """Path and query as text, decoded: what ends up in the log of every proxy on the way."""
        return unquote(self.path) + " " + " ".join(f"{name}={value}" for name, value in self.query.items())


@dataclass(frozen=True)
class Reply:
    """One answer. `body` is bytes, or anything that JSON can hold. `manner` "half" breaks off in the middle of the body,
    "drop" closes without a word, "hang" keeps silent until the caller gives up."""

    status: int = 200
    body: Any = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    manner: Manner = "whole"

    def encoded(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


@dataclass
class _Plan:
    reply: Callable[[Received], Reply]
    skip: int
    times: int
    after: bool


class Crm:
    """What the conformance kit needs of a CRM to test against: start and stop it, and see what it holds.

    Use it directly for something that is not reached over HTTP (a database); FakeCrm is for all others.
    """

    def start(self) -> None:
        """Make it ready and empty."""

    def stop(self) -> None:
        """End it."""

    def records(self) -> list[Any]:
        """Everything that came of leads so far, one item for each record, with whatever it holds."""
        raise NotImplementedError(f"{type(self).__name__} must define records()")

    def notes(self) -> list[Any] | None:
        """The notes (or tasks) the adapter's steps made; None when it has no steps."""
        return None


class FakeCrm(Crm):
    """A CRM that speaks HTTP. `received` lists the requests in order; `lock` guards the fake's own data."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.lock = threading.RLock()
        self._plans: list[_Plan] = []
        self._server: _Server | None = None
        self._port = 0
        self.stopping = threading.Event()

    @property
    def url(self) -> str:
        """Where it listens, without a slash at the end."""
        return f"http://127.0.0.1:{self._port}"

    def answer(self, request: Received) -> Reply:
        """What the CRM does with a request. Called under `lock`."""
        raise NotImplementedError(f"{type(self).__name__} must define answer()")

    def start(self) -> None:
        self._server = _Server(self)
        self._port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        """Stop listening and close what is open; a later call is refused."""
        self.stopping.set()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server.close_all()
            self._server = None

    def fail(
        self, reply: Reply | Callable[[Received], Reply], *, skip: int = 0, times: int = 1, after: bool = False
    ) -> None:
        """Answer `times` requests with `reply`, after letting `skip` through. `after`: do what was asked first, and only
        then answer like this, as when the connection breaks just before the answer arrives."""
        with self.lock:
            self._plans.append(_Plan(reply if callable(reply) else lambda _request: reply, skip, times, after))

    def heal(self) -> None:
        """Forget all planned failures."""
        with self.lock:
            self._plans.clear()

    def handle(self, request: Received) -> Reply:
        with self.lock:
            self.received.append(request)
            plan = self._due()
            if plan is None:
                return self.answer(request)
            if plan.after:
                self.answer(request)
            return plan.reply(request)

    def _due(self) -> _Plan | None:
        for plan in self._plans:
            if plan.skip > 0:
                plan.skip -= 1
            elif plan.times > 0:
                plan.times -= 1
                return plan
        return None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, crm: FakeCrm) -> None:
        self.crm = crm
        self.open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that hung up is part of the game."""

    def close_all(self) -> None:
        for connection in list(self.open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        self.server.open.add(self.connection)

    def finish(self) -> None:
        self.server.open.discard(self.connection)
        super().finish()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: a log of the pretend CRM must not count as a log of the adapter."""

    def do_any(self) -> None:
        parts = urlsplit(self.path)
        request = Received(
            method=self.command,
            path=parts.path,
            query=dict(parse_qsl(parts.query, keep_blank_values=True)),
            headers={name.lower(): value for name, value in self.headers.items()},
            body=self.rfile.read(int(self.headers.get("Content-Length") or 0)),
        )
        self._send(self.server.crm.handle(request))

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_HEAD = do_any  # noqa: N815

    def _send(self, reply: Reply) -> None:
        if reply.manner == "hang":
            self.server.crm.stopping.wait(30)
        if reply.manner in ("hang", "drop"):
            self.close_connection = True
            return
        body = reply.encoded()
        self.send_response(reply.status)
        names = {name.lower() for name in reply.headers}
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if "content-type" not in names and body and not isinstance(reply.body, bytes):
            self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body) + (100 if reply.manner == "half" else 0)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[: len(body) // 2 + 1] if reply.manner == "half" else body)
        self.close_connection = self.close_connection or reply.manner == "half"
