"""Bodies of requests: JSON, read strictly and within bounds. What was sent is never quoted back."""

import decimal
import json
from decimal import Decimal
from typing import Any, NoReturn

from flask import request

from api.problems import MALFORMED_BODY, UNSUPPORTED_MEDIA_TYPE, Problem

MOST_BYTES = 4 * 1024 * 1024
_LONGEST_NUMBER = 400  # characters; int() takes quadratic time, and refuses more than 4,300 digits
_NO_NUMBER = Decimal("NaN")  # stands for a number that no field could take, so that only its outcome is refused


class Doubled:
    """Stands for an object that has one key twice: readers of JSON differ in which of the two they take."""


class _NotANumber(ValueError):
    pass


def read_body() -> bytes:
    """The bytes of a JSON request. Raises Problem (415), and HTTP 413 beyond MOST_BYTES."""
    if request.mimetype != "application/json":
        raise Problem(UNSUPPORTED_MEDIA_TYPE, "Send the body as JSON, with Content-Type: application/json.")
    if request.headers.get("Content-Encoding", "identity").strip().lower() not in ("", "identity"):
        raise Problem(UNSUPPORTED_MEDIA_TYPE, "Send the body as it is, without Content-Encoding.")
    request.max_content_length = MOST_BYTES
    return request.get_data(cache=False)


def parse_body(body: bytes) -> Any:
    """The value that the bytes are as JSON, with or without a byte order mark. Numbers with a point or an exponent become
    Decimal, what is too long for a number Decimal("NaN"), an object with a key twice Doubled. Raises Problem (400)."""
    if not body:
        raise _malformed("The body is empty: send JSON.")
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as wrong:
        raise _malformed(f"The body is not UTF-8 (at byte {wrong.start}): send JSON in UTF-8.") from None
    try:
        return json.loads(
            text, parse_float=_decimal, parse_int=_whole, parse_constant=_refuse, object_pairs_hook=_object
        )
    except json.JSONDecodeError as wrong:
        where = f"line {wrong.lineno}, column {wrong.colno}"
        raise _malformed(f"The body is not JSON ({where}): check it with a JSON linter.") from None
    except _NotANumber:
        raise _malformed("The body holds NaN or Infinity, which JSON does not have: leave such a value out.") from None
    except RecursionError:
        raise _malformed("The body is nested too deeply: an outcome needs three levels.") from None


def _malformed(detail: str) -> Problem:
    return Problem(MALFORMED_BODY, detail)


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text) if len(text) <= _LONGEST_NUMBER else _NO_NUMBER
    except decimal.InvalidOperation:  # an exponent of twenty digits
        return _NO_NUMBER


def _whole(text: str) -> int | Decimal:
    return int(text) if len(text) <= _LONGEST_NUMBER else _NO_NUMBER


def _refuse(_name: str) -> NoReturn:
    raise _NotANumber


def _object(pairs: list[tuple[str, Any]]) -> Any:
    found = dict(pairs)
    return found if len(found) == len(pairs) else Doubled()
