"""Web and worker in one process, for `leadloop run`: a drain thread, a sweeper and the schedules beside the web threads."""

import threading

from leadloop.logs import get_logger
from leadloop.ports import Services
from notifiers.addresses import load_services
from workers.bell import LocalBell
from workers.drain import Drainer
from workers.lane_caps import read_lane_caps
from workers.registry import JOBS
from workers.schedules import Upkeep
from workers.sweeper import Sweeper

log = get_logger(__name__)


class EmbeddedWorker:
    """Drains on a thread of this process whenever the LocalBell rings."""

    def __init__(self, services: Services, bell: LocalBell) -> None:
        self._services = services
        read_lane_caps(services)
        self._drainer = Drainer(services, JOBS, threads=services.settings.worker_threads)
        self._rung = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="drain", daemon=True)
        self._sweeper = Sweeper(services, self.ring, also=self._drainer.renew_leases)
        self._upkeep = Upkeep(services)
        bell.connect(self.ring)

    def ring(self) -> None:
        self._rung.set()
        self._drainer.wake()

    def start(self) -> None:
        self._thread.start()
        self._sweeper.start()
        self._upkeep.start()
        self.ring()

    def stop(self) -> None:
        """Finish what is in hand within the grace time, give back the rest."""
        self._stop.set()
        self._rung.set()
        self._drainer.stop(self._services.settings.stop_grace_s)
        self._sweeper.stop()
        self._upkeep.stop()

    def _loop(self) -> None:
        load_services()  # a third of a second of imports that the first alert need not wait for
        while not self._stop.is_set():
            self._rung.wait()
            self._rung.clear()
            try:
                self._drainer.drain(max_s=3600)
            except Exception as caught:
                log.exception("drain_failed", error=type(caught).__name__)
                self._stop.wait(0.5)
