"""The way out: what gunicorn writes an answer to. A client that does not read it cannot hold a thread."""

import select
import socket
import threading
import time
from typing import TYPE_CHECKING

from leadloop.serving.receiving import Limits

if TYPE_CHECKING:
    from leadloop.serving.holding import HeldAnswer


class ClientGone(OSError):
    """The client has left, or reads its answer too slowly. Of the kind that gunicorn passes through without a word."""


class Outlet:
    """Stands for the socket of one connection while a thread answers; the socket itself never blocks.

    The first write (the head) waits for the second, so that both leave in one packet. What the client has no room for
    stays in `pending`: up to `answer_bytes` of it are left to the event loop and cost no thread. For more, the thread
    waits, by the clock and by what the client does read, and never in more than the threads `slots` allows for.
    With a `hold`, nothing leaves by itself.
    """

    __slots__ = (
        "_limits",
        "_sent",
        "_sent_before_waiting",
        "_slots",
        "_socket",
        "_waited_s",
        "_writes",
        "broken",
        "hold",
        "pending",
    )

    def __init__(self, sock: socket.socket, slots: threading.Semaphore, limits: Limits) -> None:
        self._socket = sock
        self._slots = slots
        self._limits = limits
        self.pending = bytearray()
        self.begin()

    def begin(self) -> None:
        """A new answer."""
        self._writes = 0
        self._sent = 0
        self._waited_s = 0.0
        self._sent_before_waiting: int | None = None
        self.broken = False
        self.hold: HeldAnswer | None = None

    @property
    def untouched(self) -> bool:
        """Nothing of the answer has left, so another one can take its place."""
        return self._sent == 0

    def sendall(self, data: bytes) -> None:
        self.pending += data
        self._writes += 1
        if self._writes == 1 or self.hold is not None:
            return
        self.push()
        if len(self.pending) > self._limits.answer_bytes:
            self._wait_for_reader()

    def send(self, data: bytes) -> int:
        self.sendall(data)
        return len(data)

    def replace(self, page: bytes) -> None:
        """Answer with this instead. Only while untouched."""
        self.pending[:] = page

    def push(self) -> bool:
        """Send what the client has room for, without waiting. True when nothing is left. Raises ClientGone."""
        while self.pending:
            try:
                sent = self._socket.send(self.pending)
            except (BlockingIOError, InterruptedError):
                return False
            except OSError as caught:
                self.broken = True
                raise ClientGone from caught
            self._sent += sent
            del self.pending[:sent]
        return True

    def _wait_for_reader(self) -> None:
        if not self._slots.acquire(blocking=False):
            self.broken = True
            raise ClientGone("too many answers wait for clients that read slowly")
        try:
            poll = select.poll()
            poll.register(self._socket.fileno(), select.POLLOUT)
            while len(self.pending) > self._limits.answer_bytes // 2:
                started = time.monotonic()
                poll.poll(self._patience_s() * 1000)
                self._waited_s += time.monotonic() - started
                self.push()
        finally:
            self._slots.release()

    def _patience_s(self) -> float:
        """How much longer this answer may wait. What it sent before is in the kernel's buffers, and tells nothing."""
        if self._sent_before_waiting is None:
            self._sent_before_waiting = self._sent
        read = self._sent - self._sent_before_waiting
        left_s = self._limits.send_s + read / self._limits.send_bytes_per_s - self._waited_s
        if left_s <= 0:
            self.broken = True
            raise ClientGone("the client reads its answer too slowly")
        return left_s

    def abort(self) -> None:
        """Throw away what has not left. `broken` when that leaves the client with part of an answer."""
        self.pending.clear()
        self.hold = None
        self.broken = self.broken or self._sent > 0

    def shutdown(self, _how: int) -> None:
        """gunicorn ends a broken answer with shutdown() and close(); the socket is the event loop's to close."""
        raise OSError

    def close(self) -> None:
        self.abort()
