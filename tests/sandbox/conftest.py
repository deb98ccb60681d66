"""A sandbox in this process, and a web server that stands for leadloop."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from sandbox_bench import APP_SECRET, Bench, Received, Receiver

from sandbox import Sandbox, SandboxOptions, create_sandbox


@pytest.fixture
def bench(clock: Any) -> Iterator[Bench]:
    options = SandboxOptions(app_secret=APP_SECRET, webhook_url="http://127.0.0.1:9/unused", retry_delays_s=())
    app = create_sandbox(options, now=clock)
    sandbox: Sandbox = app.extensions["sandbox"]
    yield Bench(app.test_client(), sandbox, options, clock)
    sandbox.sender.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, content = found.keep(Received(self.command, self.path, headers, body))
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST  # noqa: N815

        def log_message(self, *_: object) -> None:
            return

    class Server(ThreadingHTTPServer):
        request_queue_size = 128

        def handle_error(self, *_: object) -> None:  # the other side has left, as some tests want it
            return

    server = Server(("127.0.0.1", 0), Handler)
    found = Receiver(f"http://127.0.0.1:{server.server_port}/webhooks/meta")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield found
    server.shutdown()
    thread.join()
    server.server_close()
