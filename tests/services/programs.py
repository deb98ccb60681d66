"""leadloop's real processes: started as an operator would, started again when they die, ended by the group they are."""

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).parent.parent.parent
PATIENCE_S = 40.0  # for what takes a second or two on an idle machine


def steady_port() -> int:
    """A free port that no outgoing connection will take while its server is dead: below the range of those."""
    for port in random.sample(range(21_000, 32_000), 200):
        with socket.socket() as sock, contextlib.suppress(OSError):
            sock.bind(("127.0.0.1", port))
            return port
    raise RuntimeError("no free port between 21000 and 32000")


def wait_until(check: Callable[[], Any], what: str | Callable[[], str], *, most_s: float = PATIENCE_S) -> float:
    """Wait until `check()` is true; the seconds it took. Fails with `what` was waited for."""
    started = time.monotonic()
    while not check():
        if time.monotonic() - started > most_s:
            told = what if isinstance(what, str) else what()
            raise AssertionError(f"waited {most_s:g} s in vain for: {told}")
        time.sleep(0.05)
    return time.monotonic() - started


def run_command(arguments: list[str], environment: dict[str, str], folder: Path) -> "subprocess.CompletedProcess[str]":
    """One `leadloop …` command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "leadloop", *arguments],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


class Program:
    """One `leadloop …` that runs until told otherwise, with the processes it starts; they are a group of their own."""

    def __init__(self, arguments: list[str], environment: dict[str, str], folder: Path, number: int = 1) -> None:
        self.name = arguments[0]
        self.arguments = arguments
        self.environment = environment
        self.folder = folder
        self.log = folder / f"{self.name}-{number}.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.exit_codes: list[int] = []
        self._lock = threading.Lock()

    def start(self) -> "Program":
        with self._lock, self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "leadloop", *self.arguments],
                env=self.environment,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return self

    def start_if_dead(self) -> bool:
        """What a supervisor does: with what is left of it ended, start it again."""
        with self._lock:
            dead = self.process is not None and self.process.poll() is not None
        if dead:
            self._note_end()
            self.start()
        return dead

    def _note_end(self) -> None:
        assert self.process is not None
        self._kill_group()
        self.exit_codes.append(self.process.wait(timeout=PATIENCE_S))

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def children(self) -> list[psutil.Process]:
        """What it started: gunicorn's worker, or the processes of `worker --processes N`."""
        if not self.is_running or self.process is None:
            return []
        try:
            return psutil.Process(self.process.pid).children()
        except psutil.NoSuchProcess:
            return []

    def group(self) -> list[psutil.Process]:
        """Every process of the group that still lives, also those whose parent was killed."""
        if self.process is None:
            return []
        found = []
        for one in psutil.process_iter():
            try:
                if os.getpgid(one.pid) == self.process.pid and one.status() != psutil.STATUS_ZOMBIE:
                    found.append(one)
            except (psutil.NoSuchProcess, ProcessLookupError):
                continue
        return found

    def is_up(self, port: int) -> bool:
        """Whether as many of its processes as there are to be have a connection open to this port, say the database's."""
        wanted = int(self.arguments[2]) if self.arguments[1:2] == ["--processes"] else 1
        connected = 0
        for one in self.group():
            with contextlib.suppress(psutil.NoSuchProcess):
                connected += any(found.raddr and found.raddr.port == port for found in one.net_connections("tcp"))
        return connected >= wanted

    def signal(self, signum: int) -> None:
        assert self.process is not None
        self.process.send_signal(signum)

    def signal_group(self, signum: int) -> None:
        """As a terminal does for Ctrl-C, and systemd when it stops a service."""
        assert self.process is not None
        os.killpg(self.process.pid, signum)

    def kill_child(self, chance: random.Random) -> bool:
        """kill -9 of one of its children; False when there is none to kill just now."""
        children = self.children()
        if not children:
            return False
        with contextlib.suppress(psutil.NoSuchProcess):
            chance.choice(children).kill()
            return True
        return False

    def kill_all(self) -> bool:
        """kill -9 of the whole of it."""
        if not self.is_running:
            return False
        self._kill_group()
        return True

    def _kill_group(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.signal_group(signal.SIGKILL)

    def wait(self, most_s: float) -> tuple[int, float]:
        """Wait for its end: exit code and seconds. Fails when it takes longer."""
        assert self.process is not None
        started = time.monotonic()
        try:
            code = self.process.wait(timeout=most_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"leadloop {self.name} still runs after {most_s:g} s\n{self.tail()}") from None
        return code, time.monotonic() - started

    def end(self) -> None:
        """For the end of a test: at once, with all it started."""
        if self.process is not None:
            self._kill_group()
            self.process.wait(timeout=PATIENCE_S)

    def lines(self) -> list[str]:
        """What it wrote to stderr and stdout so far."""
        return self.log.read_text(errors="replace").splitlines() if self.log.exists() else []

    def tail(self, lines: int = 15) -> str:
        """The last lines that are more than information."""
        told = [line for line in self.lines() if '"level": "info"' not in line]
        return "\n".join([f"--- {self.log.name}, exit codes {self.exit_codes}", *told[-lines:]])


class Supervisor:
    """Starts programs again when they die, as Docker or systemd would, until it is stopped."""

    def __init__(self, programs: list[Program], *, every_s: float = 0.2) -> None:
        self._programs = programs
        self._stop = threading.Event()
        self._every_s = every_s
        self.restarts = 0
        self._thread = threading.Thread(target=self._loop, name="supervisor", daemon=True)
        self._thread.start()

    def _loop(self) -> None:
        while not self._stop.wait(self._every_s):
            for program in self._programs:
                self.restarts += program.start_if_dead()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()
