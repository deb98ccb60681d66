"""leadloop's web process: gunicorn with our worker, our settings, our logging, and nothing else it would pick up."""

import gc
import math
import os
import resource
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.glogging import Logger

from leadloop.settings import Settings

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

WORKER_CLASS = "leadloop.serving.PatientWorker"
OPEN_FILES = 10_240  # the most that macOS gives a process; connections, the database and what workers call


def gunicorn_options(
    settings: Settings,
    *,
    bind: str | Sequence[str],
    workers: int = 1,
    threads: int | None = None,
    trusted_proxies: str = "127.0.0.1,::1",
    connections: int = 1000,
    keepalive_s: int = 75,
) -> dict[str, Any]:
    """gunicorn's settings by name, none left to its environment variables or files.

    `bind`: "host:port", "unix:/path" or "fd://3", one or several. `workers`: processes; `threads`: of each, default
    `settings.web_threads`. `trusted_proxies`: addresses or networks, comma-separated, whose X-Forwarded-Proto counts.
    `connections`: open at once in each process. `keepalive_s`: how long an idle connection stays open; longer than
    the 60 seconds after which most proxies drop theirs, so that no request meets a closing connection.
    """
    memory = Path("/dev/shm")  # noqa: S108  a heartbeat file must not wait for a disk
    return {
        "bind": [bind] if isinstance(bind, str) else list(bind),
        "worker_class": WORKER_CLASS,
        "workers": workers,
        "threads": settings.web_threads if threads is None else threads,
        "worker_connections": connections,
        "timeout": 30,
        "graceful_timeout": math.ceil(settings.stop_grace_s),
        "keepalive": keepalive_s,
        "max_requests": 0,
        "limit_request_line": 8190,
        "limit_request_fields": 100,
        "limit_request_field_size": 8190,
        "forwarded_allow_ips": trusted_proxies,
        "forwarder_headers": "",
        "http_parser": "python",
        "http_protocols": "h1",
        "http2_cleartext": "off",
        "proxy_protocol": "off",
        "sendfile": False,
        "accesslog": None,
        "errorlog": None,
        "loglevel": settings.log_level.lower(),
        "logger_class": "leadloop.serving.WebLogger",
        "control_socket_disable": True,
        "preload_app": False,
        "proc_name": "leadloop-web",
    } | ({"worker_tmp_dir": str(memory)} if os.access(memory, os.W_OK) else {})


class WebLogger(Logger):
    """gunicorn's own lines (start, stop, a worker that died) go to our root logger and take its format."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)  # type: ignore[no-untyped-call]
        self.error_log.propagate = True


class WebArbiter(Arbiter):
    """gunicorn's master; Ctrl-C finishes what is in hand, a second Ctrl-C stops at once."""

    def handle_int(self) -> None:
        self.handle_term()  # type: ignore[no-untyped-call]


class WebServer(BaseApplication):
    """Serves what `factory` returns. `factory` runs in each worker after the fork, so nothing open is shared.

    `on_start(worker)` runs in each worker before its first request, `on_stop(worker)` after its last one and only if
    `on_start` went through; together with what is in hand it has `graceful_timeout` seconds. An error of `factory` or
    `on_start` stops the server. `options`: gunicorn settings that differ from gunicorn_options(). Neither
    gunicorn.conf.py nor GUNICORN_CMD_ARGS is looked at.
    """

    def __init__(
        self,
        factory: "Callable[[], WSGIApplication]",
        settings: Settings,
        *,
        bind: str | Sequence[str],
        workers: int = 1,
        on_start: Callable[[Any], object] | None = None,
        on_stop: Callable[[Any], object] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self.cfg: Any
        self._factory = factory
        self._options = gunicorn_options(settings, bind=bind, workers=workers) | dict(options or {})
        self._on_start = on_start
        self._on_stop = on_stop
        self._started = False
        super().__init__()  # type: ignore[no-untyped-call]

    def load_config(self) -> None:
        for name, value in self._options.items():
            self.cfg.set(name, value)
        self.cfg.set("post_worker_init", self._worker_starts)
        self.cfg.set("worker_exit", self._worker_ends)

    def load(self) -> "WSGIApplication":
        return self._factory()

    def run(self) -> None:
        """Serve until SIGTERM or Ctrl-C. Ends in SystemExit, as gunicorn does."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        gc.collect()
        gc.freeze()  # what is loaded stays shared with the workers: a collection there would write to all of it
        WebArbiter(self).run()  # type: ignore[no-untyped-call]

    def _worker_starts(self, worker: Any) -> None:
        if self._on_start is not None:
            self._on_start(worker)
        self._started = True

    def _worker_ends(self, _arbiter: Any, worker: Any) -> None:
        if self._started and self._on_stop is not None:
            self._on_stop(worker)
