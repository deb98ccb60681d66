"""The shapes that pass between leadloop and an adapter: records, fields, checks, notices, outcomes. No I/O here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

NoticeProof = Literal["none", "signed", "secret_in_url"]


@dataclass(frozen=True)
class RemoteRef:
    """The record a lead became in the CRM: its kind ("contact", "lead"), the CRM's id as text, a link when known."""

    kind: str
    id: str
    url: str | None = None


def keep_no_record(ref: RemoteRef) -> None:
    """The `keep_made` of an adapter that runs outside leadloop (a test, a script)."""


@dataclass(frozen=True)
class Earlier:
    """What earlier attempts at this delivery left behind.

    `ref` is the record when one was noted. `maybe_pushed` is true when an attempt may have reached the CRM without an
    answer that we could note: an adapter without an upsert key searches before it creates. Where one lead becomes
    several records (a person, then a lead that names the person), `keep_made(ref)` notes each as soon as the CRM has
    answered and returns once that is durable; `made` gives them back by kind to the next attempt.
    """

    ref: RemoteRef | None = None
    maybe_pushed: bool = False
    made: Mapping[str, RemoteRef] = field(default_factory=dict)
    keep_made: Callable[[RemoteRef], None] = field(default=keep_no_record, repr=False)


@dataclass(frozen=True)
class CrmField:
    """One field of the CRM that a mapping may name. `options` are the values it accepts; empty means any."""

    name: str
    label: str
    type: str = "text"
    required: bool = False
    read_only: bool = False
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class CrmStage:
    """One stage that an outcome may name, for the funnel: `id` is what RemoteOutcome.stage holds.

    `pipeline` is the CRM's name of the pipeline, `kind` what the CRM itself says of the stage (Bitrix24's SEMANTICS,
    Kommo's 142 and 143, HubSpot's probability; None where it does not say).
    """

    id: str
    label: str
    pipeline: str | None = None
    kind: Literal["open", "won", "lost"] | None = None


@dataclass(frozen=True)
class Check:
    """One thing that check() looked at: whether it is right, what was found, and the mend when it is not."""

    name: str
    ok: bool
    found: str
    mend: str = ""


@dataclass(frozen=True)
class Preview:
    """A request that would be sent, for `leadloop crm try --dry-run`. Secrets are masked."""

    method: str
    url: str
    body: Any = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class CrmNotice:
    """One request that a CRM sent to `/webhooks/crm/<connection>`.

    `url` is the public address that the CRM was given, with its query, and not one rebuilt behind a proxy: HubSpot
    signs it. `headers` have names in lower case; `body` is as received, since signatures are over the bytes.
    """

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    received_at: datetime


@dataclass(frozen=True)
class NoticeAnswer:
    """What the CRM must hear to go on: most want any 200, monday its challenge, Salesforce an XML acknowledgement."""

    status: int = 200
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"


class NoticeRefused(Exception):
    """The notice is not from that CRM: the signature, the token or its age is wrong. Answered 403, nothing kept.

    `code` is short and bounded; it is counted in metrics.
    """

    def __init__(self, code: str) -> None:
        super().__init__(f"The notice is refused ({code}).")
        self.code = code


@dataclass(frozen=True)
class RemoteChange:
    """A hint that a record changed, from a notice that brings ids only (Bitrix24, Zoho) or is not signed (Kommo).

    read_change() asks the CRM what became of the record. `dedup_key` makes the same notice twice one.
    """

    kind: str
    id: str
    dedup_key: str
    changed_at: datetime | None = None


@dataclass(frozen=True)
class RemoteOutcome:
    """What a CRM says happened to a record: a stage, when, and a value. `dedup_key` makes the same notice twice one.

    `crm_id` is the record's id and `kind` its kind ("deal"); the record is often not the one that we pushed, so
    `related` lists those it hangs on (a deal's contact), and `leadgen_id` is given where the CRM hands our key back.
    `value` is in major units (12500.00), also for CRMs that count in cents (Close, ActiveCampaign) or micros (Twenty).
    """

    crm_id: str
    stage: str
    occurred_at: datetime
    dedup_key: str
    value: Decimal | None = None
    currency: str | None = None
    fields: Mapping[str, Any] = field(default_factory=dict, repr=False)
    kind: str = ""
    related: tuple[RemoteRef, ...] = ()
    leadgen_id: str | None = None


@dataclass(frozen=True)
class Polled:
    """One helping of outcomes, the cursor to go on from, and whether more is waiting already.

    Windows overlap, since search indexes lag by seconds: the same outcome may come again with the same `dedup_key`.
    """

    outcomes: tuple[RemoteOutcome, ...]
    cursor: str | None
    more: bool = False
