"""SIGTERM and Ctrl-C in mid-flight: ends within the grace, loses nothing, and leaves nothing to wait for a lease."""

import signal
import time

import pytest
from servers import RedisServer, start_redis
from services.conftest import Make
from services.notices import fill_in, one_by_one
from services.programs import wait_until
from services.system import System, say

pytestmark = [pytest.mark.services, pytest.mark.timeout(150)]
GRACE_S = 25.0
IN_HAND = "work WHERE holder IS NOT NULL"
# The lease stays at its two minutes: a row that were left to it would not be done in time.


@pytest.fixture(scope="module")
def redis_server():  # type: ignore[no-untyped-def]
    server: RedisServer = start_redis()
    yield server
    server.stop()


@pytest.fixture
def system(new_system: Make, postgres_url: str, redis_server: RedisServer) -> System:
    made = new_system(
        database_url=postgres_url, redis=redis_server, options={"graph_delay_ms": 300, "crm_delay_ms": 800}
    )
    made.start(made.web())
    return made


@pytest.mark.parametrize("whole_group", [False, True], ids=["parent", "group"])
def test_workers_stop_in_mid_flight(system: System, whole_group: bool) -> None:
    """`group`: as systemd stops a service, every process of it gets the signal."""
    (worker,) = system.start(["worker", "--processes", "2"])
    leads = fill_in(system.sandbox, 120)
    sender = system.sender()
    sender.send(one_by_one(leads))
    wait_until(lambda: system.in_crm(leads) > 5 and system.count(IN_HAND) > 20, lambda: system.describe(leads))
    before = system.in_crm(leads)
    (worker.signal_group if whole_group else worker.signal)(signal.SIGTERM)
    code, took_s = worker.wait(GRACE_S)
    done = system.in_crm(leads)
    say(f"worker: exit {code} after {took_s:.1f} s; in the CRM {before} then {done} of {len(leads)}")
    assert code == 0, worker.tail()
    assert done < len(leads), "it was to be stopped in mid-flight"
    assert system.count(IN_HAND) == 0
    assert not worker.group()
    worker.start()
    system.wait_arrived(leads, most_s=45)
    system.wait_idle()
    system.check_nothing_lost(leads)
    assert set(system.alerts().values()) == {1}
    assert {record.requests for record in system.sandbox.sandbox.state.crm.values()} == {1}


def test_idle_processes_stop_at_once(system: System, redis_server: RedisServer) -> None:
    programs = system.start_connected(redis_server, ["worker", "--processes", "2"], ["worker"], ["clock"])
    for program in programs:
        program.signal(signal.SIGTERM)
    ends = {program.log.stem: program.wait(GRACE_S) for program in programs}
    say(f"idle: {ends}")
    assert {code for code, _took_s in ends.values()} == {0}
    assert max(took_s for _code, took_s in ends.values()) < 8


def test_workers_end_with_the_parent_that_was_killed(new_system: Make, postgres_url: str) -> None:
    system = new_system(database_url=postgres_url)
    (worker,) = system.start(["worker", "--processes", "2"])
    wait_until(lambda: len(worker.children()) == 2, worker.tail)
    time.sleep(2.0)
    worker.signal(signal.SIGKILL)
    worker.wait(5)
    ended_s = wait_until(lambda: not worker.group(), lambda: f"the end of {worker.group()}", most_s=15)
    say(f"orphans ended {ended_s:.1f} s after their parent")


def test_a_crm_slower_than_the_grace_does_not_keep_the_worker(
    new_system: Make, postgres_url: str, redis_server: RedisServer
) -> None:
    system = new_system(
        database_url=postgres_url,
        redis=redis_server,
        options={"crm_delay_ms": 8_000},
        environment={"LEADLOOP_STOP_GRACE_S": "2"},
    )
    _web, worker = system.start(system.web(), ["worker"])
    leads = fill_in(system.sandbox, 6)
    system.sender().send(one_by_one(leads))
    wait_until(lambda: system.count("work WHERE kind = 'delivery' AND holder IS NOT NULL") > 0, worker.tail)
    time.sleep(1.0)
    worker.signal(signal.SIGTERM)
    code, took_s = worker.wait(GRACE_S)
    say(f"grace of 2 s, CRM of 8 s: exit {code} after {took_s:.1f} s")
    assert code == 0
    assert 1.5 < took_s < 5
    system.sandbox.sandbox.state.change_knobs({"crm_delay_ms": 0})
    worker.start()
    system.wait_arrived(leads)  # what was in hand soon, long before its lease ends, and once in the CRM: it upserts
    system.wait_idle()
    system.check_nothing_lost(leads)


def test_web_stops_in_mid_flight(system: System) -> None:
    leads = fill_in(system.sandbox, 400)
    sender = system.sender(threads=16, again_after_s=0.2)
    sender.send(one_by_one(leads))
    (web,) = system.programs
    wait_until(lambda: sender.answers["200"] > 50, web.tail)
    web.signal(signal.SIGTERM)
    code, took_s = web.wait(GRACE_S)
    say(f"web: exit {code} after {took_s:.1f} s; {dict(sender.answers)}")
    assert code == 0, web.tail()
    stored = system.count("raw_event")
    assert stored == sender.answers["200"], "what was kept was acknowledged, and the reverse"
    assert stored < len(leads)
    web.start()
    wait_until(lambda: sender.unanswered == 0, lambda: f"200 for all: {sender.answers}")
    assert set(sender.answers) <= {"200", "ConnectionRefusedError", "ConnectionResetError", "RemoteDisconnected"}
    assert system.count("raw_event") == len(leads)


def test_ctrl_c_on_leadloop_run(new_system: Make) -> None:
    system = new_system(options={"graph_delay_ms": 300, "crm_delay_ms": 800})
    (run,) = system.start(system.run())
    leads = fill_in(system.sandbox, 120)
    sender = system.sender(again_after_s=0.2)
    sender.send(one_by_one(leads), per_second=60)
    wait_until(lambda: system.in_crm(leads) > 5 and system.count(IN_HAND) > 10, lambda: system.describe(leads))
    run.signal_group(signal.SIGINT)
    code, took_s = run.wait(GRACE_S)
    say(f"run: exit {code} after {took_s:.1f} s; {system.in_crm(leads)} of {len(leads)} in the CRM")
    assert code == 0, run.tail()
    assert system.in_crm(leads) < len(leads)
    assert system.count(IN_HAND) == 0
    assert not run.group()
    run.start()
    system.wait_arrived(leads, most_s=60)
    system.wait_idle()
    system.check_nothing_lost(leads)
    assert set(system.alerts().values()) == {1}
    assert {record.requests for record in system.sandbox.sandbox.state.crm.values()} == {1}
