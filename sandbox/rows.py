"""The rows of the sandbox's memory: what a lead, a token, a notice, a Graph call, a CRM record and an alert are.

Those of the Conversions API are in event_rows.py.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from sandbox.forms import Ad

TokenKind = Literal["system", "page", "app"]
TokenState = Literal["valid", "expired", "password_changed", "replaced"]
SendState = Literal["waiting", "delivered", "given_up", "refused"]
Hop = Literal["sent", "acked", "read", "crm", "alert"]
HOPS: tuple[Hop, ...] = ("sent", "acked", "read", "crm", "alert")


@dataclass(frozen=True)
class Lead:
    """One submitted form. `field_data` is (name, values) pairs, `disclaimers` (key, ticked) pairs."""

    leadgen_id: str
    page_id: str
    form_id: str
    created_at: datetime
    ad: Ad | None
    platform: str
    is_test: bool
    field_data: tuple[tuple[str, tuple[str, ...]], ...] = field(repr=False)
    disclaimers: tuple[tuple[str, bool], ...] = ()

    @property
    def is_organic(self) -> bool:
        return self.ad is None


@dataclass(frozen=True)
class Journey:
    """How far a lead came: when each hop happened first, and how often it happened."""

    leadgen_id: str
    submitted_at: datetime
    first: tuple[tuple[Hop, datetime], ...] = ()
    counts: tuple[tuple[Hop, int], ...] = ()

    def at(self, hop: Hop) -> datetime | None:
        return dict(self.first).get(hop)

    def count(self, hop: Hop) -> int:
        return dict(self.counts).get(hop, 0)

    def with_hop(self, hop: Hop, at: datetime) -> "Journey":
        first, counts = dict(self.first), dict(self.counts)
        first.setdefault(hop, at)
        counts[hop] = counts.get(hop, 0) + 1
        return replace(self, first=tuple(first.items()), counts=tuple(counts.items()))


@dataclass(frozen=True)
class Token:
    """An access token and what it opens: a Page's own, or the system user's for all of them."""

    value: str = field(repr=False)
    kind: TokenKind
    page_id: str | None = None
    state: TokenState = "valid"


@dataclass(frozen=True)
class Subscription:
    """The app's subscription to one kind of object: where Meta sends, and what."""

    object: str
    callback_url: str
    fields: tuple[str, ...]
    include_values: bool = True


@dataclass(frozen=True)
class GraphCall:
    """One call of the Graph API as answered. The path holds ids only, never a query or a token."""

    at: datetime
    method: str
    path: str
    operation: str
    status: int
    code: int | None
    subcode: int | None
    took_ms: float
    page_id: str | None
    leadgen_id: str | None
    fault: str | None


@dataclass(frozen=True)
class Attempt:
    """One try to hand over a webhook: the answer's status, or in one word why there was none."""

    at: datetime
    status: int | None
    problem: str | None
    took_ms: float


@dataclass(frozen=True)
class Send:
    """One webhook body on its way. `state`: waiting, delivered, given_up (all tries used) or refused (not loopback)."""

    send_id: int
    shape: str
    size: int
    leadgen_ids: tuple[str, ...]
    queued_at: datetime
    state: SendState = "waiting"
    attempts: tuple[Attempt, ...] = ()


@dataclass(frozen=True)
class CrmRecord:
    """What the CRM keeps of one lead. `requests` counts every request that named it, refused ones too; `data` is
    None until one was taken."""

    crm_id: str
    leadgen_id: str
    requests: int
    created_at: datetime | None = None
    updated_at: datetime | None = None
    data: dict[str, Any] | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Alert:
    """One message that reached the alert inbox, and the lead it speaks of when that could be told."""

    alert_id: int
    at: datetime
    title: str = field(repr=False)
    message: str = field(repr=False)
    type: str
    leadgen_id: str | None


@dataclass(frozen=True)
class Usage:
    """Numbers of the usage headers: percent of the allowance, and minutes to rest. Source: Meta facts §6.4."""

    call_count: int = 1
    total_cputime: int = 1
    total_time: int = 1
    estimated_time_to_regain_access: int = 0


@dataclass(frozen=True)
class Knobs:
    """What can be turned while the sandbox runs. `ads_error` is the code of a call that asks for ad fields without
    rights; `missing_scopes` are permissions the app was not given; `language` is that of the events edge's refusals:
    "en", "tr", "fr", or "rotate" for each in turn."""

    graph_delay_ms: float
    crm_delay_ms: float
    alerts_delay_ms: float
    ads_rights: bool
    ads_error: int = 200
    missing_scopes: tuple[str, ...] = ()
    app_usage: Usage = Usage()
    page_usage: Usage = Usage()
    language: str = "en"
