"""What Meta demands of an event's user_data. Pure. Source: Meta conversions facts §2.1, §2.4, §2.6, §6.1 (read 2026-11-26)."""

import ipaddress
import re
from collections.abc import Mapping
from typing import Any

from sandbox.event_errors import Problem

HASHED = frozenset(
    [
        *("em", "ph", "fn", "ln", "ge", "db", "ct", "st", "zp", "country"),
        *("f5first", "f5last", "fi", "dobd", "dobm", "doby", "app_user_id"),
    ]
)
SEVERAL = frozenset(("em", "ph", "fn", "ln", "ge", "db", "ct", "st", "zp", "country", "external_id"))
ACCOUNT_KEYS = frozenset(
    ("page_id", "ig_account_id", "instagram_business_account_id", "whatsapp_business_account_id")
)  # whose account it is, not who the person is
PLAIN = frozenset(
    [
        *("external_id", "client_ip_address", "client_user_agent", "fbc", "fbp", "subscription_id", "fb_login_id"),
        *("lead_id", "anon_id", "madid", "page_scoped_user_id", "ctwa_clid", "ig_sid", "partner_id", "partner_name"),
    ]
)
KNOWN = HASHED | PLAIN | ACCOUNT_KEYS
TOO_BROAD = (
    frozenset(("ct", "country", "st", "zp", "ge", "client_user_agent")),
    frozenset(("db", "client_user_agent")),
    frozenset(("fn", "ge")),
    frozenset(("ln", "ge")),
)
NEEDED: Mapping[str, tuple[tuple[str, ...], ...]] = {  # by channel: one of each group
    "messenger": (("page_id",), ("page_scoped_user_id",)),
    "whatsapp": (("whatsapp_business_account_id",), ("ctwa_clid",)),
    "instagram": (("instagram_business_account_id", "ig_account_id"), ("ig_sid",)),
}
HASH = re.compile(r"[0-9a-f]{64}(\.([A-Za-z0-9_-]{2}|[A-Za-z0-9_-]{8}))?")
HASH_OF_NOTHING = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
CLICK_ID = re.compile(r"fb\.\d+\.\d+\.[^.\s]+(\.([A-Za-z0-9_-]{2}|[A-Za-z0-9_-]{8}))?")


def find_user_data_problem(user_data: object, channel: str | None) -> Problem | None:
    """What is wrong with it; `channel` is the messaging channel where there is one."""
    if user_data is None:
        return Problem("customer_information", "user_data is missing")
    if not isinstance(user_data, dict):
        return Problem("wrong_parameter", "user_data must be an object")
    values = read_values(user_data)
    for key, found in values.items():
        if problem := _find_value_problem(key, user_data[key], found):
            return problem
    for group in NEEDED.get(channel or "", ()):
        if not any(key in values for key in group):
            return Problem("customer_information", f"user_data.{group[0]} is needed for {channel}")
    return find_broadness(frozenset(values))


def find_broadness(keys: frozenset[str]) -> Problem | None:
    """Whether keys that hold a value are too few or too common to find a person by."""
    people = keys - ACCOUNT_KEYS
    if not people:
        return Problem("customer_information", "user_data has no key that names a person")
    if any(people <= common for common in TOO_BROAD):
        return Problem("customer_information", f"only {', '.join(sorted(people))}: too many people share that")
    return None


def read_values(user_data: Mapping[str, Any]) -> dict[str, list[Any]]:
    """The keys Meta knows that hold a value, each as a list; empty texts, null and unknown keys are passed over."""
    found: dict[str, list[Any]] = {}
    for key, value in user_data.items():
        listed = [one for one in (value if isinstance(value, list) else [value]) if one not in (None, "")]
        if key in KNOWN and listed:
            found[key] = listed
    return found


def list_notes(user_data: Mapping[str, Any]) -> list[str]:
    """What Meta takes without a word, and what is wrong with it all the same."""
    notes: list[str] = []
    for key, values in read_values(user_data).items():
        if key in HASHED and HASH_OF_NOTHING in values:
            notes.append(f"user_data.{key} is the hash of nothing: it joins people who have nothing in common")
        if key in ("fbc", "fbp") and not CLICK_ID.fullmatch(str(values[0])):
            notes.append(f"user_data.{key} is not of the form fb.1.milliseconds.id")
    return notes


def _find_value_problem(key: str, given: object, values: list[Any]) -> Problem | None:
    if isinstance(given, list) and key not in SEVERAL:
        return Problem("wrong_parameter", f"user_data.{key} takes one value, not a list")
    for value in values:
        if isinstance(value, bool | float) or not isinstance(value, str | int):
            more = ": a float cannot hold its digits" if isinstance(value, float) and key == "lead_id" else ""
            return Problem("wrong_parameter", f"user_data.{key} must be a text or a whole number{more}")
        if key in HASHED and not HASH.fullmatch(str(value)):
            return Problem("hash_form", f"user_data.{key} must be a SHA-256 in 64 lower-case hex digits")
        if key == "client_ip_address" and not _is_address(str(value)):
            return Problem("wrong_parameter", "user_data.client_ip_address must be an IPv4 or IPv6 address")
    return None


def _is_address(text: str) -> bool:
    """An address, with the Parameter Builder's appendix or without. Source: §2.6."""
    return any(_parses(one) for one in (text, text.rpartition(".")[0]))


def _parses(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
