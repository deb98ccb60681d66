"""PostgreSQL is dead, or hangs: Meta is told 503 in time, operators are told why, and nothing is lost."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest
from servers import PostgresServer
from services.conftest import Make
from services.notices import fill_in, one_by_one
from services.programs import wait_until
from services.system import QUICK, System, say

pytestmark = [pytest.mark.services, pytest.mark.timeout(150)]
GRACE_S = 5
HANGS_S = 11.0
IN_TIME_S = 9.0  # Meta waits longer; see COMMIT_WITHIN_S in webhooks/meta.py


@pytest.fixture
def system(new_system: Make, own_postgres: PostgresServer, request: pytest.FixtureRequest) -> System:
    name = "away_" + "".join(one if one.isalnum() else "_" for one in request.node.name[-40:])
    own_postgres.run_sql(f"CREATE DATABASE {name}")
    environment = QUICK | {"LEADLOOP_STOP_GRACE_S": str(GRACE_S)}
    made = new_system(database_url=own_postgres.url(name), environment=environment)
    made.start_connected(own_postgres, made.web(), ["worker"], ["clock"])  # without its database none of them starts
    return made


@contextmanager
def hanging(server: PostgresServer, *, backends: str) -> Iterator[None]:
    """PostgreSQL stands still: it takes connections and says nothing. `backends` stand still like it or are gone."""
    postmaster = psutil.Process(server.process.pid)
    os.kill(postmaster.pid, signal.SIGSTOP)
    for one in postmaster.children(recursive=True):
        os.kill(one.pid, signal.SIGSTOP if backends == "still" else signal.SIGKILL)
    try:
        yield
    finally:
        for one in [*postmaster.children(recursive=True), postmaster]:
            os.kill(one.pid, signal.SIGCONT)


def test_postgres_is_dead(system: System, own_postgres: PostgresServer) -> None:
    leads = fill_in(system.sandbox, 40)
    sender = system.sender(again_after_s=1.0)
    own_postgres.kill()
    sender.send(one_by_one(leads[:20]))
    wait_until(lambda: sender.answers["503"] >= 20, lambda: str(sender.answers))
    slowest_s = max(took_s for _answer, took_s in sender.tries)
    ready = system.get("/readyz")
    say(f"PostgreSQL dead: {dict(sender.answers)}, slowest {slowest_s:.2f} s, /readyz {ready.status_code} {ready.text}")
    assert set(sender.answers) == {"503"}
    assert slowest_s < IN_TIME_S
    assert ready.status_code == 503
    assert "database" in ready.json()["reasons"][0]
    assert system.get("/healthz").status_code == 200
    own_postgres.start_again()
    sender.send(one_by_one(leads[20:]))
    took_s = system.wait_arrived(leads, most_s=30)
    system.wait_idle()
    say(f"all arrived {took_s:.1f} s after it was back; {dict(sender.answers)}")
    assert system.is_ready()
    system.check_nothing_lost(leads)
    assert all(not program.exit_codes and program.is_running for program in system.programs)


@pytest.mark.parametrize("backends", ["still", "gone"])
def test_postgres_hangs(system: System, own_postgres: PostgresServer, backends: str) -> None:
    leads = fill_in(system.sandbox, 80)
    before, during = leads[:20], leads[20:]
    system.sender().send(one_by_one(before))
    system.wait_arrived(before)
    system.wait_idle()
    ending = system.start_connected(own_postgres, ["worker"], ["clock"])
    sender = system.sender(threads=24, timeout_s=40.0, again_after_s=1.0)  # more than the web has threads
    looker = Looker(system)
    began = time.monotonic()
    with hanging(own_postgres, backends=backends):
        sender.send(one_by_one(during))
        time.sleep(0.5)
        looker.start()
        time.sleep(1.5)
        for program in ending:
            program.signal(signal.SIGTERM)
        ends = {program.log.stem: program.wait(GRACE_S + 8) for program in ending}
        time.sleep(max(0.0, HANGS_S - (time.monotonic() - began)))
        answered, waiting_s, seen = list(sender.tries), sender.waiting_s(), looker.look_back()
    slowest_s = max(took_s for _answer, took_s in answered)
    say(
        f"PostgreSQL hangs for {HANGS_S} s: {len(answered)} answers, slowest {slowest_s:.1f} s, longest wait {waiting_s:.1f} s"
    )
    say(f"meanwhile: {seen}; told to stop: {ends}")
    took_s = system.wait_arrived(leads, most_s=40)
    system.wait_idle()
    looker.stop()
    say(f"all arrived {took_s:.1f} s after it went on; {dict(sender.answers)}; looked: {looker.seen}")
    system.check_nothing_lost(leads)
    assert {answer for answer, _took_s in answered} == {"503"}
    assert max(slowest_s, waiting_s) < IN_TIME_S
    assert {status for path, status, _took_s in seen if path == "/readyz"} == {503}
    assert {status for path, status, _took_s in seen if path == "/healthz"} == {200}
    assert max(took_s for _path, _status, took_s in seen) < IN_TIME_S


def test_a_worker_told_to_stop_while_postgres_hangs_does_not_wait_for_it(
    system: System, own_postgres: PostgresServer
) -> None:
    worker = next(program for program in system.programs if program.name == "worker")
    leads = fill_in(system.sandbox, 20)
    system.sandbox.sandbox.state.change_knobs({"crm_delay_ms": 1500})
    system.sender(again_after_s=1.0).send(one_by_one(leads))
    wait_until(lambda: system.count("work WHERE kind = 'delivery' AND holder IS NOT NULL") > 0, worker.tail)
    with hanging(own_postgres, backends="still"):
        time.sleep(0.5)
        worker.signal(signal.SIGTERM)
        code, took_s = worker.wait(GRACE_S + 8)
    say(f"told to stop with work in hand while PostgreSQL hangs: exit {code} after {took_s:.1f} s")
    worker.start()
    system.wait_arrived(leads)  # what it had in hand after its lease
    system.wait_idle()
    system.check_nothing_lost(leads)


class Looker:
    """Asks /readyz and /healthz over and over, as a load balancer does: four at a time."""

    def __init__(self, system: System) -> None:
        self.seen: list[tuple[str, int, float]] = []
        self._system = system
        self._began: dict[int, tuple[str, float]] = {}
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._look, args=(number,), daemon=True) for number in range(4)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def look_back(self) -> list[tuple[str, int, float]]:
        """(path, status, seconds) so far; status 0 for those without an answer yet."""
        now = time.monotonic()
        return [*self.seen, *((path, 0, now - began) for path, began in list(self._began.values()) if now - began > 6)]

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)

    def _look(self, number: int) -> None:
        while not self._stop.wait(0.5):
            for path in ("/readyz", "/healthz"):
                began = time.monotonic()
                self._began[number] = (path, began)
                status = self._system.get(path, timeout_s=60).status_code
                self.seen.append((path, status, round(time.monotonic() - began, 1)))
            self._began.pop(number)
