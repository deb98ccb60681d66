"""The ports, faked: enough for tests without the internet. Real databases are in conftest.py, real servers in servers.py."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine

from leadloop.conversions.answers import Received
from leadloop.conversions.datasets import DatasetInfo, DatasetRef
from leadloop.ports import Graph, LeadPage, Services
from leadloop.settings import Settings
from store.engine import make_reader
from store.vault import FernetVault
from store.writer import GroupWriter

SECRET = "0123456789abcdef0123456789abcdef"
KEY = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="


class FakeBell:
    def __init__(self) -> None:
        self.rings = 0

    def ring(self) -> None:
        self.rings += 1


class FakeCounters:
    def __init__(self) -> None:
        self.counts: Counter[tuple[str, tuple[tuple[str, str], ...]]] = Counter()

    def add(self, name: str, amount: float = 1, **labels: str) -> None:
        self.counts[name, tuple(sorted(labels.items()))] += amount  # type: ignore[assignment]

    def observe(self, name: str, seconds: float, **labels: str) -> None:
        self.add(name, 1, **labels)

    def flush(self) -> None:
        return None

    def close(self) -> None:
        return None

    def get(self, name: str, **labels: str) -> float:
        return self.counts[name, tuple(sorted(labels.items()))]


class FakeGraph:
    """Answers from dictionaries; an Exception in them is raised. `calls` lists what was asked."""

    def __init__(self, leads: dict[str, Any] | None = None, forms: dict[str, Any] | None = None) -> None:
        self.leads = leads or {}
        self.forms = forms or {}
        self.calls: list[tuple[str, str]] = []

    def read_lead(self, leadgen_id: str, *, token: str, page_id: str) -> dict[str, Any]:
        self.calls.append(("lead", leadgen_id))
        return self._answer(self.leads, leadgen_id)

    def read_form(self, form_id: str, *, token: str, page_id: str) -> dict[str, Any]:
        self.calls.append(("form", form_id))
        return self._answer(self.forms, form_id)

    def read_page_forms(self, page_id: str, *, token: str) -> list[dict[str, Any]]:
        return list(self.forms.values())

    def read_form_leads(
        self, form_id: str, *, token: str, page_id: str, since: datetime | None, after: str | None
    ) -> LeadPage:
        return LeadPage([lead for lead in self.leads.values() if lead.get("form_id") == form_id], None)

    def _answer(self, known: dict[str, Any], wanted: str) -> dict[str, Any]:
        found = known[wanted]
        if isinstance(found, Exception):
            raise found
        return dict(found)


class FakeEvents:
    """Meta's edge for events: takes all, or says what `says` holds. `sent` lists (dataset, event, token, test code)."""

    def __init__(self) -> None:
        self.says: list[Exception | Received] = []
        self.sent: list[tuple[str, dict[str, Any], str, str | None]] = []

    def send_events(
        self, dataset_id: str, events: Sequence[Mapping[str, Any]], *, token: str, test_event_code: str | None = None
    ) -> Received:
        self.sent += [(dataset_id, dict(event), token, test_event_code) for event in events]
        said = self.says.pop(0) if self.says else Received(len(events), "AbC", (), {"events_received": len(events)})
        if isinstance(said, Exception):
            raise said
        return said

    def read_dataset(self, dataset_id: str, *, token: str) -> DatasetInfo:
        raise NotImplementedError

    def find_datasets(self, asset_id: str, *, token: str) -> list[DatasetRef]:
        raise NotImplementedError

    def create_dataset(self, asset_id: str, *, token: str, name: str | None = None) -> str:
        raise NotImplementedError

    def read_dataset_quality(self, dataset_id: str, *, token: str, agent_name: str | None = None) -> dict[str, Any]:
        raise NotImplementedError


def make_services(
    engine: Engine,
    *,
    settings: Settings | None = None,
    graph: Graph | None = None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    writer: GroupWriter | None = None,
    **changes: Any,
) -> Services:
    """Services on a real database with a fake bell, fake counters and the Graph handed in."""
    settings = settings or Settings(
        meta_app_secrets=(SECRET,), meta_verify_token="s3cret-verify", leadloop_secret_keys=(KEY,), worker_threads=8
    )
    return Services(
        settings=settings.with_(**changes) if changes else settings,
        engine=engine,
        read=make_reader(engine),
        writer=writer or GroupWriter(engine),
        bell=FakeBell(),
        vault=FernetVault((KEY,)),
        counters=FakeCounters(),
        now=now,
        graph=graph,
    )
