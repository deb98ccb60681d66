"""What the client remembers between calls, for a while and within bounds: nothing of it has to survive a restart."""

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

Value = TypeVar("Value")
ASK_AGAIN_AFTER = timedelta(hours=1)  # then the ad fields are asked for once more
PROVEN_FOR = timedelta(minutes=15)
REFUSALS_THAT_PROVE = 3
MOST_ENTRIES = 10_000


@dataclass
class _PageNote:
    read_at: datetime | None = None
    refused: set[str] = field(default_factory=set)


class Memory:
    """Safe to share between threads. Keys are ids; the oldest are forgotten beyond MOST_ENTRIES."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._no_ad_fields: OrderedDict[str, tuple[datetime, datetime]] = OrderedDict()
        self._pages: OrderedDict[str, _PageNote] = OrderedDict()
        self._page_sizes: OrderedDict[str, int] = OrderedDict()

    def note_no_ad_fields(self, key: str, now: datetime, *, lasts: timedelta = ASK_AGAIN_AFTER) -> None:
        """A lead was readable without the ad fields only. `key` stands for the Page and the token."""
        with self._lock:
            _keep(self._no_ad_fields, key, (now, now + lasts))

    def lacks_ad_fields(self, key: str, now: datetime) -> bool:
        with self._lock:
            since, until = self._no_ad_fields.get(key, (now, now))
            return since <= now < until

    def note_read(self, page_id: str, now: datetime) -> None:
        """A lead of this Page was read: its token works."""
        with self._lock:
            _keep(self._pages, page_id, _PageNote(read_at=now))

    def note_refused(self, page_id: str, leadgen_id: str, now: datetime) -> bool:
        """A lead of this Page was refused. True when that seems to concern this lead alone.

        That is so while other leads of the Page were read a moment ago, and until three different leads in a row have
        been refused: then, or without such a proof, it is the Page that has lost its rights.
        """
        with self._lock:
            note = self._pages.get(page_id) or _PageNote()
            note.refused.add(leadgen_id)
            _keep(self._pages, page_id, note)
            proven = note.read_at is not None and timedelta(0) <= now - note.read_at < PROVEN_FOR
            return proven and len(note.refused) < REFUSALS_THAT_PROVE

    def note_page_size(self, key: str, rows: int) -> None:
        """Graph could not put more than this into one page of the list."""
        with self._lock:
            _keep(self._page_sizes, key, rows)

    def page_size(self, key: str, default: int) -> int:
        with self._lock:
            return self._page_sizes.get(key, default)


def _keep(entries: OrderedDict[str, Value], key: str, value: Value) -> None:
    entries[key] = value
    entries.move_to_end(key)
    while len(entries) > MOST_ENTRIES:
        entries.popitem(last=False)
