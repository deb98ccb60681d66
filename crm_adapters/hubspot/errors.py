"""What HubSpot says when it says no, beyond the status. Nothing of its texts is repeated, since they quote the lead.

Source: CRM facts §1 "Errors" and "Limits", read 2026-11-22; message shapes as in HubSpot's own documentation.
"""

import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

from crm_adapters.base import error_from_status
from leadloop.errors import LeadloopError, NeedsHuman, Permanent, Retryable
from leadloop.http import HttpAnswer, host_of

LABEL = "HubSpot"
SCOPES = "crm.objects.contacts.read, crm.objects.contacts.write, crm.schemas.contacts.read, crm.schemas.contacts.write"
_MENDABLE = ("PROPERTY_DOESNT_EXIST", "INVALID_OPTION", "READ_ONLY_VALUE")  # a person can mend the mapping or HubSpot
_CODES = (
    *_MENDABLE,
    *("INVALID_EMAIL", "INVALID_DATE", "INVALID_INTEGER", "INVALID_LONG", "INVALID_DOUBLE", "INVALID_NUMBER"),
    *("INVALID_BOOLEAN", "INVALID_OWNER", "MISSING_PROPERTY", "REQUIRED_PROPERTY", "PROPERTY_VALUE_TOO_LONG"),
    *("CONFLICTING_UNIQUE_VALUE", "INVALID_PHONE_NUMBER", "VALUE_TOO_LONG"),
)
_POLICIES = {"TEN_SECONDLY_ROLLING": 10.0, "SECONDLY": 1.0, "DAILY": 3600.0}
_SCOPE = re.compile(r"crm\.(objects|schemas)\.[a-z_]{2,30}(\.[a-z_0-9]{2,20}){1,3}")
_EXISTING = re.compile(r"Existing ID: (\d{1,20})\b")


@dataclass(frozen=True)
class Problem:
    """An error body, read: which codes for which properties. `message` quotes the lead: look for words in it, no more."""

    status: int
    category: str = ""
    message: str = field(default="", repr=False)
    found: tuple[tuple[str, str], ...] = field(default=(), repr=False)  # (code, property)

    @property
    def conflict(self) -> bool:
        return self.status == 409 or self.category == "CONFLICT"

    @property
    def existing_id(self) -> str | None:
        """The contact that has the e-mail address already: "Contact already exists. Existing ID: 501"."""
        match = _EXISTING.search(self.message)
        return match.group(1) if match else None

    def lacks(self, name: str) -> bool:
        """Whether HubSpot says that the property is not there, or cannot be upserted by."""
        return (
            ("PROPERTY_DOESNT_EXIST", name) in self.found
            or f'"{name}" does not exist' in self.message
            or re.search(rf"non-unique [\w-]+ property {re.escape(name)}\b", self.message) is not None
        )

    def codes(self, names: Collection[str]) -> dict[str, str]:
        """The known code of each of these properties that has one."""
        return {name: code for code, name in reversed(self.found) if name in names and code in _CODES}


def read_problem(answer: HttpAnswer) -> Problem:
    """The error body of an answer, whatever of it can be read."""
    return problem_of(envelope(answer), status=answer.status)


def problem_of(said: dict[str, Any], *, status: int) -> Problem:
    """An error as JSON: of a whole answer, or of one row of a batch."""
    message = _text(said.get("message"))
    entries = [*_entries(said.get("errors")), *_entries(_embedded(message)), *_entries([said])]
    return Problem(status, _text(said.get("category")), message, tuple(dict.fromkeys(entries)))


def envelope(answer: HttpAnswer) -> dict[str, Any]:
    """HubSpot's error envelope; {} when the body is not one. Every field of it is optional."""
    try:
        found = answer.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def refused(problem: Problem, sent: Collection[str], url: str) -> LeadloopError:
    """The error of a record that HubSpot does not take: names of properties that we sent, and known codes only."""
    if problem.status == 207 and problem.category not in ("VALIDATION_ERROR", "CONFLICT", "OBJECT_NOT_FOUND"):
        return Retryable(f"{LABEL} ({host_of(url)}) did not get to this record (207).", code="hubspot_207")
    by_name = problem.codes(sent)
    what = ", ".join(f"{name} ({code})" for name, code in sorted(by_name.items())[:20])
    message = (
        f"{LABEL} ({host_of(url)}) refused {f'the properties {what}' if what else 'this record'} ({problem.status})."
    )
    if any(code in _MENDABLE for code in by_name.values()):
        return NeedsHuman(
            message,
            code="hubspot_property",
            action="Correct the mapping (leadloop crm fields lists what there is) or the property in HubSpot, then retry.",
        )
    return Permanent(
        message,
        code=f"hubspot_{problem.status}",
        action="Compare what would be sent (leadloop crm try --dry-run) with the properties in HubSpot, then retry.",
    )


def error_of(answer: HttpAnswer, url: str) -> LeadloopError:
    """The error of any other answer that is not a success."""
    rest_s, host = answer.retry_after_s, host_of(url)
    if answer.status == 403:
        return _forbidden(envelope(answer), host)
    if answer.status == 401:
        return NeedsHuman(
            f"{LABEL} ({host}) does not accept the access token (401).",
            code="http_401",
            action="Make a new service key in HubSpot (Settings > Integrations > Service Keys) and put it into access_token.",
            scope="lane",
        )
    if answer.status == 429:
        return _too_many(envelope(answer), rest_s, host)
    if answer.status == 423:
        # This record alone: its own back-off, and no rest for the others.
        return Retryable(f"{LABEL} ({host}) has locked the record (423).", code="http_423")
    if answer.status == 477:
        return Retryable(
            f"{LABEL} ({host}) is moving this account to another data centre (477).",
            code="http_477",
            retry_after_s=3600.0 if rest_s is None else rest_s,
            outage=True,
        )
    return error_from_status(answer, url, label=LABEL)


def _forbidden(said: dict[str, Any], host: str) -> NeedsHuman:
    missing = sorted(set(_scopes(said)))
    names = ", ".join(missing)
    return NeedsHuman(
        f"{LABEL} ({host}) refuses access (403){f': the token lacks {names}' if names else ''}.",
        code="http_403",
        action=f"Give the service key or app the scopes {names or SCOPES}; the waiting leads then follow.",
        scope="lane",
    )


def _too_many(said: dict[str, Any], rest_s: float | None, host: str) -> Retryable:
    policy = _text(said.get("policyName"))
    known = policy if policy in _POLICIES else ""
    return Retryable(
        f"{LABEL} ({host}) asks for fewer calls (429{f', {known}' if known else ''}).",
        code=f"hubspot_429_{known.lower()}" if known else "http_429",
        action="The account's daily calls are used up; they count anew at its midnight." if known == "DAILY" else "",
        retry_after_s=_POLICIES.get(policy, 10.0) if rest_s is None else rest_s,
    )


def _scopes(said: dict[str, Any]) -> Iterator[str]:
    for context in (said.get("context"), *(one.get("context") for one in _dicts(said.get("errors")))):
        listed = context.get("missingScopes") if isinstance(context, dict) else None
        for item in listed if isinstance(listed, list) else ():
            yield from (word for word in re.split(r"[\s,]+", _text(item)) if _SCOPE.fullmatch(word))


def _entries(listed: Any) -> Iterator[tuple[str, str]]:
    """(code, property) of each entry, in both spellings that HubSpot has for it."""
    for one in _dicts(listed):
        code = _text(one.get("code")) or _text(one.get("error"))
        context = one.get("context")
        names = context.get("propertyName") if isinstance(context, dict) else None
        for name in [*(names if isinstance(names, list) else [names]), one.get("name")]:
            if code and isinstance(name, str):
                yield code, name


def _embedded(message: str) -> Any:
    """The list that HubSpot writes into the text: 'Property values were not valid: [{"error": …, "name": …}]'."""
    start = message.find("[{")
    if start < 0 or len(message) > 200_000:
        return None
    try:
        return json.loads(message[start:])
    except (ValueError, RecursionError):
        return None


def _dicts(listed: Any) -> list[dict[str, Any]]:
    return [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
