import json
from decimal import Decimal
from typing import Any

import pytest
from babel.core import get_global
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leadloop.conversions.money import (
    MoneyInvalid,
    fit_currency,
    is_currency,
    json_number,
    minor_units,
    parse_currency,
    parse_value,
)

CALM = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # other work may be on the machine


@pytest.mark.parametrize(
    ("value", "currency", "amount"),
    [
        ("12500.00", "TRY", "12500.00"),
        (" 12500 ", "TRY", "12500"),
        ("0", "EUR", "0"),
        ("0.500", "EUR", "0.5"),
        ("1234.500", "EUR", "1234.5"),
        ("12500.0000", "TRY", "12500"),
        ("12500.00", "JPY", "12500"),
        ("12.500", "KWD", "12.500"),
        ("0012.5", "USD", "12.5"),
        ("12500.75", "HUF", "12500.75"),
        ("12500.75", "IDR", "12500.75"),
        ("9999999999999.99", "USD", "9999999999999.99"),
        (12500, "TRY", "12500"),
        (Decimal("12500.50"), "TRY", "12500.50"),
        ("12.500", None, "12.500"),
    ],
)
def test_amounts(value: object, currency: str | None, amount: str) -> None:
    assert parse_value(value, currency) == Decimal(amount)


@pytest.mark.parametrize(
    ("value", "currency", "said"),
    [
        ("12.500,00", "TRY", 'is written with signs that not every country reads alike: write "12500.00", if that was meant.'),
        ("12,500.00", "TRY", 'is written with signs that not every country reads alike: write "12500.00", if that was meant.'),
        ("12 500,50", "EUR", 'is written with signs that not every country reads alike: write "12500.50", if that was meant.'),
        ("12'500.50", "CHF", 'is written with signs that not every country reads alike: write "12500.50", if that was meant.'),
        ("1.234.567", "TRY", 'is written with signs that not every country reads alike: write "1234567", if that was meant.'),
        ("12500,5", "TRY", 'is written with signs that not every country reads alike: write "12500.5", if that was meant.'),
        ("12,500", "TRY", 'has a comma that may mean two amounts: write "12500" or "12.500".'),
        ("12.500", "TRY", "has three decimals and may mean two amounts: write 12500 for thousands, or 12.5 for the smaller one."),
        ("12.500", "JPY", "has three decimals and may mean two amounts: write 12500 for thousands, or 12.5 for the smaller one."),
        ("1250.555", "TRY", "has more decimals than TRY has: round it to 2 decimals."),
        ("1250.5", "JPY", "has more decimals than JPY has: round it to a whole number."),
        ("-5", "TRY", "is negative: leave the value out, or send what was paid."),
        ("−5", "TRY", "is negative: leave the value out, or send what was paid."),
        (-5, "TRY", "is negative: leave the value out, or send what was paid."),
        (Decimal("-0.01"), "TRY", "is negative: leave the value out, or send what was paid."),
        ("10000000000000", "TRY", "has more than 13 digits before the point: check the amount."),
        (10**4000, "TRY", "has more than 13 digits before the point: check the amount."),
        (Decimal("1E+999999"), "TRY", "has more than 13 digits before the point: check the amount."),
        ("9999999999999.999", "KWD", "has more than 15 digits in all: check the amount."),
        (12500.5, "TRY", 'is a binary number that may have lost digits: write it as text, such as "12500.00".'),
        (float("nan"), "TRY", 'is a binary number that may have lost digits: write it as text, such as "12500.00".'),
        (True, "TRY", 'must be text: write it as text, such as "12500.00".'),
        (None, "TRY", 'must be text: write it as text, such as "12500.00".'),
        ([], "TRY", 'must be text: write it as text, such as "12500.00".'),
        ("", "TRY", 'is empty: leave it out, or write an amount such as "12500.00".'),
    ],
)  # fmt: skip
def test_amounts_that_are_refused(value: Any, currency: str, said: str) -> None:
    with pytest.raises(MoneyInvalid) as caught:
        parse_value(value, currency)
    assert str(caught.value.fault) == said
    assert str(caught.value) == said


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("NaN", "is not a number"),
        ("-Infinity", "holds more than an amount"),
        ("inf", "is not a number"),
        (Decimal("NaN"), "is not a number"),
        (Decimal("sNaN"), "is not a number"),
        (Decimal("Infinity"), "is not a number"),
        ("1e5", "holds more than an amount"),
        ("12500 TRY", "holds more than an amount"),
        ("€12", "holds more than an amount"),
        ("+5", "is not an amount"),
        (".5", "is not an amount"),
        ("5.", "is not an amount"),
        ("١٢", "is not an amount"),
        ("1_000", "is not an amount"),
        ("0." + "1" * 13, "has too many decimals"),
        (Decimal("1E-999999"), "has too many decimals"),
        ("1" * 61, "is too long"),
    ],
)
def test_texts_that_are_no_amount(value: object, message: str) -> None:
    with pytest.raises(MoneyInvalid) as caught:
        parse_value(value)
    assert caught.value.fault.message == message
    assert caught.value.fault.mend


def test_an_amount_of_more_digits_than_python_writes() -> None:
    with pytest.raises(MoneyInvalid, match="13 digits"):
        parse_value(10**5000, "TRY")


def test_a_refusal_does_not_repeat_what_was_sent() -> None:
    with pytest.raises(MoneyInvalid) as caught:
        parse_value("zoe@example.com")
    assert "zoe" not in str(caught.value)


@CALM
@given(st.decimals(min_value=0, max_value=9_999_999_999_999, places=2, allow_nan=False))
def test_an_amount_is_the_same_on_the_wire(amount: Decimal) -> None:
    fitted = parse_value(f"{amount:f}", "TRY")
    assert Decimal(json.dumps(json_number(fitted))) == amount


@CALM
@given(st.decimals(min_value=0, max_value=999_999_999_999, places=3, allow_nan=False))
def test_three_decimals_are_the_same_on_the_wire(amount: Decimal) -> None:
    assert Decimal(json.dumps(json_number(fit_currency(amount, "KWD")))) == amount


@CALM
@given(st.text(max_size=70) | st.integers() | st.decimals() | st.none() | st.floats())
def test_an_amount_or_a_refusal(value: Any) -> None:
    try:
        amount = parse_value(value, "TRY")
    except MoneyInvalid:
        return
    assert amount.is_finite()
    assert 0 <= amount < 10**13


def test_a_whole_amount_is_a_whole_number() -> None:
    assert json.dumps([json_number(Decimal(text)) for text in ("12500.00", "12500.10", "0.0")]) == "[12500, 12500.1, 0]"


@pytest.mark.parametrize(("text", "code"), [("TRY", "TRY"), ("try", "TRY"), (" usd ", "USD"), ("Xof", "XOF")])
def test_currencies(text: str, code: str) -> None:
    assert parse_currency(text) == code
    assert is_currency(code)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("TRL", "is not in use any more: give the amount in TRY instead."),
        ("dem", "is not in use any more: give the amount in EUR instead."),
        ("HRK", "is not in use any more: give the amount in EUR instead."),
        ("BGN", "is not in use any more: give the amount in EUR instead."),
        ("ZWL", "is not in use any more: give the amount in ZWG instead."),
        ("VEF", "is not in use any more: give the amount in VES instead."),
        ("ROL", "is not in use any more: give the amount in RON instead."),
        ("BYR", "is not in use any more: give the amount in BYN instead."),
        ("ANG", "is not in use any more: give the amount in XCG instead."),
        ("SUR", "is not in use any more: give the amount in RUB instead."),
        ("USS", "is not legal tender anywhere: give the amount in a currency of a country."),
        ("ZWD", "is not in use any more: give the amount in the currency that followed it instead."),
        ("TL", 'must be an ISO 4217 code: write "TRY".'),
        ("€", 'must be an ISO 4217 code: write "EUR".'),
        ("zł", 'must be an ISO 4217 code: write "PLN".'),
        ("Euro", 'must be an ISO 4217 code: write "EUR".'),
        ("BTC", "is a cryptocurrency: give the amount in a currency of a country."),
        ("XAU", "is not legal tender anywhere: give the amount in a currency of a country."),
        ("XYZ", 'is not a currency of ISO 4217: write a code such as "TRY".'),
        ("", 'is empty: write an ISO 4217 code such as "TRY".'),
        (None, 'must be text: write an ISO 4217 code such as "TRY".'),
        (949, 'must be text: write an ISO 4217 code such as "TRY".'),
    ],
)
def test_currencies_that_are_refused(text: object, said: str) -> None:
    with pytest.raises(MoneyInvalid) as caught:
        parse_currency(text)
    assert str(caught.value) == said


def test_no_currency_has_an_unknown_successor() -> None:
    for code in get_global("all_currencies"):
        try:
            assert parse_currency(code) == code
        except MoneyInvalid as refused:
            words = refused.fault.mend.split()
            assert words[-1] == "country" or "followed" in words or is_currency(words[-2]), code


@pytest.mark.parametrize(
    ("code", "units"),
    [("TRY", 2), ("HUF", 2), ("IDR", 2), ("COP", 2), ("JPY", 0), ("CLP", 0), ("XOF", 0), ("KWD", 3), ("IQD", 3)],
)
def test_minor_units_are_those_of_iso_4217(code: str, units: int) -> None:
    assert minor_units(code) == units
