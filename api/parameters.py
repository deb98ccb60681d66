"""Query parameters: marshmallow fields that read them strictly, describe themselves for OpenAPI, and say how to mend them.

What a caller sent is never quoted back: it may be somebody's e-mail address.
"""

import base64
import binascii
import difflib
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields
from werkzeug.datastructures import MultiDict

from api.problems import INVALID_PARAMETER, Problem
from leadloop.emails import normal_email
from leadloop.phones import normal_phone

Cursor = tuple[datetime, int]
LONGEST_VALUE = 500
MOST_ERRORS = 20
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,40}\Z")
_DIGITS = re.compile(r"[0-9]{1,9}\Z")
_ID = r"^[0-9]{1,40}$"
_WORDS = r"^[^\x00-\x1f\x7f]{1,200}$"
_MOMENT = re.compile(
    r"(\d{4}-\d{2}-\d{2})[Tt ]((?:[01]\d|2[0-3]):\d{2}):(\d{2})(\.\d{1,30})?(?:[Zz]|([+\- ])([01]\d|2[0-3]):([0-5]\d))\Z",
    re.ASCII,
)
_CURSOR = re.compile(r"1\.(-?[0-9]{1,18})\.([0-9]{1,18})\Z")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class QueryField(fields.Field[Any]):
    """A parameter: `parse` turns its text into a value or raises ValueError; `mend` says what it should be."""

    openapi: Mapping[str, Any] = {"type": "string"}
    mend = "must be text."

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        try:
            return self.parse(str(value))
        except (ValueError, OverflowError):
            raise ValidationError(self.mend) from None

    def parse(self, text: str) -> Any:
        return text


class MetaId(QueryField):
    """One of Meta's ids."""

    openapi = {"type": "string", "pattern": _ID}
    mend = "must be one of Meta's ids: 1 to 40 digits."

    def parse(self, text: str) -> str:
        if not re.match(_ID.replace("$", r"\Z"), text):
            raise ValueError
        return text


class WholeNumber(QueryField):
    """A whole number from `least` to `most`."""

    def __init__(self, least: int, most: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.least, self.most = least, most
        self.mend = f"must be a whole number from {least} to {most}."
        self.openapi = {"type": "integer", "minimum": least, "maximum": most, "default": self.load_default}

    def parse(self, text: str) -> int:
        if not _DIGITS.match(text) or not self.least <= int(text) <= self.most:
            raise ValueError
        return int(text)


class YesNo(QueryField):
    """true or false."""

    openapi = {"type": "boolean"}
    mend = "must be true or false."

    def parse(self, text: str) -> bool:
        if text not in ("true", "false"):
            raise ValueError
        return text == "true"


class OneOf(QueryField):
    """One of a few words."""

    def __init__(self, *words: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.words = words
        self.mend = f"must be one of {', '.join(words)}."
        self.openapi = {"type": "string", "enum": list(words)}

    def parse(self, text: str) -> str:
        if text not in self.words:
            raise ValueError
        return text


class Words(QueryField):
    """A few words on one line."""

    openapi = {"type": "string", "pattern": _WORDS}
    mend = "must be 1 to 200 characters on one line."

    def parse(self, text: str) -> str:
        if not re.fullmatch(_WORDS[1:-1], text):
            raise ValueError
        return text


class RowId(QueryField):
    """One of leadloop's own numbers."""

    openapi = {"type": "string", "pattern": "^[0-9]{1,18}$"}


class Moment(QueryField):
    """A time as RFC 3339, with its offset."""

    openapi = {"type": "string", "format": "date-time"}
    mend = "must be a time with its offset (RFC 3339), such as 2026-11-22T08:26:30Z or 2026-11-22T11:26:30%2B03:00."

    def parse(self, text: str) -> datetime:
        """Aware UTC. A plus sign that was not escaped arrives as a blank; a second 60 is the next minute's 0."""
        found = _MOMENT.match(text)
        if found is None:
            raise ValueError
        date, minute, second, fraction, sign, hours, minutes = found.groups()
        leap = second == "60"
        when = datetime.fromisoformat(f"{date}T{minute}:{'59' if leap else second}{(fraction or '')[:7]}")
        offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
        when = when + offset if sign == "-" else when - offset
        return (when + timedelta(seconds=leap)).replace(tzinfo=UTC)


class Email(QueryField):
    """An e-mail address, compared in the spelling in which leadloop keeps it."""

    openapi = {"type": "string", "format": "email"}
    mend = "must be a whole e-mail address, such as zoe@example.com."

    def parse(self, text: str) -> str:
        found = normal_email(text)
        if found is None:
            raise ValueError
        return found


class Phone(QueryField):
    """A phone number with its country code."""

    openapi = {"type": "string"}
    mend = "must be a phone number with its country code, such as %2B905321234567 (an escaped plus sign)."

    def parse(self, text: str) -> str:
        """E.164. A plus sign that was not escaped arrives as a blank."""
        digits = text.strip()
        found = normal_phone(digits if digits.startswith(("+", "00")) else "+" + digits)
        if found is None:
            raise ValueError
        return found


class CursorField(QueryField):
    """Where the next page begins; only what an earlier answer gave is accepted."""

    mend = "must be the next_cursor of an earlier answer, unchanged."

    def parse(self, text: str) -> Cursor:
        try:
            plain = base64.urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4)).decode("ascii")
        except (UnicodeError, binascii.Error):
            raise ValueError from None
        found = _CURSOR.match(plain)
        if found is None:
            raise ValueError
        cursor = _EPOCH + timedelta(microseconds=int(found[1])), int(found[2])
        if make_cursor(*cursor) != text:
            raise ValueError
        return cursor


def make_cursor(received_at: datetime, lead_id: int) -> str:
    """The cursor behind a lead, opaque to callers."""
    microseconds = (received_at - _EPOCH) // timedelta(microseconds=1)
    return base64.urlsafe_b64encode(f"1.{microseconds}.{lead_id}".encode()).decode().rstrip("=")


class Query(Schema):
    """Base of the schemas of query strings: an unknown parameter is a mistake, not something to pass over."""

    class Meta:
        unknown = RAISE


def read_query(schema: Query, given: MultiDict[str, str]) -> dict[str, Any]:
    """The parameters, checked. Raises Problem (400) that names every wrong one and its mend."""
    errors = [_unknown(name, schema) for name in given if name not in schema.fields]
    known: dict[str, str] = {}
    for name in schema.fields:
        values = given.getlist(name)
        if len(values) > 1:
            errors.append(_error(name, "must be given once."))
        elif values and len(values[0]) > LONGEST_VALUE:
            errors.append(_error(name, f"must not be longer than {LONGEST_VALUE} characters."))
        elif values:
            known[name] = values[0]
    try:
        loaded: dict[str, Any] = schema.load(known)
    except ValidationError as caught:
        found: Any = caught.messages
        errors += [_error(name, messages[0]) for name, messages in found.items()]
        loaded = {}
    if errors:
        told = errors[:MOST_ERRORS]
        raise Problem(INVALID_PARAMETER, " ".join(error["detail"] for error in told), told)
    return loaded


def _error(name: str, detail: str) -> dict[str, str]:
    return {"parameter": name, "detail": f"{name} {detail}"}


def _unknown(name: str, schema: Query) -> dict[str, str]:
    if not _NAME.match(name):  # it may be somebody's address, so it is not repeated
        return {"parameter": "?", "detail": "A parameter has a name that no parameter can have; leave it out."}
    near = difflib.get_close_matches(name.lower(), list(schema.fields), n=1)
    known = f"there are {', '.join(schema.fields)}." if schema.fields else "it takes none."
    hint = f"did you mean {near[0]}?" if near else known
    return _error(name, f"is not a parameter of this address; {hint}")
