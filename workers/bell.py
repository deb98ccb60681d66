"""ring(): one waiting RQ job, or a thread of this process. A hint only: losing it costs a second, never a row."""

import contextlib
import threading
from collections.abc import Callable
from typing import Any

from redis import Redis
from redis.exceptions import RedisError
from rq import Queue
from rq.exceptions import DuplicateJobError

from leadloop.logs import get_logger

log = get_logger(__name__)
QUEUE = "leadloop"
HINT = f"{QUEUE}:bell"
JOB = "workers.rq_worker.drain_job"
JOB_TIMEOUT_S = 180
LEAST_PAUSE_S = 0.005
REDIS_DOWN_PAUSE_S = 1.0
CLOSE_WITHIN_S = 1.0


class SilentBell:
    """For processes that add work for others to find (a migration, a one-off command without Redis)."""

    def ring(self) -> None:
        return None


class LocalBell:
    """Wakes the drain of this very process."""

    def __init__(self) -> None:
        self._wake: Callable[[], None] | None = None

    def connect(self, wake: Callable[[], None]) -> None:
        self._wake = wake

    def ring(self) -> None:
        if self._wake is not None:
            self._wake()


class RqBell:
    """Puts one `drain` job on the RQ queue, from a thread of its own: ring() only sets a flag.

    Never more than one job waits: the job's id carries a generation that the job itself moves on when it begins
    (begin_drain). RQ's `unique` raises while a job of that id is kept in any state, so that a worker that died between
    taking a job and beginning it would silence the bell; an empty queue is therefore always rung.

    One of the drains under way is told by a hint (see Listener), which spares the next lead the start of a job.
    """

    def __init__(self, redis_url: str) -> None:
        self._redis = connect(redis_url)
        self._queue = Queue(QUEUE, connection=self._redis)
        self._flag = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closing = threading.Event()

    def ring(self) -> None:
        self._flag.set()
        if self._thread is None:
            with self._lock:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._loop, name="bell", daemon=True)
                    self._thread.start()

    def close(self) -> None:
        """Ring what was to be rung and end the thread, within a second: a command that ends right away rings too, and
        no thread writes a log line while the interpreter shuts down, which would abort the process."""
        self._closing.set()
        self._flag.set()
        if self._thread is not None:
            self._thread.join(timeout=CLOSE_WITHIN_S)

    def _loop(self) -> None:
        closing = False
        while not closing:
            self._flag.wait()
            self._flag.clear()
            closing = self._closing.is_set()
            try:
                self.ring_now()
                pause_s = LEAST_PAUSE_S
            except (RedisError, OSError) as caught:
                if not self._closing.is_set():
                    log.warning("bell_silent", error=type(caught).__name__, note="the sweeper finds what is due")
                pause_s = REDIS_DOWN_PAUSE_S
            self._closing.wait(pause_s)

    def ring_now(self) -> bool:
        """Tell a drain under way, and enqueue one unless one is waiting already. True when one was added. Raises
        RedisError."""
        with self._redis.pipeline(transaction=False) as together:
            together.lpush(HINT, "")
            together.ltrim(HINT, 0, 0)
            together.llen(self._queue.key)
            together.get(_generation_key())
            _pushed, _trimmed, waiting, found = together.execute()
        if waiting:
            return False
        generation = int(found or 0)
        options = {"job_timeout": JOB_TIMEOUT_S, "result_ttl": 0, "failure_ttl": 60, "description": "drain"}
        try:
            self._queue.enqueue(JOB, job_id=f"drain-{generation}", unique=True, **options)
        except DuplicateJobError:
            self._queue.enqueue(JOB, **options)
        return True


class Listener:
    """A thread that calls `wake` for a drain of this process that is under way or lingers. Each ring wakes one process."""

    def __init__(self, redis_url: str, wake: Callable[[], None]) -> None:
        self._redis_url = redis_url
        self._wake = wake
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="listener", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()

    def _loop(self) -> None:
        while not self._stop.is_set():
            try:
                self._listen(connect(self._redis_url))
            except (RedisError, OSError):
                self._stop.wait(REDIS_DOWN_PAUSE_S)  # a hint only: the bell, or the sweeper, tells as well

    def _listen(self, redis: Any) -> None:
        with contextlib.closing(redis):
            while not self._stop.is_set():
                if redis.brpop([HINT], timeout=1) is not None:
                    self._wake()


def begin_drain(redis: Redis) -> None:
    """A drain has begun: from now on the next one may wait."""
    with contextlib.suppress(RedisError):
        redis.incr(_generation_key())


def _generation_key() -> str:
    return f"{QUEUE}:drain:generation"


def connect(redis_url: str) -> Redis:
    """A Redis client with short time-outs: the bell must never hold anybody up."""
    return Redis.from_url(redis_url, socket_connect_timeout=2, socket_timeout=5, health_check_interval=30)
