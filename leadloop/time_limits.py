"""Reads that may hang get a time limit, at the cost of one thread however often they are asked for."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")


class TimeLimit:
    """Runs one thing at a time on a thread of its own, and gives up waiting after `within_s`.

    What has been given up keeps the one place until it ends: who comes meanwhile waits for what is left of `within_s`
    since it began, and is then told at once. So callers are never held for long, and threads do not pile up.
    """

    def __init__(self, within_s: float) -> None:
        self._within_s = within_s
        self._place = threading.Lock()
        self._began = 0.0

    def run(self, read: Callable[[], Result]) -> Result:
        """What `read` gives or raises; TimeoutError when that takes too long."""
        until = time.monotonic() + self._within_s
        if not self._place.acquire(blocking=False):
            patience_s = self._began + self._within_s - time.monotonic()
            if patience_s <= 0 or not self._place.acquire(timeout=patience_s):
                raise TimeoutError("the one before has not been answered")
        self._began = time.monotonic()
        results: list[Result] = []
        troubles: list[BaseException] = []
        ended = threading.Event()

        def work() -> None:
            try:
                results.append(read())
            except BaseException as caught:  # it is raised where somebody waits for it
                troubles.append(caught)
            finally:
                self._place.release()
                ended.set()

        threading.Thread(target=work, name="time-limit", daemon=True).start()
        if not ended.wait(until - time.monotonic()):
            raise TimeoutError("there was no answer in time")
        if troubles:
            raise troubles[0]
        return results[0]
