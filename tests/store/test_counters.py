"""Counts are kept in the process and written down by a thread of their own."""

import threading
from typing import Any

import pytest
from lead_rows import on_sqlite

from store.counters import DatabaseCounters
from store.writer import GroupWriter


@on_sqlite
def test_the_thread_is_not_shown_to_who_would_join_it_before_it_runs(
    writer: GroupWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer to a notice is counted by the writer's thread, and the process may end at that very moment."""
    counters = DatabaseCounters(writer)
    shown: list[Any] = []
    start = threading.Thread.start

    def start_late(thread: threading.Thread) -> None:
        if thread.name == "counters":
            shown.append(counters._thread)  # what close() would join now
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_late)
    counters.add("leadloop_notices_total", verdict="accepted")
    counters.close()
    assert shown == [None]
