"""kill -9 of everything at random moments while leads arrive: none is lost, none is doubled."""

import os
import random
import time
from collections.abc import Callable

import pytest
from servers import PostgresServer, RedisServer
from services.chaos import Chaos
from services.conftest import Make
from services.notices import fill_in, like_meta
from services.programs import Program, Supervisor, wait_until
from services.system import QUICK, System, say

pytestmark = [pytest.mark.services, pytest.mark.timeout(280)]
SEED = int(os.environ.get("LEADLOOP_TEST_SEED", 20261122))  # another one: other kills at other moments
# So that there is always something in hand when a kill comes.
SLOWLY = {"graph_delay_ms": 250, "crm_delay_ms": 250, "alerts_delay_ms": 150}


def killer_of(server: PostgresServer | RedisServer) -> Callable[[random.Random], bool]:
    """kill -9 of a server, which is away for a moment and then starts again."""

    def kill(chance: random.Random) -> bool:
        server.kill()
        time.sleep(chance.uniform(0.2, 2.0))
        server.start_again()
        return True

    return kill


def whole(program: Program) -> Callable[[random.Random], bool]:
    return lambda _chance: program.kill_all()


def summary(system: System, chaos: Chaos, supervisor: Supervisor, took_s: float) -> str:
    sender = system.senders[0]
    extra, marked = system.check_repeats_counted(kills=len(chaos.kills))
    return "\n".join(
        [
            f"kills: {dict(chaos.counts)} at {[f'{at} {what}' for at, what in chaos.kills]}",
            f"restarts: {supervisor.restarts}, exit codes: { {one.log.stem: one.exit_codes for one in system.programs} }",
            f"sends: {sum(sender.answers.values())}, answers: {dict(sender.answers)}",
            f"raw events and repeats: {system.rows('SELECT count(*), sum(repeats) FROM raw_event')}",
            f"CRM requests: {system.sandbox.sandbox.state.crm_requests}, alerts beyond one: {extra}, counted: {marked}",
            f"all done {took_s:.1f} s after the last kill",
        ]
    )


def test_a_thousand_leads_while_everything_is_killed(
    new_system: Make, own_postgres: PostgresServer, own_redis: RedisServer
) -> None:
    own_postgres.run_sql("CREATE DATABASE kills")
    system = new_system(
        database_url=own_postgres.url("kills"),
        redis=own_redis,
        options=SLOWLY,
        environment=QUICK,
    )
    web, worker, clock = system.start(system.web(), ["worker", "--processes", "2"], ["clock"])
    chance = random.Random(SEED)
    leads = fill_in(system.sandbox, 1000)
    supervisor = Supervisor([web, worker, clock])
    chaos = Chaos(
        {
            "gunicorn worker": web.kill_child,
            "web": whole(web),
            "worker process": worker.kill_child,
            "worker, all": whole(worker),
            "clock": whole(clock),
            "Redis": killer_of(own_redis),
            "PostgreSQL": killer_of(own_postgres),
        },
        seed=SEED,
        count=16,
    )
    try:
        sender = system.sender(threads=6)
        sender.send(like_meta(leads, chance), per_second=9)
        chaos.start().wait(120)
        wait_until(lambda: sender.unanswered == 0, lambda: f"200 for all: {sender.answers}", most_s=60)
        took_s = system.wait_arrived(leads, most_s=60) + system.wait_idle(most_s=30)
    finally:
        supervisor.stop()
    say(summary(system, chaos, supervisor, took_s))
    assert len(chaos.kills) >= 12
    system.check_nothing_lost(leads)
    assert sender.answers["200"] <= system.rows("SELECT count(*) + sum(repeats) FROM raw_event")[0][0]


def test_leadloop_run_is_killed_with_all_its_parts(new_system: Make) -> None:
    system = new_system(
        options=SLOWLY,
        environment=QUICK,
    )
    (run,) = system.start(system.run())
    leads = fill_in(system.sandbox, 300)
    supervisor = Supervisor([run])
    chaos = Chaos({"gunicorn worker": run.kill_child, "everything": whole(run)}, seed=SEED, count=7, pause_s=(0.8, 2.5))
    try:
        sender = system.sender(threads=4)
        sender.send(like_meta(leads, random.Random(SEED)), per_second=5)
        chaos.start().wait(90)
        wait_until(lambda: sender.unanswered == 0, lambda: f"200 for all: {sender.answers}", most_s=60)
        took_s = system.wait_arrived(leads, most_s=60) + system.wait_idle(most_s=30)
    finally:
        supervisor.stop()
    say(summary(system, chaos, supervisor, took_s))
    assert set(chaos.counts) == {"gunicorn worker", "everything"}
    system.check_nothing_lost(leads)
    assert sender.answers["200"] <= system.rows("SELECT count(*) + sum(repeats) FROM raw_event")[0][0]
