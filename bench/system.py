"""Real leadloop processes to measure, on SQLite or on PostgreSQL with Redis, and what they cost."""

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from servers import free_port, start_postgres, start_redis

from bench.sender import PAGE, SECRET

KEY = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
CONFIG = f"""
[[pages]]
id = "{PAGE}"
name = "Bench"
access_token = "EAABENCHTOKEN"
default_country = "US"

[[connections]]
name = "crm"
adapter = "webhook"
settings = {{ url = "http://127.0.0.1:%d/crm", secret = "whsec_{KEY}", allow_private = true }}

[[routes]]
pages = ["*"]
forms = ["*"]
connections = ["crm"]
"""

FUNNEL = """
[[datasets]]
id = "900000000000001"
access_token = "EAABENCHDATASET"

[[funnels]]
connection = "crm"
dataset_id = "900000000000001"
stages = [{ stage = "qualified", event = "Qualified Lead" }, { stage = "demo", event = "Demo Scheduled" }]
"""


@dataclass
class System:
    """Running processes of ours (`ours`) and the ports of the web and the upstream."""

    mode: str
    port: int
    upstream_port: int
    folder: Path
    environment: dict[str, str] = field(repr=False)
    ours: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    def processes(self) -> list[psutil.Process]:
        found: list[psutil.Process] = []
        for one in self.ours:
            parent = psutil.Process(one.pid)
            found += [parent, *parent.children(recursive=True)]
        return found

    def cpu_s(self) -> float:
        """Processor seconds of all our processes so far, user and system."""
        return sum(sum(one.cpu_times()[:2]) for one in self.processes())

    def memory_mb(self) -> float:
        """Proportional set size of all our processes: shared pages are counted once."""
        return sum(one.memory_full_info().pss for one in self.processes()) / 1e6

    def upstream(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.upstream_port}/_seen", timeout=10) as answer:
            found: dict[str, Any] = json.load(answer)
            return found

    def seen(self) -> dict[str, float]:
        found: dict[str, float] = self.upstream()["seen"]
        return found

    def make_api_key(self) -> str:
        command = [sys.executable, "-m", "leadloop", "api-key", "create", "bench", "--json"]
        made = subprocess.run(command, env=self.environment, cwd=self.folder, check=True, capture_output=True)
        return str(json.loads(made.stdout)["key"])

    def wait_for_events(self, count: int, *, most_s: float = 120.0) -> dict[str, Any]:
        deadline = time.monotonic() + most_s
        while len((found := self.upstream())["events"]) < count:
            if time.monotonic() > deadline:
                raise RuntimeError(f"only {len(found['events'])} of {count} events arrived in {most_s} s ({self.mode})")
            time.sleep(0.05)  # between two questions, so that asking costs next to nothing
        return found

    def wait_for_leads(self, count: int, *, most_s: float = 120.0) -> dict[str, float]:
        deadline = time.monotonic() + most_s
        while True:
            seen = self.seen()
            if len(seen) >= count:
                return seen
            if time.monotonic() > deadline:
                raise RuntimeError(f"only {len(seen)} of {count} leads arrived in {most_s} s ({self.mode})")
            time.sleep(0.05)


@contextmanager
def running(
    mode: str, *, graph_ms: float = 100, crm_ms: float = 100, work: bool = True, funnel: bool = False
) -> Iterator[System]:
    """leadloop in `mode`: "embedded" (leadloop run, SQLite), "services" (PostgreSQL, Redis, web, worker, clock).

    `work` False: only the web process, so that nothing but the acknowledgement is measured. `funnel`: with two stages that
    Meta is told of.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="leadloop-bench-")))
        port, upstream_port = free_port(), free_port()
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "META_APP_SECRET": SECRET,
            "META_VERIFY_TOKEN": "bench",
            "META_GRAPH_URL": f"http://127.0.0.1:{upstream_port}",
            "LEADLOOP_SECRET_KEY": KEY,
            "LOG_LEVEL": "WARNING",
            "DATABASE_URL": f"sqlite:///{folder}/leadloop.db",
            "PYTHONPATH": str(Path(__file__).parent.parent),
        }
        if mode == "services":
            postgres, redis = start_postgres(), start_redis()
            stack.callback(postgres.stop)
            stack.callback(redis.stop)
            postgres.run_sql("CREATE DATABASE bench")
            environment |= {"DATABASE_URL": postgres.url("bench"), "REDIS_URL": redis.url}
        system = System(mode, port, upstream_port, folder, environment)
        upstream = _start(
            system, sys.executable, "-m", "bench.upstream", str(upstream_port), str(graph_ms), str(crm_ms)
        )
        stack.callback(_stop, upstream)
        _configure(system, CONFIG % upstream_port + (FUNNEL if funnel else ""))
        for arguments in _commands(mode, port, work=work):
            process = _start(system, sys.executable, "-m", "leadloop", *arguments)
            system.ours.append(process)
            stack.callback(_stop, process)
        _wait_until_ready(port)
        yield system


def _commands(mode: str, port: int, *, work: bool) -> list[list[str]]:
    web = ["web", "--host", "127.0.0.1", "--port", str(port), "--processes", "1"]
    if not work:
        return [web]
    if mode == "embedded":
        return [["run", "--port", str(port)]]
    return [web, ["worker", "--processes", "2"], ["clock"]]


def _configure(system: System, text: str) -> None:
    config = system.folder / "leadloop.toml"
    config.write_text(text)
    for arguments in (["db", "upgrade"], ["config", "apply", str(config)]):
        subprocess.run(
            [sys.executable, "-m", "leadloop", *arguments],
            env=system.environment,
            cwd=system.folder,
            check=True,
            capture_output=True,
        )


def _start(system: System, *command: str) -> "subprocess.Popen[bytes]":
    log = (system.folder / "log").open("ab")
    return subprocess.Popen(list(command), env=system.environment, cwd=system.folder, stdout=log, stderr=log)


def _stop(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout=40)
        except subprocess.TimeoutExpired:
            process.kill()


def _wait_until_ready(port: int) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2):
                return
        except (urllib.error.URLError, OSError):
            if time.monotonic() > deadline:
                raise RuntimeError("leadloop did not become ready") from None
            time.sleep(0.1)
