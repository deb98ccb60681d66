"""What the sandbox knows, in memory and behind one lock: leads and how far they came, tokens, calls, records, alerts.

Rows are frozen; a change replaces a row, so that a reader without the lock still sees whole ones.
"""

import re
import secrets
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sandbox.datasets import Datasets
from sandbox.event_rows import Api
from sandbox.forms import ADS, FORMS, PAGES, Ad, Form, Page
from sandbox.options import SandboxOptions
from sandbox.rows import (
    Alert,
    Attempt,
    CrmRecord,
    GraphCall,
    Hop,
    Journey,
    Knobs,
    Lead,
    Send,
    SendState,
    Subscription,
    Token,
    TokenState,
)

MOST_LEADS = 20_000
MOST_CALLS = 5_000
MOST_SENDS = 20_000  # beside those that still wait to be handed over: none of them is ever forgotten
RETENTION = timedelta(days=90)  # Meta deletes leads then. Source: Meta ingestion facts §5.5
OBJECTS = ("page", "instagram", "whatsapp_business_account")
PAGE_FIELDS = ("leadgen", "leadgen_update", "feed", "mention", "messages", "messaging_postbacks", "messaging_referrals")


def utc_now() -> datetime:
    return datetime.now(UTC)


class SandboxState:
    """All rows of one sandbox. Every method may be called from any thread."""

    def __init__(self, options: SandboxOptions, now: Callable[[], datetime] = utc_now) -> None:
        self.options = options
        self.now = now
        self.pages: dict[str, Page] = {page.page_id: page for page in PAGES}
        self.forms: dict[str, Form] = {form.form_id: form for form in FORMS}
        self._lock = threading.RLock()
        self._last_id = 0
        self._numbers = 0
        self._people = 0
        self.reset()

    def reset(self) -> None:
        """Back to how it started: no leads, no calls, all tokens valid. Ids go on rising, so none is used twice."""
        with self._lock:
            self.leads: OrderedDict[str, Lead] = OrderedDict()
            self.journeys: dict[str, Journey] = {}
            self.calls: deque[GraphCall] = deque(maxlen=MOST_CALLS)
            self.sends: OrderedDict[int, Send] = OrderedDict()
            self.crm: OrderedDict[str, CrmRecord] = OrderedDict()
            self.crm_requests = 0
            self.graph_calls = 0
            self.alerts: deque[Alert] = deque(maxlen=MOST_LEADS)
            self.tokens = self._first_tokens()
            self.subscriptions = self._first_subscriptions(self.options.webhook_url)
            self.subscribed: dict[str, tuple[str, ...]] = dict.fromkeys(self.pages, PAGE_FIELDS)
            self.knobs = _first_knobs(self.options)
            self.datasets = Datasets(self.now())
            self.api = Api(self.options.api_url, self.options.api_key, self.options.api_connection)
            self._named: dict[str, deque[str]] = {}

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock over several steps that belong together."""
        with self._lock:
            yield

    def new_number(self) -> int:
        """1, 2, 3 … for whatever needs a number."""
        with self._lock:
            self._numbers += 1
            return self._numbers

    def new_person(self) -> int:
        """Which invented person fills in the next form: 1, 2, 3 …"""
        with self._lock:
            self._people += 1
            return self._people

    def new_leadgen_id(self) -> str:
        """An id above 2^53, unlike any this or an earlier sandbox gave out. Source: Meta ingestion facts §2.1."""
        with self._lock:
            self._last_id = max(self._last_id + 1, int(self.now().timestamp() * 1000) * 10_000)
            return str(self._last_id)

    # --- leads --------------------------------------------------------------------------------------------------------

    def add_lead(self, lead: Lead) -> None:
        with self._lock:
            self.leads[lead.leadgen_id] = lead
            self.journeys[lead.leadgen_id] = Journey(lead.leadgen_id, self.now())
            for key in _names_of(lead):
                self._named.setdefault(key, deque(maxlen=50)).append(lead.leadgen_id)
            while len(self.leads) > MOST_LEADS:
                self.delete_lead(next(iter(self.leads)))

    def delete_lead(self, leadgen_id: str) -> bool:
        with self._lock:
            lead = self.leads.pop(leadgen_id, None)
            self.journeys.pop(leadgen_id, None)
            for key in _names_of(lead) if lead else ():
                if leadgen_id in (ids := self._named.get(key, deque())):
                    ids.remove(leadgen_id)
                if not ids:
                    self._named.pop(key, None)
            return lead is not None

    def find_lead(self, leadgen_id: str) -> Lead | None:
        """The lead, unless there is none or its 90 days are over."""
        lead = self.leads.get(leadgen_id)
        return lead if lead and lead.created_at > self.now() - RETENTION else None

    def list_leads(self, form_id: str, *, test: bool | None = None) -> list[Lead]:
        """The leads of a form that Meta still has, newest first."""
        since = self.now() - RETENTION
        with self._lock:
            found = [lead for lead in self.leads.values() if lead.form_id == form_id and lead.created_at > since]
        found = [lead for lead in found if test is None or lead.is_test == test]
        return sorted(found, key=lambda lead: (lead.created_at, lead.leadgen_id), reverse=True)

    def count_expired(self, form_id: str) -> int:
        since = self.now() - RETENTION
        with self._lock:
            return sum(lead.form_id == form_id and lead.created_at <= since for lead in self.leads.values())

    def note(self, hop: Hop, leadgen_ids: tuple[str, ...] | list[str], at: datetime | None = None) -> None:
        """A hop was reached by these leads, at `at` or now. Unknown ids are passed over."""
        at = at or self.now()
        with self._lock:
            for leadgen_id in leadgen_ids:
                if journey := self.journeys.get(leadgen_id):
                    self.journeys[leadgen_id] = journey.with_hop(hop, at)

    # --- tokens and subscriptions -------------------------------------------------------------------------------------

    def find_token(self, value: str) -> Token | None:
        if secrets.compare_digest(value.encode("utf-8", "replace"), self.options.app_token.encode()):
            return Token(value, "app")
        return self.tokens.get(value)

    def current_token(self, page_id: str | None) -> Token:
        """The token last given to a Page, or to the system user when `page_id` is None."""
        with self._lock:
            return next(token for token in reversed(self.tokens.values()) if token.page_id == page_id)

    def change_token(self, page_id: str | None, state: TokenState) -> Token:
        """Expire a Page's (or the system user's) token, make it valid again, or put a new one in its place."""
        with self._lock:
            old = self.current_token(page_id)
            self.tokens[old.value] = replace(old, state=state)
            if state == "replaced":
                fresh = replace(old, value="EAASANDBOX" + secrets.token_hex(32), state="valid")
                self.tokens[fresh.value] = fresh
            return self.current_token(page_id)

    def change_knobs(self, changes: Mapping[str, Any]) -> None:
        """Turn some knobs; of the usage numbers, too, only those that are given change."""
        with self._lock:
            turned = dict(changes)
            for name in ("app_usage", "page_usage"):
                if name in turned:
                    turned[name] = replace(getattr(self.knobs, name), **turned[name])
            if "missing_scopes" in turned:
                turned["missing_scopes"] = tuple(turned["missing_scopes"])
            self.knobs = replace(self.knobs, **turned)

    def set_api(self, **changes: str) -> None:
        """Where, with which key and under which name the CRM tells its outcomes: `url`, `key`, `connection`."""
        with self._lock:
            self.api = replace(self.api, **changes)

    def set_webhook_url(self, url: str) -> None:
        with self._lock:
            for name, subscription in self.subscriptions.items():
                self.subscriptions[name] = replace(subscription, callback_url=url)

    # --- records, sends, calls, alerts --------------------------------------------------------------------------------

    def add_send(self, send: Send) -> None:
        with self._lock:
            self.sends[send.send_id] = send
            while len(self.sends) > MOST_SENDS and next(iter(self.sends.values())).state != "waiting":
                self.sends.popitem(last=False)

    def add_call(self, call: GraphCall) -> None:
        with self._lock:
            self.calls.append(call)
            self.graph_calls += 1

    def settle_send(self, send_id: int, state: SendState, attempt: Attempt) -> bool:
        """Note a try; False when the send is forgotten (by a reset), so that nobody tries again."""
        with self._lock:
            send = self.sends.get(send_id)
            if send:
                self.sends[send_id] = replace(send, state=state, attempts=(*send.attempts, attempt))
            return send is not None

    def add_alert(self, title: str, message: str, type_: str) -> Alert:
        with self._lock:
            leadgen_id = self._find_mentioned(f"{title}\n{message}")
            alert = Alert(self.new_number(), self.now(), title, message, type_, leadgen_id)
            self.alerts.append(alert)
            if leadgen_id:
                self.note("alert", [leadgen_id], alert.at)
            return alert

    def _find_mentioned(self, text: str) -> str | None:
        """The lead an alert speaks of: by its id, else by e-mail, phone or name; of several, one not yet alerted."""
        for number in _ID_IN_TEXT.findall(text):
            if number in self.leads:
                return str(number)
        for key in _names_in(text):
            if named := self._named.get(key):
                return self._first_pending(list(named))
        recent = list(self.leads.values())[-200:]
        found = [lead.leadgen_id for lead in recent if (name := _full_name(lead, self.forms)) and name in text]
        return self._first_pending(found) if found else None

    def _first_pending(self, leadgen_ids: list[str]) -> str:
        return next((one for one in leadgen_ids if not self.journeys[one].count("alert")), leadgen_ids[-1])

    def _first_tokens(self) -> dict[str, Token]:
        options = self.options
        tokens = [Token(options.system_token, "system")]
        tokens += [Token(options.page_token(page_id), "page", page_id) for page_id in self.pages]
        return {token.value: token for token in tokens}

    @staticmethod
    def _first_subscriptions(url: str) -> dict[str, Subscription]:
        fields = {"page": PAGE_FIELDS, "instagram": ("comments", "messages"), OBJECTS[2]: ("messages",)}
        return {name: Subscription(name, url, fields[name]) for name in OBJECTS}


def _first_knobs(options: SandboxOptions) -> Knobs:
    return Knobs(options.graph_delay_ms, options.crm_delay_ms, options.alerts_delay_ms, options.ads_rights)


def page_ads(page_id: str) -> tuple[Ad, ...]:
    """The ads that run on a Page."""
    return ADS.get(page_id, ())


_ID_IN_TEXT = re.compile(r"(?<!\d)\d{15,20}(?!\d)")
_EMAIL_IN_TEXT = re.compile(r"[^\s<>()\[\]\"'|*:;,]{1,80}@[^\s<>()\[\]\"'|*:;,]{1,80}")
_PHONE_IN_TEXT = re.compile(r"\d(?:[\s().-]{0,3}\d){7,15}")


def _names_in(text: str) -> Iterator[str]:
    for email in _EMAIL_IN_TEXT.findall(text[:20_000]):
        yield email.casefold().rstrip(".")
    for phone in _PHONE_IN_TEXT.findall(text[:20_000]):
        yield _phone_key(phone)


def _names_of(lead: Lead) -> set[str]:
    """Keys under which an alert may name this lead: its e-mail, and the last nine digits of its phone."""
    keys: set[str] = set()
    for _name, values in lead.field_data:
        for value in values[:3]:
            if "@" in value and len(value) < 160:
                keys.add(value.strip().casefold())
            elif re.fullmatch(r"\+?[\d\s().-]{7,30}", value):
                keys.add(_phone_key(value))
    return keys


def _phone_key(text: str) -> str:
    return "tel:" + re.sub(r"\D", "", text)[-9:]


def _full_name(lead: Lead, forms: dict[str, Form]) -> str | None:
    answers = {name: " ".join(values) for name, values in lead.field_data}
    form = forms[lead.form_id]
    types = ("FULL_NAME", "FIRST_NAME", "LAST_NAME")
    parts = [answers.get(question.key, "") for question in form.questions if question.type in types]
    return " ".join(part for part in parts if part).strip() or None
