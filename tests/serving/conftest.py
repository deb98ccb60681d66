"""Real web processes on free ports."""

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from serving.clients import OPEN, PATIENCE_S, Serve, Web

MIB = 1024 * 1024
HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def hang_up() -> Iterator[None]:
    """No connection outlives its test."""
    yield
    while OPEN:
        OPEN.pop().close()


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """Start web processes; all are ended, by the process they are, after the module's tests."""
    started: list[Web] = []

    def start(
        *,
        worker: str = "patient",
        threads: int = 4,
        limits: dict[str, Any] | None = None,
        options: dict[str, Any] | None = None,
        diary: str = "",
        environ: dict[str, str] | None = None,
        cwd: Path | None = None,
    ) -> Web:
        listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        given = {
            "fd": listener.fileno(), "worker": worker, "threads": threads, "limits": limits or {},
            "options": options or {}, "diary": diary,
        }  # fmt: skip
        log_file = tmp_path_factory.mktemp("web") / "log"
        with log_file.open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, str(HERE / "web_process.py"), json.dumps(given)],
                pass_fds=[listener.fileno()],
                stderr=log,
                cwd=cwd,
                env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(HERE.parent.parent), **(environ or {})},
                start_new_session=True,
            )
        web = Web(process, listener.getsockname()[1], log_file)
        listener.close()
        started.append(web)
        return web

    yield start
    for web in started:
        if web.process.poll() is None:
            web.process.terminate()
    for web in started:
        try:
            web.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            for child in psutil.Process(web.process.pid).children(recursive=True):
                child.kill()
            web.process.kill()
            web.process.wait()


@pytest.fixture(scope="module")
def web(serve: Serve) -> Web:
    """A patient server with four threads and short limits, shared by the tests of a module."""
    limits = {"receive_s": 1.5, "send_s": 1.0, "send_bytes_per_s": MIB, "sweep_s": 0.1, "linger_s": 0.5, "stop_s": 0.3}
    return serve(limits=limits)
