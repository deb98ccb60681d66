"""A phone number as typed becomes E.164, or None. Decisions per country are phonenumbers'; what it leaves open is here."""

import re
import unicodedata
from collections.abc import Iterator, Sequence

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumber, ValidationResult

from leadloop.texts import clean_text, drop_invisible

_LONGEST = 100
_PREFIX = re.compile(r"\s*(?:tel|p|phone|whatsapp)\s*:\s*", re.IGNORECASE)  # "p:" is what Meta's exports write
# A country code: "+90", "0090", "+0090", and "0+90" of those who know that a number begins with 0.
_INTERNATIONAL = re.compile(r"\D*?(?:(?:0[()\s]*)*\+[()\s]*(?:00)?|00)[()\s]*(?=[1-9])")
_BETWEEN = re.compile(r"[/;,|]|[^\W\d_]{2,}")
_MEXICAN_MOBILE = re.compile(r"\+52(?:1|01|044|045)(\d{10})")
# Digits that a number without "+" must have to be read as one with its country code. No national number has twelve.
_DIGITS_WITHOUT_COUNTRY = 12
_DIGITS_AGAINST_COUNTRY = 11


def is_phone_country(code: str | None) -> bool:
    """Whether `code` (ISO 3166-1 alpha-2, upper case) has numbers of its own."""
    return code in phonenumbers.SUPPORTED_REGIONS


def is_number_of(e164: str, country: str) -> bool:
    """Whether a number has the calling code of `country` (ISO 3166-1 alpha-2), which other countries may share."""
    return e164.startswith(f"+{phonenumbers.country_code_for_region(country.upper())}")


def normal_phone(text: str, countries: Sequence[str | None] = ()) -> str | None:
    """E.164 ("+905321234567"), or None when no number is in `text`: a slip of the finger must not become somebody else's.

    A number typed with its country code must have a length that this country has. One typed without is tried in
    `countries` (ISO 3166-1 alpha-2, unknown ones are passed over) in order, and must be one in use there: the length
    alone would give nearly every mistyped number a country. A reading that is a number in use wins over one that only
    has the right length. Digits may be of any script. An extension is dropped; of several numbers the first counts.
    """
    typed = _ascii_digits(drop_invisible(clean_text(text)))
    if len(typed) > _LONGEST:
        return None
    typed = _PREFIX.sub("", typed, count=1).strip()
    regions = [code.upper() for code in countries if code and is_phone_country(code.upper())]
    if _INTERNATIONAL.match(typed):
        regions = []  # the code was typed: what does not fit it, wholly or in part, is of no other country either
    spare: PhoneNumber | None = None
    for reading in _readings(typed):
        for number in _candidates(reading, regions):
            if phonenumbers.is_valid_number(number):
                return _e164(number)
            spare = spare or number
    return _e164(spare) if spare else None


def _e164(number: PhoneNumber) -> str:
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _ascii_digits(text: str) -> str:
    if text.isascii():
        return text
    return "".join(
        str(unicodedata.decimal(character)) if character.isdecimal() else "+" if character == "＋" else character
        for character in text
    )


def _readings(text: str) -> Iterator[str]:
    """The text as typed, then its parts, for "0532… / 0533…" and "0532… (WhatsApp)"."""
    yield text
    for part in _BETWEEN.split(text):
        if part != text and sum(map(str.isdigit, part)) >= 6:
            yield part


def _candidates(text: str, regions: Sequence[str]) -> Iterator[PhoneNumber]:
    """The numbers that `text` may mean, likeliest first."""
    prefix = _INTERNATIONAL.match(text)
    if prefix:
        number = _possible("+" + text[prefix.end() :], None)
        if number is not None:
            yield number
        return
    national = text.replace("+", "")
    for region in regions:
        number = _possible(national, region)
        if number is not None and phonenumbers.is_valid_number(number):
            yield number
    number = _with_forgotten_plus(national, regions)
    if number is not None:
        yield number


def _with_forgotten_plus(text: str, regions: Sequence[str]) -> PhoneNumber | None:
    """For "34600000001" on a Turkish form: no number there, and one in use in Spain once it has its plus."""
    least = _DIGITS_AGAINST_COUNTRY if regions else _DIGITS_WITHOUT_COUNTRY
    if sum(map(str.isdigit, text)) < least:
        return None
    number = _possible("+" + text, None)
    return number if number is not None and phonenumbers.is_valid_number(number) else None


def _possible(text: str, region: str | None) -> PhoneNumber | None:
    try:
        number = _mend(phonenumbers.parse(text, region))
    except NumberParseException:
        return None
    possible = phonenumbers.is_possible_number_with_reason(number) == ValidationResult.IS_POSSIBLE
    return number if possible else None


def _mend(number: PhoneNumber) -> PhoneNumber:
    """Two reforms that people still type around, and that phonenumbers leaves alone.

    Mexico dropped the 1 (and 044, 045, 01) before mobile numbers in 2019. Brazil put a 9 before all mobile numbers until
    2016: eight digits that are no number any more, and one in use with the 9, get it.
    """
    if number.country_code == 52:
        mexican = _MEXICAN_MOBILE.fullmatch(_e164(number))
        return phonenumbers.parse(f"+52{mexican[1]}") if mexican else number
    if number.country_code == 55:
        digits = str(number.national_number)
        if len(digits) == 10 and not phonenumbers.is_valid_number(number):
            longer = phonenumbers.parse(f"+55{digits[:2]}9{digits[2:]}")
            return longer if phonenumbers.is_valid_number(longer) else number
    return number
