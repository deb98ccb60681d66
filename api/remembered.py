"""What takes long to read is kept for a while, so that asking often costs little."""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Remembered(Generic[Value]):
    """Reads a value, and keeps one that took longer than `quick_s` for twenty times as long (at most `longest_s`).

    So reading takes at most a twentieth of the time, and what is quick is always fresh. One caller reads at a time; who
    comes meanwhile waits and gets the same.
    """

    def __init__(
        self,
        *,
        quick_s: float = 0.05,
        longest_s: float = 15.0,
        least_s: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._quick_s = quick_s
        self._longest_s = longest_s
        self._least_s = least_s
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: tuple[float, Value] | None = None

    def get(self, read: Callable[[], Value]) -> Value:
        """The value kept, or what `read` gives now. Raises what `read` raises, and keeps nothing then."""
        with self._lock:
            begun = self._clock()
            if self._kept is not None and begun < self._kept[0]:
                return self._kept[1]
            self._kept = None
            value = read()
            ended = self._clock()
            took_s = ended - begun
            keep_s = min(20 * took_s, self._longest_s) if took_s > self._quick_s else 0.0
            self._kept = (ended + max(keep_s, self._least_s), value)
            return value
