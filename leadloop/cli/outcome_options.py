"""What options of `leadloop outcomes import` may say, and what is told when they say something else."""

from difflib import get_close_matches
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import rich_click as click

from leadloop.conversions.money import MoneyInvalid, parse_currency
from leadloop.outcome_files.columns import KNOWN, is_ours, nearest
from leadloop.outcome_files.encodings import is_encoding
from leadloop.outcome_files.rows import DELIMITER_WORDS

_ZONE_TYPES = (ValueError, OSError, KeyError)  # ZoneInfoNotFoundError is a KeyError


class ColumnOption(click.ParamType[tuple[str, str]]):
    """Their name and ours, of "Deal stage=stage". Ours never holds a "=", so the last one counts."""

    name = "their name=ours"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        if isinstance(value, tuple):
            return value
        theirs, sign, ours = (part.strip() for part in str(value).rpartition("="))
        if not sign or not theirs:
            self.fail('Write "their name=ours", such as "Deal stage=stage".', param, ctx)
        if not is_ours(ours):
            near = nearest(ours)
            mend = f"{near}, perhaps?" if near else f"use one of {', '.join(KNOWN)} or fields.<name>."
            self.fail(f"{ours!r} is no column of an outcome: {mend}", param, ctx)
        return theirs, ours


class CurrencyOption(click.ParamType[str]):
    """An ISO 4217 code."""

    name = "code"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return parse_currency(value)
        except MoneyInvalid as wrong:
            self.fail(f"{value!r} {wrong}", param, ctx)


class TimeZoneOption(click.ParamType[ZoneInfo]):
    """A time zone of the IANA database."""

    name = "zone"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> ZoneInfo:
        if isinstance(value, ZoneInfo):
            return value
        try:
            return ZoneInfo(str(value))
        except _ZONE_TYPES:
            known = {name.lower(): name for name in available_timezones()}
            near = get_close_matches(str(value).lower(), known, n=1, cutoff=0.6)
            mend = f"{known[near[0]]}, perhaps?" if near else "write it like Europe/Istanbul."
            self.fail(f"{value!r} is no time zone: {mend}", param, ctx)


class DelimiterOption(click.ParamType[str]):
    """One character, or its name."""

    name = "sign"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        by_word = {word: sign for sign, word in DELIMITER_WORDS.items()} | {"\\t": "\t"}
        sign = by_word.get(str(value).lower(), str(value))
        if len(sign) != 1 or sign in '"\r\n\0 ' or sign.isalnum():
            self.fail(f"{value!r} separates no cells: write comma, semicolon, tab, bar or one character.", param, ctx)
        return sign


class EncodingOption(click.ParamType[str]):
    """A text encoding that Python knows."""

    name = "name"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not is_encoding(str(value)):
            self.fail(f"{value!r} is no encoding: write it like windows-1254, iso-8859-9 or utf-16-le.", param, ctx)
        return str(value)


COLUMN = ColumnOption()
CURRENCY = CurrencyOption()
TIME_ZONE = TimeZoneOption()
DELIMITER = DelimiterOption()
ENCODING = EncodingOption()
