"""What the event loop keeps: connections with their stage, and the queue of calls that wakes it."""

import contextlib
import enum
import os
import queue
import socket
from collections.abc import Callable
from typing import Any

from leadloop.serving.answering import Outlet
from leadloop.serving.receiving import Intake


class Stage(enum.Enum):
    """WAITING for (the rest of) a request · IN_HAND of a thread · FLUSHING an answer · LINGERING after the last · CLOSED."""

    WAITING = enum.auto()
    IN_HAND = enum.auto()
    FLUSHING = enum.auto()
    LINGERING = enum.auto()
    CLOSED = enum.auto()


class Connection:
    """One client. `sock`, `client` and `server` are what gunicorn's handle_request() looks for.

    `held` counts the bytes kept for it outside `intake.buffer`; `since` orders connections by how long they wait.
    """

    __slots__ = (
        "client", "deadline", "eof", "fd", "held", "intake", "keep", "lingered", "mask", "polite", "request", "server",
        "since", "sock", "socket", "stage",
    )  # fmt: skip

    def __init__(self, sock: socket.socket, client: Any, server: Any, intake: Intake, outlet: Outlet) -> None:
        self.socket = sock
        self.fd = sock.fileno()
        self.sock = outlet
        self.client = client
        self.server = server
        self.intake = intake
        self.request: Any = None
        self.stage = Stage.WAITING
        self.since = self.deadline = 0.0
        self.mask = self.held = self.lingered = 0
        self.eof = self.keep = self.polite = False


class Inbox:
    """Calls that other threads and signal handlers leave for the event loop; one wake-up for all that came meanwhile.

    Stands in for gunicorn's PollableMethodQueue, whose method names it keeps.
    """

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[tuple[Callable[..., object], tuple[Any, ...]]] = queue.SimpleQueue()
        self._rung = False
        self._read_fd = self._write_fd = -1

    def init(self) -> None:
        """After the fork: every worker has its own pipe."""
        self._read_fd, self._write_fd = os.pipe()
        os.set_blocking(self._read_fd, False)
        os.set_blocking(self._write_fd, False)

    def fileno(self) -> int:
        return self._read_fd

    def defer(self, callback: Callable[..., object], *args: Any) -> None:
        self._calls.put((callback, args))
        if not self._rung:
            self._rung = True
            with contextlib.suppress(OSError):  # closed: nobody is left to wake
                os.write(self._write_fd, b"\0")

    def run_callbacks(self, _fileobj: object = None) -> None:
        """Run all that was left here. Called when fileno() is readable."""
        os.read(self._read_fd, 4096)
        self._rung = False  # before looking: whoever comes later rings again
        while True:
            try:
                callback, args = self._calls.get_nowait()
            except queue.Empty:
                return
            callback(*args)

    def close(self) -> None:
        fds = self._read_fd, self._write_fd
        self._read_fd = self._write_fd = -1
        for fd in fds:
            os.close(fd)
