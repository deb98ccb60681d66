"""Web processes under test, and clients that send them exactly the bytes a test wants."""

import json
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

PATIENCE_S = 15.0  # how long a test waits for what must happen; nothing here takes near as long


OPEN: "list[Wire]" = []  # closed after each test, by conftest.py


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Wire:
    """A TCP connection to the tested server, byte by byte."""

    def __init__(self, port: int, *, receive_buffer: int | None = None) -> None:
        self.socket = socket.socket()
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(PATIENCE_S)
        self.socket.connect(("127.0.0.1", port))
        self.buffer = b""
        OPEN.append(self)

    def send(self, data: bytes) -> "Wire":
        self.socket.sendall(data)
        return self

    def trickle(self, data: bytes) -> None:
        """Send what the server may have closed already."""
        try:
            self.socket.sendall(data)
        except OSError:
            return

    def answer(self, timeout_s: float = PATIENCE_S) -> Answer:
        """The next answer; ConnectionError when the connection ends before it is whole, TimeoutError."""
        self.socket.settimeout(timeout_s)
        head = self._until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        return Answer(int(head[0].split()[1]), headers, self._body(headers))

    def _body(self, headers: dict[str, str]) -> bytes:
        if headers.get("transfer-encoding") != "chunked":
            return self._exactly(int(headers.get("content-length", 0)))
        body = b""
        while size := int(self._until(b"\r\n"), 16):
            body += self._exactly(size)
            self._exactly(2)
        self._exactly(2)
        return body

    def _more(self) -> None:
        data = self.socket.recv(1 << 20)
        if not data:
            raise ConnectionError("closed by the server")
        self.buffer += data

    def _until(self, mark: bytes) -> bytes:
        while mark not in self.buffer:
            self._more()
        found, self.buffer = self.buffer.split(mark, 1)
        return found

    def _exactly(self, size: int) -> bytes:
        parts = [self.buffer]
        while sum(map(len, parts)) < size:
            self.buffer = b""
            self._more()
            parts.append(self.buffer)
        whole = b"".join(parts)
        self.buffer = whole[size:]
        return whole[:size]

    def is_closed(self, timeout_s: float = PATIENCE_S) -> bool:
        """Whether the server closes within the time, sending nothing more."""
        self.socket.settimeout(timeout_s)
        try:
            return not self.buffer and self.socket.recv(1) == b""
        except ConnectionError:
            return True

    def close(self) -> None:
        self.socket.close()


@dataclass
class Web:
    process: "subprocess.Popen[bytes]"
    port: int
    log_file: Path

    def wire(self, **how: Any) -> Wire:
        return Wire(self.port, **how)

    def get(self, path: str, timeout_s: float = PATIENCE_S) -> Answer:
        wire = self.wire().send(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        return wire.answer(timeout_s)

    def post(self, path: str, body: bytes, timeout_s: float = PATIENCE_S) -> Answer:
        return self.wire().send(post(path, body)).answer(timeout_s)

    def worker(self) -> psutil.Process:
        return psutil.Process(self.get("/pid").json["pid"])

    def log(self) -> str:
        return self.log_file.read_text()

    def stop(self, signal_: int = signal.SIGTERM) -> int:
        self.process.send_signal(signal_)
        return self.process.wait(PATIENCE_S * 2)


def post(path: str, body: bytes, *headers: str) -> bytes:
    """A whole POST, kept alive."""
    lines = [f"POST {path} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def wait_until(what: Callable[[], bool], timeout_s: float = PATIENCE_S) -> bool:
    """Look again and again until it is so; False when it never was."""
    until = time.monotonic() + timeout_s
    while not what():
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


Serve = Callable[..., Web]
