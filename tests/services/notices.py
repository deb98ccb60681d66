"""A sender like Meta: batches of changes, told twice now and then, again on anything but 200 until it is 200."""

import heapq
import http.client
import random
import threading
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

from sandbox import RunningSandbox
from sandbox.sender import build_body, build_headers
from sandbox.shapes import LeadStyle, build_leadgen
from sandbox.state import Lead
from sandbox.submissions import submit_lead

STYLES: tuple[LeadStyle, ...] = ("strings", "integers", "minimal")
SIZES = (1, 1, 1, 1, 2, 3, 5, 8, 12, 20)  # changes of one notice; Meta batches under load. Meta ingestion facts §1.5


def fill_in(sandbox: RunningSandbox, count: int, *, page_id: str | None = None) -> list[Lead]:
    """So many people send a form; Meta knows their leads, and nobody has been told yet."""
    state = sandbox.sandbox.state
    forms = [form for form in state.forms.values() if page_id in (None, form.page_id)]
    return [submit_lead(state, forms[number % len(forms)]) for number in range(count)]


def one_by_one(leads: Sequence[Lead]) -> list[bytes]:
    """A notice for each lead."""
    return [build_body(build_leadgen([lead], style="strings", now=datetime.now(UTC))) for lead in leads]


def like_meta(leads: Sequence[Lead], chance: random.Random) -> list[bytes]:
    """Notices of 1 to 20 changes: every lead at least once, some twice in one notice or in several, some notices twice
    byte for byte. In a mixed order."""
    bodies: list[bytes] = []
    waiting = list(leads)
    while waiting:
        size = chance.choice(SIZES)
        group, waiting = waiting[:size], waiting[size:]
        if len(group) < SIZES[-1] and chance.random() < 0.3:
            group = [*group, chance.choice(group)]  # twice in one
        if len(group) < SIZES[-1] and chance.random() < 0.3:
            group = [*group, chance.choice(leads)]  # told before, or about to be
        bodies.append(build_body(build_leadgen(group, style=chance.choice(STYLES), now=datetime.now(UTC))))
    bodies += chance.sample(bodies, len(bodies) // 6)
    chance.shuffle(bodies)
    return bodies


class MetaSender:
    """Threads that hand notices over. `answers` counts what came back: statuses, or the kind of error.

    `per_second` spaces the first tries evenly. A try that is not answered 200 within `timeout_s` is repeated after
    `again_after_s`, as often as it takes.
    """

    def __init__(
        self,
        sandbox: RunningSandbox,
        port: int,
        *,
        threads: int = 4,
        timeout_s: float = 12.0,
        again_after_s: float = 0.5,
    ) -> None:
        self._secret = sandbox.options.app_secret
        self._port = port
        self._timeout_s = timeout_s
        self._again_after_s = again_after_s
        self._wake = threading.Condition()
        self._queue: list[tuple[float, int, bytes]] = []
        self._open = 0
        self._number = 0
        self._closed = False
        self.answers: Counter[str] = Counter()
        self.tries: list[tuple[str, float]] = []  # answer and seconds of each
        self._under_way: dict[int, float] = {}
        self._threads = [threading.Thread(target=self._run, name=f"meta-{n}", daemon=True) for n in range(threads)]
        for thread in self._threads:
            thread.start()

    def send(self, bodies: Sequence[bytes], *, per_second: float | None = None) -> None:
        """Queue notices; returns at once."""
        with self._wake:
            for place, body in enumerate(bodies):
                self._open += 1
                self._push(body, time.monotonic() + (place / per_second if per_second else 0.0))

    def _push(self, body: bytes, due: float) -> None:
        self._number += 1
        heapq.heappush(self._queue, (due, self._number, body))
        self._wake.notify()

    @property
    def unanswered(self) -> int:
        """Notices that have not been answered 200."""
        with self._wake:
            return self._open

    def waiting_s(self) -> float:
        """For how long the oldest try has been waiting for its answer."""
        return time.monotonic() - min(list(self._under_way.values()), default=time.monotonic())

    def close(self) -> None:
        with self._wake:
            self._closed = True
            self._wake.notify_all()
        for thread in self._threads:
            thread.join(timeout=self._timeout_s + 5)

    def _run(self) -> None:
        while (body := self._next()) is not None:
            started = self._under_way[threading.get_ident()] = time.monotonic()
            answer = self.post(body)
            with self._wake:
                del self._under_way[threading.get_ident()]
                self.answers[answer] += 1
                self.tries.append((answer, time.monotonic() - started))
                if answer == "200":
                    self._open -= 1
                else:
                    self._push(body, time.monotonic() + self._again_after_s)

    def _next(self) -> bytes | None:
        with self._wake:
            while not self._closed:
                wait_s = self._queue[0][0] - time.monotonic() if self._queue else None
                if wait_s is not None and wait_s <= 0:
                    return heapq.heappop(self._queue)[2]
                self._wake.wait(wait_s)
            return None

    def post(self, body: bytes) -> str:
        """One try: the status of the answer as text, or the name of the error."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=self._timeout_s)
        try:
            connection.request("POST", "/webhooks/meta", body, build_headers(body, self._secret))
            answer = connection.getresponse()
            answer.read()
            return str(answer.status)
        except (OSError, http.client.HTTPException) as caught:
            return type(caught).__name__
        finally:
            connection.close()
