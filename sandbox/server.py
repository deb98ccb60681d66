"""Serving a sandbox: gunicorn with one process and many threads, or a thread of this process for tests."""

import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from sandbox.context import Sandbox
from sandbox.options import SandboxOptions

THREADS = 128  # slow answers hold a thread each


class PortTaken(OSError):
    """The address cannot be listened on; the text is one sentence with the mend."""


def open_listener(host: str, port: int) -> socket.socket:
    """A listening socket. Raises PortTaken."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as caught:
        reason = "is already in use" if caught.errno in (48, 98) else f"cannot be used ({caught.strerror})"
        raise PortTaken(f"Port {port} on {host} {reason}; choose another with --port.") from caught


def url_of(listener: socket.socket) -> str:
    """http://host:port, as a browser on this machine reaches it."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def serve(app: Flask, host: str, port: int, *, on_ready: Callable[[str], None] | None = None) -> None:
    """Serve until SIGINT or SIGTERM. `on_ready` is told the URL once the port is ours; port 0 takes any free one.

    Raises PortTaken. To be called from the main thread, as gunicorn handles signals.
    """
    with open_listener(host, port) as listener:
        if on_ready:
            on_ready(url_of(listener))
        _Application(app, listener.detach()).run()  # type: ignore[no-untyped-call]


class _Application(BaseApplication):
    """gunicorn without its command line: one quiet worker, whose memory is the sandbox's state. It closes `fd` itself."""

    def __init__(self, app: Flask, fd: int) -> None:
        self._app = app
        self._fd = fd
        super().__init__()  # type: ignore[no-untyped-call]

    def load_config(self) -> None:
        chosen: dict[str, Any] = {
            "bind": [f"fd://{self._fd}"],
            "workers": 1,
            "worker_class": "gthread",
            "threads": THREADS,
            "worker_connections": 2000,
            "keepalive": 75,
            "graceful_timeout": 2,
            "loglevel": "error",
            "control_socket_disable": True,
        }
        for name, value in chosen.items():
            self.cfg.set(name, value)  # type: ignore[union-attr]  # made just before

    def load(self) -> Flask:
        return self._app


@dataclass(frozen=True)
class RunningSandbox:
    """A sandbox in threads of this process. `url` is its base address; `stop()` ends it."""

    url: str
    app: Flask
    options: SandboxOptions = field(repr=False)
    _server: BaseWSGIServer = field(repr=False)
    _thread: threading.Thread = field(repr=False)

    @property
    def sandbox(self) -> Sandbox:
        """Its state, faults and sender, for tests that look or set things without HTTP."""
        found: Sandbox = self.app.extensions["sandbox"]
        return found

    def stop(self) -> None:
        """Stop answering and sending; safe to call twice."""
        self.sandbox.sender.close()
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def __enter__(self) -> "RunningSandbox":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class _QuietHandler(WSGIRequestHandler):
    """No log lines, and no waiting for a full packet: the answer's two writes would cost 40 ms otherwise."""

    disable_nagle_algorithm = True

    def log(self, type: str, message: str, *args: Any) -> None:
        return


def start_in_thread(
    options: SandboxOptions | None = None, *, host: str = "127.0.0.1", port: int = 0, app: Flask | None = None
) -> RunningSandbox:
    """Start a sandbox on a free port and return once it answers. Raises PortTaken."""
    from sandbox import create_sandbox

    options = options or SandboxOptions()
    app = app or create_sandbox(options)
    with open_listener(host, port) as listener:
        url = url_of(listener)
        server = make_server(
            host, listener.getsockname()[1], app, threaded=True, request_handler=_QuietHandler, fd=listener.fileno()
        )
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, name="sandbox", daemon=True)
    thread.start()
    return RunningSandbox(url, app, options, server, thread)
