"""Kinds of values that only funnels have: amounts, currencies, routes, conditions, US states."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from marshmallow import ValidationError, fields

from configuration.fields import LONGEST_TEXT, Word, check_label, kind_of, missing, not_text
from configuration.mistakes import Fault, did_you_mean, show
from leadloop.conversions.limited_data_use import STATE_CODES
from leadloop.conversions.money import MoneyInvalid, parse_currency, parse_value
from leadloop.conversions.routes import ROUTES
from leadloop.texts import tidy

VALUE_RULES = ("required", "optional")
MOST_STAGES = 500
MOST_CONDITIONS = 20
MOST_VALUES = 200  # of one condition


def check_route(text: str) -> Fault | None:
    if text in ROUTES:
        return None
    return Fault(f"{show(text)} is not a way to Meta", did_you_mean(text, ROUTES, what="routes"))


def check_value_rule(text: str) -> Fault | None:
    if text in VALUE_RULES:
        return None
    return Fault(f"{show(text)} is not a rule for values", did_you_mean(text, VALUE_RULES, what="rules"))


def check_currency(text: str) -> Fault | None:
    """A currency in use, in capitals."""
    try:
        code = parse_currency(text)
    except MoneyInvalid as wrong:
        return Fault(wrong.fault.message, wrong.fault.mend)
    return None if code == text else Fault(f"{show(text)} is not the code of a currency", f'write "{code}"')


def check_state(text: str) -> Fault | None:
    """A US state that Limited Data Use is for."""
    if text in STATE_CODES:
        return None
    message = f"{show(text)} is not a US state that Limited Data Use is for"
    return Fault(message, did_you_mean(text, STATE_CODES, what="states"))


def check_stages(stages: list[Any]) -> None:
    if not stages:
        raise ValidationError(Fault("is an empty list", "add the connection's stages, or take the funnel out"))
    if len(stages) > MOST_STAGES:
        message = f"has more than {MOST_STAGES} stages"
        raise ValidationError(Fault(message, 'make a funnel for each pipeline, with when = { pipeline = "…" }'))


class StageName(Word):
    """A stage in the form in which outcomes name one: composed letters, single blanks."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        found = tidy(super()._deserialize(value, attr, data, **kwargs))
        if found is None:
            raise ValidationError(Fault("holds nothing that can be seen", f"write {self.example}"))
        return found


class Amount(fields.Field[str]):
    """An amount as decimal text. A TOML number is taken as it is written (reading.py keeps its digits)."""

    def __init__(self, *, example: str, **kwargs: Any) -> None:
        super().__init__(metadata=kwargs.pop("metadata", {}) | {"example": example}, **kwargs)
        self.example = example

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
            raise ValidationError(Fault(f"must be an amount, not {kind_of(value)}", f"write {self.example}"))
        try:
            return f"{parse_value(value).copy_abs():f}"  # -0.0 is 0
        except MoneyInvalid as wrong:
            raise ValidationError(Fault(wrong.fault.message, wrong.fault.mend)) from None


class Conditions(fields.Field[dict[str, Any]]):
    """A table of what must hold: each key has a text, or a list of texts of which one is enough."""

    def __init__(self, *, example: str, **kwargs: Any) -> None:
        super().__init__(
            error_messages=missing(example), metadata=kwargs.pop("metadata", {}) | {"example": example}, **kwargs
        )
        self.example = example

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise ValidationError(Fault(f"must be a table, not {kind_of(value)}", f"write {self.example}"))
        if not value:
            raise ValidationError(Fault("names no condition", f"write {self.example}, or take it out"))
        if len(value) > MOST_CONDITIONS:
            raise ValidationError(Fault(f"has more than {MOST_CONDITIONS} conditions", "leave those that decide"))
        faults = {name: found for name, wanted in value.items() if (found := self._find_faults(name, wanted))}
        if faults:
            raise ValidationError(faults)
        return dict(value)

    def _find_faults(self, name: str, wanted: Any) -> Any:
        if check_label(name):
            return [Fault("is not the name of a field", f"write it like pipeline, in at most {LONGEST_TEXT} letters")]
        if isinstance(wanted, str):
            return _find_value_faults(wanted, self.example)
        if not isinstance(wanted, list):
            return [not_text(wanted, self.example)]
        if not wanted:
            return [Fault("is an empty list, so that nothing is ever told", "name a value, or take the condition out")]
        if len(wanted) > MOST_VALUES:
            return [Fault(f"has more than {MOST_VALUES} values", 'leave fewer, or "*" for any')]
        return {index: found for index, one in enumerate(wanted) if (found := _find_value_faults(one, self.example))}


def _find_value_faults(value: Any, example: str) -> list[Fault]:
    if not isinstance(value, str):
        return [not_text(value, example)]
    fault = check_label(value)
    return [fault] if fault else []
