"""The plug-in contract for CRMs. An adapter gets a LeadCard and an HTTP door; it never sees the database or the queue.

Why it has this shape: docs/decisions/0003-crm-adapter-contract.md. In short (facts: crm-apis §0, §21, read 2026-11-22):
some CRMs upsert by a key of ours (HubSpot, Salesforce, Odoo), some must be searched first and have no idempotency key
(Kommo, Bitrix24). So a push is told what an earlier attempt left behind (`Earlier`), and must be safe to repeat. What
comes after the record (a note, a task) is a step of its own, so that a crash between the two repeats no more than it
must. How to write one: docs/write-an-adapter.md; what every adapter must pass: crm_adapters.conformance.
"""

import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from typing import Any, ClassVar

from marshmallow import EXCLUDE, Schema, ValidationError

from crm_adapters.shapes import (
    Check,
    CrmField,
    CrmNotice,
    CrmStage,
    Earlier,
    NoticeAnswer,
    NoticeProof,
    NoticeRefused,
    Polled,
    Preview,
    RemoteChange,
    RemoteOutcome,
    RemoteRef,
)
from leadloop.errors import LeadloopError, NeedsHuman, Permanent, Retryable
from leadloop.http import HttpAnswer, HttpDoor, host_of
from leadloop.leads import LeadCard, MappedValue

__all__ = [
    "MASK",
    "Check",
    "CrmAdapter",
    "CrmField",
    "CrmNotice",
    "CrmStage",
    "Earlier",
    "NoticeAnswer",
    "NoticeRefused",
    "Polled",
    "Preview",
    "RemoteChange",
    "RemoteOutcome",
    "RemoteRef",
    "StateSchema",
    "checked",
    "error_from_status",
    "flat",
    "garbage",
    "keep_nothing",
    "load_settings",
    "parse_json",
    "secret_fields",
    "secret_path_fields",
]

MASK = "•••"


def keep_nothing(state: Mapping[str, Any]) -> None:
    """The `keep_state` of an adapter that runs outside leadloop (a test, a script)."""


class CrmAdapter:
    """Base of all adapters. One instance serves one connection, from several threads at once.

    `kind` is stored in rows: never rename it. `default_fields` maps the CRM's field names to templates
    ("{first_name}", "{answers.budget}"), used where the configuration has no mapping. `max_in_flight` bounds the calls
    at one time: 1 for a CRM that wants no parallel calls (Odoo Online). `steps` names what follows push_lead, in order:
    each is a method `step_<name>(lead, ref)`, run and noted one by one, skipped when already noted; an instance may
    shorten it when a setting says so. `docs` is where the CRM admin reads on: a page in docs/, or a URL.
    """

    kind: ClassVar[str]
    label: ClassVar[str]
    settings_schema: ClassVar[type[Schema]]
    default_fields: ClassVar[Mapping[str, str]] = {}
    max_in_flight: ClassVar[int] = 24
    steps: tuple[str, ...] = ()
    offers_fields: ClassVar[bool] = False
    docs: ClassVar[str] = ""
    notices: ClassVar[NoticeProof] = "none"
    poll_every_s: ClassVar[float | None] = None

    def __init__(
        self,
        settings: Mapping[str, Any],
        *,
        http: HttpDoor | None = None,
        state: Mapping[str, Any] | None = None,
        keep_state: Callable[[Mapping[str, Any]], None] = keep_nothing,
        exclusive: Callable[[], AbstractContextManager[Mapping[str, Any]]] | None = None,
        now: Callable[[], datetime] | None = None,
    ) -> None:
        """`settings` are loaded by `settings_schema`. `state` is what an earlier instance kept with `keep_state` (a
        refreshed token, field metadata); it is stored sealed, and `keep_state` returns once it is durable. `exclusive`
        holds a lock over all processes that serve this connection and gives the state as it is kept at that moment.
        `http` is for tests: an adapter opens the door that its settings call for."""
        self.settings = settings
        self.http = http or self.open_door()
        self.state = dict(state or {})
        self.keep_state = keep_state
        self.exclusive = exclusive or (lambda: nullcontext(self.state))
        self.now = now or (lambda: datetime.now(UTC))
        self._state_lock = threading.RLock()

    # --- what an adapter writes: the record -------------------------------------------------------------------------

    def push_lead(self, lead: LeadCard, earlier: Earlier) -> RemoteRef:
        """Create or update the record of this lead. The same lead twice leaves one record.

        Raises Retryable, NeedsHuman or Permanent, never anything with personal data in it.
        """
        raise NotImplementedError(f"{type(self).__name__} must define push_lead()")

    def preview(self, lead: LeadCard) -> list[Preview]:
        """The requests push_lead() and the steps would send for this lead. Sends nothing."""
        raise NotImplementedError(f"{type(self).__name__} must define preview()")

    def check(self) -> list[Check]:
        """Prove the credentials and rights against the CRM, without leaving anything behind there.

        What is wrong is in the list with its mend, not raised: see checked().
        """
        raise NotImplementedError(f"{type(self).__name__} must define check()")

    def read_fields(self) -> list[CrmField]:
        """The fields a mapping may name, for CRMs that tell (`offers_fields`)."""
        return []

    def prepare(self) -> list[str]:
        """Make what the adapter needs in the CRM and is missing (a unique property, a table), or exchange a one-time
        code for a token and keep it. Safe to repeat. What was made, in words; push_lead calls it where it can."""
        return []

    # --- what an adapter writes: outcomes ---------------------------------------------------------------------------

    def verify_notice(self, notice: CrmNotice) -> None:
        """Raise NoticeRefused unless the notice is from this CRM. Pure.

        `notices` says what proves it: "signed" (override this: signature, echoed token), or "secret_in_url" for CRMs
        that sign nothing, where leadloop itself puts a long secret into the address and compares it before this.
        """
        if self.notices != "secret_in_url":
            raise NoticeRefused("not_expected")

    def answer_notice(self, notice: CrmNotice) -> NoticeAnswer:
        """What a verified notice is answered once it is safe. Pure."""
        return NoticeAnswer()

    def parse_notice(self, notice: CrmNotice) -> list[RemoteOutcome | RemoteChange]:
        """What a verified notice says. Pure. An unsigned one gives hints (RemoteChange), never outcomes."""
        return []

    def read_change(self, change: RemoteChange) -> list[RemoteOutcome]:
        """Ask the CRM what became of the record that a hint names."""
        return []

    def connect_notices(self, url: str) -> datetime | None:
        """Have the CRM send its notices to `url`; safe to repeat. When to do so again (Zoho's watch lasts a day), or
        None where it lasts, or where a person has to do it in the CRM's own pages (docs say how)."""
        return None

    def poll_outcomes(self, cursor: str | None) -> Polled:
        """Outcomes since `cursor` (None: from now on), for CRMs that cannot call us. Called every `poll_every_s`
        seconds, and again at once while the answer says `more`."""
        return Polled((), cursor)

    def read_stages(self) -> list[CrmStage]:
        """The stages a funnel may name, for CRMs that tell."""
        return []

    # --- what an adapter writes: the wire ---------------------------------------------------------------------------

    def open_door(self) -> HttpDoor:
        """The door for this connection's calls. Override to refuse private addresses or to change the pool."""
        return HttpDoor()

    def headers(self) -> dict[str, str]:
        """Headers of every call: the credentials."""
        return {}

    def renew(self, used: Mapping[str, str]) -> bool:
        """Get new credentials after a 401 (OAuth), inside change_state(); True when a second try is worth it.

        `used` are the headers of the call that failed: another thread may have renewed them meanwhile.
        """
        return False

    def error_from(self, answer: HttpAnswer, url: str) -> LeadloopError:
        """The error of an answer that is not a success. Override where the CRM says something finer than the status."""
        return error_from_status(answer, url, label=self.label)

    def error_in(self, parsed: Any, url: str) -> LeadloopError | None:
        """The error inside a 2xx answer, for CRMs that answer 200 to a failure (monday, JSON-RPC)."""
        return None

    def close(self) -> None:
        """Let go of connections. Called when the settings change or the process ends."""
        self.http.close()

    # --- what it is given -------------------------------------------------------------------------------------------

    def call(
        self,
        method: str,
        url: str,
        *,
        json_body: Any = None,
        form: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        accept: Iterable[int] = (),
    ) -> Any:
        """One call with the adapter's headers: the parsed JSON of a 2xx answer (None when it has no body).

        `accept` lists other statuses whose HttpAnswer is handed back as it is. A 401 is tried once more when renew()
        brought new credentials. Raises what error_from() and error_in() make.
        """
        used = self.headers()
        sent = used | dict(headers or {})
        answer = self.http.request(method, url, headers=sent, json_body=json_body, form=form, params=params)
        if answer.status == 401 and self.renew(used):
            sent = self.headers() | dict(headers or {})
            answer = self.http.request(method, url, headers=sent, json_body=json_body, form=form, params=params)
        if answer.status in tuple(accept):
            return answer
        if not 200 <= answer.status < 300:
            raise self.error_from(answer, url)
        if not answer.body.strip():
            return None
        parsed = parse_json(answer, url, label=self.label)
        if (error := self.error_in(parsed, url)) is not None:
            raise error
        return parsed

    def change_state(self, change: Callable[[dict[str, Any]], Mapping[str, Any]]) -> dict[str, Any]:
        """Change the kept state with nobody else at it, in this process or another.

        `change` gets the state as it is kept now and returns the new one; it may call the CRM (a refresh token that
        works once, as at Kommo and GoHighLevel). The new state is durable before it is used.
        """
        with self._state_lock, self.exclusive() as kept:
            before = dict(kept)
            fresh = dict(change(dict(before)))
            if fresh != before:
                self.keep_state(fresh)
            self.state = fresh
        return fresh


def parse_json(answer: HttpAnswer, url: str, *, label: str) -> Any:
    """The JSON of an answer; Retryable when it is not JSON (a proxy's page, half a body)."""
    try:
        return answer.json()
    except ValueError:
        raise garbage(url, label=label) from None  # the decoder's error would carry the whole body along


def garbage(url: str, *, label: str, what: str = "something that is not JSON") -> Retryable:
    """The error of a success that cannot be read: not JSON, or JSON not of the CRM's shape."""
    return Retryable(
        f"{label} ({host_of(url)}) answered with {what}.",
        code="garbage_answer",
        action="Check that the address is the API's and that no proxy or login page stands in between.",
        outage=True,
    )


def error_from_status(answer: HttpAnswer, url: str, *, label: str) -> LeadloopError:
    """The general rule: 408, 425, 429 and 5xx may pass, 401, 402 and 403 need a person, other 4xx will never work."""
    status, host = answer.status, host_of(url)
    code = f"http_{status}"
    if status == 429:
        return Retryable(
            f"{label} ({host}) asks for fewer calls (429).",
            code=code,
            retry_after_s=10.0 if answer.retry_after_s is None else answer.retry_after_s,
        )
    if status in (408, 425) or status >= 500:
        return Retryable(
            f"{label} ({host}) answered {status}.",
            code=code,
            retry_after_s=answer.retry_after_s,
            outage=True,
            answered=status == 500,
        )
    held = _HELD.get(status) or (_REDIRECT if 300 <= status < 400 else None)
    if held is not None:
        found, action = held
        return NeedsHuman(f"{label} ({host}) {found} ({status}).", code=code, action=action, scope="lane")
    return Permanent(
        f"{label} ({host}) refused this record ({status}).",
        code=code,
        action="Compare the mapping with the CRM's fields (leadloop crm fields, crm try --dry-run), then retry.",
    )


_HELD = {
    401: (
        "does not accept the credentials",
        "Put valid credentials into the connection's settings and apply the configuration again.",
    ),
    402: ("wants a paid plan", "Renew or raise the plan of the account at the CRM; the waiting leads then follow."),
    403: (
        "refuses access",
        "Give the credentials the rights that docs/ names for this CRM; the waiting leads then follow.",
    ),
}
_REDIRECT = (
    "answered with a redirect, which is not followed",
    "Put the final address into the connection's settings.",
)


def checked(name: str, probe: Callable[[], str], *, mend: str = "") -> Check:
    """Run one probe of check(): what it found, or its error as a Check that is not ok, with the error's mend."""
    try:
        return Check(name, True, probe())
    except LeadloopError as caught:
        return Check(name, False, caught.message, caught.action or mend or "Try again later.")


def load_settings(adapter: type[CrmAdapter], raw: Mapping[str, Any]) -> dict[str, Any]:
    """`raw` through the adapter's schema. Raises marshmallow.ValidationError with messages by field."""
    schema = adapter.settings_schema()
    try:
        loaded: dict[str, Any] = schema.load(dict(raw))
    except ValidationError as caught:
        raise ValidationError(_with_known_names(caught, schema)) from None  # the original holds the rejected values
    return loaded


def _with_known_names(caught: ValidationError, schema: Schema) -> dict[str, Any]:
    messages: dict[str, Any] = caught.messages if isinstance(caught.messages, dict) else {"_schema": caught.messages}
    known = ", ".join(sorted(schema.fields))
    unknown = [name for name in messages if name not in schema.fields and not name.startswith("_")]
    return messages | {name: [f"There is no such setting; there are: {known}."] for name in unknown}


def secret_fields(adapter: type[CrmAdapter]) -> frozenset[str]:
    """Names of the settings that are masked in every output (metadata={"secret": True})."""
    return frozenset(
        name for name, field_ in adapter.settings_schema().fields.items() if field_.metadata.get("secret", False)
    )


def secret_path_fields(adapter: type[CrmAdapter]) -> frozenset[str]:
    """Names of the settings that are addresses with a key in their path (metadata={"secret_path": True}): only the host
    of such an address is shown, as Zapier, Make and chats put into the path what lets anybody in."""
    return frozenset(
        name for name, field_ in adapter.settings_schema().fields.items() if field_.metadata.get("secret_path", False)
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
