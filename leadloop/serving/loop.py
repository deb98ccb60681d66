"""The event loop: takes connections, gathers their requests, hands whole ones to the threads, watches the clock.

One thread runs it. A connection in the stage IN_HAND belongs to the thread that answers it, in every other stage to
the loop; only `finish`, `hold`, `abandon` and `defer` may be called from other threads.
"""

import errno
import heapq
import queue
import selectors
import socket
import struct
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Any

from leadloop.logs import get_logger
from leadloop.serving.answering import ClientGone, Outlet
from leadloop.serving.connections import Connection, Inbox, Stage
from leadloop.serving.holding import HeldAnswer
from leadloop.serving.receiving import Intake, Limits, Refusal

log = get_logger(__name__)

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE
RECEIVE_BYTES = 64 * 1024
ACCEPT_AT_ONCE = 64
SAY_REFUSALS_S = 10.0
RESET_ON_CLOSE = struct.pack("ii", 1, 0)
OUT_OF_RESOURCES = frozenset([errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM])


class Loop:
    """Connections of one worker process. `jobs` receives each Connection that has a whole request."""

    def __init__(
        self,
        cfg: Any,
        limits: Limits,
        *,
        jobs: "queue.SimpleQueue[Connection | None]",
        inbox: Inbox,
        selector: selectors.BaseSelector,
        most: int,
    ) -> None:
        self._cfg = cfg
        self._limits = limits
        self._jobs = jobs
        self.defer = inbox.defer
        self._selector = selector
        self._most = most
        self._keepalive_s = float(cfg.keepalive)
        self._slow_slots = threading.Semaphore(max(1, cfg.threads // 2))
        self._connections: dict[Connection, None] = {}
        self._held: dict[Connection, HeldAnswer] = {}
        self._listeners: Sequence[Any] = ()
        self._accepting = False
        self._buffered = 0
        self._released: deque[int] = deque()
        self._stop_at = float("inf")
        self._next_sweep = 0.0
        self._refused: Counter[int] = Counter()
        self._said_refusals = float("-inf")
        self._wake_when_closed = False
        selector.register(inbox.fileno(), READ, inbox.run_callbacks)

    def __len__(self) -> int:
        return len(self._connections)

    @property
    def buffered_bytes(self) -> int:
        """What is held for clients: parts of requests, requests in hand, answers not yet read."""
        self._settle_released()
        return self._buffered

    # -- the loop itself

    def open(self, listeners: Sequence[Any]) -> None:
        self._listeners = listeners
        self._accept(True)

    def step(self) -> bool:
        """Wait for something to happen and deal with it. True about every `sweep_s`, after looking at the clock."""
        left_s = self._next_sweep - time.monotonic()
        for key, mask in self._selector.select(max(left_s, 0)):
            if type(key.data) is not Connection:
                key.data()
                continue
            if mask & WRITE:
                self._guarded(self._flush, key.data)
            if mask & READ:
                self._guarded(self._receive, key.data)
        now = time.monotonic()
        if now < self._next_sweep:
            return False
        self._next_sweep = now + self._limits.sweep_s
        self._sweep(now)
        return True

    def stop(self) -> None:
        """Take no more connections; those that wait get `stop_s` for the rest of their request."""
        self._accept(False)
        self._listeners = ()
        self._stop_at = time.monotonic() + self._limits.stop_s
        for conn in list(self._connections):
            request = conn.request
            if request is not None:
                request.force_close()  # its answer says so, unless it is on its way already
        self._wake_when_closed = True

    def close(self) -> None:
        for conn in list(self._connections):
            self._drop(conn)
        self._selector.close()

    # -- connections come

    def _accept(self, enabled: bool) -> None:
        if enabled == self._accepting:
            return
        self._accepting = enabled
        self._wake_when_closed = not enabled
        for listener in self._listeners:
            if enabled:
                listener.setblocking(False)
                server = listener.getsockname()
                self._selector.register(
                    listener, READ, lambda listener=listener, server=server: self._take(listener, server)
                )
            else:
                self._selector.unregister(listener)

    def _take(self, listener: Any, server: Any) -> None:
        now = time.monotonic()
        for _ in range(ACCEPT_AT_ONCE):
            try:
                sock, client = listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                break
            except OSError as caught:
                if caught.errno not in OUT_OF_RESOURCES:
                    raise
                self._make_place()
                break
            sock.setblocking(False)
            outlet = Outlet(sock, self._slow_slots, self._limits)
            conn = Connection(sock, client, server, Intake(self._cfg, client, self._limits), outlet)
            conn.since, conn.deadline = now, now + self._limits.receive_s
            self._connections[conn] = None
            self._guarded(self._receive, conn)  # more often than not the request is there already
        if len(self._connections) > self._most:
            self._make_place()

    def _make_place(self) -> None:
        """Close those that wait longest; with nobody waiting, leave newcomers to the kernel's queue for a while."""
        waiting = [conn for conn in list(self._connections) if conn.stage in (Stage.WAITING, Stage.LINGERING)]
        for conn in heapq.nsmallest(max(1, self._most // 50), waiting, key=lambda conn: conn.since):
            self._drop(conn)
        if not waiting:
            self._accept(False)

    def _has_place(self) -> bool:
        waiting = (Stage.WAITING, Stage.LINGERING)
        return len(self._connections) < self._most or any(conn.stage in waiting for conn in list(self._connections))

    # -- requests come

    def _guarded(self, action: Callable[[Connection], None], conn: Connection) -> None:
        """Whatever happens to one connection, the others go on."""
        if conn.stage is Stage.CLOSED:
            return  # earlier in the same round
        try:
            action(conn)
        except Exception:
            log.exception("http_connection_failed")
            self._drop(conn)

    def _receive(self, conn: Connection) -> None:
        try:
            data = conn.socket.recv(RECEIVE_BYTES)
        except (BlockingIOError, InterruptedError):
            self._listen(conn, conn.mask or READ)
            return
        except OSError:
            self._lost(conn)
            return
        if conn.stage is Stage.LINGERING:
            conn.lingered += len(data)
            if not data or conn.lingered > self._limits.linger_bytes:
                self._drop(conn)
            return
        intake = conn.intake
        began = not intake.begun
        conn.eof = not data
        intake.buffer += data
        self._buffered += len(data)
        if conn.stage is not Stage.WAITING:  # read ahead; the thread that answers looks at the buffer afterwards
            if conn.eof or len(intake.buffer) > self._limits.pipelined_bytes:
                self._listen(conn, conn.mask & ~READ)
            return
        if began:
            self._begin(conn)
        self._advance(conn)

    def _lost(self, conn: Connection) -> None:
        """The connection is broken. While a thread has it in hand, the thread finds out by itself."""
        conn.eof = True
        if conn.stage is Stage.IN_HAND:
            self._listen(conn, 0)
            return
        self._drop(conn)

    def _begin(self, conn: Connection) -> None:
        conn.since = time.monotonic()
        conn.deadline = conn.since + self._limits.receive_s

    def _advance(self, conn: Connection) -> None:
        """Hand the next request to a thread, if all of it is here."""
        intake = conn.intake
        before = len(intake.buffer)
        try:
            request = intake.take()
        except Refusal as refusal:
            self._buffered += len(intake.buffer) - before
            self._refuse(conn, refusal)
            return
        if request is None:
            self._buffered += len(intake.buffer) - before
            self._wait_for_more(conn)
            return
        conn.held = before - len(intake.buffer)
        conn.request = request
        conn.sock.begin()
        conn.stage = Stage.IN_HAND
        self._jobs.put(conn)

    def _wait_for_more(self, conn: Connection) -> None:
        if conn.eof:
            self._drop(conn)
            return
        try:
            if conn.intake.continue_due():
                conn.socket.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        except OSError:
            self._drop(conn)
            return
        self._listen(conn, READ)
        if self._buffered > self._limits.buffered_bytes:
            self._make_room()

    def _make_room(self) -> None:
        """Refuse whoever holds most memory until all together hold little enough."""
        while self.buffered_bytes > self._limits.buffered_bytes:
            holders = [conn for conn in list(self._connections) if conn.stage in (Stage.WAITING, Stage.FLUSHING)]
            hog = max(holders, key=lambda conn: len(conn.intake.buffer) + conn.held, default=None)
            if hog is None or not len(hog.intake.buffer) + hog.held:
                return
            if hog.stage is Stage.FLUSHING:
                self._reset(hog)
            else:
                self._refuse(hog, Refusal(503, "too many large requests at once; send this one again later."))

    def _settle_released(self) -> None:
        while self._released:
            self._buffered -= self._released.popleft()

    # -- answers go

    def finish(self, conn: Connection, *, keep: bool) -> None:
        """Called by the thread that answered, as the last thing it does with this connection."""
        request, conn.request = conn.request, None
        conn.polite = not keep and not request.must_close and request.should_close()  # the client sends no more
        conn.keep = keep
        self._released.append(conn.held)
        conn.held = 0
        try:
            all_sent = conn.sock.push()
        except ClientGone:
            all_sent = False
        if conn.sock.broken:
            self.defer(self._guarded, self._reset, conn)
        elif not all_sent:
            self.defer(self._guarded, self._begin_flush, conn)
        elif keep:
            self._rest(conn)
        elif conn.polite and not conn.mask and not conn.intake.buffer:
            self._close_here(conn)
        else:
            self.defer(self._guarded, self._retire, conn)

    def hold(self, conn: Connection, hold: HeldAnswer, *, keep: bool) -> None:
        """Called instead of finish() when the answer must not leave before `hold` is told."""
        self._held[conn] = hold
        hold.when_told(lambda: self.defer(self._guarded, self._let_go_kept if keep else self._let_go_last, conn))

    def _let_go_kept(self, conn: Connection) -> None:
        self._let_go(conn, keep=True)

    def _let_go_last(self, conn: Connection) -> None:
        self._let_go(conn, keep=False)

    def _let_go(self, conn: Connection, *, keep: bool) -> None:
        hold = self._held.pop(conn)
        if hold.trouble is not None:
            conn.sock.replace(hold.refusal.page())
        self.finish(conn, keep=keep and hold.trouble is None)

    def abandon(self, conn: Connection) -> None:
        """Called instead of finish() by a thread that does not know what has become of its connection."""
        self.defer(self._guarded, self._drop, conn)

    def _rest(self, conn: Connection) -> None:
        """Give the connection back to the loop, which need not be woken unless something came meanwhile."""
        conn.since = time.monotonic()
        conn.deadline = conn.since + self._keepalive_s
        mask = conn.mask
        conn.stage = Stage.WAITING
        if conn.intake.buffer or conn.eof or not mask:
            self.defer(self._guarded, self._resume, conn)

    def _close_here(self, conn: Connection) -> None:
        """Close a connection the selector does not know, without waking the loop."""
        conn.stage = Stage.CLOSED
        self._connections.pop(conn, None)
        conn.socket.close()
        if self._wake_when_closed:
            self.defer(int)

    def _resume(self, conn: Connection) -> None:
        if conn.stage is not Stage.WAITING:
            return
        if conn.intake.begun:
            self._begin(conn)
        self._advance(conn)

    def _begin_flush(self, conn: Connection) -> None:
        conn.held = len(conn.sock.pending)
        self._buffered += conn.held
        conn.since = time.monotonic()
        conn.deadline = conn.since + self._limits.send_s + conn.held / self._limits.send_bytes_per_s
        conn.stage = Stage.FLUSHING
        self._listen(conn, conn.mask | WRITE)
        if self._buffered > self._limits.buffered_bytes:
            self._make_room()

    def _flush(self, conn: Connection) -> None:
        try:
            all_sent = conn.sock.push()
        except ClientGone:
            self._drop(conn)
            return
        self._buffered -= conn.held - len(conn.sock.pending)
        conn.held = len(conn.sock.pending)
        if not all_sent:
            return
        self._listen(conn, conn.mask & ~WRITE)
        if conn.keep:
            self._rest(conn)
        else:
            self._retire(conn)

    def _refuse(self, conn: Connection, refusal: Refusal) -> None:
        self._refused[refusal.status] += 1
        try:
            conn.socket.send(refusal.page())
        except OSError:
            self._drop(conn)
            return
        self._linger(conn)

    def _retire(self, conn: Connection) -> None:
        """Close after a last answer. Unread bytes would turn the close into a reset, which can destroy the answer."""
        if conn.polite and not conn.intake.buffer:
            self._drop(conn)
        else:
            self._linger(conn)

    def _linger(self, conn: Connection) -> None:
        try:
            conn.socket.shutdown(socket.SHUT_WR)
        except OSError:
            conn.eof = True
        if conn.eof:
            self._drop(conn)
            return
        self._buffered -= len(conn.intake.buffer)
        conn.intake.buffer.clear()
        conn.stage = Stage.LINGERING
        conn.deadline = time.monotonic() + self._limits.linger_s
        self._listen(conn, READ)

    # -- connections go

    def _listen(self, conn: Connection, mask: int) -> None:
        if mask == conn.mask:
            return
        if not conn.mask:
            self._selector.register(conn.fd, mask, conn)
        elif mask:
            self._selector.modify(conn.fd, mask, conn)
        else:
            self._selector.unregister(conn.fd)
        conn.mask = mask

    def _drop(self, conn: Connection) -> None:
        if conn.stage is Stage.CLOSED:
            return
        self._listen(conn, 0)
        conn.stage = Stage.CLOSED
        self._connections.pop(conn, None)
        self._buffered -= len(conn.intake.buffer) + conn.held
        conn.socket.close()

    def _reset(self, conn: Connection) -> None:
        """Close in the middle of an answer, so that no client takes it for a whole one and the kernel keeps none of it."""
        conn.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        self._drop(conn)

    def _sweep(self, now: float) -> None:
        self._settle_released()
        for hold in [hold for hold in list(self._held.values()) if now >= hold.deadline]:
            hold.tell(TimeoutError("nobody told in time"))
        for conn in list(self._connections):
            if conn.stage is Stage.IN_HAND:
                continue
            if now >= (conn.deadline if conn.stage is Stage.FLUSHING else min(conn.deadline, self._stop_at)):
                self._expire(conn)
        if self._listeners and not self._accepting and self._has_place():
            self._accept(True)
        self._say_refusals(now)

    def _expire(self, conn: Connection) -> None:
        if conn.stage is Stage.FLUSHING:
            self._reset(conn)
        elif conn.stage is not Stage.WAITING or not conn.intake.begun:
            self._drop(conn)
        elif self._listeners:
            seconds = f"{self._limits.receive_s:g}"
            self._refuse(conn, Refusal(408, f"the whole request did not arrive within {seconds} seconds."))
        else:
            self._refuse(conn, Refusal(503, "the server is stopping; send this request again."))

    def _say_refusals(self, now: float) -> None:
        """One line for many: a flood of bad requests must not become a flood of log lines."""
        if self._refused and now - self._said_refusals >= SAY_REFUSALS_S:
            counts = {f"status_{status}": count for status, count in sorted(self._refused.items())}
            log.warning("http_requests_refused", **counts)
            self._refused.clear()
            self._said_refusals = now
