"""The gunicorn worker: one event loop that waits for clients, threads that only ever answer whole requests."""

import queue
import resource
import signal
import sys
import threading
import time
from typing import Any

from gunicorn.workers.gthread import ThreadWorker
from werkzeug.exceptions import RequestEntityTooLarge

from leadloop.logs import get_logger
from leadloop.serving.answering import ClientGone
from leadloop.serving.connections import Connection, Inbox
from leadloop.serving.loop import Loop
from leadloop.serving.receiving import Limits, Refusal, decode_chunks

log = get_logger(__name__)

SERVER_ERROR = "an error of the server itself; it has been logged."


class PatientWorker(ThreadWorker):
    """gunicorn's gthread, with requests gathered in the event loop instead of in the threads.

    With TLS, HTTP/2, uWSGI or the PROXY protocol switched on it is the stock gthread worker: these need what leadloop
    leaves to the proxy in front.
    """

    limits = Limits()
    poller: Any  # a selector, from gunicorn's init_process()
    method_queue: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[no-untyped-call]
        self._inbox = Inbox()
        self.method_queue = self._inbox
        self.max_keepalived = sys.maxsize  # idle connections cost no thread; Loop bounds all of them together
        self._jobs: queue.SimpleQueue[Connection | None] = queue.SimpleQueue()

    @classmethod
    def check_config(cls, cfg: Any, log: Any) -> None:
        if not is_plain_http(cfg):
            log.warning("TLS, HTTP/2, uWSGI or PROXY protocol is on: slow clients can hold threads of this server.")

    def init_signals(self) -> None:
        """Ctrl-C reaches the whole process group: like SIGTERM it finishes what is in hand."""
        super().init_signals()  # type: ignore[no-untyped-call]
        signal.signal(signal.SIGINT, self.handle_exit)
        signal.siginterrupt(signal.SIGINT, False)

    def run(self) -> None:
        if not is_plain_http(self.cfg):
            super().run()  # type: ignore[no-untyped-call]
            return
        loop = Loop(
            self.cfg,
            self.limits,
            jobs=self._jobs,
            inbox=self._inbox,
            selector=self.poller,
            most=most_connections(self.cfg.worker_connections),
        )
        threads = self._start_threads(loop)
        loop.open(self.sockets)
        self.notify()  # type: ignore[no-untyped-call]
        while self.alive:
            if loop.step():
                self.notify()  # type: ignore[no-untyped-call]
                self.alive = self.alive and self.is_parent_alive()  # type: ignore[no-untyped-call]
        self._stop(loop, threads)

    def _start_threads(self, loop: Loop) -> list[threading.Thread]:
        threads = [
            threading.Thread(target=self._work, args=(loop,), name=f"web-{number}", daemon=True)
            for number in range(self.cfg.threads)
        ]
        for thread in threads:
            thread.start()
        return threads

    def _stop(self, loop: Loop, threads: list[threading.Thread]) -> None:
        """Answer what is in hand, at most for `graceful_timeout`; the master kills whoever takes longer."""
        until = time.monotonic() + self.cfg.graceful_timeout
        loop.stop()
        for listener in self.sockets:
            listener.close()
        while len(loop) and time.monotonic() < until:
            if loop.step():
                self.notify()  # type: ignore[no-untyped-call]
        for _ in threads:
            self._jobs.put(None)
        for thread in threads:
            thread.join(max(0.0, min(until - time.monotonic(), 1.0)))
        loop.close()
        self._inbox.close()

    def _work(self, loop: Loop) -> None:
        while (conn := self._jobs.get()) is not None:
            try:
                keep = self._answer(conn)
                if conn.sock.hold is None:
                    loop.finish(conn, keep=keep)
                else:
                    loop.hold(conn, conn.sock.hold, keep=keep)
            except BaseException:  # a thread lost here would be lost for good
                log.exception("http_thread_failed")
                loop.abandon(conn)

    def _answer(self, conn: Connection) -> bool:
        """Run the application for one request. True when the connection may carry another one."""
        outlet = conn.sock
        try:
            decode_chunks(conn.request)
            return bool(self.handle_request(conn.request, conn))  # type: ignore[no-untyped-call]
        except ClientGone:
            outlet.abort()
            return False
        except RequestEntityTooLarge:
            refusal = Refusal(413, "the request body is too large.")
        except Refusal as caught:
            refusal = caught
        except StopIteration:  # gunicorn has logged it
            refusal = Refusal(500, SERVER_ERROR)
        except (Exception, SystemExit):
            log.exception("http_request_failed")
            refusal = Refusal(500, SERVER_ERROR)
        outlet.abort()
        if outlet.untouched:
            outlet.replace(refusal.page())
        return False


def most_connections(wanted: int) -> int:
    """Half of the files the process may open are left to the application."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return wanted if files == resource.RLIM_INFINITY else min(wanted, files // 2)


def is_plain_http(cfg: Any) -> bool:
    """Whether the connection carries HTTP/1 and nothing before or around it."""
    return (
        not cfg.is_ssl
        and cfg.protocol == "http"
        and str(cfg.proxy_protocol).lower() in ("off", "false")
        and cfg.http2_cleartext == "off"
    )
