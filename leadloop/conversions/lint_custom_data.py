"""The linter's eyes on custom_data: amounts, what a purchase needs, types of known keys, and nothing personal.

Sources: Meta conversions facts §1.3, §3, §4.1, §5.3, §11, read 2026-11-22.
"""

import math
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from leadloop.conversions.findings import Finding, shown_key
from leadloop.conversions.money import MOST_INTEGER_DIGITS, MoneyInvalid, is_currency, minor_units, parse_currency
from leadloop.conversions.personal import LONGEST_LOOKED_AT, holds_personal_data

_MOST_VALUES = 2_000
_DEEPEST = 8
_SEGMENTS = frozenset(
    {
        f"{who}_customer_to_{what}"
        for who in ("new", "existing")
        for what in ("business", "business_line", "product_area", "medium")
    }
    | {"customer_in_loyalty_program"}
)
_DELIVERIES = frozenset({"in_store", "curbside", "home_delivery"})
_PERSONAL_KEYS = frozenset(
    str.split(
        """em ph fn ln db email e_mail email_address phone phone_number mobile first_name last_name full_name street_address
        address birth_date birthday date_of_birth dob"""
    )
)

Check = Callable[[Any], str | None]  # what the value must be, when it is something else


def lint_custom_data(custom_data: object, event_name: object, found: list[Finding]) -> None:
    """Add to `found` what is wrong with an event's custom_data. Values are never quoted."""
    if custom_data is None:
        custom_data = {}
    if not isinstance(custom_data, Mapping):
        mend = 'write an object, such as {"value": 12500.0, "currency": "TRY"}'
        found.append(Finding("custom_data_type", "custom_data", "must be an object", mend))
        return
    _lint_money(custom_data, event_name == "Purchase", found)
    for key, value in custom_data.items():
        if (check := _CHECKS.get(key)) is not None and (wanted := check(value)) is not None:
            found.append(
                Finding("custom_data_type", f"custom_data.{key}", f"must be {wanted}", "correct it or take it out")
            )
        if type(key) is str and "@" in key:
            value = [key, value]
        kind = type(value)
        if kind is int or (kind is str and "@" not in value and "+" not in value and len(value) <= LONGEST_LOOKED_AT):
            continue
        _lint_personal(key, value, found)
    for key in sorted(_PERSONAL_KEYS & custom_data.keys()):
        message = "has the name of something personal"
        mend = "give the person in user_data, hashed, or take it out"
        found.append(Finding("personal_data_doubtful", f"custom_data.{key}", message, mend, "warning"))


def check_segment(value: object) -> str | None:
    """customer_segmentation, at either of its two places (facts §14.5)."""
    return None if isinstance(value, str) and value in _SEGMENTS else "one of Meta's nine customer segments"


def _lint_money(custom: Mapping[Any, Any], purchase: bool, found: list[Finding]) -> None:
    value, currency = custom.get("value"), custom.get("currency")
    if value is None:
        if purchase:
            message, mend = "is missing, and a Purchase needs it", "give the amount, or use another event name"
            found.append(Finding("value_missing", "custom_data.value", message, mend, meta_code="100/2804009"))
    elif (wrong := _why_no_amount(value)) is not None:
        found.append(Finding("value_wrong", "custom_data.value", *wrong))
    code = _lint_currency(currency, found) if currency is not None else None
    if currency is None:
        if purchase:
            message, mend = "is missing, and a Purchase needs it", 'add the ISO 4217 code, such as "TRY"'
            found.append(Finding("currency_missing", "custom_data.currency", message, mend))
        elif value is not None:
            message, mend = "is missing, so that the value says nothing", 'add the ISO 4217 code, such as "TRY"'
            found.append(Finding("currency_missing", "custom_data.currency", message, mend, "warning"))
    if code is not None and type(value) is float and math.isfinite(value) and not value.is_integer():
        decimals = -int(Decimal(repr(value)).as_tuple().exponent)
        if decimals > minor_units(code):
            message = f"has more decimals than {code} has"
            mend = f"round it to {minor_units(code)} decimals"
            found.append(Finding("value_decimals", "custom_data.value", message, mend, "warning"))


def _lint_currency(currency: object, found: list[Finding]) -> str | None:
    if type(currency) is str and is_currency(currency):
        return currency
    try:
        code = parse_currency(currency)
    except MoneyInvalid as wrong:
        found.append(Finding("currency_wrong", "custom_data.currency", wrong.fault.message, wrong.fault.mend))
        return None
    mend = f'write "{code}"'
    found.append(Finding("currency_case", "custom_data.currency", "is not in capitals", mend, "warning"))
    return code


def _why_no_amount(value: object) -> tuple[str, str] | None:
    if type(value) is not int and type(value) is not float:
        return "must be a JSON number", "write it without quotation marks and with a point, such as 12500.0"
    if type(value) is float and not math.isfinite(value):
        return "is not a finite number", "give the amount, or take the value out"
    if value < 0:
        return "is negative", "take the value out, or give what was paid"
    if value >= 10**MOST_INTEGER_DIGITS:
        return f"has more than {MOST_INTEGER_DIGITS} digits before the point", "check the amount"
    return None


def _lint_personal(key: object, value: object, found: list[Finding]) -> None:
    """Look at all texts within one value: few steps for what events hold, and never more than so many."""
    rest: list[tuple[object, int]] = [(value, 0)]
    looked_at = 0
    while rest:
        one, depth = rest.pop()
        looked_at += 1
        if looked_at > _MOST_VALUES or depth > _DEEPEST:
            message = "is nested too deeply or holds too many values"
            found.append(Finding("too_large", f"custom_data.{shown_key(key)}", message, "send a few plain values"))
            return
        if isinstance(one, str):
            personal = holds_personal_data(one)
            if personal:
                field = f"custom_data.{shown_key(key)}"
                mend = "take it out, and give the person in user_data, hashed"
                found.append(Finding("personal_data", field, f"holds {personal}", mend))
                return
            if len(one) > LONGEST_LOOKED_AT:
                field, message = f"custom_data.{shown_key(key)}", "is a long text, which nobody at Meta reads"
                found.append(Finding("text_too_long", field, message, "send a word or two", "warning"))
        elif isinstance(one, Mapping):
            rest.extend((part, depth + 1) for pair in one.items() for part in pair)
        elif isinstance(one, list | tuple):
            rest.extend((part, depth + 1) for part in one)
        elif isinstance(one, float) and not math.isfinite(one) and key != "value":
            message, mend = "is not a finite number, which JSON does not have", "take it out"
            found.append(Finding("custom_data_type", f"custom_data.{shown_key(key)}", message, mend))
            return


def _text(value: object) -> str | None:
    return None if isinstance(value, str) and value.strip() else "a text that is not blank"


def _number(value: object) -> str | None:
    return None if type(value) in (int, float) else "a number"


def _whole(value: object) -> str | None:
    return None if type(value) is int and value >= 0 else "a whole number"


def _texts(value: object) -> str | None:
    fine = isinstance(value, list) and all(isinstance(one, str | int) for one in value)
    return None if fine else "a list of ids"


def _contents(value: object) -> str | None:
    wanted = "a list of objects, each with id and a whole quantity"
    if not isinstance(value, list):
        return wanted
    for one in value:
        if not isinstance(one, Mapping) or not one.get("id") or type(one.get("quantity")) is not int:
            return wanted
        if "delivery_category" in one and _delivery(one["delivery_category"]):
            return wanted + ", and delivery_category where given in_store, curbside or home_delivery"
    return None


def _delivery(value: object) -> str | None:
    fine = isinstance(value, str) and value in _DELIVERIES
    return None if fine else "in_store, curbside or home_delivery"


_CHECKS: dict[object, Check] = {
    "content_category": _text,
    "content_ids": _texts,
    "content_name": _text,
    "content_type": lambda value: None if value in ("product", "product_group") else "product or product_group",
    "contents": _contents,
    "customer_segmentation": check_segment,
    "delivery_category": _delivery,
    "event_source": lambda value: None if value == "crm" else 'the text "crm"',
    "item_number": lambda value: None if isinstance(value, str | int) else "text",
    "lead_event_source": _text,
    "net_revenue": _number,
    "num_items": _whole,
    "order_id": _text,
    "predicted_ltv": _number,
    "search_string": _text,
    "status": lambda value: None if isinstance(value, str | bool) else "text, or true or false",
}
