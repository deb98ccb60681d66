"""Single values of Meta's JSON, of whatever type they come, as text, yes or no, an id or a time. Nothing here raises.

Sources: Meta ingestion facts §1.8 (times), §2.1 (ids as strings and integers, beyond 2^53), §5.1 (a lead), read 2026-11-22.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from leadloop.texts import clean_text

_ID_DIGITS = 40
_UNIX = re.compile(r"[0-9]{1,16}(\.[0-9]{1,9})?")
_MILLISECONDS_FROM = 10**11  # more than that many seconds would be the year 5138. Source: facts §1.8
_YES = frozenset({"1", "true", "yes", "on"})
_NO = frozenset({"0", "false", "no", "off"})


def text_of(value: Any) -> str | None:
    """`value` as storable text: numbers and booleans as JSON writes them, lists and objects as JSON. None stays None."""
    if isinstance(value, str):
        return clean_text(value)
    if value is None:
        return None
    try:
        return clean_text(json.dumps(value, ensure_ascii=False))
    except (TypeError, ValueError, RecursionError):  # not JSON, an integer of thousands of digits, nested too deeply
        return None


def yes_no(value: Any) -> bool | None:
    """True or false where the value says so plainly ("1", "true", 0, a boolean), else None."""
    if isinstance(value, bool):
        return value
    text = text_of(value) if isinstance(value, str | int) else None
    if text is None:
        return None
    text = text.strip().lower()
    return True if text in _YES else False if text in _NO else None


def objects_in(value: Any) -> Iterator[Mapping[str, Any]]:
    """The JSON objects in a list; whatever else stands there is passed over."""
    if isinstance(value, list | tuple):
        yield from (item for item in value if isinstance(item, Mapping))


def id_text(value: Any) -> str | None:
    """One of Meta's ids as text, whether it came as a JSON string or number.

    None for what cannot be an id: booleans, fractions, negatives, nothing, anything but ASCII digits, over 40 digits,
    and floats beyond 2^53, which have lost digits on the way.
    """
    if isinstance(value, float):
        value = int(value) if value.is_integer() and abs(value) <= 2**53 else None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if 0 <= value < 10**_ID_DIGITS else None
    if not isinstance(value, str):
        return None
    text = value.strip()
    return text if text.isascii() and text.isdigit() and len(text) <= _ID_DIGITS else None


def parse_graph_time(text: Any) -> datetime | None:
    """A time as Meta writes it, as aware UTC; None when it is none.

    Understands ISO 8601 with an offset ("2026-11-22T08:26:30+0000"; without one it is taken as UTC) and Unix time as
    number or text, in seconds or, above 10^11, in milliseconds. Zero is Meta's "no time". Source: facts §1.8.
    """
    if isinstance(text, str):
        text = text.strip()
        if not _UNIX.fullmatch(text):
            return _from_iso(text)
        text = float(text)
    if isinstance(text, bool) or not isinstance(text, int | float):
        return None
    return _from_unix(text)


def _from_unix(number: float) -> datetime | None:
    if not 0 < number < 10**15 or not math.isfinite(number):
        return None
    milliseconds = round(number if number > _MILLISECONDS_FROM else number * 1000)
    try:
        whole = datetime.fromtimestamp(milliseconds // 1000, UTC)
    except (OverflowError, OSError, ValueError):  # beyond the year 9999
        return None
    return whole.replace(microsecond=milliseconds % 1000 * 1000)


def _from_iso(text: str) -> datetime | None:
    if not 10 <= len(text) <= 40:
        return None
    try:
        when = datetime.fromisoformat(text)
        return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
