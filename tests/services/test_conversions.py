"""The faults of the lead path on the way back: no outcome is lost, and no event that Meta has is sent twice."""

import os
import random
import signal
import time
from pathlib import Path

import pytest
from servers import PostgresServer, RedisServer
from services.chaos import Chaos, Killer
from services.conftest import Make
from services.disks import Fill
from services.programs import Program, Supervisor, wait_until
from services.system import say
from services.test_kills import killer_of, whole
from services.way_back import BATCH, STAGES, Away, WayBack, make_way_back

pytestmark = [pytest.mark.services, pytest.mark.timeout(150)]
SEED = int(os.environ.get("LEADLOOP_TEST_SEED", 20261126))  # another one: other kills at other moments
SLOWLY = {"graph_delay_ms": 250}  # so that a request is under way most of the time


def tell_in_halves(way: WayBack) -> None:
    half = len(way.leads) // 2
    way.tell(way.leads[:half], *STAGES)
    way.tell(way.leads[half:], *STAGES)


def sender_of(way: WayBack, program: Program) -> Killer:
    """kill -9 of all of it in the middle of a request with events: what was being sent is still marked so afterwards."""
    hit: set[int] = set()

    def kill(_chance: random.Random) -> bool:
        is_alive = way.sender() in {one.pid for one in program.group()}
        in_hand = way.sending() - hit
        if not (is_alive and in_hand and program.kill_all()):
            return False
        left = way.sending() & in_hand
        hit.update(left)
        return bool(left)

    return kill


def check_kills(way: WayBack, chaos: Chaos) -> None:
    """Each kill leaves no more in doubt than what was in hand; one that hit a request leaves that."""
    doubts = way.check(doubts=BATCH * len(chaos.kills))
    assert doubts.keys() == {"worker_died"}
    assert doubts.total() >= chaos.counts["sender"] > 0


def test_workers_are_killed_while_outcomes_are_told(
    new_system: Make, own_postgres: PostgresServer, own_redis: RedisServer
) -> None:
    own_postgres.run_sql("CREATE DATABASE told_kills")
    way = make_way_back(new_system, 60, database_url=own_postgres.url("told_kills"), redis=own_redis, options=SLOWLY)
    worker, clock = way.system.start(["worker", "--processes", "2"], ["clock"])
    supervisor = Supervisor([worker, clock])
    kills = {"worker process": worker.kill_child, "all": whole(worker), "sender": sender_of(way, worker)}
    chaos = Chaos(kills, seed=SEED, count=6, pause_s=(0.3, 1.5))
    try:
        chaos.start()
        tell_in_halves(way)
        chaos.wait(60)
        took_s = way.wait_settled()
    finally:
        supervisor.stop()
    say(f"seed {SEED}, kills {chaos.kills}, settled {took_s:.1f} s after the last")
    check_kills(way, chaos)


def test_leadloop_run_is_killed_while_outcomes_are_told(new_system: Make) -> None:
    way = make_way_back(new_system, 60, options=SLOWLY)
    (run,) = way.system.start(way.system.run())
    supervisor = Supervisor([run])
    kills = {"gunicorn worker": run.kill_child, "all": whole(run), "sender": sender_of(way, run)}
    chaos = Chaos(kills, seed=SEED, count=5, pause_s=(0.5, 1.5))
    try:
        chaos.start()
        tell_in_halves(way)
        chaos.wait(60)
        took_s = way.wait_settled()
    finally:
        supervisor.stop()
    say(f"seed {SEED}, kills {chaos.kills}, settled {took_s:.1f} s after the last")
    check_kills(way, chaos)


def test_redis_is_emptied_and_dies(new_system: Make, postgres_url: str, own_redis: RedisServer) -> None:
    way = make_way_back(new_system, 60, database_url=postgres_url, redis=own_redis, options=SLOWLY)
    key = way.system.command("api-key", "create", "shop").split()[-1]
    way.system.start(way.system.web(), ["worker"], ["clock"])
    for start in range(0, 60, 20):
        way.tell_by_api(key, way.leads[start : start + 20], *STAGES)
        own_redis.client().flushall()
        time.sleep(0.4)
    assert not way.is_settled()
    own_redis.kill()
    took_s = way.wait_settled()
    own_redis.start_again()
    say(f"all settled {took_s:.1f} s after Redis died")
    way.check()


def test_meta_is_away_for_many_tries_and_comes_back(new_system: Make) -> None:
    """Nothing listens, then a proxy says 503, then Meta itself says that it is ill."""
    way = make_way_back(new_system, 40, options={"graph_delay_ms": 100})
    way.system.start(way.system.run())
    way.tell(way.leads[:20], *STAGES)
    way.hold()
    away = Away(way.system)
    time.sleep(1.5)
    away.answer_503()
    time.sleep(1.5)
    before = way.states()
    way.system.fault("graph", "temporary")
    away.back()
    way.tell(way.leads[20:], *STAGES)
    time.sleep(1.5)
    assert way.states()["accepted"] == before["accepted"] < way.told
    assert way.tries_of_dataset() > 1
    way.system.mend()
    took_s = way.wait_settled()
    # The connection of a request that was under way when it went may have broken.
    doubts = way.check(doubts=BATCH)
    say(f"all told {took_s:.1f} s after Meta was back, {dict(doubts)}")
    assert doubts.keys() <= {"connection_broken"}


def test_meta_is_slow_and_loses_answers(new_system: Make) -> None:
    way = make_way_back(new_system, 60)
    way.system.start(way.system.run())
    way.system.fault("graph", "slow", operation="events", delay_ms=200)
    way.tell(way.leads[:30], *STAGES)
    way.hold()
    for kind in ("half_body", "http_500", "refuse"):
        way.system.fault("graph", kind, operation="events", times=1, after=True)
    way.tell(way.leads[30:], *STAGES)
    way.wait_settled()
    there = way.at_meta()
    in_doubt = way.system.rows("SELECT event_id, code, action FROM conversion WHERE state = 'unknown'")
    say(f"in doubt: {[(code, there[str(event_id)]) for event_id, code, _action in in_doubt]}")
    assert 3 <= len(in_doubt) <= 3 * BATCH
    assert all(there[str(event_id)] == 1 for event_id, _code, _action in in_doubt), "these were stored"
    assert all("Events Manager" in action for _id, _code, action in in_doubt)
    assert len(there) == way.told
    assert max(there.values()) == 1


def test_postgres_dies_while_events_are_sent(new_system: Make, own_postgres: PostgresServer) -> None:
    own_postgres.run_sql("CREATE DATABASE told_away")
    way = make_way_back(new_system, 60, database_url=own_postgres.url("told_away"), options=SLOWLY)
    worker, clock = way.system.start_connected(own_postgres, ["worker"], ["clock"])
    way.tell(way.leads, *STAGES)
    way.hold()
    chaos = Chaos({"PostgreSQL": killer_of(own_postgres)}, seed=SEED, count=3, pause_s=(0.2, 1.2)).start()
    chaos.wait(40)
    took_s = way.wait_settled()
    say(f"seed {SEED}, kills {chaos.kills}, settled {took_s:.1f} s after the last")
    way.check()  # who sends outlives it, and notes what Meta said once it is back
    assert worker.is_running
    assert clock.is_running


def test_the_disk_is_full_while_events_are_sent(new_system: Make, small_disk: tuple[Path, Fill]) -> None:
    disk, fill = small_disk
    way = make_way_back(new_system, 60, database_url=f"sqlite:///{disk}/leadloop.db", options=SLOWLY)
    way.system.start(way.system.run())
    way.tell(way.leads, *STAGES)
    way.hold()
    with fill(way.system):
        wait_until(lambda: way.system.get("/readyz").status_code == 503, "/readyz 503")
        time.sleep(2)
        before = way.states()
        time.sleep(1)
        assert way.states() == before, "the disk is not full"
        assert before["accepted"] < way.told
    took_s = way.wait_settled()
    say(f"settled {took_s:.1f} s after there was room again")
    way.check(doubts=BATCH)
    assert way.system.rows("PRAGMA integrity_check") == [("ok",)]


def test_a_worker_is_frozen_past_its_lease_and_wakes(new_system: Make, postgres_url: str) -> None:
    way = make_way_back(new_system, 40, database_url=postgres_url, options={"graph_delay_ms": 400})
    way.system.start(["worker"], ["worker"], ["clock"])
    way.tell(way.leads, *STAGES)
    chance, given_up = random.Random(SEED), 0
    for _ in range(2):
        wait_until(lambda: way.sending() and way.sender() is not None, way.describe)
        pid = way.sender()
        if pid is None:
            continue
        time.sleep(chance.uniform(0, 0.4))
        given_up = max(given_up, freeze_until_replaced(way, pid))
        time.sleep(0.5)
    took_s = way.wait_settled()
    say(f"seed {SEED}: given up at one time {given_up}, settled {took_s:.1f} s after the last wake")
    assert given_up > 0
    way.check()  # the frozen one heard Meta's answers once it woke


def freeze_until_replaced(way: WayBack, pid: int) -> int:
    """How many events were given up for it meanwhile."""
    os.kill(pid, signal.SIGSTOP)
    try:
        wait_until(lambda: way.sender() not in (None, pid), way.describe)
        time.sleep(0.3)
        return way.codes()["worker_died"]
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_worker_is_stopped_in_the_middle_of_a_queue(new_system: Make, postgres_url: str) -> None:
    """A restart, as with each new version: nothing is in doubt, and nobody waits for the end of the queue."""
    way = make_way_back(new_system, 60, database_url=postgres_url, options={"graph_delay_ms": 500})
    worker, _clock = way.system.start(["worker"], ["clock"])
    way.tell(way.leads, *STAGES)
    wait_until(way.sending, way.describe)
    worker.signal(signal.SIGTERM)
    code, took_s = worker.wait(25)
    states = way.states()
    say(f"stopped after {took_s:.1f} s with {dict(states)}")
    assert (code, states["sending"]) == (0, 0)
    assert states["queued"] > 0, "it went on to the end of the queue"
    way.system.sandbox.sandbox.state.change_knobs({"graph_delay_ms": 0})
    worker.start()
    way.wait_settled()
    way.check()
