"""One outcome as a caller sent it becomes an OutcomeInput, or a list of what is wrong with it, field by field.

The way in for the API, the CSV import and the CRM adapters alike. Messages never repeat what was sent: it may be somebody's
address. The shape: docs/api.md.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from difflib import get_close_matches
from functools import cache
from typing import Any, Literal

from marshmallow import RAISE, Schema, ValidationError, fields, validates_schema
from marshmallow.exceptions import SCHEMA

from leadloop.conversions.findings import shown_key
from leadloop.conversions.money import MoneyInvalid, fit_currency, parse_currency, parse_value
from leadloop.conversions.routes import SKEW_S
from leadloop.emails import normal_email
from leadloop.graph_values import id_text
from leadloop.phones import normal_phone
from leadloop.texts import clean_text, tidy

LeadKey = Literal["leadgen_id", "crm_id", "email", "phone"]

LONGEST_STAGE = 200
LONGEST_ID = 200
MOST_FIELDS = 50
LONGEST_FIELD_NAME = 100
LONGEST_FIELD_VALUE = 1_000
MOST_FIELD_VALUES = 50
MOST_FIELD_CHARACTERS = 10_000
MOST_KEYS = 20  # the eight there are, and some that are wrong and told one by one
_LARGEST_NUMBER = 10**18
_LEAD_KEYS: tuple[LeadKey, ...] = ("leadgen_id", "crm_id", "email", "phone")
_CONNECTION = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?")
_MOMENT = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2}):([0-9]{2})(?:\.([0-9]{1,30}))?([Zz]|[+-][0-9]{2}:?[0-9]{2})?"
)
_OLDEST = datetime(2000, 1, 1, tzinfo=UTC)
_WRITE_MOMENT = "write it like 2026-11-22T10:15:00Z or 2026-11-22T13:15:00+03:00"


@dataclass(frozen=True)
class OutcomeInput:
    """What a caller says happened, checked. `lead_value` is normalised: digits, the CRM's id, an address, E.164.

    `said_at` is the time as it was sent, where the caller's clock was ahead: the same notice is the same whenever it is read.
    """

    lead_key: LeadKey
    lead_value: str = field(repr=False)
    stage: str
    occurred_at: datetime
    value: Decimal | None = None
    currency: str | None = None
    order_id: str | None = None
    connection: str | None = None
    fields: Mapping[str, Any] = field(default_factory=dict, repr=False)
    said_at: datetime | None = None


class OutcomeInvalid(ValueError):
    """What is wrong, as (field, message) pairs; a message says the mend. The field "" is the outcome as a whole."""

    def __init__(self, errors: list[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{name or 'the outcome'}: {message}" for name, message in errors))
        self.errors = errors


def read_outcome(data: object, *, now: datetime) -> OutcomeInput:
    """Check one outcome. Raises OutcomeInvalid with all that is wrong at once.

    A time that is ahead by no more than a minute is another clock's and becomes `now`; later ones are refused.
    """
    if not isinstance(data, Mapping):
        raise OutcomeInvalid([("", 'Must be an object, such as {"lead": …, "stage": …, "occurred_at": …}.')])
    if len(data) > MOST_KEYS:
        raise OutcomeInvalid([("", "Has many keys that are none of an outcome: put what conditions need into fields.")])
    errors: list[tuple[str, str]] = []
    try:
        loaded = _schema().load(data)
    except ValidationError as wrong:
        loaded = wrong.valid_data
        errors = _flatten(wrong.messages_dict)
    late = _why_no_time(loaded["occurred_at"], now) if isinstance(loaded, dict) and "occurred_at" in loaded else None
    if late is not None:
        errors.append(("occurred_at", late))
    if errors:
        raise OutcomeInvalid(errors)
    lead_key, lead_value = loaded.pop("lead")
    if loaded["occurred_at"] > now:
        loaded |= {"occurred_at": now, "said_at": loaded["occurred_at"]}
    loaded["fields"] = loaded["fields"] or {}
    return OutcomeInput(lead_key=lead_key, lead_value=lead_value, **loaded)


class LeadName(fields.Field[tuple[LeadKey, str]]):
    """An object with exactly one way of naming the lead."""

    openapi: Mapping[str, Any] = {
        "type": "object",
        "properties": {
            "leadgen_id": {"type": "string", "pattern": "^[0-9]{1,40}$"},
            "crm_id": {"type": "string", "minLength": 1, "maxLength": LONGEST_ID},
            "email": {"type": "string", "format": "email"},
            "phone": {"type": "string", "pattern": "^\\+[0-9]{7,15}$"},
        },
        "minProperties": 1,
        "maxProperties": 1,
        "additionalProperties": False,
    }

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> tuple[LeadKey, str]:
        ways = ", ".join(_LEAD_KEYS)
        if not isinstance(value, Mapping):
            raise ValidationError(f'Must be an object with one of {ways}, such as {{"leadgen_id": "222222222222222"}}.')
        if not value.keys() <= set(_LEAD_KEYS):
            raise ValidationError(f"Has a key that names no lead: use one of {ways}.")
        given = [key for key in _LEAD_KEYS if value.get(key) is not None]
        if len(given) != 1:
            raise ValidationError(f"Must name the lead in exactly one way: one of {ways}.")
        found = _READ[given[0]](value[given[0]])
        if found is None:
            raise ValidationError({given[0]: [_LEAD_MENDS[given[0]]]})
        return given[0], found


class Moment(fields.Field[datetime]):
    """RFC 3339 with its offset, as aware UTC."""

    openapi: Mapping[str, Any] = {"type": "string", "format": "date-time"}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> datetime:
        if isinstance(value, datetime):
            when = value
        elif isinstance(value, str):
            when = _parse_moment(value.strip())
        else:
            raise ValidationError(f"Must be a time as text (RFC 3339): {_WRITE_MOMENT}.")
        if when.tzinfo is None:
            raise ValidationError(f"Has no offset, so that it may mean any hour of a day: {_WRITE_MOMENT}.")
        try:
            return when.astimezone(UTC)
        except OverflowError:
            raise ValidationError(f"Is no time that can be: {_WRITE_MOMENT}.") from None


class Amount(fields.Field[Decimal]):
    """Decimal text."""

    openapi: Mapping[str, Any] = {
        "type": ["string", "number"],
        "pattern": r"^[0-9]{1,13}(\.[0-9]{1,3})?$",
        "minimum": 0,
    }

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Decimal:
        try:
            return parse_value(value)
        except MoneyInvalid as wrong:
            raise ValidationError(_sentence(wrong)) from None


class Currency(fields.Field[str]):
    """An ISO 4217 code; lower case is taken."""

    openapi: Mapping[str, Any] = {"type": "string", "pattern": "^[A-Z]{3}$"}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        try:
            return parse_currency(value)
        except MoneyInvalid as wrong:
            raise ValidationError(_sentence(wrong)) from None


class Word(fields.Field[str]):
    """A text on one line, or a whole number, as CRMs have them for ids of stages and deals."""

    def __init__(self, longest: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.longest = longest
        self.openapi = {"type": ["string", "integer"], "minLength": 1, "maxLength": longest}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = _word(value)
        if text is None:
            raise ValidationError('Must be text that is not blank, such as "won".')
        if len(text) > self.longest:
            raise ValidationError(f"Is longer than {self.longest} characters: shorten it.")
        return text


class ConnectionName(fields.Field[str]):
    """The name of a connection, as the configuration has it. Whether there is one, the caller finds out."""

    openapi: Mapping[str, Any] = {"type": "string", "pattern": f"^{_CONNECTION.pattern}$"}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        if not isinstance(value, str) or not _CONNECTION.fullmatch(value.strip()):
            raise ValidationError('Must be the name of a connection, as the configuration has it, such as "crm".')
        return value.strip()


class FreeFields(fields.Field[dict[str, Any]]):
    """An object of few plain values: for conditions of a funnel, and to be looked at later."""

    openapi: Mapping[str, Any] = {"type": "object", "maxProperties": MOST_FIELDS, "additionalProperties": True}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise ValidationError('Must be an object, such as {"pipeline": "b2b"}.')
        if len(value) > MOST_FIELDS:
            raise ValidationError(f"Has more than {MOST_FIELDS} fields: send those that conditions need.")
        kept: dict[str, Any] = {}
        for name, one in value.items():
            key = tidy(name) if isinstance(name, str) and len(name) <= LONGEST_FIELD_NAME else None
            if key is None:
                raise ValidationError(f"Has a field without a name of at most {LONGEST_FIELD_NAME} characters.")
            kept[key] = (
                [_plain(part) for part in one[: MOST_FIELD_VALUES + 1]] if isinstance(one, list) else _plain(one)
            )
            if isinstance(one, list) and len(one) > MOST_FIELD_VALUES:
                raise ValidationError(f"Has a field with more than {MOST_FIELD_VALUES} values: send fewer.")
        if sum(map(_size, kept.values())) > MOST_FIELD_CHARACTERS:
            raise ValidationError(f"Holds more than {MOST_FIELD_CHARACTERS:,} characters: send what conditions need.")
        return kept


def _absent(message: str) -> dict[str, str | list[Any] | dict[Any, Any]]:
    return {"required": [f"Is missing: {message}."], "null": [f"Is null: {message}."]}  # a text would be formatted


def _told(words: str, example: Any) -> dict[str, Any]:
    return {"description": words, "example": example}


class OutcomeSchema(Schema):
    """An outcome as a program sends it."""

    class Meta:
        unknown = RAISE

    error_messages = {"unknown": "Is not a field of an outcome."}

    lead = LeadName(
        required=True,
        error_messages=_absent('name the lead, as {"leadgen_id": "222222222222222"}'),
        metadata=_told(
            "Whom it is about, named in one way: `leadgen_id`; `crm_id`, the CRM's id of the record that `connection` put"
            " there; `email`; or `phone` with its country code.",
            {"leadgen_id": "222222222222222"},
        ),
    )
    stage = Word(
        LONGEST_STAGE,
        required=True,
        error_messages=_absent('add the stage, such as "won"'),
        metadata=_told("Where it stands now, as the funnel of the configuration spells it.", "won"),
    )
    occurred_at = Moment(
        required=True,
        error_messages=_absent(f"add when it happened, and {_WRITE_MOMENT}"),
        metadata=_told("When it happened (RFC 3339 with its offset), not when it is told.", "2026-11-22T10:15:00Z"),
    )
    value = Amount(
        load_default=None,
        allow_none=True,
        metadata=_told("The amount, best as text, with a point before the decimals.", "12500.00"),
    )
    currency = Currency(load_default=None, allow_none=True, metadata=_told("Its currency, ISO 4217.", "TRY"))
    order_id = Word(
        LONGEST_ID,
        load_default=None,
        allow_none=True,
        metadata=_told("The deal, where a lead may have several. Meta gets it.", "DEAL-42"),
    )
    connection = ConnectionName(
        load_default=None,
        allow_none=True,
        metadata=_told("Which CRM says so: the name of a connection, whose funnel is used.", "crm"),
    )
    fields_ = FreeFields(
        load_default=dict,
        allow_none=True,
        data_key="fields",
        attribute="fields",
        metadata=_told(
            "What conditions of the funnel look at. Meta gets nothing of it but what has one of its own names, such as `em`,"
            " `fbc` or `client_user_agent`, which is normalised and hashed first.",
            {"pipeline": "b2b"},
        ),
    )

    @validates_schema(skip_on_field_errors=False, pass_original=True)
    def belong_together(self, data: dict[str, Any], original: Mapping[str, Any], **_: Any) -> None:
        errors: dict[str, list[str]] = {}
        if data.get("lead", ("",))[0] == "crm_id" and original.get("connection") is None:
            errors["connection"] = ["Is missing: a crm_id is only known together with the connection that it is from."]
        if data.get("value") is not None and data.get("currency") is not None:
            try:
                fit_currency(data["value"], data["currency"])
            except MoneyInvalid as unfit:
                errors["value"] = [_sentence(unfit)]
        if errors:
            raise ValidationError(errors)


@cache
def _schema() -> OutcomeSchema:
    """Made once: making it costs more than reading an outcome."""
    return OutcomeSchema()


def _why_no_time(when: datetime, now: datetime) -> str | None:
    if when - now > timedelta(seconds=SKEW_S):
        return "Is in the future: correct the clock, or send it when it has happened."
    return f"Is before the year 2000: {_WRITE_MOMENT}." if when < _OLDEST else None


def _parse_moment(text: str) -> datetime:
    """Naive where no offset is written. A second 60 is the next minute's 0."""
    found = _MOMENT.fullmatch(text)
    if found is None:
        raise ValidationError(f"Is not a time as RFC 3339 writes it: {_WRITE_MOMENT}.")
    day, minute, second, fraction, offset = found.groups()
    leap = second == "60"
    offset = "+00:00" if offset in ("Z", "z") else offset or ""
    try:
        when = datetime.fromisoformat(f"{day}T{minute}:{'59' if leap else second}{offset}")
        return when.replace(microsecond=int(f"{fraction or 0:<06}"[:6])) + timedelta(seconds=leap)
    except (ValueError, OverflowError):
        raise ValidationError(f"Is no time that can be: {_WRITE_MOMENT}.") from None


def _word(value: Any) -> str | None:
    if isinstance(value, str):
        return tidy(value[: 10 * LONGEST_ID])
    return str(value) if type(value) is int and abs(value) < 10**40 else None


def _plain(value: Any) -> Any:
    """A text, number, yes or no, or nothing."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str) and len(value) <= LONGEST_FIELD_VALUE:
        return clean_text(value)
    if isinstance(value, int | float) and abs(value) <= _LARGEST_NUMBER and math.isfinite(value):
        return value
    if isinstance(value, Decimal) and value.is_finite() and len(str(value)) <= LONGEST_ID:
        return str(value)
    message = (
        f"Has a value that is not plain: texts of at most {LONGEST_FIELD_VALUE:,} characters, numbers, true or false."
    )
    raise ValidationError(message)


def _size(value: Any) -> int:
    return sum(map(_size, value)) if isinstance(value, list) else len(value) if isinstance(value, str) else 20


def _sentence(wrong: MoneyInvalid) -> str:
    text = str(wrong.fault)
    return text[:1].upper() + text[1:]


_READ: Mapping[LeadKey, Callable[[Any], str | None]] = {
    "leadgen_id": lambda value: id_text(value) if not isinstance(value, float) else None,
    "crm_id": lambda value: text if (text := _word(value)) and len(text) <= LONGEST_ID else None,
    "email": lambda value: normal_email(value) if isinstance(value, str) else None,
    "phone": lambda value: normal_phone(value) if isinstance(value, str) else None,
}
_LEAD_MENDS: Mapping[LeadKey, str] = {
    "leadgen_id": "Is not one of Meta's ids: send the digits as text.",
    "crm_id": f"Is not an id: send the CRM's id of the record as text of at most {LONGEST_ID} characters.",
    "email": "Is not a whole e-mail address: write it like zoe@example.com.",
    "phone": "Is not a phone number with its country code: write it like +905321234567.",
}


def _flatten(messages: Mapping[Any, Any]) -> list[tuple[str, str]]:
    """marshmallow's messages, nested by key, as (path, message)."""
    found: list[tuple[str, str]] = []
    for key, value in messages.items():
        name = "" if key == SCHEMA else "fields" if key == "fields_" else shown_key(key)
        for message in value if isinstance(value, list) else [value]:
            if isinstance(message, Mapping):
                found += [(f"{name}.{path}" if name else path, text) for path, text in _flatten(message)]
            else:
                found.append((name, _with_nearest(name, str(message))))
    return found


def _with_nearest(name: str, message: str) -> str:
    if message != OutcomeSchema.error_messages["unknown"]:
        return message
    near = get_close_matches(name.lower(), _NAMES, n=1, cutoff=0.6)
    return f"{message[:-1]}: {near[0]}, perhaps?" if near else f"{message[:-1]}: put it into fields."


_NAMES = ("lead", "stage", "occurred_at", "value", "currency", "order_id", "connection", "fields")
