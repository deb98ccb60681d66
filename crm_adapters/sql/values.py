"""A lead's value becomes what a column holds: text stays text, a date column gets a date."""

import json
import math
import re
import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from sqlalchemy import Column, types
from sqlalchemy.sql.elements import BindParameter
from sqlalchemy.sql.expression import literal

from crm_adapters.base import flat
from leadloop.leads import MappedValue
from leadloop.texts import clean_text

_BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_LONGEST_NUMBER = 18  # digits that fit 64 bits


class Unfit(ValueError):
    """The column cannot hold the value. `why` says so without the value."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


def bind(value: Any, column: "Column[Any]", *, dialect: str) -> "BindParameter[Any]":
    """`value` as a parameter for `column`. Raises Unfit. None is NULL."""
    type_ = column.type
    if value is None:
        return literal(None, type_)
    if isinstance(type_, types.JSON):
        return literal(_clean_all(value), type_)
    if isinstance(type_, types.ARRAY):
        return literal([clean_text(item) for item in value] if isinstance(value, list) else [as_text(value)], type_)
    text = as_text(value)
    if dialect == "sqlite" and isinstance(type_, types.Numeric | types.Float):
        return literal(str(_decimal(text)), types.String())  # SQLite makes the number; SQLAlchemy would warn of floats
    for kind, convert in _CONVERTERS:
        if isinstance(type_, kind):
            return literal(convert(text, type_), type_)
    return literal(text, types.NullType())  # a type that SQLAlchemy does not know: the database reads the text


def as_text(value: MappedValue | dict[str, Any]) -> str:
    """The value as one text; a table of answers as JSON."""
    if isinstance(value, dict):
        return json.dumps(_clean_all(value), ensure_ascii=False, separators=(",", ":"))
    return clean_text(flat(value) or "")


def _clean_all(value: Any) -> Any:
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, list):
        return [_clean_all(item) for item in value]
    if isinstance(value, dict):
        return {clean_text(name): _clean_all(item) for name, item in value.items()}
    return value


def _string(text: str, type_: Any) -> str:
    options = getattr(type_, "enums", None)
    if options and text not in options:
        raise Unfit("takes only certain values")
    length = getattr(type_, "length", None)
    if length is not None and len(text) > length:
        raise Unfit(f"takes at most {length} characters")
    return text


def _boolean(text: str, type_: Any) -> bool:
    try:
        return _BOOLEANS[text.strip().lower()]
    except KeyError:
        raise Unfit("takes only true or false") from None


def _integer(text: str, type_: Any) -> int:
    text = text.strip()
    if not re.fullmatch(rf"[+-]?[0-9]{{1,{_LONGEST_NUMBER}}}", text):
        raise Unfit(f"takes only whole numbers of up to {_LONGEST_NUMBER} digits")
    return int(text)


def _decimal(text: str) -> Decimal:
    try:
        number = Decimal(text.strip())
    except InvalidOperation:
        raise Unfit("takes only numbers") from None
    if not number.is_finite() or abs(number.adjusted()) > 300:
        raise Unfit("takes only numbers")
    return number


def _numeric(text: str, type_: Any) -> Decimal:
    return _decimal(text)


def _float(text: str, type_: Any) -> float:
    number = float(_decimal(text))
    if not math.isfinite(number):
        raise Unfit("takes only numbers")
    return number


def _moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        raise Unfit("takes only dates and times, such as 2026-11-22T08:26:30Z") from None
    try:
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except OverflowError:
        raise Unfit("takes only dates and times of these centuries") from None


def _datetime(text: str, type_: Any) -> datetime:
    """Aware where the column knows zones, else the UTC time without one."""
    moment = _moment(text)
    return moment if type_.timezone else moment.replace(tzinfo=None)


def _date(text: str, type_: Any) -> date:
    return _moment(text).date()


def _uuid(text: str, type_: Any) -> uuid.UUID | str:
    try:
        found = uuid.UUID(text.strip())
    except ValueError:
        raise Unfit("takes only UUIDs") from None
    return found if type_.as_uuid else str(found)


def _binary(text: str, type_: Any) -> bytes:
    return text.encode()


_CONVERTERS: tuple[tuple[type[types.TypeEngine[Any]], Callable[[str, Any], Any]], ...] = (
    (types.Boolean, _boolean),
    (types.Integer, _integer),
    (types.Float, _float),  # before Numeric, which is its parent in some versions of SQLAlchemy
    (types.Numeric, _numeric),
    (types.DateTime, _datetime),
    (types.Date, _date),
    (types.Uuid, _uuid),
    (types.LargeBinary, _binary),
    (types.String, _string),
)
