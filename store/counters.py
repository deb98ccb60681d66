"""Counts and durations for /metrics: kept in the process, added to the database every second, so that the sums are
right however many processes and machines there are."""

import json
import threading
from bisect import bisect_left
from functools import lru_cache
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from leadloop.logs import get_logger
from leadloop.ports import Writer
from store.models import Metric
from store.sql import MakeInsert, Prepared, table_of

BUCKETS_S = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 21_600.0)
FLUSH_EVERY_S = 1.0
MOST_SERIES = (
    5_000  # beyond this a new label set of a name is counted as "other": labels stay bounded whatever comes in
)

log = get_logger(__name__)
Key = tuple[str, str]


class DatabaseCounters:
    """Counters and histograms. Names follow Prometheus; labels are few and bounded (never an id of a lead)."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._lock = threading.Lock()
        self._pending: dict[Key, float] = {}
        self._known: set[Key] = set()
        self._thread: threading.Thread | None = None
        self._closed = threading.Event()

    def add(self, name: str, amount: float = 1, **labels: str) -> None:
        with self._lock:
            self._add((name, _labels(labels)), amount)
        self._start()

    def observe(self, name: str, seconds: float, **labels: str) -> None:
        """Count a duration into the histogram `name` (seconds; below zero counts as zero: clocks differ)."""
        seconds = max(0.0, seconds)
        bucket = bisect_left(BUCKETS_S, seconds)
        edge = f"{BUCKETS_S[bucket]:g}" if bucket < len(BUCKETS_S) else "+Inf"
        with self._lock:
            self._add((name + "_bucket", _labels(labels | {"le": edge})), 1)
            self._add((name + "_sum", _labels(labels)), seconds)
        self._start()

    def flush(self) -> None:
        """Add what was counted to the database. What cannot be written now is kept for the next time."""
        with self._lock:
            pending, self._pending = self._pending, {}
        if not pending:
            return
        try:
            self._writer.write(lambda session: add_metrics(session, pending))
        except Exception as caught:  # whatever it was: the thread lives on, and what was counted is not thrown away
            log.warning("counters_not_written", error=type(caught).__name__)
            with self._lock:
                for key, amount in pending.items():
                    self._pending[key] = self._pending.get(key, 0.0) + amount

    def close(self) -> None:
        """Write down what is left and stop; what is counted afterwards is lost."""
        self._closed.set()
        if self._thread is not None:
            self._thread.join(timeout=10)
        self.flush()

    def _start(self) -> None:
        if self._thread is None and not self._closed.is_set():  # at first use, so after a fork and never before it
            with self._lock:
                if self._thread is None:
                    thread = threading.Thread(target=self._loop, name="counters", daemon=True)
                    thread.start()
                    self._thread = thread  # only now: close(), from another thread, joins what it sees here

    def _loop(self) -> None:
        while not self._closed.wait(FLUSH_EVERY_S):
            self.flush()

    def _add(self, key: Key, amount: float) -> None:
        if key not in self._known:
            if len(self._known) >= MOST_SERIES:
                edge = json.loads(key[1]).get("le")  # a histogram's row stays a row of its histogram
                key = (key[0], _labels({"other": "true"} | ({"le": edge} if edge else {})))
            self._known.add(key)
        self._pending[key] = self._pending.get(key, 0.0) + amount


def _labels(labels: dict[str, str]) -> str:
    return _canonical(tuple(sorted(labels.items())))


@lru_cache(maxsize=MOST_SERIES)
def _canonical(labels: tuple[tuple[str, str], ...]) -> str:
    return json.dumps(dict(labels), separators=(",", ":"))


def add_metrics(session: Session, amounts: dict[Key, float]) -> None:
    """Add amounts to the sums. In a fixed order, so that two processes never wait for each other in a circle."""
    rows = [{"name": name, "labels": labels, "value": amount} for (name, labels), amount in sorted(amounts.items())]
    _ADD.run(session, rows)


def _build_add(insert: MakeInsert, _dialect: str) -> Any:
    statement = insert(table_of(Metric))
    total = table_of(Metric).c.value + statement.excluded.value
    return statement.on_conflict_do_update(index_elements=["name", "labels"], set_={"value": total})


_ADD = Prepared(_build_add)


def read_metrics(session: Session) -> list[tuple[str, dict[str, str], float]]:
    """All sums: (name, labels, value)."""
    return [
        (name, json.loads(labels), value)
        for name, labels, value in session.execute(select(Metric.name, Metric.labels, Metric.value))
    ]
