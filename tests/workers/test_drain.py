"""The drain on both databases: side by side, one slow lane never starves another, errors of every kind, stopping."""

import threading
import time
from collections import Counter
from datetime import timedelta

import pytest
from fakes import make_services
from sqlalchemy import Engine, select, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from leadloop.errors import NeedsHuman, Permanent, Retryable, Verdict
from leadloop.ports import Services
from store.lanes import free_changed, list_lanes
from store.models import Lane, Work
from store.work import BACKFILL, WorkItem, add_work, wake
from workers.alone import MOST_LOST, RISKY
from workers.drain import HAND_ON_S, Drainer, anything_due
from workers.jobs import Effect, Job, working_with
from workers.settling import LONGEST_REST_S, WAKE_S


def add(services: Services, kind: str, count: int, lane: str, **more: object) -> None:
    services.writer.write(
        lambda session: add_work(session, kind, list(range(1, count + 1)), lane, now=services.now(), **more)  # type: ignore[arg-type]
    )


def rows(engine: Engine) -> list[Work]:
    with Session(engine) as session:
        return list(session.scalars(select(Work).order_by(Work.id)))


def lanes(engine: Engine) -> dict[str, Lane]:
    with Session(engine) as session:
        return {lane.name: lane for lane, _waiting in list_lanes(session)}


class Recorder:
    """A job that counts who it was called for, and may raise or wait."""

    def __init__(self, trouble: object = None, wait_s: float = 0.0) -> None:
        self.calls: Counter[int] = Counter()
        self.trouble = trouble
        self.wait_s = wait_s
        self.running = 0
        self.most_running = 0
        self._lock = threading.Lock()

    def __call__(self, item: WorkItem, services: Services) -> Effect | None:
        with self._lock:
            self.calls[item.subject_id] += 1
            self.running += 1
            self.most_running = max(self.most_running, self.running)
        try:
            time.sleep(self.wait_s)
            if isinstance(self.trouble, Exception):
                raise self.trouble
        finally:
            with self._lock:
                self.running -= 1
        return None


def test_everything_is_done_once_and_side_by_side(engine: Engine) -> None:
    services, job = make_services(engine), Recorder(wait_s=0.05)
    add(services, "a", 20, "crm:1")
    assert Drainer(services, {"a": Job(job)}, threads=8).drain() == 20
    assert set(job.calls.values()) == {1}
    assert 4 <= job.most_running <= 8
    assert rows(engine) == []


def test_what_a_job_adds_is_worked_off_by_the_same_drain(engine: Engine) -> None:
    services, second = make_services(engine), Recorder()

    def first(item: WorkItem, services: Services) -> Effect:
        return lambda session, now: add_work(session, "second", [item.subject_id], "crm:1", now=now)

    add(services, "first", 5, "graph:1")
    assert Drainer(services, {"first": Job(first), "second": Job(second)}, threads=4).drain() == 10
    assert len(second.calls) == 5


@pytest.mark.parametrize(
    ("trouble", "state", "code"),
    [
        (Permanent("no", code="http_422"), "failed", "http_422"),
        (NeedsHuman("act", code="unmapped", action="map it"), "parked", "unmapped"),
        (Retryable("later", code="graph_100_33"), "open", "graph_100_33"),
        (KeyError("a bug"), "open", "bug_keyerror"),
    ],
)
def test_each_kind_of_error_has_its_outcome(engine: Engine, trouble: Exception, state: str, code: str) -> None:
    services = make_services(engine)
    add(services, "a", 1, "crm:1")
    Drainer(services, {"a": Job(Recorder(trouble))}, threads=2).drain()
    (row,) = rows(engine)
    assert (row.state, row.code, row.attempts, row.holder) == (state, code, 1, None)
    if state == "open":
        assert row.due_at > services.now()


def test_an_unknown_kind_is_kept_for_a_version_that_knows_it(engine: Engine) -> None:
    services = make_services(engine)
    add(services, "from_the_future", 1, "x")
    Drainer(services, {}, threads=2).drain()
    (row,) = rows(engine)
    assert row.state == "open"


def test_a_dead_token_holds_the_lane_once_and_a_new_one_frees_it(engine: Engine) -> None:
    services = make_services(engine)
    job = Recorder(NeedsHuman("dead", code="graph_190", action="new token", scope="lane"))
    add(services, "a", 50, "graph:1")
    drainer = Drainer(services, {"a": Job(job, fingerprint=lambda _i, _s: "old")}, threads=2)
    drainer.drain()
    assert sum(job.calls.values()) <= 4, "nothing more is tried with a dead token"
    assert {row.state for row in rows(engine)} == {"open"}
    held = lanes(engine)["graph:1"]
    assert (held.hold, held.code, held.action) == (True, "graph_190", "new token")
    assert not anything_due(services)
    now = services.now()
    assert services.writer.write(lambda session: free_changed(session, {"graph:1": "old"}, now=now)) == []
    assert services.writer.write(lambda session: free_changed(session, {"graph:1": "new"}, now=now)) == ["graph:1"]
    job.trouble = None
    assert drainer.drain() == 50
    assert rows(engine) == []
    assert lanes(engine) == {}


def test_a_lane_that_asked_for_rest_is_left_alone_until_its_time(engine: Engine, clock) -> None:  # type: ignore[no-untyped-def]
    services = make_services(engine, now=clock)
    job = Recorder(Retryable("slow down", code="http_429", retry_after_s=120))
    add(services, "a", 10, "crm:1")
    drainer = Drainer(services, {"a": Job(job)}, threads=1)
    drainer.drain()
    assert sum(job.calls.values()) == 1
    clock.forward(seconds=119)
    drainer.drain()
    assert sum(job.calls.values()) == 1
    job.trouble = None
    clock.forward(seconds=40)
    assert drainer.drain() == 10


def test_after_an_outage_the_first_success_wakes_all_that_waited(engine: Engine, clock) -> None:  # type: ignore[no-untyped-def]
    services = make_services(engine, now=clock)
    job = Recorder(Retryable("ill", code="http_503", outage=True))
    add(services, "a", 6, "crm:1")
    drainer = Drainer(services, {"a": Job(job)}, threads=2)
    for _ in range(3):
        drainer.drain()
        clock.forward(minutes=1)
    assert all(row.outage for row in rows(engine))
    with Session(engine) as session, session.begin():  # as after many tries: all but one would wait for hours
        session.execute(update(Work).where(Work.subject_id > 1).values(due_at=clock() + timedelta(hours=5)))
        session.execute(update(Work).where(Work.subject_id == 1).values(due_at=clock()))
    job.trouble = None
    clock.forward(minutes=1)
    drainer.drain()
    clock.forward(seconds=WAKE_S)
    drainer.drain()
    assert rows(engine) == []
    assert lanes(engine) == {}


def test_a_lone_row_notices_the_end_of_an_outage_without_waiting_for_its_own_back_off(engine: Engine, clock) -> None:  # type: ignore[no-untyped-def]
    services = make_services(engine, now=clock)
    job = Recorder(Retryable("ill", code="http_503", outage=True))
    add(services, "a", 1, "crm:1")
    drainer = Drainer(services, {"a": Job(job)}, threads=2)
    for _ in range(20):  # after so many tries its back-off is days
        drainer.drain()
        clock.forward(minutes=2)
    assert job.calls == {1: 20}
    drainer.drain()
    (row,) = rows(engine)
    assert row.due_at - clock() <= timedelta(seconds=LONGEST_REST_S)
    job.trouble = None
    clock.forward(seconds=LONGEST_REST_S + 1)
    assert drainer.drain() == 1
    assert rows(engine) == []


def test_rows_of_a_clock_that_was_ahead_do_not_wait_for_it(engine: Engine, clock) -> None:  # type: ignore[no-untyped-def]
    services = make_services(engine, now=clock)
    drainer = Drainer(services, {"a": Job(Recorder())}, threads=8)
    clock.forward(hours=2)
    drainer.renew_leases()
    add(services, "a", 3, "crm:1")
    clock.forward(hours=-2)
    assert drainer.drain() == 0
    drainer.renew_leases()
    assert drainer.drain() == 3


def test_a_database_that_was_away_is_no_bug_of_ours(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    services = make_services(engine)
    job = Recorder(OperationalError("SELECT", {}, Exception("server closed the connection")))
    add(services, "a", 1, "crm:1")
    Drainer(services, {"a": Job(job)}, threads=2).drain()
    (row,) = rows(engine)
    assert (row.state, row.code) == ("open", "database_away")
    assert "job_raised" not in caplog.text


def test_parks_after_the_limit_of_days_and_says_why(engine: Engine, clock) -> None:  # type: ignore[no-untyped-def]
    services = make_services(engine, now=clock)
    add(services, "a", 1, "crm:1")
    drainer = Drainer(services, {"a": Job(Recorder(Retryable("odd", code="http_500", action="look")))}, threads=1)
    for _ in range(40):
        drainer.drain()
        clock.forward(hours=6)
    (row,) = rows(engine)
    assert (row.state, row.code, row.action) == ("parked", "http_500", "look")
    assert row.attempts > 10


def test_one_slow_lane_never_starves_the_others(engine: Engine) -> None:
    services = make_services(engine)
    release = threading.Event()
    quick = Recorder()

    def slow(item: WorkItem, services: Services) -> None:
        release.wait(20)

    add(services, "slow", 100, "crm:1")
    drainer = Drainer(services, {"slow": Job(slow), "quick": Job(quick)}, threads=32)
    thread = threading.Thread(target=drainer.drain)
    thread.start()
    add(services, "quick", 30, "crm:2")
    drainer.wake()
    deadline = time.monotonic() + 15
    while len(quick.calls) < 30 and time.monotonic() < deadline:
        drainer.wake()
        time.sleep(0.02)
    done = len(quick.calls)
    release.set()
    thread.join(timeout=30)
    assert done == 30, "the quick lane was worked off while the slow one stood still"


def test_fresh_rows_go_before_backfill(engine: Engine) -> None:
    services = make_services(engine)
    order: list[str] = []

    def note(item: WorkItem, services: Services) -> None:
        order.append(item.kind)

    add(services, "old", 30, "crm:1", priority=BACKFILL)
    add(services, "fresh", 30, "crm:1")
    Drainer(services, {"old": Job(note), "fresh": Job(note)}, threads=1).drain()
    assert order[:30] == ["fresh"] * 30


def test_stopping_finishes_what_runs_and_gives_back_what_waits(engine: Engine) -> None:
    services = make_services(engine)
    started, release, done = threading.Event(), threading.Event(), Counter[int]()

    def job(item: WorkItem, services: Services) -> None:
        started.set()
        release.wait(10)
        done[item.subject_id] += 1

    add(services, "a", 30, "crm:1")
    drainer = Drainer(services, {"a": Job(job)}, threads=4)
    thread = threading.Thread(target=drainer.drain)
    thread.start()
    assert started.wait(10)
    stopper = threading.Thread(target=drainer.stop, args=(10.0,))
    stopper.start()
    release.set()
    stopper.join(timeout=15)
    thread.join(timeout=15)
    assert not thread.is_alive()
    left = rows(engine)
    assert len(left) + sum(done.values()) == 30
    assert {(row.holder, row.attempts, row.lost) for row in left} == {(None, 0, 0)}


def test_the_grace_time_bounds_the_stop(engine: Engine) -> None:
    services, release = make_services(engine), threading.Event()
    add(services, "a", 1, "crm:1")
    drainer = Drainer(services, {"a": Job(lambda _item, _services: release.wait(30) and None)}, threads=2)
    thread = threading.Thread(target=drainer.drain)
    thread.start()
    time.sleep(0.2)
    began = time.monotonic()
    drainer.stop(0.3)
    thread.join(timeout=5)
    took = time.monotonic() - began
    (row,) = rows(engine)
    drainer.renew_leases()
    release.set()
    assert not thread.is_alive()
    assert took < 4
    assert row.due_at <= services.now() + timedelta(seconds=HAND_ON_S), "another worker need not wait for the lease"
    assert (row.attempts, row.lost) == (1, 0)
    assert row.holder, "it stays in this hand until then, so that a death in the meantime is counted"
    while rows(engine):  # what was still in hand is settled when it comes back, if the process lives so long
        time.sleep(0.02)


def test_a_claim_under_way_when_the_stop_comes_is_given_back(engine: Engine) -> None:
    services, job = make_services(engine), Recorder()
    add(services, "a", 3, "crm:1")
    claiming, release, original = threading.Event(), threading.Event(), services.writer.write

    def slow(operation):  # type: ignore[no-untyped-def]
        if operation.__name__ == "take":
            claiming.set()
            assert release.wait(10)
        return original(operation)

    services.writer.write = slow  # type: ignore[method-assign]
    drainer = Drainer(services, {"a": Job(job)}, threads=4)
    thread = threading.Thread(target=drainer.drain)
    thread.start()
    assert claiming.wait(10)
    stopper = threading.Thread(target=drainer.stop, args=(10.0,))
    stopper.start()
    while not drainer.stopping:
        time.sleep(0.01)
    release.set()
    stopper.join(timeout=15)
    thread.join(timeout=15)
    left = rows(engine)
    assert len(left) + len(job.calls) == 3
    assert {row.holder for row in left} <= {None}, "nobody has these rows: they would wait for their lease"


def test_stopping_twice_takes_the_grace_time_once(engine: Engine) -> None:
    services, release = make_services(engine), threading.Event()
    started = threading.Event()
    add(services, "a", 1, "crm:1")
    drainer = Drainer(
        services, {"a": Job(lambda _item, _services: started.set() or (release.wait(30) and None))}, threads=2
    )
    thread = threading.Thread(target=drainer.drain)
    thread.start()
    assert started.wait(10)
    drainer.stop(0.5)
    began = time.monotonic()
    drainer.stop(20.0)
    took = time.monotonic() - began
    release.set()
    thread.join(timeout=15)
    assert took < 10
    while rows(engine):
        time.sleep(0.02)


def test_a_database_that_is_away_for_a_moment_does_not_lose_what_was_done(engine: Engine) -> None:
    services, job = make_services(engine), Recorder()
    add(services, "a", 1, "crm:1")
    original, failures = services.writer.write, [2]

    def flaky(operation):  # type: ignore[no-untyped-def]
        if operation.__name__ == "write" and failures[0]:
            failures[0] -= 1
            raise OperationalError("stmt", {}, Exception("disk full"))
        return original(operation)

    services.writer.write = flaky  # type: ignore[method-assign]
    Drainer(services, {"a": Job(job)}, threads=2).drain()
    assert job.calls == {1: 1}
    assert failures == [0]
    assert rows(engine) == []


def test_a_row_whose_worker_died_is_told_so(engine: Engine) -> None:
    services, lost = make_services(engine), []
    add(services, "a", 1, "crm:1")
    with Session(engine) as session, session.begin():
        session.execute(update(Work).values(holder="dead", due_at=services.now() - timedelta(seconds=1), attempts=1))
    Drainer(services, {"a": Job(lambda item, _s: lost.append(item.lost))}, threads=1).drain()  # type: ignore[func-returns-value]
    assert lost == [1]


def set_lost(engine: Engine, services: Services, lost: int, subject_ids: list[int]) -> None:
    """As claimed by a worker that then died, so often."""
    values = {"holder": "dead", "lost": lost - 1, "attempts": lost, "due_at": services.now() - timedelta(seconds=1)}
    with Session(engine) as session, session.begin():
        session.execute(update(Work).where(Work.subject_id.in_(subject_ids)).values(values))


def test_rows_whose_worker_died_several_times_are_tried_alone(engine: Engine) -> None:
    services, together = make_services(engine), {}
    recorder = Recorder(wait_s=0.02)

    def job(item: WorkItem, services: Services) -> None:
        recorder(item, services)
        together[item.subject_id] = max(together.get(item.subject_id, 0), recorder.running + 1)

    add(services, "a", 30, "crm:1")
    set_lost(engine, services, RISKY, [3, 4, 5])
    Drainer(services, {"a": Job(job)}, threads=8).drain()
    assert rows(engine) == []
    assert set(recorder.calls.values()) == {1}
    assert {together[3], together[4], together[5]} == {1}
    assert max(together.values()) > 1


def test_a_row_with_which_too_many_workers_died_is_parked_and_says_so(engine: Engine) -> None:
    services, job, noted = make_services(engine), Recorder(), []
    add(services, "a", 2, "crm:1")
    set_lost(engine, services, MOST_LOST, [1])

    def fail(session: Session, item: WorkItem, verdict: Verdict, now: object) -> None:
        noted.append((item.subject_id, verdict.state))

    drainer = Drainer(services, {"a": Job(job, fail)}, threads=8)
    drainer.drain()
    (row,) = rows(engine)
    assert job.calls == {2: 1}
    assert (row.state, row.code, noted) == ("parked", "worker_died", [(1, "parked")])
    assert "5 times" in (row.message or "")
    assert "leadloop work retry" in (row.action or "")
    services.writer.write(lambda session: wake(session, now=services.now(), work_ids=[row.id]))
    drainer.drain()
    assert job.calls == {1: 1, 2: 1}, "somebody who wakes it gets a try"


def test_a_row_that_comes_back_is_no_longer_suspected(engine: Engine) -> None:
    """Killed workers, outages and long calls come together in a week; only deaths one after the other tell something."""
    services = make_services(engine)
    add(services, "a", 1, "crm:1")
    set_lost(engine, services, MOST_LOST - 1, [1])
    Drainer(services, {"a": Job(Recorder(Retryable("ill", code="timeout", outage=True)))}, threads=8).drain()
    (row,) = rows(engine)
    assert (row.state, row.lost) == ("open", 1)


def test_two_drains_in_one_process_are_one(engine: Engine) -> None:
    services, job = make_services(engine), Recorder(wait_s=0.2)
    add(services, "a", 4, "crm:1")
    drainer = Drainer(services, {"a": Job(job)}, threads=2)
    thread = threading.Thread(target=drainer.drain)
    thread.start()
    time.sleep(0.05)
    assert drainer.drain() == 0
    thread.join(timeout=20)
    assert set(job.calls.values()) == {1}


def test_an_effect_that_cannot_be_written_waits_with_its_reason(engine: Engine) -> None:
    """Without that, the row would run again at the end of every lease, for ever, and nobody would be told."""
    services = make_services(engine)

    def job(item: WorkItem, services: Services) -> Effect:
        def effect(session: Session, now: object) -> None:
            raise ValueError("a value that no column takes")

        return effect

    add(services, "a", 1, "crm:1")
    Drainer(services, {"a": Job(job)}, threads=2).drain()
    (row,) = rows(engine)
    assert (row.state, row.holder, row.attempts, row.code) == ("open", None, 1, "bug_valueerror")
    assert row.due_at > services.now()


def test_a_failure_that_cannot_be_told_still_parks(engine: Engine) -> None:
    services = make_services(engine)

    def fail(*_: object) -> None:
        raise LookupError("the subject is gone")

    job = Job(Recorder(NeedsHuman("act", code="unmapped", action="map it")), fail)
    add(services, "a", 1, "crm:1")
    Drainer(services, {"a": job}, threads=2).drain()
    (row,) = rows(engine)
    assert (row.state, row.code) == ("parked", "unmapped")


def test_a_job_longer_than_its_lease_is_done_once(engine: Engine) -> None:
    services, job = make_services(engine, lease_s=0.6), Recorder(wait_s=1.5)
    add(services, "a", 1, "crm:1")
    Drainer(services, {"a": Job(job)}, threads=4).drain()
    assert job.calls == {1: 1}
    assert rows(engine) == []


def test_a_drain_ends_in_time_although_a_call_is_slow(engine: Engine) -> None:
    services, release = make_services(engine), threading.Event()
    add(services, "slow", 1, "crm:1")
    drainer = Drainer(
        services, {"slow": Job(lambda _i, _s: release.wait(20) and None), "a": Job(Recorder())}, threads=4
    )
    began = time.monotonic()
    drainer.drain(max_s=0.3)
    assert time.monotonic() - began < 5
    add(services, "a", 1, "crm:2")
    drainer.drain(max_s=0.3)
    assert [row.kind for row in rows(engine)] == ["slow"], "others go on while the slow call is in hand"
    release.set()
    while rows(engine):
        time.sleep(0.02)


def test_a_rest_that_was_asked_for_outlives_calls_under_way(engine: Engine) -> None:
    services, together = make_services(engine), threading.Barrier(3, timeout=10)

    def job(item: WorkItem, services: Services) -> None:
        together.wait()
        if item.subject_id == 1:
            raise Retryable("slow down", code="http_429", retry_after_s=600)
        time.sleep(0.3)

    add(services, "a", 3, "crm:1")
    Drainer(services, {"a": Job(job)}, threads=8).drain()
    assert lanes(engine)["crm:1"].rest_until > services.now() + timedelta(seconds=500)


def test_a_hold_remembers_what_it_was_met_with(engine: Engine) -> None:
    services = make_services(engine)

    def job(item: WorkItem, services: Services) -> None:
        with working_with("old"):  # the token is replaced while the call with the old one is under way
            raise NeedsHuman("dead", code="graph_190", action="new token", scope="lane")

    add(services, "a", 1, "graph:1")
    Drainer(services, {"a": Job(job, fingerprint=lambda _i, _s: "new")}, threads=2).drain()
    assert lanes(engine)["graph:1"].fingerprint == "old"


def test_a_drain_that_lingers_takes_what_comes_late(engine: Engine) -> None:
    services = make_services(engine)
    done = threading.Event()

    def job(_item: WorkItem, _services: Services) -> None:
        done.set()

    drainer = Drainer(services, {"a": Job(job)}, threads=2)
    settled: list[int] = []
    thread = threading.Thread(target=lambda: settled.append(drainer.drain(linger_s=20)))
    thread.start()
    add(services, "a", 1, "a")
    drainer.wake()
    assert done.wait(10), "it was still there"
    assert drainer.is_draining
    drainer.stop(1)
    thread.join(10)
    assert not thread.is_alive(), "a stop ends the lingering"
    assert settled == [1]
