"""What Meta says in its own words about events, made fit to be kept and shown. Pure; nothing here raises.

Titles and messages come in the language of the token's owner, so they decide nothing. They may quote what was sent: what
looks like an address, a number of a phone, a hash or a token is taken out before anything is kept.
Source: Meta conversions facts §1.6, read 2026-11-26.
"""

import json
import re
from typing import Any

from leadloop.texts import tidy
from meta_graph.errors import parse_error

LONGEST_TEXT = 500
MOST_ITEMS = 50
DEEPEST = 6
_LOOKED_AT = 4_000  # characters; what is cut off is never shown

_MASKS = (
    (re.compile(r"[^\s@<>\"'(),;:]{1,64}(?:@|%40)[^\s@<>\"'(),;:]{1,255}", re.IGNORECASE), "[e-mail]"),
    (re.compile(r"\bEAA[A-Za-z0-9]{10,}"), "[token]"),
    (re.compile(r"\b(?:[0-9a-f]{64}|[0-9a-f]{40}|[0-9a-f]{32})\b", re.IGNORECASE), "[hash]"),
)
# 7 to 14 digits with whatever people write between them; Meta's ids of datasets, Pages and leads have more.
_DIGITS = re.compile(r"(?<!\d)\+?\(?\d(?:[ ().\-/\u00a0\u2010-\u2015]{0,3}\d){6,}")
_FIELD = re.compile(r"[A-Za-z0-9_.\[\]]{1,80}")


def parse_details(body: Any, status: int) -> dict[str, Any]:
    """What to show of an error beside our own message: `http_status`, `code`, `subcode`, `fbtrace_id`, `message`, `title`,
    `msg` (both localised) and `blame` (field names); what is absent is left out."""
    error = parse_error(body)
    raw = body.get("error") if isinstance(body, dict) else None
    if error is None or not isinstance(raw, dict):
        return {"http_status": status}
    found: dict[str, Any] = {
        "http_status": status,
        "code": error.code or None,
        "subcode": error.subcode or None,
        "fbtrace_id": error.trace,
        "message": clean_words(raw.get("message")),
        "title": clean_words(raw.get("error_user_title")),
        "msg": clean_words(raw.get("error_user_msg")),
        "blame": parse_blame(raw.get("error_data")) or None,
    }
    return {name: value for name, value in found.items() if value is not None}


def parse_blame(error_data: Any) -> list[str]:
    """The fields that Meta blames, as paths ("data", "data.0.user_data"). error_data may be JSON in a string."""
    if isinstance(error_data, str):
        try:
            error_data = json.loads(error_data[:_LOOKED_AT])
        except (ValueError, RecursionError):
            return []
    specs = error_data.get("blame_field_specs") if isinstance(error_data, dict) else None
    if not isinstance(specs, list):
        return []
    paths = (spec if isinstance(spec, list) else [spec] for spec in specs[:MOST_ITEMS])
    written = (".".join(str(part) for part in path[:DEEPEST] if isinstance(part, str | int)) for path in paths)
    return [path for path in written if _FIELD.fullmatch(path) and mask(path) == path]


def clean_words(text: Any) -> str | None:
    """A text of Meta's in one line, bounded and masked; None when it is none or nothing is left."""
    if not isinstance(text, str):
        return None
    whole = tidy(text[:_LOOKED_AT])
    return mask(whole)[:LONGEST_TEXT] if whole else None


def clean_json(value: Any, *, deepest: int = DEEPEST, numbers: bool = False) -> Any:
    """An answer of Meta's, bounded and masked: texts, lists and objects are cut, what is too deep becomes None, and so does
    what JSON has no number for. `numbers`: those of more than six digits are counts, and nobody's phone."""
    if isinstance(value, str):
        return clean_words(value) or ""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return _clean_number(value, keep=numbers)
    if deepest <= 0:
        return None
    if isinstance(value, list):
        return [clean_json(one, deepest=deepest - 1, numbers=numbers) for one in value[:MOST_ITEMS]]
    if isinstance(value, dict):
        return {
            (clean_words(name) or "")[:80]: clean_json(one, deepest=deepest - 1, numbers=numbers)
            for name, one in list(value.items())[:MOST_ITEMS]
        }
    return None


def _clean_number(value: float, *, keep: bool) -> float | str | None:
    if not -(10**15) < value < 10**15:  # nor NaN
        return None
    return value if keep or -(10**6) < value < 10**6 else mask(str(value))


def mask(text: str) -> str:
    """`text` without what looks like an e-mail address, a phone number, a hash or a token."""
    for pattern, instead in _MASKS:
        text = pattern.sub(instead, text)
    return _DIGITS.sub(_mask_digits, text)


def _mask_digits(found: re.Match[str]) -> str:
    digits = sum(letter.isdigit() for letter in found[0])
    plain_id = found[0].isdigit() and digits >= 15
    return found[0] if plain_id else "[number]"
