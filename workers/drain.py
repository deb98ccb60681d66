"""Work off what is due: claim a batch, run the jobs side by side, settle them, until nothing is due.

The same function under RQ and without it. Any process may call it, any number of times: a row is claimed by one caller,
and a caller that dies leaves rows that fall due again when their lease ends.
"""

import contextlib
import os
import socket
import threading
import time
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from datetime import datetime, timedelta

import sentry_sdk
import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from leadloop.errors import Verdict
from leadloop.logs import get_logger
from leadloop.ports import Services
from store.lanes import Rest, is_resting, read_lanes
from store.taking import Taking
from store.work import (
    FRESH,
    TAKING,
    WorkItem,
    claim,
    give_back,
    lane_of,
    queue_name,
    read_queues,
    renew,
    settle,
    settle_done,
)
from workers.alone import pick_one
from workers.attempt import DATABASE_AWAY, attempt, judge_attempt
from workers.jobs import STOPPING, Effect, Jobs
from workers.lanes import LaneRoom
from workers.noting import write_again
from workers.settling import TOLERATED, note_failure, note_success, weigh
from workers.timekeeping import Timekeeper

log = get_logger(__name__)
BUSY = 8
GATHER_S = 0.010  # when busy, wait this long so that neighbours are claimed and settled in one transaction
HAND_ON_S = 5.0  # longer than a stopped process lives on to write down the last
HAND_ON_WITHIN_S = 1.0


class Drainer:
    """One for each process: a thread pool that stays, so that HTTP connections to Graph and CRMs stay open."""

    def __init__(self, services: Services, jobs: Jobs, *, threads: int) -> None:
        self._services = services
        self._jobs = jobs
        self._threads = threads
        self._pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="job")
        self._holder = f"{socket.gethostname()[:40]}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self._room = LaneRoom(threads, services.cached("lane_caps", dict))
        self._lock = threading.Lock()
        self._draining = threading.Lock()
        self._claiming = threading.Lock()
        self._in_hand: set[WorkItem] = set()
        self._begun: set[WorkItem] = set()
        self._alone: WorkItem | None = None
        self._alone_begun = False
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._abandoned = threading.Event()
        self._stop_by = float("inf")
        self._settled: Counter[str] = Counter()
        self._renewed_at = time.monotonic()
        self._timekeeper = Timekeeper(services)

    def wake(self) -> None:
        """Something may be due: a drain that is running looks at once."""
        self._wake.set()

    @property
    def stopping(self) -> bool:
        return self._stopping.is_set()

    @property
    def is_draining(self) -> bool:
        return self._draining.locked()

    def drain(self, *, max_s: float = 60.0, linger_s: float = 0.0) -> int:
        """Work until nothing is due, for at most `max_s` seconds; returns how many rows were settled.

        `linger_s`: stay so long after the last row, for wake() to bring more without beginning anew.
        Several calls at once in one process: the later ones wake the first and return 0.
        """
        if not self._draining.acquire(blocking=False):
            self.wake()
            return 0
        try:
            return self._drain(until=time.monotonic() + max_s, linger_s=linger_s)
        finally:
            self._draining.release()

    def stop(self, grace_s: float) -> None:
        """Claim nothing more, finish what is in hand within `grace_s`, give back the rest. Safe to call twice."""
        self._stopping.set()
        self.wake()
        with self._lock:
            self._stop_by = deadline = min(self._stop_by, time.monotonic() + grace_s)
        if self._claiming.acquire(timeout=max(0.0, deadline - time.monotonic())):
            self._claiming.release()  # what a claim under way took is in hand now, and not left to its lease
        self._give_back_waiting()
        while time.monotonic() < deadline:
            with self._lock:
                if not self._in_hand:
                    break
            time.sleep(0.02)
        self._abandoned.set()
        with self._lock:
            left = list(self._in_hand)
        if left:
            self._hand_on(left)
        self.wake()
        self._pool.shutdown(wait=False, cancel_futures=True)

    # --- the loop ---------------------------------------------------------------------------------------------------

    def _drain(self, *, until: float, linger_s: float) -> int:
        before = self._settled.total()
        while True:
            self._wake.clear()
            over = time.monotonic() > until  # what is in hand goes on by itself; nobody waits here for a slow call
            claimed = 0 if over else self._take()
            with self._lock:
                busy = len(self._in_hand)
            if over or self._abandoned.is_set():
                return self._settled.total() - before
            if not busy and not claimed:
                if self.stopping or not self._wake.wait(linger_s):
                    return self._settled.total() - before
                continue
            self._renew_guarded()
            self._wake.wait(timeout=0.5)
            if busy >= BUSY:
                time.sleep(GATHER_S)

    def _renew_guarded(self) -> None:
        try:
            self.renew_leases()
        except SQLAlchemyError as caught:
            log.warning("leases_not_renewed", error=type(caught).__name__)

    def _take(self) -> int:
        """Claim what there is room for and start on it; how many rows."""
        with self._claiming:
            if self._alone is not None:
                return self._start_alone(self._alone)
            claimed = [] if self._stopping.is_set() else self._claim_guarded()
            self._alone, others = pick_one(claimed)
            self._give_back(others)
            for item in claimed:
                if item is not self._alone and item not in others:
                    self._start(item)
        return len(claimed) - len(others)

    def _start(self, item: WorkItem) -> None:
        self._pool.submit(copy_context().run, self._attempt, item)  # what it binds for its log lines stays its own

    def _start_alone(self, item: WorkItem) -> int:
        """Start on a row that may end this process once nothing else is in hand; claim nothing until it is done."""
        with self._lock:
            done, ready = item not in self._in_hand, self._in_hand == {item}
        if done:
            self._alone, self._alone_begun = None, False
        elif ready and not self._alone_begun:
            self._alone_begun = True
            self._start(item)
        return 1

    def _claim_guarded(self) -> list[WorkItem]:
        try:
            return self._claim()
        except SQLAlchemyError as caught:
            log.error("claim_failed", error=type(caught).__name__)
            self._stopping.wait(0.5)
            return []

    def _claim(self) -> list[WorkItem]:
        services, now = self._services, self._services.now()
        with services.read() as session:
            due = [queue for queue, due_at in read_queues(session) if due_at <= now]
            if not due:
                return []
            lanes = read_lanes(session)
        resting = {lane.name for lane in lanes if lane.rest_until > now}
        probed = {lane.name for lane in lanes if lane.hold or lane.failures >= TOLERATED}
        self._room.note_troubled({lane.name for lane in lanes}, probed)
        wanted = [queue for queue in due if not is_resting(lane_of(queue), resting)]
        room = self._room.share(wanted)
        if not room:
            return []
        lease_s = services.settings.lease_s
        # Where a lane is probed, the lead that came last: those before it may be what the other side cannot take.
        newest = {queue_name(FRESH, lane) for lane in probed}

        def take(session: Session) -> list[WorkItem]:
            return claim(session, room, holder=self._holder, now=now, lease_s=lease_s, newest=newest)

        claimed = services.writer.write(take)
        with self._lock:
            self._in_hand.update(claimed)
        for item in claimed:
            self._room.enter(item)
        return claimed

    def _reserve(self, lane: str) -> bool:
        """A place for a row that is just being added, when little is in hand: then looking for it is most of its time."""
        with self._lock:
            quiet = len(self._in_hand) < BUSY and self._alone is None and not self._stopping.is_set()
        return quiet and not self._room.is_troubled(lane) and self._room.reserve(lane)

    def _begin_on(self, items: list[WorkItem]) -> None:
        if not items:
            return
        with self._lock:
            self._in_hand.update(items)
        for item in items:
            self._room.enter(item)
        with contextlib.suppress(RuntimeError):  # the time to stop is over: their lease hands them on
            for item in items:
                self._start(item)

    def _give_back_waiting(self) -> None:
        with self._lock:
            waiting = list(self._in_hand - self._begun)
            self._begun.update(waiting)  # its thread, when it comes to it, finds it begun and lets it be
        self._give_back(waiting)

    def _hand_on(self, items: list[WorkItem]) -> None:
        """Shorten the leases of what is still in hand, so that another worker takes it soon after this process has ended.
        It stays ours until then: a call that comes back in time is noted, and one that does not counts as lost."""
        log.warning("stopped_with_work_in_hand", rows=len(items), note=f"they fall due in {HAND_ON_S:g} seconds")
        until = self._services.now() + timedelta(seconds=HAND_ON_S)

        def shorten() -> None:
            try:
                self._services.writer.write(lambda session: renew(session, items, until=until))
            except SQLAlchemyError as caught:
                log.warning("hand_on_failed", error=type(caught).__name__, note="they fall due when their lease ends")

        # A database that hangs may be why they are still in hand: it must not hold up the end as well.
        writing = threading.Thread(target=shorten, name="hand-on", daemon=True)
        writing.start()
        writing.join(HAND_ON_WITHIN_S)

    def _give_back(self, items: list[WorkItem]) -> None:
        if not items:
            return
        with self._lock:
            self._in_hand.difference_update(items)
        for item in items:
            self._room.leave(item)
        now = self._services.now()
        try:
            self._services.writer.write(lambda session: give_back(session, items, now=now))
        except SQLAlchemyError as caught:
            log.warning("give_back_failed", error=type(caught).__name__, rows=len(items))

    # --- one row ----------------------------------------------------------------------------------------------------

    def _attempt(self, item: WorkItem) -> None:
        with self._lock:
            if item in self._begun:
                self._room.leave(item)
                return
            self._begun.add(item)
        STOPPING.set(self._stopping)  # in this thread's copy of the context
        self._room.begin(item)
        with structlog.contextvars.bound_contextvars(work_id=item.id, kind=item.kind, attempt=item.attempts):
            try:
                effect, verdict, rest = attempt(item, self._jobs, self._services)
                try:
                    self._settle(item, effect, verdict, rest)
                except DATABASE_AWAY:
                    raise
                except Exception as caught:
                    self._settle_bare(item, verdict, caught)
            except Exception as caught:
                # Not even noting it worked (the database is away): the lease ends and the row falls due again.
                log.error("row_not_settled", error=type(caught).__name__)
            finally:
                with self._lock:
                    self._in_hand.discard(item)
                    self._begun.discard(item)
                self._room.leave(item)
                self._wake.set()

    def _settle_bare(self, item: WorkItem, verdict: Verdict, caught: Exception) -> None:
        """What was to be noted could not be: a bug of ours, or a value no column takes. The row waits or parks with
        that reason, instead of being run again at the end of every lease."""
        sentry_sdk.capture_exception(caught)
        log.exception("effect_raised", error=type(caught).__name__)
        now = self._services.now()
        if verdict.state == "done":
            verdict = judge_attempt(item, caught, self._services, now=now)
        write_again(self._services, lambda session: settle(session, item, verdict, now=now))

    def renew_leases(self) -> None:
        """Keep what is in hand ours while it is being worked on, and see to it that a clock set back stops nothing. Called
        each second at least; cheap when nothing is due."""
        self._renew()
        self._timekeeper.look()

    def _renew(self) -> None:
        lease_s = self._services.settings.lease_s
        if self._abandoned.is_set() or time.monotonic() - self._renewed_at < lease_s / 3:
            return
        self._renewed_at = time.monotonic()
        with self._lock:
            items = list(self._in_hand)
        if items:
            until = self._services.now() + timedelta(seconds=lease_s)
            self._services.writer.write(lambda session: renew(session, items, until=until))

    def _settle(self, item: WorkItem, effect: Effect | None, verdict: Verdict, rest: Rest | None) -> None:
        services, job = self._services, self._jobs.get(item.kind)
        taking = Taking(self._holder, services.settings.lease_s, reserve=self._reserve, release=self._room.release)

        def write(session: Session) -> bool:
            now = services.now()
            taking.forget()  # of a first run that was rolled back
            if effect is not None:
                session.info[TAKING] = taking
                try:
                    effect(session, now)
                finally:
                    del session.info[TAKING]
            if verdict.state == "done":
                settle_done(session, [item])
                if self._room.is_troubled(item.lane):
                    note_success(session, item.lane, now=now)
                return False
            weighed, lane_rest = verdict, rest
            if verdict.outage and rest is None:
                weighed, lane_rest = weigh(session, item, verdict, now=now)
            if not settle(session, item, weighed, now=now):
                return False  # somebody else has the row by now: a late failure must not undo what they noted
            if job is not None:
                job.fail(session, item, weighed, now)
            if lane_rest is None and not verdict.outage and not self._room.is_troubled(item.lane):
                return False
            return note_failure(session, item, weighed, lane_rest, now=now)

        try:
            newly_held = write_again(services, write)
        except Exception:
            taking.forget()
            raise
        self._begin_on(taking.items)
        taking.forget()  # from here on what is in hand takes the places
        if verdict.outage or rest is not None:
            self._room.note_troubled_lane(item.lane)
        self._settled[verdict.state] += 1
        services.counters.add("leadloop_work_settled_total", kind=item.kind, state=verdict.state)
        if verdict.code:
            log.info("attempt_failed", code=verdict.code, state=verdict.state, due_at=_iso(verdict.due_at))
        if newly_held:
            log.error("lane_held", lane=item.lane, code=verdict.code, reason=verdict.message, mend=verdict.action)


def _iso(when: datetime | None) -> str | None:
    return when.isoformat(timespec="seconds") if when else None


def anything_due(services: Services) -> bool:
    """Whether a drain would find something: an open row that is due in a lane that does not rest."""
    now = services.now()
    with services.read() as session:
        due = [queue for queue, due_at in read_queues(session) if due_at <= now - timedelta(milliseconds=1)]
        if not due:
            return False
        resting = {lane.name for lane in read_lanes(session) if lane.rest_until > now}
    return any(not is_resting(lane_of(queue), resting) for queue in due)
