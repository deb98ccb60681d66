"""The clock process: the sweeper, and the table of periodic work through RQ's CronScheduler (a thread without Redis)."""

import signal
import threading

from redis.exceptions import RedisError
from rq.cron import CronScheduler

from leadloop.logs import get_logger
from leadloop.ports import Services
from workers.bell import QUEUE, connect
from workers.rq_worker import scheduled_job
from workers.schedules import SCHEDULES, Upkeep
from workers.sweeper import Sweeper

log = get_logger(__name__)


class _StoppableScheduler(CronScheduler):
    """RQ's scheduler on a thread: signals are the main thread's business."""

    def _install_signal_handlers(self) -> None:
        return None


def run_clock(services: Services) -> None:
    """Until SIGTERM: ring for what is due every second, and enqueue the periodic work."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, lambda *_: stop.set())
    with_redis = bool(services.settings.redis_url)
    sweeper = Sweeper(services, services.bell.ring)
    upkeep = Upkeep(services)
    sweeper.start()
    if with_redis:
        threading.Thread(target=_schedule, args=(services, stop), name="cron", daemon=True).start()
    else:
        upkeep.start()
    stop.wait()
    sweeper.stop()
    upkeep.stop()


def _schedule(services: Services, stop: threading.Event) -> None:
    while not stop.is_set():
        try:
            scheduler = _StoppableScheduler(connection=connect(services.settings.redis_url), logging_level="WARNING")
            for periodic in SCHEDULES:
                scheduler.register(
                    scheduled_job, QUEUE, args=(periodic.name,), interval=periodic.every_s, result_ttl=0, failure_ttl=60
                )
            scheduler.start()  # type: ignore[no-untyped-call]
        except (RedisError, OSError) as caught:
            log.warning("redis_away", error=type(caught).__name__, note="periodic work waits for it")
        stop.wait(2.0)
