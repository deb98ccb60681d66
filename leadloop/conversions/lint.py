"""The linter for a whole request, from wherever: what stands around the events, then each event.

Sources: Meta conversions facts §1.1, §1.2, §1.5, §9, read 2026-11-22.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from difflib import get_close_matches
from typing import Any

from leadloop.conversions.findings import Finding, shown_key
from leadloop.conversions.lint_event import lint_event
from leadloop.conversions.routes import MOST_EVENTS

__all__ = ["Found", "lint_bytes", "lint_event", "lint_payload"]

Found = list[tuple[int | None, Finding]]  # the number of the event in data, from 0; None: of the request

LARGEST_BYTES = 20_000_000
_KEYS = frozenset(
    str.split(
        """data test_event_code partner_agent namespace_id upload_id upload_tag upload_source access_token platforms
        progress trace appsecret_proof appsecret_time"""
    )
)
_LONGEST_AGENT = 22
_LONGEST_INTEGER = 40


def lint_payload(payload: object, *, now: datetime, page_country: str | None = None) -> Found:
    """What is wrong with a request to /{dataset_id}/events. Never raises, and changes nothing."""
    if not isinstance(payload, Mapping):
        mend = 'write {"data": [ … ]} around the list' if isinstance(payload, list) else 'write {"data": [ … ]}'
        return [(None, Finding("payload_type", "", "is not an object", mend))]
    found: Found = [(None, finding) for finding in _lint_around(payload)]
    events = payload.get("data")
    if not isinstance(events, list):
        return [*found, (None, _why_no_data(payload, events))]
    if not events:
        found.append((None, Finding("no_events", "data", "holds no event", "add one")))
    if len(events) > MOST_EVENTS:
        message = (
            f"holds more than {MOST_EVENTS:,} events, and Meta takes no more at a time; the others were not looked at"
        )
        found.append(
            (None, Finding("too_many_events", "data", message, "send them in several requests, small ones best"))
        )
    seen: dict[tuple[str, str], int] = {}
    for index, event in enumerate(events[:MOST_EVENTS]):
        found += [(index, finding) for finding in lint_event(event, now=now, page_country=page_country)]
        found += [(index, finding) for finding in _lint_twice(event, index, seen)]
    return found


def lint_bytes(raw: bytes, *, now: datetime, page_country: str | None = None) -> Found:
    """lint_payload() for a file: also what is wrong with its JSON, such as NaN or a number that no program can hold."""
    if len(raw) > LARGEST_BYTES:
        message = f"is larger than {LARGEST_BYTES // 1_000_000} MB"
        return [(None, Finding("file_too_large", "", message, "check a part of it"))]
    doubts: list[Finding] = []
    try:
        payload = _read(raw, doubts)
    except UnicodeDecodeError:
        return [(None, Finding("not_json", "", "is not UTF-8", "save the file as UTF-8"))]
    except RecursionError:
        return [(None, Finding("not_json", "", "is nested too deeply", "check the program that wrote it"))]
    except json.JSONDecodeError as wrong:
        where = f"line {wrong.lineno}, column {wrong.colno}"
        return [(None, Finding("not_json", "", f"is not JSON ({where})", "correct it there"))]
    return [(None, doubt) for doubt in doubts] + lint_payload(payload, now=now, page_country=page_country)


def _read(raw: bytes, doubts: list[Finding]) -> Any:
    def constant(word: str) -> float:
        doubts.append(Finding("not_json", "", f"holds {word}, which JSON does not have", "take it out"))
        return 0.0

    def integer(digits: str) -> int:
        if len(digits) > _LONGEST_INTEGER:
            doubts.append(Finding("number_too_long", "", "holds a number of too many digits", "write it as text"))
            return 0
        return int(digits)

    def pairs(members: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(members)
        if len(made) < len(members) and not any(doubt.code == "key_twice" for doubt in doubts):
            message = "has an object in which a key stands twice; the last one counts"
            doubts.append(Finding("key_twice", "", message, "take the other out", "warning"))
        return made

    text = raw.decode("utf-8-sig")
    return json.loads(text, parse_constant=constant, parse_int=integer, object_pairs_hook=pairs)


def _lint_around(payload: Mapping[Any, Any]) -> list[Finding]:
    found = []
    for key in payload:
        if key in _KEYS:
            continue
        near = get_close_matches(key[:60].lower(), _KEYS, n=1, cutoff=0.75) if isinstance(key, str) else []
        mend = f'write "{near[0]}", if that was meant' if near else "take it out"
        found.append(Finding("payload_key_unknown", shown_key(key), "is not a key of Meta's", mend, "warning"))
    if "access_token" in payload:
        message = "is a secret, and stands in a file or a body"
        found.append(Finding("token_in_payload", "access_token", message, "send it as a bearer token", "warning"))
    if "test_event_code" in payload:
        found.append(_lint_test_code(payload["test_event_code"]))
    if "partner_agent" in payload:
        found += _lint_agent(payload["partner_agent"])
    return found


def _lint_test_code(code: object) -> Finding:
    field = "test_event_code"
    if not isinstance(code, str) or not code.strip() or len(code) > 100 or not code.isprintable():
        message = "is not a code of the Test Events tab"
        return Finding("test_code_wrong", field, message, "copy it from Events Manager, or take it out")
    message = "is for tests only, and yet such events count for targeting and measurement"
    return Finding("test_code", field, message, "take it out of what is sent for good", "warning")


def _lint_agent(agent: object) -> list[Finding]:
    field = "partner_agent"
    if not isinstance(agent, str):
        return [Finding("agent_wrong", field, "must be text", 'write one such as "examplecrm_1_0"')]
    if len(agent) > _LONGEST_AGENT:
        return [Finding("agent_wrong", field, f"has more than {_LONGEST_AGENT} characters", "shorten it")]
    if sum(letter.isascii() and letter.isalpha() for letter in agent) < 2:
        return [Finding("agent_wrong", field, "has fewer than two letters", 'write one such as "examplecrm_1_0"')]
    if "-" in agent:
        message = "has hyphens, which Meta does not take apart when it makes agent_name of it"
        return [Finding("agent_hyphen", field, message, 'write it like "examplecrm_1_0"', "warning")]
    return []


def _why_no_data(payload: Mapping[Any, Any], events: object) -> Finding:
    if events is None:
        mend = 'write {"data": [ … ]} around it' if "event_name" in payload else "add the list of events"
        return Finding("no_data", "data", "is missing", mend)
    mend = "write [ ] around it" if isinstance(events, Mapping) else "write a list of events"
    if isinstance(events, str):
        mend = "take away the quotation marks around the list: only a form field holds it as text"
    return Finding("data_type", "data", "must be a list", mend)


def _lint_twice(event: object, index: int, seen: dict[tuple[str, str], int]) -> list[Finding]:
    if not isinstance(event, Mapping):
        return []
    name, event_id = event.get("event_name"), event.get("event_id")
    if not isinstance(name, str) or not isinstance(event_id, str):
        return []
    first = seen.setdefault((name, event_id), index)
    if first == index:
        return []
    message = f"is the same as that of event {first}, with the same name"
    return [Finding("event_twice", "event_id", message, "send it once: Meta may count both", "warning")]
