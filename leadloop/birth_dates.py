"""A date of birth as typed becomes ISO 8601 where it can mean one day only."""

import re
import unicodedata
from datetime import date

_YEAR_FIRST = re.compile(r"([0-9]{4})([-/.])([0-9]{1,2})\2([0-9]{1,2})(?:[T ][0-9:.+Z-]*)?")
_YEAR_LAST = re.compile(r"([0-9]{1,2})([-/.])([0-9]{1,2})\2([0-9]{4})")
_DIGITS = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})")


def iso_birth_date(text: str) -> str:
    """ISO ("1997-02-16"), or `text` itself when it is not a date or could be two.

    A year of four digits is needed. With it in front the month follows ("1997-02-16", "19970216"); with dots the day
    comes first ("16.02.1997"); with slashes or hyphens one part must be over 12 ("02/16/1997", "16/02/1997") or both
    the same ("05/05/1990"): 01/02/2003 is January in one country and February in the next, so it stays as typed.
    """
    if len(text) > 40:
        return text
    digits = "".join(str(unicodedata.decimal(sign)) if sign.isdecimal() else sign for sign in text).strip()
    if match := _YEAR_FIRST.fullmatch(digits):
        return _iso(match[1], match[3], match[4]) or text
    if match := _DIGITS.fullmatch(digits):
        return _iso(match[1], match[2], match[3]) or text
    match = _YEAR_LAST.fullmatch(digits)
    if match is None:
        return text
    first, separator, second, year = match.groups()
    day_first, month_first = _iso(year, second, first), _iso(year, first, second)
    if separator == ".":
        return day_first or text
    if day_first and month_first and day_first != month_first:
        return text
    return day_first or month_first or text


def _iso(year: str, month: str, day: str) -> str | None:
    try:
        return date(int(year), int(month), int(day)).isoformat() if int(year) >= 1900 else None
    except ValueError:
        return None
