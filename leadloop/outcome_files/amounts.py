"""Amounts as half of the world writes them: a comma before the decimals, points or blanks between thousands."""

import re

_WITH_COMMA = re.compile(r"(?:[0-9]{1,3}(?:([.' ’\u00a0\u202f])[0-9]{3})(?:\1[0-9]{3})*|[0-9]+)(?:,[0-9]+)?")


def read_decimal_comma(text: str) -> str | None:
    """Decimal text of an amount such as 12.500,00 or 12500,5 ("12500.00", "12500.5"); None when it is none.

    12.500 is twelve thousand five hundred here.
    """
    if not _WITH_COMMA.fullmatch(text):
        return None
    whole, _, decimals = text.partition(",")
    digits = re.sub(r"[^0-9]", "", whole)
    return f"{digits}.{decimals}" if decimals else digits
