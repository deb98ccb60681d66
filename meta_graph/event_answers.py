"""An answer about events or datasets becomes its JSON or one of our errors. Pure; the tables are in event_rules.py.

Whether the events may be stored all the same is decided here; why so: docs/decisions/0052. Meta writes that an invalid
request is answered 4xx and that one bad event fails all of it (Meta conversions facts §1.4, §1.5, §1.6, read 2026-11-26).
"""

from collections.abc import Mapping
from typing import Any

from leadloop.conversions.answers import EventRefused, EventsUnanswered
from leadloop.errors import LeadloopError
from leadloop.http import HttpAnswer
from meta_graph.errors import (
    ErrorBody,
    GarbageAnswer,
    RateLimited,
    TokenRejected,
    build,
    describe,
    garbage,
    limited,
    parse_error,
)
from meta_graph.event_errors import parse_blame, parse_details
from meta_graph.event_rules import (
    DATASET_RULES,
    EVENT_RULES,
    LINKED_RULES,
    MAYBE_STORED_RULE,
    MISSING_PERMISSION_RULE,
    OUR_PARAMETER_RULE,
    REFUSED_RULE,
    TRANSIENT_RULE,
    UNKNOWN_RULE,
    UNSURE,
)
from meta_graph.rules import PROOF_RULE, Rule
from meta_graph.usage import dataset_regain_s

EVENTS = "events"  # the edge that takes events
TABLES = {EVENTS: EVENT_RULES, "linked_dataset": LINKED_RULES, "create_dataset": LINKED_RULES}
_BESIDE = ("partner_agent", "test_event_code", "namespace_id", "upload_id", "upload_tag", "upload_source")


def parse_answer(answer: HttpAnswer, *, about: str, edge: str) -> dict[str, Any]:
    """The JSON object of a good answer. Raises what a bad one means, with Meta's own words in `details`.

    `about` is "dataset 900…" or "Page 111…", as the message names it. `edge` "events": what is not understood raises
    EventsUnanswered, else GarbageAnswer.
    """
    try:
        body = answer.json()
    except ValueError:
        raise _unreadable(answer, "something that is not JSON", about, edge) from None
    error = parse_error(body)
    if error is not None:
        made = _error_from(error, body, answer, about, edge)
        made.details = parse_details(body, answer.status)
        raise made
    if not isinstance(body, dict):
        raise _unreadable(answer, "JSON that is no object", about, edge)
    if not 200 <= answer.status < 300:
        raise _unreadable(answer, "no error code", about, edge)
    if edge == EVENTS and count_received(body) is None:
        raise _unreadable(answer, "no count of the events it has received", about, edge)
    return body


def count_received(body: Mapping[str, Any]) -> int | None:
    """How many events Meta says it has received, None when it does not say."""
    events = body.get("events_received")
    if isinstance(events, str) and events.isascii() and events.isdigit() and len(events) <= 6:
        events = int(events)
    return events if isinstance(events, int) and not isinstance(events, bool) and 0 <= events < 10**6 else None


def unanswered(made: LeadloopError, *, maybe_stored: bool) -> EventsUnanswered:
    """The same news, with what it means for the events."""
    action = f"{UNSURE} {made.action}".strip() if maybe_stored else made.action
    found = EventsUnanswered(made.message, code=made.code, action=action, scope=made.scope, maybe_stored=maybe_stored)
    found.details = made.details
    return found


def find_rule(error: ErrorBody, body: Any, edge: str, status: int) -> Rule | None:
    """The rule for an error; None for what is no error of Graph's. Codes come before everything that Meta writes."""
    if error.about_proof:
        return PROOF_RULE
    table = TABLES.get(edge, DATASET_RULES)
    rule = next((rule for rule in table if rule.fits(error.code, error.subcode, edge)), None)
    vague = rule is None or (error.code == 100 and not rule.subcodes)
    if not vague:
        return rule
    turned_away = 300 <= status < 500
    if error.is_transient:
        return TRANSIENT_RULE if turned_away or edge != EVENTS else MAYBE_STORED_RULE
    if error.code == 100:
        return _bad_parameter(error, body, edge) or rule
    if error.code == 0:
        return None
    if turned_away or (edge != EVENTS and status < 500):
        return UNKNOWN_RULE
    return MAYBE_STORED_RULE if edge == EVENTS else TRANSIENT_RULE


def _bad_parameter(error: ErrorBody, body: Any, edge: str) -> Rule | None:
    """100 without a subcode that we know: a missing right, something of ours beside the events, or an event.

    A right that is missing comes without a subcode, without a blamed field and with "(#100) Missing Permission", which is
    not translated; nothing else tells it. Source: facts §1.7, §8.3.
    """
    raw = body["error"]
    text = raw.get("message")
    text = text.lower() if isinstance(text, str) else ""
    blame = parse_blame(raw.get("error_data"))
    if not error.subcode and not blame and "permission" in text:
        return MISSING_PERMISSION_RULE
    if edge != EVENTS:
        return None
    if any(path.partition(".")[0] in _BESIDE for path in blame):
        return OUR_PARAMETER_RULE
    if not error.subcode and not blame and any(name in text for name in _BESIDE):
        return OUR_PARAMETER_RULE
    return REFUSED_RULE


def _error_from(error: ErrorBody, body: Any, answer: HttpAnswer, about: str, edge: str) -> LeadloopError:
    rule = find_rule(error, body, edge, answer.status)
    if answer.status == 429 and rule in (None, UNKNOWN_RULE):
        return limited(answer, about=about)
    if rule is None:
        return _unreadable(answer, "an error without a code", about, edge)
    message, code = describe(rule.says, error, about), _label(rule, error)
    if rule.kind is EventRefused:
        known = rule is not REFUSED_RULE or not error.subcode
        number = f"{error.code}/{error.subcode}" if error.subcode else str(error.code)
        return EventRefused(message, code=code, action=rule.action, meta_code=number, known=known)
    if rule.kind is EventsUnanswered:
        return EventsUnanswered(
            message, code=code, action=rule.action, maybe_stored=rule.maybe_stored, answered=rule.answered
        )
    return _build(rule, message, code, answer, edge)


def _build(rule: Rule, message: str, code: str, answer: HttpAnswer, edge: str) -> LeadloopError:
    rest_s = None
    if rule.rest_s is not None:
        told_s = None if rule.app_wide else dataset_regain_s(answer.headers)
        rest_s = told_s or answer.retry_after_s or rule.rest_s
    made = build(
        rule.kind,
        message,
        code=code,
        action=rule.action,
        scope="item" if rule.scope == "item" or (rule.scope == "page" and edge != EVENTS) else "lane",
        rest_s=rest_s,
        give_up_s=rule.give_up_s,
        outage=rule.outage,
        answered=rule.answered,
    )
    if isinstance(made, RateLimited):
        made.app_wide = rule.app_wide
    if isinstance(made, TokenRejected):
        made.once_more = rule.once_more
    return made


def _label(rule: Rule, error: ErrorBody) -> str:
    """As in metrics; a refusal keeps Meta's number whatever it is."""
    if rule in (UNKNOWN_RULE, TRANSIENT_RULE, MAYBE_STORED_RULE):
        return "graph_other"
    spelt = error.subcode and (rule.subcodes or rule is REFUSED_RULE)
    return f"graph_{error.code}_{error.subcode}" if spelt else f"graph_{error.code}"


def _unreadable(answer: HttpAnswer, what: str, about: str, edge: str) -> LeadloopError:
    """No answer of Graph's. Below 500 and outside 2xx, and with 503, the request was turned away by whoever answered:
    RFC 9110 §15.4, §15.5, §15.6.4."""
    made = garbage(answer, what, about=about)
    made.details = {"http_status": answer.status}
    if edge != EVENTS or not isinstance(made, GarbageAnswer):
        return made
    return unanswered(made, maybe_stored=not (300 <= answer.status < 500 or answer.status == 503))
