"""What handlers and jobs are handed: the ports (Protocols) and Services, the bundle of them.

Everything is passed in, nothing is global: a test hands in fakes, `wsgi.py` and the command line hand in the real ones.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, TypeVar

from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from leadloop.conversions.answers import Received
from leadloop.conversions.datasets import DatasetInfo, DatasetRef
from leadloop.settings import Settings

Result = TypeVar("Result")
Item = TypeVar("Item")


class Bell(Protocol):
    """A hint that something is due."""

    def ring(self) -> None:
        """Wake whoever drains. Never raises, never waits: the sweeper finds the row anyway."""


class Writer(Protocol):
    """One writing transaction shared by all that arrive together."""

    def write(self, operation: Callable[[Session], Result]) -> Result:
        """Run `operation` in a transaction and return its result once it is durably committed.

        `operation` may be run twice (alone, after a neighbour spoiled the shared transaction): it only touches the
        session. Raises what it raised, or the database's error; then nothing of it is kept.
        """

    def gather(
        self, operation: Callable[[Session, list[Item]], list[Result]], item: Item, *, timeout_s: float | None = None
    ) -> Result:
        """Like write(), for an operation that serves all items of a group at once. TimeoutError after `timeout_s`."""

    def gather_later(
        self,
        operation: Callable[[Session, list[Item]], list[Result]],
        item: Item,
        then: Callable[[Result | None, Exception | None], None],
        *,
        timeout_s: float | None = None,
    ) -> None:
        """Like gather(), without waiting: `then(result, trouble)` is called from another thread, or at once."""

    def close(self) -> None: ...


class Graph(Protocol):
    """Meta's Graph API (meta_graph/client.py). All raise leadloop.errors by code and subcode."""

    def read_lead(self, leadgen_id: str, *, token: str, page_id: str) -> dict[str, Any]: ...

    def read_form(self, form_id: str, *, token: str, page_id: str) -> dict[str, Any]: ...

    def read_page_forms(self, page_id: str, *, token: str) -> list[dict[str, Any]]: ...

    def read_form_leads(
        self, form_id: str, *, token: str, page_id: str, since: datetime | None, after: str | None
    ) -> "LeadPage": ...


class EventsGraph(Protocol):
    """The Conversions API's part of Graph (meta_graph/client.py). Raises leadloop.errors by code and subcode, and what is
    in leadloop/conversions/answers.py."""

    def send_events(
        self,
        dataset_id: str,
        events: Sequence[Mapping[str, Any]],
        *,
        token: str,
        test_event_code: str | None = None,
    ) -> Received: ...

    def read_dataset(self, dataset_id: str, *, token: str) -> DatasetInfo: ...

    def find_datasets(self, asset_id: str, *, token: str) -> list[DatasetRef]: ...

    def create_dataset(self, asset_id: str, *, token: str, name: str | None = None) -> str: ...

    def read_dataset_quality(self, dataset_id: str, *, token: str, agent_name: str | None = None) -> dict[str, Any]: ...


@dataclass(frozen=True)
class LeadPage:
    """One page of a form's leads. `after` is the cursor of the next page, None on the last."""

    leads: list[dict[str, Any]] = field(repr=False)
    after: str | None


class Vault(Protocol):
    """Encrypts what must not stand readable in the database (store/vault.py)."""

    def seal(self, plain: str) -> str: ...

    def open(self, sealed: str) -> str: ...


class Counters(Protocol):
    """Counts and durations for /metrics, kept cheap in the process and added to the database every second."""

    def add(self, name: str, amount: float = 1, **labels: str) -> None: ...

    def observe(self, name: str, seconds: float, **labels: str) -> None: ...

    def flush(self) -> None: ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class Services:
    """The bundle. `read()` opens a short read-only session; `writer.write(fn)` is the only way to change rows."""

    settings: Settings
    engine: Engine
    read: Callable[[], AbstractContextManager[Session]]
    writer: Writer
    bell: Bell
    vault: Vault
    counters: Counters
    now: Callable[[], datetime]
    graph: Graph | None = None
    events_graph: EventsGraph | None = None
    caches: dict[str, Any] = field(default_factory=dict, repr=False)

    def cached(self, name: str, make: Callable[[], Result]) -> Result:
        """Something this process keeps for as long as it runs (adapters with open connections, forms read)."""
        if name not in self.caches:
            self.caches.setdefault(name, make())
        found: Result = self.caches[name]
        return found
