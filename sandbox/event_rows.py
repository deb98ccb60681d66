"""The rows of the sandbox's Conversions API: a dataset, an event as received or refused, an outcome as the CRM sent it."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

AccountKind = Literal["whatsapp", "instagram"]
TASKS = ("EDIT", "ANALYZE", "UPLOAD", "ADVERTISE", "AA_ANALYZE")  # Source: Meta conversions facts §6.2


@dataclass(frozen=True)
class Account:
    """A WhatsApp Business Account or an Instagram account, and the Page that it belongs to."""

    account_id: str
    kind: AccountKind
    page_id: str
    name: str


@dataclass(frozen=True)
class Dataset:
    """What events are sent to. `owner_id` is the Page or account it was made for; `tasks` are what the system user
    may do with it, none at all when it is not assigned; `quality` is a Dataset Quality answer set by hand."""

    dataset_id: str
    name: str
    is_crm: bool
    created_at: datetime
    owner_id: str | None = None
    page_id: str | None = None
    tasks: tuple[str, ...] = TASKS
    quality: dict[str, Any] | None = None


@dataclass(frozen=True)
class ReceivedEvent:
    """One event of a batch that was taken. `state` "dropped": taken and then lost, as `why` says; it is in no count of
    events_received. `times`: which copy it is, of those with this dataset, name and event_id. `payload` is its JSON."""

    number: int
    at: datetime
    dataset_id: str
    event_name: str
    event_time: int
    event_id: str | None
    action_source: str
    channel: str | None
    stage: str | None
    leadgen_id: str | None
    test_event_code: str | None
    agent: str | None
    state: Literal["received", "dropped"]
    why: str | None
    times: int
    is_crm: bool
    notes: tuple[str, ...]
    fbtrace_id: str
    payload: str = field(repr=False)


@dataclass(frozen=True)
class RefusedBatch:
    """A batch that was refused because of one event; Meta does not tell which, the sandbox notes it here."""

    at: datetime
    dataset_id: str
    size: int
    index: int
    event_name: str | None
    event_id: str | None
    subcode: int
    detail: str
    fbtrace_id: str


@dataclass
class EventCount:
    """What became of the events of one name in one dataset."""

    dataset_id: str
    event_name: str
    received: int = 0
    dropped: int = 0
    repeated: int = 0
    test: int = 0
    last_at: datetime | None = None


@dataclass(frozen=True)
class Api:
    """leadloop's API, which the CRM tells its outcomes to; without a key it tells nobody."""

    url: str
    key: str = field(repr=False)
    connection: str


@dataclass(frozen=True)
class SentOutcome:
    """One outcome as the CRM sent it, and what leadloop answered: a status, or in one word why there was none."""

    number: int
    at: datetime
    leadgen_id: str
    stage: str
    value: str | None
    currency: str | None
    status: int | None
    problem: str | None
    answer: str = field(repr=False)
