"""The datasets, the events they received and the clicks on ads that were made: in memory, bounded, behind one lock."""

import secrets
import threading
from collections import OrderedDict, deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

from sandbox.event_rows import Account, Dataset, EventCount, ReceivedEvent, RefusedBatch, SentOutcome
from sandbox.forms import ATELIER, BIKES, PAGES
from sandbox.instagram_shapes import INSTAGRAM_ID
from sandbox.whatsapp_shapes import WABA_ID

CRM_DATASET_ID = "900000000000001"
STRANGE_DATASET_ID = "900000000000002"
ACCOUNTS: Mapping[str, Account] = {
    one.account_id: one
    for one in (
        Account(WABA_ID, "whatsapp", BIKES.page_id, "Bosphorus Bikes on WhatsApp (sandbox)"),
        Account(INSTAGRAM_ID, "instagram", BIKES.page_id, "bosphorus.bikes.sandbox"),
        Account("17841400000000002", "instagram", ATELIER.page_id, "atelier.sol.sandbox"),
    )
}
COUNTRIES: Mapping[str, str] = {page.page_id: page.country for page in PAGES} | {
    one.account_id: next(page.country for page in PAGES if page.page_id == one.page_id) for one in ACCOUNTS.values()
}
MOST_EVENTS = 20_000
MOST_EVENT_BYTES = 32 * 1024 * 1024
MOST_REFUSED = 1_000
MOST_CLICKS = 20_000
MOST_NAMES = 500
MOST_OUTCOMES = 1_000
MOST_DATASETS = 500


class Datasets:
    """All of it. Every method may be called from any thread."""

    def __init__(self, now: datetime) -> None:
        self._lock = threading.RLock()
        self._bytes = 0
        self._seen: OrderedDict[int, int] = OrderedDict()  # by hash, as an event_id may be long
        self.clicks: OrderedDict[str, datetime] = OrderedDict()
        self._turns = 0
        self.datasets: dict[str, Dataset] = {one.dataset_id: one for one in _first_datasets(now)}
        self.events: deque[ReceivedEvent] = deque()
        self.counts: OrderedDict[tuple[str, str], EventCount] = OrderedDict()
        self.refused: deque[RefusedBatch] = deque(maxlen=MOST_REFUSED)
        self.refused_events = 0
        self.outcomes: deque[SentOutcome] = deque(maxlen=MOST_OUTCOMES)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock over several steps that belong together."""
        with self._lock:
            yield

    # --- datasets -----------------------------------------------------------------------------------------------------

    def find_dataset(self, dataset_id: str) -> Dataset | None:
        return self.datasets.get(dataset_id)

    def find_linked(self, owner_id: str) -> Dataset | None:
        """The one dataset of a Page, a WhatsApp or an Instagram account."""
        with self._lock:
            return next((one for one in self.datasets.values() if one.owner_id == owner_id), None)

    def make_linked(self, owner_id: str, page_id: str, name: str, now: datetime) -> Dataset:
        """That dataset, made if there is none. Its id follows from the owner's, so that a restart makes it again."""
        with self._lock:
            found = self.find_linked(owner_id) or Dataset(
                f"9{owner_id}", name, False, now, owner_id=owner_id, page_id=page_id
            )
            self.datasets[found.dataset_id] = found
            return found

    def change_dataset(self, dataset_id: str, changes: Mapping[str, Any], now: datetime) -> Dataset | None:
        """Change a dataset, or make one of this id that belongs to nobody; None when there are too many."""
        with self._lock:
            old = self.datasets.get(dataset_id) or Dataset(dataset_id, f"Dataset {dataset_id}", False, now)
            if dataset_id not in self.datasets and len(self.datasets) >= MOST_DATASETS:
                return None
            self.datasets[dataset_id] = replace(old, **changes)
            return self.datasets[dataset_id]

    # --- events -------------------------------------------------------------------------------------------------------

    def add_events(self, events: Sequence[ReceivedEvent]) -> None:
        """Keep the events of one batch; the oldest are forgotten."""
        with self._lock:
            for event in events:
                self._add_event(event)
            while len(self.events) > MOST_EVENTS or (self._bytes > MOST_EVENT_BYTES and len(self.events) > 1):
                self._bytes -= len(self.events.popleft().payload)

    def _add_event(self, event: ReceivedEvent) -> None:
        count = self._count_of(event.dataset_id, event.event_name)
        count.last_at = event.at
        if event.state == "received":
            times = self._count_copy(event)
            event = replace(event, times=times)
            count.received += 1
            count.repeated += times > 1
            count.test += event.test_event_code is not None
        else:
            count.dropped += 1
        self.events.append(event)
        self._bytes += len(event.payload)

    def _count_of(self, dataset_id: str, event_name: str) -> EventCount:
        key = (dataset_id, event_name)
        count = self.counts.setdefault(key, EventCount(dataset_id, event_name))
        self.counts.move_to_end(key)
        while len(self.counts) > MOST_NAMES:
            self.counts.popitem(last=False)
        return count

    def _count_copy(self, event: ReceivedEvent) -> int:
        if event.event_id is None:
            return 1
        key = hash((event.dataset_id, event.event_name, event.event_id))
        self._seen[key] = times = self._seen.pop(key, 0) + 1
        while len(self._seen) > MOST_EVENTS:
            self._seen.popitem(last=False)
        return times

    def add_refused(self, batch: RefusedBatch) -> None:
        with self._lock:
            self.refused.append(batch)
            self.refused_events += batch.size

    def add_outcome(self, outcome: SentOutcome) -> None:
        with self._lock:
            self.outcomes.append(outcome)

    def list_events(self, dataset_id: str) -> list[ReceivedEvent]:
        """The events a dataset received, oldest first; not what was dropped."""
        with self._lock:
            return [one for one in self.events if one.dataset_id == dataset_id and one.state == "received"]

    def next_turn(self) -> int:
        """0, 1, 2 … for what is done in turn."""
        with self._lock:
            self._turns += 1
            return self._turns - 1

    # --- clicks on ads ------------------------------------------------------------------------------------------------

    def make_click(self, now: datetime) -> str:
        """The ctwa_clid of a new click on a click-to-WhatsApp ad."""
        ctwa_clid = "ARA" + secrets.token_urlsafe(48)
        self.note_click(ctwa_clid, now)
        return ctwa_clid

    def note_click(self, ctwa_clid: str, at: datetime) -> None:
        """From now on this click is known; when it was made does not change any more."""
        with self._lock:
            self.clicks.setdefault(ctwa_clid, at)
            while len(self.clicks) > MOST_CLICKS:
                self.clicks.popitem(last=False)

    def note_clicks_in(self, payload: object, at: datetime) -> None:
        """Every ctwa_clid in a notice that Meta sends is one of a click that was made."""
        if isinstance(payload, dict):
            for key, value in payload.items():
                if key == "ctwa_clid" and isinstance(value, str):
                    self.note_click(value, at)
                self.note_clicks_in(value, at)
        elif isinstance(payload, list):
            for value in payload:
                self.note_clicks_in(value, at)

    def find_click_time(self, ctwa_clid: str) -> datetime | None:
        return self.clicks.get(ctwa_clid)


def _first_datasets(now: datetime) -> list[Dataset]:
    """One made by hand in Events Manager for the CRM, and one that is not assigned to the system user."""
    return [
        Dataset(CRM_DATASET_ID, "Bosphorus Bikes CRM (sandbox)", True, now),
        Dataset(STRANGE_DATASET_ID, "Not assigned to you (sandbox)", False, now, tasks=()),
    ]
