"""Fields of what the API answers, each with words and an example: OpenAPI and the reference are made from them."""

from typing import Any

from marshmallow import fields

UTC_MOMENT = "RFC 3339 in UTC"


def text(words: str, example: str | None = None, **kwargs: Any) -> fields.String:
    return fields.String(required=True, allow_none=True, metadata={"description": words, "example": example}, **kwargs)


def sure(words: str, example: str) -> fields.String:
    return fields.String(required=True, metadata={"description": words, "example": example})


def when(words: str, example: str | None, *, allow_none: bool = True) -> fields.AwareDateTime:
    metadata = {"description": f"{words} ({UTC_MOMENT}).", "example": example}
    return fields.AwareDateTime(format="iso", required=True, allow_none=allow_none, metadata=metadata)


def number(words: str, example: int, *, allow_none: bool = False, data_key: str | None = None) -> fields.Integer:
    metadata = {"description": words, "example": example}
    return fields.Integer(strict=True, required=True, allow_none=allow_none, metadata=metadata, data_key=data_key)


def flag(words: str, example: bool | None, *, allow_none: bool = False) -> fields.Boolean:
    metadata = {"description": words, "example": example}
    return fields.Boolean(required=True, allow_none=allow_none, metadata=metadata)
