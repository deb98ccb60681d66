"""Amounts and currencies: decimal text becomes a Decimal, and only at the very end a JSON number that is the same.

Minor units are ISO 4217's and not CLDR's, which says how amounts are shown: 0 decimals for HUF, IDR and COP, where ISO has
2. Which currencies are in use, and what followed those that are not, is CLDR's, through babel.
"""

import re
from decimal import Decimal
from functools import cache
from types import MappingProxyType

from babel.core import get_global

from leadloop.conversions.findings import Fault

MOST_INTEGER_DIGITS = 13
_MOST_DIGITS = 15  # a double keeps that many decimal digits, whatever they are
_MOST_DECIMALS = 12  # so that all fits into the 28 digits with which Decimal works
_LONGEST = 60
_PLAIN = re.compile(r"[0-9]+(?:\.[0-9]+)?", re.ASCII)
_GROUPED = (  # what people write instead: (pattern, thousands, decimal sign)
    (re.compile(r"[0-9]{1,3}(?:\.[0-9]{3})+,[0-9]{1,4}"), ".", ","),
    (re.compile(r"[0-9]{1,3}(?:,[0-9]{3})+\.[0-9]{1,4}"), ",", "."),
    (re.compile(r"[0-9]{1,3}(?:[ '’\u00a0\u202f][0-9]{3})+(?:[.,][0-9]{1,4})?"), " '’\u00a0\u202f", ".,"),
    (re.compile(r"[0-9]{1,3}(?:\.[0-9]{3}){2,}"), ".", ""),
    (re.compile(r"[0-9]{1,3}(?:,[0-9]{3}){2,}"), ",", ""),
    (re.compile(r"[0-9]+,[0-9]{1,2}"), "", ","),
)
_DECIMAL_TEXT = 'write digits with a point before the decimals and nothing else, such as "12500.00"'
_NOT_TWO = MappingProxyType(
    dict.fromkeys(str.split("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"), 0)
    | dict.fromkeys(str.split("BHD IQD JOD KWD LYD OMR TND"), 3)
)
# Where the country's next currency is not what followed (one territory of many, or a country gone by).
_SUCCESSORS = {
    "ANG": "XCG",
    "YUM": "RSD",
    "CSD": "RSD",
    "SUR": "RUB",
    "DDM": "EUR",
    "XEU": "EUR",
    "CSK": "CZK",
    "ZWL": "ZWG",
}
_NO_MONEY = {"BTC": "a cryptocurrency", "ETH": "a cryptocurrency", "USDT": "a cryptocurrency"}
_SIGNS = {"€": "EUR", "£": "GBP", "₺": "TRY", "TL": "TRY", "₹": "INR", "₩": "KRW", "₽": "RUB", "zł": "PLN"}
_SIGNS |= {"R$": "BRL", "US$": "USD", "EURO": "EUR", "EUROS": "EUR"}


class MoneyInvalid(ValueError):
    """An amount or a currency that cannot be taken. `fault` says what is wrong and the mend, without the amount as sent."""

    def __init__(self, message: str, mend: str) -> None:
        super().__init__(f"{message}: {mend}.")
        self.fault = Fault(message, mend)


def parse_value(value: object, currency: str | None = None) -> Decimal:
    """The amount of decimal text ("12500.00"), an int or a Decimal. Raises MoneyInvalid.

    With `currency` (ISO 4217, as parse_currency gives it) its decimals are checked too, as fit_currency() does; without
    one they are kept as written, to be checked once the currency is known.
    """
    amount = _read(value)
    if amount >= 10**MOST_INTEGER_DIGITS:
        raise MoneyInvalid(f"has more than {MOST_INTEGER_DIGITS} digits before the point", "check the amount")
    if _decimals(amount) > _MOST_DECIMALS:
        raise MoneyInvalid("has too many decimals", _DECIMAL_TEXT)
    return amount if currency is None else fit_currency(amount, currency)


def fit_currency(amount: Decimal, currency: str) -> Decimal:
    """`amount` with no more decimals than the currency has (ISO 4217 minor units). Raises MoneyInvalid.

    Zeros beyond them are dropped, but for "12.500" with three decimals in a currency of two: that may be twelve
    and a half, or twelve thousand five hundred as it is written in half of the world.
    """
    units = minor_units(currency)
    decimals = _decimals(amount)
    if decimals == 3 and units != 3 and 1 <= int(amount) <= 999:
        whole, _, rest = f"{amount:f}".partition(".")
        raise MoneyInvalid(
            "has three decimals and may mean two amounts",
            f"write {whole}{rest} for thousands, or {_shortest(amount)} for the smaller one",
        )
    if decimals > units:
        shorter = amount.quantize(Decimal(1).scaleb(-units)) if _fits(amount, units) else None
        if shorter is None:
            raise MoneyInvalid(
                f"has more decimals than {currency} has",
                f"round it to {units} decimals" if units else "round it to a whole number",
            )
        amount = shorter
    if len(amount.normalize().as_tuple().digits) > _MOST_DIGITS:
        raise MoneyInvalid(f"has more than {_MOST_DIGITS} digits in all", "check the amount")
    return amount


def json_number(amount: Decimal) -> int | float:
    """The JSON number that is exactly `amount`: a whole one as an int, others as the float that is written the same."""
    whole = int(amount)
    return whole if whole == amount else float(amount)


def parse_currency(text: object) -> str:
    """The ISO 4217 code in upper case. Raises MoneyInvalid for what is no currency, or none any more."""
    if not isinstance(text, str):
        raise MoneyInvalid("must be text", 'write an ISO 4217 code such as "TRY"')
    code = text.strip().upper()
    if code in _currencies():
        return code
    raise MoneyInvalid(*_why_no_currency(code))


def is_currency(code: str) -> bool:
    """Whether `code`, in upper case, is legal tender somewhere today."""
    return code in _currencies()


def minor_units(currency: str) -> int:
    """How many decimals amounts of a currency have, by ISO 4217: TRY 2, JPY 0, KWD 3."""
    return _NOT_TWO.get(currency, 2)


def _read(value: object) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        mend = 'write it as text, such as "12500.00"'
        if isinstance(value, float):
            raise MoneyInvalid("is a binary number that may have lost digits", mend)
        raise MoneyInvalid("must be text", mend)
    if isinstance(value, str):
        return _read_text(value)
    if isinstance(value, Decimal) and not value.is_finite():
        raise MoneyInvalid("is not a number", _DECIMAL_TEXT)
    if value < 0:
        raise MoneyInvalid("is negative", "leave the value out, or send what was paid")
    return value if isinstance(value, Decimal) else Decimal(min(value, 10**MOST_INTEGER_DIGITS))


def _read_text(text: str) -> Decimal:
    text = text.strip()
    if len(text) > _LONGEST:
        raise MoneyInvalid("is too long", _DECIMAL_TEXT)
    if _PLAIN.fullmatch(text):
        return Decimal(text)
    if not text:
        raise MoneyInvalid("is empty", 'leave it out, or write an amount such as "12500.00"')
    if text[0] in "-−–(" and any(map(str.isdigit, text)):
        raise MoneyInvalid("is negative", "leave the value out, or send what was paid")
    if text.lower().lstrip("+") in ("nan", "inf", "infinity"):
        raise MoneyInvalid("is not a number", _DECIMAL_TEXT)
    raise MoneyInvalid(*_why_no_amount(text))


def _why_no_amount(text: str) -> tuple[str, str]:
    for pattern, thousands, points in _GROUPED:
        if pattern.fullmatch(text):
            plain = "".join("." if sign in points else sign for sign in text if sign not in thousands)
            return "is written with signs that not every country reads alike", f'write "{plain}", if that was meant'
    if re.fullmatch(r"[0-9]{1,3},[0-9]{3}", text):
        whole = text.replace(",", "")
        return "has a comma that may mean two amounts", f'write "{whole}" or "{text.replace(",", ".")}"'
    if any(sign.isalpha() or sign in "$€£₺₹₩₽¥%" for sign in text):
        return "holds more than an amount", f"{_DECIMAL_TEXT}; the currency has its own field"
    return "is not an amount", _DECIMAL_TEXT


def _decimals(amount: Decimal) -> int:
    return max(0, -int(amount.as_tuple().exponent))


def _fits(amount: Decimal, units: int) -> bool:
    return _decimals(amount.normalize()) <= units


def _shortest(amount: Decimal) -> str:
    return f"{amount.normalize():f}"


@cache
def _currencies() -> frozenset[str]:
    rows = (row for rows in get_global("territory_currencies").values() for row in rows)
    return frozenset(code for code, _, end, tender in rows if end is None and tender)


@cache
def _find_successor(code: str) -> str | None:
    """What is paid with today where `code` was legal tender last; "" when that is not one currency, None if it never was."""
    if code in _SUCCESSORS:
        return _SUCCESSORS[code]
    ended: dict[tuple[int, int, int], set[str]] = {}
    for rows in get_global("territory_currencies").values():
        for one, _, end, tender in rows:
            if one == code and end is not None and tender:
                ended.setdefault(end, set()).update(now for now, _, still, legal in rows if legal and still is None)
    if not ended:
        return None
    last = ended[max(ended)]
    return next(iter(last)) if len(last) == 1 else ""


def _why_no_currency(code: str) -> tuple[str, str]:
    if not code:
        return "is empty", 'write an ISO 4217 code such as "TRY"'
    sign = _SIGNS.get(code) or _SIGNS.get(code.lower())
    if sign:
        return "must be an ISO 4217 code", f'write "{sign}"'
    if code in _NO_MONEY:
        return f"is {_NO_MONEY[code]}", "give the amount in a currency of a country"
    if code not in get_global("all_currencies"):
        return "is not a currency of ISO 4217", 'write a code such as "TRY"'
    successor = _find_successor(code)
    if successor is not None:
        return "is not in use any more", f"give the amount in {successor or 'the currency that followed it'} instead"
    return "is not legal tender anywhere", "give the amount in a currency of a country"
