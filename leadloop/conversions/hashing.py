"""Each hashed key of user_data: what the text is before hashing (normalise_…), and its hashes (hash_…). Pure.

Our rule for every case in which Meta's own libraries differ is in docs/user-data.md, whose examples the tests run. Every
function takes one value and gives all that is sent for it, the likeliest first, () when nothing of it can be used.
Source: Meta, "Customer Information Parameters", read 2026-11.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from hashlib import sha256
from typing import Any
from unicodedata import normalize

from leadloop.birth_dates import iso_birth_date
from leadloop.conversions.genders import normalise_gender
from leadloop.conversions.places import normalise_postal_code, normalise_state
from leadloop.conversions.spellings import letters_of, lower, readable, spellings
from leadloop.countries import find_country
from leadloop.emails import normal_email
from leadloop.phones import normal_phone
from leadloop.texts import clean_text, drop_invisible

EMPTY_SHA256 = sha256(b"").hexdigest()

_LONGEST = 500  # characters of an address or id
# A hash from outside: SHA-256, with or without the appendix of Meta's Parameter Builder ("….AQQCAQIB").
_SHA256 = re.compile(r"([0-9a-f]{64})(?:\.[a-z0-9_-]+)?")
_OTHER_HASH = re.compile(r"[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{56}|[0-9a-f]{96}|[0-9a-f]{128}")
_ISO_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_PARTS_OF_A_PLACE = re.compile(r"[/;|(]")
_BETWEEN_NAMES = re.compile(r"[\s\-‐-―]+")
# They belong to the word after them: "van der Berg" is one family name, "García Márquez" are two.
_PARTICLE_WORDS = """
    al abu bin bint ibn el ben bou da das de degli dei del della den der des di do dos du la las le les lo los mac mc
    op san st te ten ter van vande vander vom von zu zum zur
"""
_PARTICLES = frozenset(_PARTICLE_WORDS.split())


def normalise_email(text: str) -> tuple[str, ...]:
    """The address in lower case; with letters beyond ASCII in its domain also with the domain's ASCII form."""
    address = normal_email(lower(clean_text(text))) if len(text) <= _LONGEST else None
    if address is None:
        return ()
    address = lower(address)
    name, _, domain = address.rpartition("@")
    if "xn--" not in domain:
        return (address,)
    return tuple(dict.fromkeys((f"{name}@{lower(_in_letters(domain))}", address)))


def _in_letters(domain: str) -> str:
    try:
        return domain.encode("ascii").decode("idna")
    except UnicodeError:
        return domain


def normalise_phone(text: str, countries: Sequence[str | None] = ()) -> tuple[str, ...]:
    """The digits of E.164, country code first. `countries` are tried for a number typed without it (see phones.py)."""
    phone = normal_phone(text, countries)
    return (phone.lstrip("+"),) if phone else ()


def normalise_first_name(text: str) -> tuple[str, ...]:
    """All given names joined, then the first alone: "Mary Ann" is registered as Mary Ann by some, as Mary by others."""
    text = readable(text)
    words = [word for word in text.split() if not word.endswith(".") and len(letters_of(word)) > 1]
    return _all_spellings([text, *words[:1]])


def normalise_last_name(text: str) -> tuple[str, ...]:
    """The whole joined, then each of two or more family names with its particles."""
    text = readable(text)
    names, particles = [], ""
    for word in _BETWEEN_NAMES.split(text):
        if len(letters_of(word)) < 2:  # "Ortega y Gasset"; an initial
            continue
        particles += word
        if word.rstrip(".") not in _PARTICLES:
            names.append(particles)
            particles = ""
    return _all_spellings([text, *(names if len(names) > 1 else ())])


def normalise_city(text: str) -> tuple[str, ...]:
    """The whole joined, then its parts where it has any: "Kadıköy/İstanbul", and of "Istanbul, Turkey" the first."""
    text = readable(text)
    parts = _PARTS_OF_A_PLACE.split(text.partition(",")[0])
    return _all_spellings([text, *parts])


def _all_spellings(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(spelling for text in texts for spelling in spellings(letters_of(text))))


def normalise_birth_date(text: str, *, today: date | None = None) -> tuple[str, ...]:
    """YYYYMMDD, from 1900 to `today`; () for a date that may be two (01/02/2003) or has no year of four digits."""
    iso = iso_birth_date(drop_invisible(clean_text(text)).strip())
    try:
        born = date.fromisoformat(iso) if _ISO_DATE.fullmatch(iso) else None
    except ValueError:
        return ()
    if born is None or born.year < 1900 or (today is not None and born > today):
        return ()
    return (born.strftime("%Y%m%d"),)


def normalise_country(text: str) -> tuple[str, ...]:
    """ISO 3166-1 alpha-2 in lower case, of a code or a name in any language."""
    code = find_country(text)
    return (code.lower(),) if code else ()


def normalise_external_id(text: str) -> tuple[str, ...]:
    """The id in lower case without white space, as Meta's Node library has it: the same on every channel."""
    if len(text) > _LONGEST:
        return ()
    found = "".join(lower(drop_invisible(clean_text(text))).split())
    found = normalize("NFC", found)  # a letter and an accent may have stood apart
    return (found,) if found and "\ufffd" not in found else ()


def hash_text(text: str) -> str:
    """SHA-256 of the UTF-8 bytes, lower-case hex. Raises ValueError for "": its hash would join unrelated people."""
    if not text:
        raise ValueError("there is nothing to hash")
    return sha256(text.encode()).hexdigest()


def given_hash(text: str) -> tuple[str, ...] | None:
    """The SHA-256 that `text` is already, in lower case and without an appendix; None for plain text.

    () for hashes that Meta cannot match: MD5, SHA-1 and the like, and the hash of nothing.
    """
    if len(text) < 32:
        return None
    text = drop_invisible(text).strip().lower()
    if match := _SHA256.fullmatch(text):
        return (match[1],) if match[1] != EMPTY_SHA256 else ()
    return () if _OTHER_HASH.fullmatch(text) else None


def hash_email(text: str) -> tuple[str, ...]:
    return _hash(text, normalise_email)


def hash_phone(text: str, countries: Sequence[str | None] = ()) -> tuple[str, ...]:
    return _hash(text, normalise_phone, countries=countries)


def hash_first_name(text: str) -> tuple[str, ...]:
    return _hash(text, normalise_first_name)


def hash_last_name(text: str) -> tuple[str, ...]:
    return _hash(text, normalise_last_name)


def hash_gender(text: str) -> tuple[str, ...]:
    return _hash(text, normalise_gender)


def hash_birth_date(text: str, *, today: date | None = None) -> tuple[str, ...]:
    return _hash(text, normalise_birth_date, today=today)


def hash_city(text: str) -> tuple[str, ...]:
    return _hash(text, normalise_city)


def hash_state(text: str, *, country: str | None = None) -> tuple[str, ...]:
    return _hash(text, normalise_state, country=country)


def hash_postal_code(text: str, *, country: str | None = None) -> tuple[str, ...]:
    return _hash(text, normalise_postal_code, country=country)


def hash_country(text: str) -> tuple[str, ...]:
    return _hash(text, normalise_country)


def hash_external_id(text: str) -> tuple[str, ...]:
    """As the others, but 32 hex digits are hashed: as an id that is a UUID without its hyphens, sooner than an MD5."""
    given = given_hash(text)
    if given == () and EMPTY_SHA256 not in text.lower():
        given = None
    return given if given is not None else tuple(map(hash_text, normalise_external_id(text)))


def _hash(text: str, normalise: Callable[..., tuple[str, ...]], **context: Any) -> tuple[str, ...]:
    given = given_hash(text)
    return given if given is not None else tuple(map(hash_text, normalise(text, **context)))
