"""Redis is only a bell: emptied, dead or absent, everything arrives."""

import signal
import time
from collections.abc import Iterator

import pytest
from servers import RedisServer, start_redis
from services.conftest import Make
from services.notices import fill_in, one_by_one
from services.programs import wait_until
from services.system import System, say

from workers.rq_worker import LINGER_S

pytestmark = [pytest.mark.services, pytest.mark.timeout(120)]
DELAYS = {"graph_delay_ms": 50, "crm_delay_ms": 50}


@pytest.fixture
def redis_server() -> Iterator[RedisServer]:
    server = start_redis()
    yield server
    server.stop()


def start_all(system: System) -> None:
    system.start(system.web(), ["worker"], ["clock"])


def stop_all(system: System) -> None:
    """All end within the grace, and say that all is well."""
    for program in system.programs:
        program.signal(signal.SIGTERM)
    ends = {program.log.stem: program.wait(25)[0] for program in system.programs}
    assert set(ends.values()) == {0}, f"{ends}\n{system.tails()}"


def test_redis_is_emptied_in_mid_flight(new_system: Make, postgres_url: str, redis_server: RedisServer) -> None:
    system = new_system(database_url=postgres_url, redis=redis_server, options=DELAYS)
    start_all(system)
    leads = fill_in(system.sandbox, 200)
    sender = system.sender()
    sender.send(one_by_one(leads), per_second=50)
    for _ in range(8):
        time.sleep(0.5)
        redis_server.client().flushall()
    took_s = system.wait_arrived(leads, most_s=30)
    system.wait_idle()
    say(f"all in the CRM and alerted {took_s:.1f} s after the last FLUSHALL; {dict(sender.answers)}")
    system.check_nothing_lost(leads)
    assert set(system.alerts().values()) == {1}
    # The bell still rings: RQ's workers begin drains, the sweeper is not alone.
    time.sleep(3 * LINGER_S)
    begun = redis_server.client().get("leadloop:drain:generation")
    late = fill_in(system.sandbox, 1)
    sender.send(one_by_one(late))
    system.wait_arrived(late)
    assert int(redis_server.client().get("leadloop:drain:generation") or 0) > int(begun or 0)


def test_redis_dies_and_then_all_are_told_to_stop(
    new_system: Make, postgres_url: str, redis_server: RedisServer
) -> None:
    system = new_system(database_url=postgres_url, redis=redis_server, options={"crm_delay_ms": 300})
    start_all(system)
    leads = fill_in(system.sandbox, 60)
    system.sender().send(one_by_one(leads), per_second=60)
    wait_until(lambda: system.in_crm(leads) > 5, lambda: system.describe(leads))
    redis_server.kill()
    time.sleep(1.0)
    stop_all(system)
    assert system.count("work WHERE holder IS NOT NULL") == 0
    redis_server.start_again()
    for program in system.programs:
        program.start()
    system.wait_arrived(leads)
    system.wait_idle()
    system.check_nothing_lost(leads)
    assert set(system.alerts().values()) == {1}


def test_redis_hangs_and_then_all_are_told_to_stop(
    new_system: Make, postgres_url: str, redis_server: RedisServer
) -> None:
    system = new_system(database_url=postgres_url, redis=redis_server, options=DELAYS)
    system.start(system.web())
    system.start_connected(redis_server, ["worker"], ["clock"])
    leads = fill_in(system.sandbox, 100)
    sender = system.sender()
    sender.send(one_by_one(leads), per_second=50)
    time.sleep(1.0)
    redis_server.process.send_signal(signal.SIGSTOP)
    try:
        took_s = system.wait_arrived(leads, most_s=20)
        say(
            f"all arrived {took_s:.1f} s after Redis began to hang; slowest 200: {max(s for _a, s in sender.tries):.2f} s"
        )
        system.wait_idle()
        assert set(sender.answers) == {"200"}
        stop_all(system)
    finally:
        redis_server.process.send_signal(signal.SIGCONT)
    system.check_nothing_lost(leads)
    assert set(system.alerts().values()) == {1}


def test_redis_is_dead_for_the_whole_run(new_system: Make, postgres_url: str, redis_server: RedisServer) -> None:
    redis_server.kill()
    system = new_system(database_url=postgres_url, redis=redis_server, options=DELAYS)
    start_all(system)
    leads = fill_in(system.sandbox, 100)
    sender = system.sender()
    sender.send(one_by_one(leads), per_second=50)
    took_s = system.wait_arrived(leads, most_s=30)
    system.wait_idle()
    say(f"all in the CRM and alerted {took_s:.1f} s after the first notice, without Redis; {dict(sender.answers)}")
    system.check_nothing_lost(leads)
    assert set(system.alerts().values()) == {1}
    assert set(sender.answers) == {"200"}
    stop_all(system)


def test_two_workers_and_a_clock_without_redis(new_system: Make, postgres_url: str) -> None:
    system = new_system(database_url=postgres_url, options=DELAYS)
    system.start(system.web(), ["worker"], ["worker"], ["clock"])
    leads = fill_in(system.sandbox, 200)
    sender = system.sender()
    sender.send(one_by_one(leads))
    took_s = system.wait_arrived(leads, most_s=60)
    system.wait_idle()
    by_worker = [
        sum("lead_delivered" in line for line in one.lines()) for one in system.programs if one.name == "worker"
    ]
    say(f"{len(leads)} leads in {took_s:.1f} s with PostgreSQL alone; by worker: {by_worker}")
    system.check_nothing_lost(leads)
    assert set(system.alerts().values()) == {1}
    assert all(by_worker), "one of the workers did nothing"
    assert sum(by_worker) == len(leads)
