"""kill -9 at random moments, of everything that can die."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping

Killer = Callable[[random.Random], bool]


class Chaos:
    """A thread that kills: every kind once in a mixed order, then any, until there were `count` kills.

    A killer gets the seeded chance, and answers False when there was nothing alive to kill; then it is asked again.
    """

    def __init__(
        self, killers: Mapping[str, Killer], *, seed: int, count: int, pause_s: tuple[float, float] = (0.4, 1.8)
    ) -> None:
        self._killers = dict(killers)
        self._chance = random.Random(seed)
        self._count = count
        self._pause_s = pause_s
        self._started = time.monotonic()
        self._trouble: BaseException | None = None
        self.kills: list[tuple[float, str]] = []
        self._thread = threading.Thread(target=self._run, name="chaos", daemon=True)

    def start(self) -> "Chaos":
        self._started = time.monotonic()
        self._thread.start()
        return self

    def wait(self, most_s: float) -> None:
        """Until all kills are done. Raises what stopped it."""
        self._thread.join(most_s)
        if self._trouble is not None:
            raise self._trouble
        assert not self._thread.is_alive(), f"only {len(self.kills)} kills in {most_s:g} s: {self.counts}"

    @property
    def counts(self) -> Counter[str]:
        return Counter(what for _at, what in self.kills)

    def _run(self) -> None:
        try:
            for what in self._order():
                time.sleep(self._chance.uniform(*self._pause_s))
                self._kill(what)
        except BaseException as caught:
            self._trouble = caught

    def _order(self) -> list[str]:
        kinds = list(self._killers)
        order = self._chance.sample(kinds, len(kinds))
        return order + self._chance.choices(kinds, k=max(0, self._count - len(kinds)))

    def _kill(self, what: str) -> None:
        patience = time.monotonic() + 30
        while True:
            at_s = time.monotonic() - self._started
            if self._killers[what](self._chance):
                break
            if time.monotonic() > patience:
                raise AssertionError(f"nothing to kill for 30 s: {what}")
            time.sleep(0.1)
        self.kills.append((round(at_s, 1), what))
