"""States and postal codes in the form that Meta matches on. Source: Meta, "Customer Information Parameters", read 2026-11."""

import re
import unicodedata

from leadloop.conversions.spellings import letters_of, readable, spellings

_LONGEST_POSTAL_CODE = 12
# Places whose codes are US ZIP codes, and British postcodes. Bermuda's codes may be letters alone.
_US_ZIP = frozenset({"US", "PR", "GU", "VI", "AS", "MP"})
_BRITISH = frozenset({"GB", "IM", "JE", "GG"})
_WITHOUT_DIGITS = "BM"

_ZIP_PLUS_4 = re.compile(r"[0-9]{5}-[0-9]{4}")
_POSTCODE = re.compile(r"([a-z]{1,2}[0-9][a-z0-9]?)([0-9])[a-z]{2}")
_COUNTRY_BEFORE = re.compile(r"[a-z]{1,3}-(?=[0-9]{3})")  # "D-80331", "TR-34000"

_STATES = {
    "al": "alabama",
    "ak": "alaska",
    "az": "arizona",
    "ar": "arkansas",
    "ca": "california",
    "co": "colorado",
    "ct": "connecticut",
    "de": "delaware",
    "dc": "districtofcolumbia",
    "fl": "florida",
    "ga": "georgia",
    "hi": "hawaii",
    "id": "idaho",
    "il": "illinois",
    "in": "indiana",
    "ia": "iowa",
    "ks": "kansas",
    "ky": "kentucky",
    "la": "louisiana",
    "me": "maine",
    "md": "maryland",
    "ma": "massachusetts",
    "mi": "michigan",
    "mn": "minnesota",
    "ms": "mississippi",
    "mo": "missouri",
    "mt": "montana",
    "ne": "nebraska",
    "nv": "nevada",
    "nh": "newhampshire",
    "nj": "newjersey",
    "nm": "newmexico",
    "ny": "newyork",
    "nc": "northcarolina",
    "nd": "northdakota",
    "oh": "ohio",
    "ok": "oklahoma",
    "or": "oregon",
    "pa": "pennsylvania",
    "ri": "rhodeisland",
    "sc": "southcarolina",
    "sd": "southdakota",
    "tn": "tennessee",
    "tx": "texas",
    "ut": "utah",
    "vt": "vermont",
    "va": "virginia",
    "wa": "washington",
    "wv": "westvirginia",
    "wi": "wisconsin",
    "wy": "wyoming",
    "pr": "puertorico",
    "gu": "guam",
    "vi": "usvirginislands",
    "as": "americansamoa",
    "mp": "northernmarianaislands",
}
_CODES = {name: code for code, name in _STATES.items()}
_CODES |= {f"us{code}": code for code in _STATES}  # ISO 3166-2: "US-CA"
_CODES |= {"washingtondc": "dc", "washingtonstate": "wa", "newyorkstate": "ny", "virginislands": "vi"}


def normalise_state(text: str, *, country: str | None = None) -> tuple[str, ...]:
    """A state, province or region: "ca" for California, else its name in all spellings.

    `country` is ISO 3166-1 alpha-2. Names of US states become codes unless another country is known: Georgia is one too.
    """
    words = spellings(letters_of(readable(text)))
    code = next((_CODES[word] for word in words if word in _CODES), None) if country in (None, "US") else None
    return (code,) if code else words


def normalise_postal_code(text: str, *, country: str | None = None) -> tuple[str, ...]:
    """A postal code without blanks and dashes, the likeliest form first. `country` is ISO 3166-1 alpha-2.

    US: the first five digits. British: the whole code, as in Meta's example, and area, district and sector, as in Meta's
    words. With a dash elsewhere: the whole, and the part before the dash, which is what Meta's libraries hash.
    """
    typed = _COUNTRY_BEFORE.sub("", _plain_signs(readable(text)), count=1)
    code = typed.replace("-", "")
    if not 2 <= len(code) <= _LONGEST_POSTAL_CODE or not (_has_digit(code) or country == _WITHOUT_DIGITS):
        return ()
    if country in _US_ZIP or (country is None and _ZIP_PLUS_4.fullmatch(typed)):
        return (code[:5],) if code[:5].isdigit() else (code,)
    british = _POSTCODE.fullmatch(code) if country is None or country in _BRITISH else None
    if british:
        return code, british[1] + british[2]
    before, dash, _ = typed.partition("-")
    return (code, before) if dash and len(before) >= 2 and _has_digit(before) else (code,)


def _has_digit(text: str) -> bool:
    return any(map(str.isdigit, text))


def _plain_signs(text: str) -> str:
    """Letters a to z, ASCII digits and "-"; every other sign is left out. "" when letters of other scripts are among it."""
    signs = []
    for sign in text if text.isascii() else unicodedata.normalize("NFKC", text).lower():
        kind = unicodedata.category(sign)
        if kind == "Nd":
            signs.append(str(unicodedata.decimal(sign)))
        elif kind == "Pd":
            signs.append("-")
        elif kind[0] == "L":
            signs.append(sign)
    plain = "".join(signs).strip("-")
    return plain if plain.isascii() else ""
