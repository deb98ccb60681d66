"""The worker process: an RQ worker that does not fork for each job, so that connections to Graph and CRMs stay open.

Should Redis be away, the process drains by itself: the sweeper looks every second, and losing Redis loses nothing.
"""

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from redis.exceptions import RedisError
from rq import Queue, SimpleWorker
from rq.exceptions import StopRequested
from rq.worker import WorkerStatus

from leadloop.logs import get_logger
from leadloop.ports import Services
from notifiers.addresses import load_services
from workers.bell import QUEUE, Listener, RqBell, begin_drain, connect
from workers.drain import Drainer, anything_due
from workers.lane_caps import read_lane_caps
from workers.registry import JOBS
from workers.schedules import LOOK_EVERY_S, Upkeep
from workers.sweeper import Sweeper

log = get_logger(__name__)
DRAIN_S = 60.0
LINGER_S = (
    1.0  # at a lead a second or more no lead waits for RQ to begin a job, which takes longer than all else we add
)
POLL_WITHOUT_REDIS_S = 0.25
REDIS_AWAY_S = 5.0  # after Redis did not answer: so long nobody waits for it before draining
LEAVE_S = 3.0  # after the grace time: to write down the last and to close


class WorkerProcess:
    """What one worker process holds while it lives. RQ jobs are named functions, so they find it in `CURRENT`."""

    def __init__(self, services: Services) -> None:
        self.services = services
        read_lane_caps(services)
        self.drainer = Drainer(services, JOBS, threads=services.settings.worker_threads)
        self.upkeep = Upkeep(services, every_s=None if services.settings.redis_url else LOOK_EVERY_S)
        self.stop = threading.Event()
        self._redis_away_until = 0.0
        load_services()  # a third of a second of imports that the first alert need not wait for

    def drain_beside(self) -> None:
        """Drain on the sweeper's thread: without Redis, or while it is away."""
        self.drainer.drain(max_s=DRAIN_S)

    def ring_or_drain(self, ring_now: Callable[[], object]) -> None:
        """Called by the sweeper of a worker with Redis when something is due."""
        if time.monotonic() >= self._redis_away_until:
            try:
                ring_now()
                return
            except (RedisError, OSError):
                self._redis_away_until = time.monotonic() + REDIS_AWAY_S
        self.drain_beside()


CURRENT: list[WorkerProcess] = []


def drain_job() -> int:
    """The RQ job: work off what is due; when there is more than fits into its time, ring for another."""
    process = CURRENT[0]
    begin_drain(_redis_of(process.services))
    if process.drainer.is_draining:  # on the sweeper's thread, from when Redis was away
        process.drainer.wake()
        return 0
    settled = process.drainer.drain(max_s=DRAIN_S, linger_s=LINGER_S)
    if not process.drainer.stopping and anything_due(process.services):
        process.services.bell.ring()
    return settled


def scheduled_job(name: str) -> None:
    """The RQ job of one periodic piece of work: it is only begun here, so that the next drain need not wait for its end."""
    CURRENT[0].upkeep.ask(name)


def _redis_of(services: Services) -> Any:
    return services.cached("redis", lambda: connect(services.settings.redis_url))


class OpenWorker(SimpleWorker):
    """RQ's worker without a fork for each job. Signals are ours to handle, as they come between two of these as well."""

    def _install_signal_handlers(self) -> None:
        return None

    def stop_serving(self) -> None:
        """For a signal handler: end work() after the job in hand. Raises StopRequested when there is none."""
        self._stop_requested = True
        if self.get_state() != WorkerStatus.BUSY:
            raise StopRequested


def work_with_redis(services: Services) -> None:
    """Serve the RQ queue until SIGTERM; while Redis is away, drain by sweeping."""
    process = WorkerProcess(services)
    CURRENT[:] = [process]
    bell = RqBell(services.settings.redis_url)
    sweeper = Sweeper(services, lambda: process.ring_or_drain(bell.ring_now), also=process.drainer.renew_leases)
    sweeper.start()
    process.upkeep.start()
    listener = Listener(services.settings.redis_url, process.drainer.wake)
    listener.start()
    serving: list[OpenWorker] = []

    def stop_soon(*_: object) -> None:
        process.stop.set()
        grace_s = services.settings.stop_grace_s
        threading.Thread(target=stop_and_leave, args=(process.drainer, grace_s), daemon=True).start()
        leave_at_last(grace_s)
        if serving:
            serving[0].stop_serving()

    signal.signal(signal.SIGTERM, stop_soon)
    signal.signal(signal.SIGINT, stop_soon)
    with contextlib.suppress(StopRequested):
        while not process.stop.is_set():
            _serve(process, serving)
            process.stop.wait(1.0)
    process.drainer.stop(services.settings.stop_grace_s)
    sweeper.stop()
    process.upkeep.stop()
    listener.stop()


def _serve(process: WorkerProcess, serving: list[OpenWorker]) -> None:
    """Work for Redis until it goes away, or until StopRequested."""
    try:
        redis = connect(process.services.settings.redis_url)
        serving.append(OpenWorker([Queue(QUEUE, connection=redis)], connection=redis))
        if not process.stop.is_set():
            serving[0].work(logging_level="WARNING", with_scheduler=False)
    except (RedisError, OSError, ValueError) as caught:
        log.warning("redis_away", error=type(caught).__name__, note="draining by the sweeper meanwhile")
    finally:
        serving.clear()


def stop_and_leave(drainer: Drainer, grace_s: float) -> None:
    """Once nothing is in hand the process may go, also when Redis hangs and does not let RQ say goodbye."""
    drainer.stop(grace_s)
    time.sleep(LEAVE_S)
    os._exit(0)


def leave_at_last(grace_s: float) -> None:
    """Let nothing keep a process that was told to stop, such as a database that hangs: leases hand on what it holds."""
    timer = threading.Timer(grace_s + LEAVE_S, os._exit, (1,))
    timer.daemon = True
    timer.start()


def work_without_redis(services: Services) -> None:
    """Poll the database until SIGTERM (several processes and machines may do so)."""
    process = WorkerProcess(services)
    CURRENT[:] = [process]
    sweeper = Sweeper(services, process.drain_beside, every_s=POLL_WITHOUT_REDIS_S, also=process.drainer.renew_leases)

    def stop_soon(*_: object) -> None:
        process.stop.set()
        leave_at_last(services.settings.stop_grace_s)

    signal.signal(signal.SIGTERM, stop_soon)
    signal.signal(signal.SIGINT, stop_soon)
    sweeper.start()
    process.upkeep.start()
    process.stop.wait()
    process.drainer.stop(services.settings.stop_grace_s)
    sweeper.stop()
    process.upkeep.stop()


class Family:
    """Several worker processes under one: ended ones are started again, SIGTERM goes to all and is waited for."""

    def __init__(self, count: int, start: Callable[[], int]) -> None:
        self._count = count
        self._start = start
        self._children: dict[int, float] = {}
        self._stopping = False

    def run(self) -> None:
        """Until SIGTERM or SIGINT. `start` forks or spawns one child and returns its process id."""
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        while not self._stopping or self._children:
            while not self._stopping and len(self._children) < self._count:
                pid = self._start()
                self._children[pid] = time.monotonic()
                if self._stopping:  # told to stop between the two lines above
                    self._end(pid)
            self._reap()

    def _reap(self) -> None:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            self._children.clear()
            return
        if pid == 0:
            time.sleep(0.1)
            return
        started = self._children.pop(pid, None)
        if started is not None and not self._stopping:
            log.warning("worker_ended", pid=pid, status=status, note="starting another")
            if time.monotonic() - started < 1.0:
                time.sleep(1.0)  # one that cannot live must not be started in a tight loop

    def _stop(self, *_: object) -> None:
        self._stopping = True
        for pid in list(self._children):
            self._end(pid)

    def _end(self, pid: int) -> None:
        try:
            os.kill(pid, signal.SIGTERM)
        except ProcessLookupError:
            self._children.pop(pid, None)


def stop_without(parent: int) -> None:
    """Stop this process as SIGTERM does when its parent has ended: killed with -9, it could not tell us."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent", daemon=True).start()


def spawn_worker(threads: int) -> int:
    """Start one worker process of this program; its process id. It stops when this process is no longer there."""
    arguments = [sys.executable, "-m", "leadloop", "worker", "--processes", "1", "--threads", str(threads)]
    arguments += ["--parent", str(os.getpid())]
    return os.posix_spawn(sys.executable, arguments, dict(os.environ))
