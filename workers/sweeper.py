"""The sweeper: every second, ring for whatever is due. Each process that works has one."""

import threading
from collections.abc import Callable

from sqlalchemy.exc import SQLAlchemyError

from leadloop.logs import get_logger
from leadloop.ports import Services
from workers.drain import anything_due

log = get_logger(__name__)


class Sweeper:
    """A thread that calls `wake` whenever something is due, and `also` each time round."""

    def __init__(
        self,
        services: Services,
        wake: Callable[[], None],
        *,
        every_s: float = 1.0,
        also: Callable[[], None] | None = None,
    ) -> None:
        self._services = services
        self._wake = wake
        self._every_s = every_s
        self._also = also
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="sweeper", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=10)
        self._services.counters.flush()

    def _loop(self) -> None:
        while not self._stop.wait(self._every_s):
            try:
                if anything_due(self._services):
                    self._wake()
                if self._also is not None:
                    self._also()
            except SQLAlchemyError as caught:
                log.warning("sweep_failed", error=type(caught).__name__)
            except Exception as caught:  # a thread that everything leans on must outlive any bug
                log.exception("sweep_failed", error=type(caught).__name__)
