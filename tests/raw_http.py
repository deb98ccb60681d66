"""A server made of bare sockets, which answers exactly the bytes a test tells it to, however wrong they are."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class Talk:
    """One connection, seen from the server."""

    sock: socket.socket
    server: "RawServer"
    number: int  # 1 for the first connection that was accepted
    _rest: bytes = b""

    def read(self) -> bytes | None:
        """The next request, head and body; None when the client has gone."""
        while b"\r\n\r\n" not in self._rest:
            if not self._more():
                return None
        head, _, rest = self._rest.partition(b"\r\n\r\n")
        lengths = [int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        length = lengths[0] if lengths else 0
        self._rest = rest
        while len(self._rest) < length:
            if not self._more():
                return None
        body, self._rest = self._rest[:length], self._rest[length:]
        self.server.requests.append(head + b"\r\n\r\n" + body)
        return self.server.requests[-1]

    def _more(self) -> bool:
        got = self.sock.recv(65_536)
        self._rest += got
        return bool(got)

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def trickle(self, data: bytes, every_s: float = 0.02) -> None:
        """One byte now and then, until the client has gone or the test is over."""
        for position in range(len(data)):
            if self.server.over.wait(every_s):
                return
            self.send(data[position : position + 1])

    def hang(self) -> None:
        """Say nothing until the test is over."""
        self.server.over.wait()


Handler = Callable[[Talk], None]


@dataclass
class RawServer:
    """`accepted` counts connections; `requests` are the raw requests in the order they came."""

    port: int
    accepted: int = 0
    requests: list[bytes] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)
    scheme: str = "http"

    def url(self, path: str = "/", host: str = "127.0.0.1") -> str:
        return f"{self.scheme}://{host}:{self.port}{path}"


def ok(body: bytes = b"{}", *headers: str, status: str = "200 OK") -> bytes:
    """A well-formed answer."""
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def answering(*answers: bytes) -> Handler:
    """Answers each request of a connection in turn, the last one for ever; the connection stays open."""

    def handle(talk: Talk) -> None:
        position = 0
        while talk.read() is not None:
            talk.send(answers[min(position, len(answers) - 1)])
            position += 1

    return handle


def once(data: bytes) -> Handler:
    """Answers one request with these bytes and closes the connection."""

    def handle(talk: Talk) -> None:
        talk.read()
        talk.send(data)

    return handle


@contextmanager
def raw_server(
    handle: Handler, *, tls: ssl.SSLContext | None = None, family: int = socket.AF_INET
) -> Iterator[RawServer]:
    """Serve on a free port of this machine, each connection on a thread of its own, until the block ends."""
    host = "127.0.0.1" if family == socket.AF_INET else "::1"
    with socket.create_server((host, 0), family=family, backlog=64) as listening:
        server = RawServer(port=listening.getsockname()[1], scheme="https" if tls else "http")
        threads = [threading.Thread(target=_accept, args=(listening, server, handle, tls), daemon=True)]
        threads[0].start()
        try:
            yield server
        finally:
            server.over.set()
            with suppress(OSError):
                listening.shutdown(socket.SHUT_RDWR)  # wakes accept()
            threads[0].join(5)


def _accept(listening: socket.socket, server: RawServer, handle: Handler, tls: ssl.SSLContext | None) -> None:
    while True:
        try:
            sock, _ = listening.accept()
        except OSError:
            return
        server.accepted += 1
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=_serve, args=(sock, server, handle, tls, server.accepted), daemon=True).start()


def _serve(sock: socket.socket, server: RawServer, handle: Handler, tls: ssl.SSLContext | None, number: int) -> None:
    with sock, suppress(OSError):
        if tls is None:
            handle(Talk(sock, server, number))
        else:
            with tls.wrap_socket(sock, server_side=True) as wrapped:
                handle(Talk(wrapped, server, number))
