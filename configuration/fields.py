"""Kinds of values in the configuration file, as marshmallow fields whose every message comes with its mend."""

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from marshmallow import ValidationError, fields

from configuration.mistakes import Fault, show, split_sentence
from leadloop.countries import find_country
from leadloop.templates import TemplateError, find_template_errors
from notifiers.addresses import BadAddress, build_plugin

Check = Callable[[str], Fault | list[Fault] | None]
MOST_FAULTS = 10  # of one text

LONGEST_TEXT = 200
LONGEST_TEMPLATE = 10_000

_FIELDS = "all fields are in docs/configuration.md, Templates"
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?")
_DIGITS = re.compile(r"[0-9]{1,32}")


def kind_of(value: object) -> str:
    """What a value is, in words."""
    kinds: tuple[tuple[Any, str], ...] = (
        (str, "text"),
        (bool, "true or false"),
        (int | float | Decimal, "a number"),
        (list, "a list"),
        (Mapping, "a table"),
        (datetime | date | time, "a date or time"),
    )
    return next((words for kind, words in kinds if isinstance(value, kind)), type(value).__name__)


class Word(fields.Field[str]):
    """A text. `check` looks closer at it; `example` is how it is written, for the mend."""

    def __init__(self, check: Check, *, example: str, **kwargs: Any) -> None:
        super().__init__(
            error_messages=missing(example), metadata=kwargs.pop("metadata", {}) | {"example": example}, **kwargs
        )
        self.check = check
        self.example = example

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        if not isinstance(value, str):
            raise ValidationError(not_text(value, self.example))
        found = self.check(value)
        if found:
            raise ValidationError(_listed(found))
        return value


class Words(fields.Field[list[str]]):
    """A list of texts, none of them twice. `secret`: messages never show one. `may_be_empty`: [] is fine."""

    def __init__(
        self, check: Check, *, example: str, secret: bool = False, may_be_empty: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(
            error_messages=missing(example), metadata=kwargs.pop("metadata", {}) | {"example": example}, **kwargs
        )
        self.check = check
        self.example = example
        self.secret = secret
        self.may_be_empty = may_be_empty

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[str]:
        if not isinstance(value, list):
            raise ValidationError(Fault(f"must be a list, not {kind_of(value)}", f"write {self.example}"))
        if not value and not self.may_be_empty:
            raise ValidationError(Fault("is an empty list", f"write {self.example}, or take it out"))
        seen: set[str] = set()
        faults = {index: found for index, item in enumerate(value) if (found := self._find_faults(item, seen))}
        if faults:
            good = [item for index, item in enumerate(value) if index not in faults]
            raise ValidationError(faults, valid_data=good)
        return value

    def _find_faults(self, item: Any, seen: set[str]) -> list[Fault]:
        if not isinstance(item, str):
            return [not_text(item, self.example)]
        if item in seen:
            what = "the same address" if self.secret else show(item)
            return [Fault(f"names {what} twice", "take one of the two out")]
        seen.add(item)
        return _listed(self.check(item))


class Templates(fields.Field[dict[str, str]]):
    """A table of the CRM's field names, each with the template that fills it."""

    def __init__(self, *, example: str, **kwargs: Any) -> None:
        super().__init__(
            error_messages=missing(example), metadata=kwargs.pop("metadata", {}) | {"example": example}, **kwargs
        )
        self.example = example

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> dict[str, str]:
        if not isinstance(value, Mapping):
            raise ValidationError(Fault(f"must be a table, not {kind_of(value)}", f"write {self.example}"))
        if not value:
            raise ValidationError(
                Fault("maps nothing", "add a field, or take the mapping out to use the adapter's own fields")
            )
        faults = {name: found for name, template in value.items() if (found := _find_field_faults(name, template))}
        if faults:
            raise ValidationError(faults)
        return dict(value)


class Table(fields.Field[dict[str, Any]]):
    """A table whose keys somebody else checks (the adapter's own settings)."""

    def __init__(self, *, example: str, **kwargs: Any) -> None:
        super().__init__(metadata=kwargs.pop("metadata", {}) | {"example": example}, **kwargs)
        self.example = example

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise ValidationError(Fault(f"must be a table, not {kind_of(value)}", f"write {self.example}"))
        return dict(value)


class Switch(fields.Field[bool]):
    """true or false."""

    def __init__(self, *, example: str, **kwargs: Any) -> None:
        super().__init__(metadata=kwargs.pop("metadata", {}) | {"example": example}, **kwargs)
        self.example = example

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bool:
        if not isinstance(value, bool):
            mend = f"write {self.example}, without quotes" if isinstance(value, str) else f"write {self.example}"
            raise ValidationError(Fault(f"must be true or false, not {kind_of(value)}", mend))
        return value


def missing(example: str) -> dict[str, str | list[Any] | dict[Any, Any]]:
    """The message of a key that must be there."""
    return {"required": [Fault("is missing", f"add {example}")]}


def not_text(value: object, example: str) -> Fault:
    """What is wrong with a value that is no text."""
    if isinstance(value, int) and not isinstance(value, bool):
        digits = str(value) if abs(value) < 10**32 else "…"
        return Fault("must be text, not a number", f'put it in quotes: "{digits}"')
    if isinstance(value, Mapping):
        return Fault("must be text, not a table", 'a key with dots in it needs quotes: "a.b" = "…"')
    return Fault(f"must be text, not {kind_of(value)}", f"write {example}")


def _find_field_faults(name: str, template: object) -> list[Fault]:
    faults = []
    if not name.strip() or not name.isprintable() or len(name) > LONGEST_TEXT:
        faults = [Fault("is not the name of a CRM field", "name the field as the CRM does; see leadloop crm fields")]
    if isinstance(template, bool):
        return [*faults, Fault("must be text, not true or false", f'put it in quotes: "{str(template).lower()}"')]
    if not isinstance(template, str):
        return [*faults, not_text(template, 'a template: "{first_name}"')]
    return faults + check_template(template)


def _listed(found: Fault | list[Fault] | None) -> list[Fault]:
    return [] if found is None else found if isinstance(found, list) else [found]


# --- what a text may be -----------------------------------------------------------------------------------------------


def check_name(text: str) -> Fault | None:
    """A name of ours: it stands in URLs and commands."""
    if _NAME.fullmatch(text):
        return None
    return Fault(
        f"{show(text)} cannot be a name", "use letters a-z, digits, -, _ and dots inside: at most 64, such as acme-crm"
    )


def check_id(text: str) -> Fault | None:
    """An id of Meta's: digits."""
    if _DIGITS.fullmatch(text):
        return None
    if text.startswith("$"):
        return _no_variable_here()
    return Fault("is not an id of Meta's, which has digits only", "copy the id from Meta, without blanks or dots")


def check_id_or_all(text: str) -> Fault | None:
    """An id of Meta's, or "*" for all of them."""
    if text == "*" or _DIGITS.fullmatch(text):
        return None
    return Fault(f"{show(text)} is neither an id of Meta's (digits only) nor *", 'write the id, or "*" for all')


def check_name_or_all(text: str) -> Fault | None:
    """A name, or "*" for all of them."""
    return None if text == "*" else check_name(text)


def check_country(text: str) -> Fault | None:
    """ISO 3166-1 alpha-2, in capitals."""
    if text.startswith("$"):
        return _no_variable_here()
    meant = find_country(text)
    if meant is not None and meant == text:
        return None
    mend = f'write "{meant}"' if meant else 'write its two letters from ISO 3166-1, such as "TR", "DE" or "BR"'
    return Fault(f"{show(text)} is not a country code", mend)


def check_label(text: str) -> Fault | None:
    """A name to show: any letters, one line."""
    if not text.strip():
        return Fault("is empty", "write something, or take it out")
    if not text.isprintable() or len(text) > LONGEST_TEXT:
        return Fault(
            f"is longer than {LONGEST_TEXT} letters, or not one line of letters", "shorten it to one plain line"
        )
    return None


def check_token(text: str) -> Fault | None:
    """An access token: it travels in an HTTP header."""
    if not text:
        return Fault("is empty", 'put the token there ("$NAME"), or take it out to use META_ACCESS_TOKEN')
    if not text.isascii() or not text.isprintable() or " " in text or len(text) > LONGEST_TEMPLATE:
        return Fault("is not an access token: it holds blanks, line ends or other letters", "copy the token again")
    return None


def check_template(text: str) -> list[Fault]:
    """A text with {fields} of the lead."""
    if len(text) > LONGEST_TEMPLATE:
        return [Fault(f"is longer than {LONGEST_TEMPLATE} letters", "shorten it")]
    return [_template_fault(error) for error in find_template_errors(text)[:MOST_FAULTS]]


def _template_fault(error: TemplateError) -> Fault:
    said, mend = split_sentence(str(error).partition(" Allowed are")[0])
    if mend.endswith("?"):
        return Fault(said, f"{mend} {_FIELDS[:1].upper()}{_FIELDS[1:]}")
    return Fault(said, f"{mend or 'name another field'}; {_FIELDS}")


def check_address(text: str) -> Fault | None:
    """An Apprise URL that can ring. Nothing of it but its scheme is ever shown."""
    try:
        build_plugin(text)
    except BadAddress as caught:
        return Fault(split_sentence(caught.reason)[0], caught.mend.rstrip("."))
    return None


def _no_variable_here() -> Fault:
    return Fault(
        "takes no value from the environment",
        "write the value itself; only access_token, settings and urls take a $NAME, since the rest is no secret",
    )
