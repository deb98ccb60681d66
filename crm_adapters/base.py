"""The plug-in contract for CRMs. An adapter gets a LeadCard and an HTTP door; it never sees the database or the queue.

Why it has this shape (facts: crm-apis §0, §21, read 2026-11-22): some CRMs upsert by a key of ours (HubSpot, Salesforce),
some must be searched first and have no idempotency key (Kommo, Bitrix24), some want an external id (Odoo). So a push is
told what an earlier attempt left behind (`Earlier`), and must be safe to repeat. What comes after the record (a note, a
task) is a step of its own, so that a crash between the two repeats neither more than it must.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar

from marshmallow import EXCLUDE, Schema

from leadloop.errors import LeadloopError, NeedsHuman, Permanent, Retryable
from leadloop.http import HttpAnswer, HttpDoor, host_of
from leadloop.leads import LeadCard, MappedValue


@dataclass(frozen=True)
class RemoteRef:
    """The record a lead became in the CRM: its kind ("contact", "lead"), the CRM's id as text, a link when known."""

    kind: str
    id: str
    url: str | None = None


@dataclass(frozen=True)
class Earlier:
    """What earlier attempts at this delivery left behind.

    `ref` is the record when one was noted. `maybe_pushed` is true when an attempt may have reached the CRM without an
    answer that we could note: an adapter without an upsert key searches before it creates.
    """

    ref: RemoteRef | None = None
    maybe_pushed: bool = False


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
class RemoteOutcome:
    """What a CRM says happened to a record: a stage, when, and a value. `dedup_key` makes the same notice twice one."""

    crm_id: str
    stage: str
    occurred_at: datetime
    dedup_key: str
    value: Decimal | None = None
    currency: str | None = None
    fields: Mapping[str, Any] = field(default_factory=dict, repr=False)


def keep_nothing(state: Mapping[str, Any]) -> None:
    """The `keep_state` of an adapter that runs outside leadloop (a test, a script)."""


class CrmAdapter:
    """Base of all adapters. One instance serves one connection, from several threads at once.

    `kind` is stored in rows: never rename it. `default_fields` maps the CRM's field names to templates
    ("{first_name}", "{answers.budget}"), used where the configuration has no mapping. `max_in_flight` bounds the calls
    at one time. `steps` names what follows push_lead, in order: each is a method `step_<name>(lead, ref)`, run and noted
    one by one, skipped when already noted.
    """

    kind: ClassVar[str]
    label: ClassVar[str]
    settings_schema: ClassVar[type[Schema]]
    default_fields: ClassVar[Mapping[str, str]] = {}
    max_in_flight: ClassVar[int] = 24
    steps: ClassVar[tuple[str, ...]] = ()
    offers_fields: ClassVar[bool] = False

    def __init__(
        self,
        settings: Mapping[str, Any],
        *,
        http: HttpDoor | None = None,
        state: Mapping[str, Any] | None = None,
        keep_state: Callable[[Mapping[str, Any]], None] = keep_nothing,
        now: Callable[[], datetime] | None = None,
    ) -> None:
        """`settings` are loaded by `settings_schema`. `state` is what an earlier instance kept with `keep_state` (a
        refreshed token, field metadata); it is stored sealed, and `keep_state` returns once it is durable."""
        self.settings = settings
        self.http = http or HttpDoor()
        self.state = dict(state or {})
        self.keep_state = keep_state
        self.now = now or (lambda: datetime.now().astimezone())

    # --- what an adapter writes -------------------------------------------------------------------------------------

    def push_lead(self, lead: LeadCard, earlier: Earlier) -> RemoteRef:
        """Create or update the record of this lead. The same lead twice leaves one record.

        Raises Retryable, NeedsHuman or Permanent, never anything with personal data in it.
        """
        raise NotImplementedError(f"{type(self).__name__} must define push_lead()")

    def preview(self, lead: LeadCard) -> list[Preview]:
        """The requests push_lead() and the steps would send for this lead. Sends nothing."""
        raise NotImplementedError(f"{type(self).__name__} must define preview()")

    def check(self) -> list[Check]:
        """Prove the credentials and rights against the CRM, without leaving anything behind there."""
        raise NotImplementedError(f"{type(self).__name__} must define check()")

    def read_fields(self) -> list[CrmField]:
        """The fields a mapping may name, for CRMs that tell (`offers_fields`)."""
        return []

    def parse_outcomes(self, headers: Mapping[str, str], body: bytes) -> list[RemoteOutcome]:
        """The outcomes in a notice the CRM sent us, verified the way that CRM signs. Pure: it sends nothing."""
        return []

    def poll_outcomes(self, cursor: str | None) -> tuple[list[RemoteOutcome], str | None]:
        """Outcomes since `cursor` (None: from now on), and the next cursor, for CRMs that cannot call us."""
        return [], cursor

    def headers(self) -> dict[str, str]:
        """Headers of every call: the credentials."""
        return {}

    def error_from(self, answer: HttpAnswer, url: str) -> LeadloopError:
        """The error of an answer that is not a success. Override where the CRM says something finer than the status."""
        return error_from_status(answer, url, label=self.label)

    # --- what it is given -------------------------------------------------------------------------------------------

    def call(
        self,
        method: str,
        url: str,
        *,
        json_body: Any = None,
        params: Mapping[str, str] | None = None,
        accept: Iterable[int] = (),
    ) -> Any:
        """One call with the adapter's headers: the parsed JSON of a 2xx answer (None when it has no body).

        `accept` lists other statuses whose HttpAnswer is handed back as it is. Raises what error_from() makes.
        """
        answer = self.http.request(method, url, headers=self.headers(), json_body=json_body, params=params)
        if answer.status in tuple(accept):
            return answer
        if not 200 <= answer.status < 300:
            raise self.error_from(answer, url)
        if not answer.body.strip():
            return None
        return parse_json(answer, url, label=self.label)


def parse_json(answer: HttpAnswer, url: str, *, label: str) -> Any:
    """The JSON of an answer; Retryable when it is not JSON (a proxy's page, half a body)."""
    try:
        return answer.json()
    except ValueError as caught:
        raise Retryable(
            f"{label} ({host_of(url)}) answered {answer.status} with something that is not JSON.",
            code="garbage_answer",
            action="Check that the address is the API's and that no proxy or login page stands in between.",
            outage=True,
        ) from caught


def error_from_status(answer: HttpAnswer, url: str, *, label: str) -> LeadloopError:
    """The general rule: 408, 425, 429 and 5xx may pass, 401 and 403 need a person, other 4xx will never work."""
    status, host = answer.status, host_of(url)
    code = f"http_{status}"
    if status == 429:
        return Retryable(
            f"{label} ({host}) asks for fewer calls (429).", code=code, retry_after_s=answer.retry_after_s or 10.0
        )
    if status in (408, 425) or status >= 500:
        return Retryable(
            f"{label} ({host}) answered {status}.", code=code, retry_after_s=answer.retry_after_s, outage=True
        )
    if status == 401:
        return NeedsHuman(
            f"{label} ({host}) does not accept the credentials (401).",
            code=code,
            action="Put valid credentials into the connection's settings and apply the configuration again.",
            scope="lane",
        )
    if status == 403:
        return NeedsHuman(
            f"{label} ({host}) refuses access (403).",
            code=code,
            action="Give the credentials the rights that docs/ names for this CRM; the waiting leads then follow.",
            scope="lane",
        )
    if 300 <= status < 400:
        return NeedsHuman(
            f"{label} ({host}) answered with a redirect ({status}), which is not followed.",
            code=code,
            action="Put the final address into the connection's settings.",
            scope="lane",
        )
    return Permanent(
        f"{label} ({host}) refused this record ({status}).",
        code=code,
        action="Compare the mapping with the CRM's fields (leadloop crm fields, leadloop crm try --dry-run), then retry.",
    )


def load_settings(adapter: type[CrmAdapter], raw: Mapping[str, Any]) -> dict[str, Any]:
    """`raw` through the adapter's schema. Raises marshmallow.ValidationError with messages by field."""
    loaded: dict[str, Any] = adapter.settings_schema().load(dict(raw))
    return loaded


def secret_fields(adapter: type[CrmAdapter]) -> frozenset[str]:
    """Names of the settings that are masked in every output (metadata={"secret": True})."""
    return frozenset(
        name for name, field_ in adapter.settings_schema().fields.items() if field_.metadata.get("secret", False)
    )


def flat(value: MappedValue, *, join: str = ", ") -> str | None:
    """A mapped value as one text: lists joined, booleans as true/false, None kept."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    return join.join(value) if isinstance(value, list) else value


class StateSchema(Schema):
    """For adapters that read their kept state through marshmallow: unknown keys are dropped."""

    class Meta:
        unknown = EXCLUDE
