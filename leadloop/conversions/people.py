"""What is known of a person becomes MatchKeys: all that may stand in an event's user_data, normalised and hashed once.

They are made when the lead arrives and stored with it, so that building an event copies them and computes nothing.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import date, datetime
from functools import partial
from operator import attrgetter
from typing import Any

from leadloop.conversions.click_ids import build_fbc, find_click_ms, normal_fbc, normal_fbp
from leadloop.conversions.hashing import (
    hash_birth_date,
    hash_city,
    hash_country,
    hash_email,
    hash_external_id,
    hash_first_name,
    hash_gender,
    hash_last_name,
    hash_phone,
    hash_postal_code,
    hash_state,
    hash_text,
)
from leadloop.conversions.plain_keys import (
    normal_id,
    normal_ip_address,
    normal_lead_id,
    normal_opaque,
    normal_subscription_id,
    normal_user_agent,
)
from leadloop.conversions.spellings import lower
from leadloop.countries import find_country
from leadloop.graph_values import id_text
from leadloop.leads import LeadCard
from leadloop.names import split_name
from leadloop.person import EMAILS, PHONES, is_dummy, values_by_type
from leadloop.phones import is_number_of

MOST_VALUES = 10  # hashes for one key, and values looked at for it
INSTAGRAM_KEY = "instagram_business_account_id"  # Meta's guide; its table of parameters says ig_account_id

_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_PLAIN_EMAIL = re.compile(
    r"[!-?A-~]+@(?![^@]*xn--)[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+"
)  # in a spelling that is its only one

Hashes = tuple[str, ...]


@dataclass(frozen=True, slots=True, repr=False)
class MatchKeys:
    """The keys of user_data, by Meta's names. Tuples hold SHA-256 hashes, the likeliest first; the rest is plain text.

    Nothing is ever "" or the hash of it. `lead_id` is digits as text: 17 of them are more than a float holds.
    `ig_account_id` goes by two names in Meta's pages; to_user_data() is told which.
    """

    em: Hashes = ()
    ph: Hashes = ()
    fn: Hashes = ()
    ln: Hashes = ()
    ge: Hashes = ()
    db: Hashes = ()
    ct: Hashes = ()
    st: Hashes = ()
    zp: Hashes = ()
    country: Hashes = ()
    external_id: Hashes = ()
    client_ip_address: str | None = None
    client_user_agent: str | None = None
    fbc: str | None = None
    fbp: str | None = None
    subscription_id: str | None = None
    lead_id: str | None = None
    page_id: str | None = None
    page_scoped_user_id: str | None = None
    ctwa_clid: str | None = None
    ig_account_id: str | None = None
    ig_sid: str | None = None
    whatsapp_business_account_id: str | None = None

    def __repr__(self) -> str:
        """The names of the keys that are there, without their values."""
        return f"MatchKeys({', '.join(self.to_json())})"

    def to_user_data(self, *, instagram_key: str = INSTAGRAM_KEY) -> dict[str, Any]:
        """A new dict for an event's user_data, without keys that have no value. The lead id is an integer in it."""
        found: dict[str, Any] = {}
        for name, value in zip(_AS_THEY_ARE, _values(self)):  # noqa: B905 (both are made from one tuple, and this is hot)
            if value:
                found[name] = [*value] if value.__class__ is tuple else value
        if self.ig_account_id:
            found[instagram_key] = self.ig_account_id
        if self.lead_id:
            found["lead_id"] = int(self.lead_id)
        return found

    def to_json(self) -> dict[str, Any]:
        """For keeping: the keys that have a value; lists of hashes, and text."""
        every = ((name, getattr(self, name)) for name in (*HASHED, *PLAIN))
        return {name: [*value] if isinstance(value, tuple) else value for name, value in every if value}

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> "MatchKeys":
        """What to_json() gave. Keys that this version does not know are passed over."""
        known: dict[str, Any] = {name: row[name] for name in row if name in _NAMES}
        for name, value in known.items():
            if value.__class__ is list:
                known[name] = tuple(value)
        return cls(**known)


HASHED = tuple(field.name for field in fields(MatchKeys) if field.default == ())
PLAIN = tuple(field.name for field in fields(MatchKeys) if field.default is None)
_NAMES = frozenset((*HASHED, *PLAIN))
_AS_THEY_ARE = tuple(name for name in (*HASHED, *PLAIN) if name not in ("ig_account_id", "lead_id"))
_values = attrgetter(*_AS_THEY_ARE)

# What parse_match_keys() takes besides Meta's own names: the fields of a LeadCard, and Meta's second name of an account.
_OTHER_NAMES = {
    "email": "em",
    "phone": "ph",
    "first_name": "fn",
    "last_name": "ln",
    "gender": "ge",
    "date_of_birth": "db",
    "city": "ct",
    "state": "st",
    "postal_code": "zp",
    INSTAGRAM_KEY: "ig_account_id",
}
_PLAIN_RULES: dict[str, Callable[[str], str | None]] = {
    "client_ip_address": normal_ip_address,
    "client_user_agent": normal_user_agent,
    "fbc": normal_fbc,
    "fbp": normal_fbp,
    "subscription_id": normal_subscription_id,
    "lead_id": normal_lead_id,
    "page_id": normal_id,
    "page_scoped_user_id": normal_id,
    "ctwa_clid": normal_opaque,
    "ig_account_id": normal_id,
    "ig_sid": normal_id,
    "whatsapp_business_account_id": normal_id,
}


def build_match_keys(
    card: LeadCard, *, default_country: str | None = None, external_ids: Iterable[str] = ()
) -> MatchKeys:
    """The keys of a lead: what the card knows, all its e-mail addresses and numbers, and its leadgen id.

    `default_country` (ISO 3166-1 alpha-2) is the Page's: it reads numbers without a country code, and stands in for a
    country that was not asked for, unless the person's number is from elsewhere. `external_ids` are ids of the person in
    other systems (the CRM's). Meta's dummy answers are left out.
    """
    country = card.country
    if country is None and default_country and (card.phone is None or is_number_of(card.phone, default_country)):
        country = default_country
    answered = values_by_type(card.answers)
    values: dict[str, Iterable[str | None]] = {
        "em": _unread_emails(card, answered),
        "ph": _unread_phones(card, answered),
        "fn": [card.first_name],
        "ln": [card.last_name],
        "ge": [card.gender],
        "db": [card.date_of_birth],
        "ct": [card.city],
        "st": [card.state],
        "zp": [card.postal_code],
        "country": [country],
        "external_id": external_ids,
        "lead_id": [card.leadgen_id],
    }
    texts = {name: [text for text in found if text and not is_dummy(text)] for name, found in values.items()}
    seen = card.received_at or card.created_at
    return _build(
        texts,
        phone_countries=(default_country, card.country),
        today=seen.date() if seen else None,
        known=_hash_what_is_read(card),
    )


def lead_match_keys(card: LeadCard, default_country: str | None) -> MatchKeys:
    """The keys of a lead, made once, when it has been read. Its external id is Meta's own id of the lead: the one that all
    its events share from the first to the last."""
    return build_match_keys(card, default_country=default_country, external_ids=[card.leadgen_id])


def parse_match_keys(
    values: Mapping[str, Any],
    *,
    default_country: str | None = None,
    today: date | None = None,
    clicked_at: datetime | None = None,
) -> MatchKeys:
    """The keys in loose values, as a CRM or a program sends them: by Meta's names or a LeadCard's (em or email, …).

    A value is text, a number or a list of these, plain or (where Meta wants a hash) hashed with SHA-256. `full_name` is
    split when no first or last name is there; `fbclid` becomes the fbc of a click at `clicked_at` (aware) when no fbc is
    there. What is of no use is left out, whatever it is: this never raises.
    """
    texts: dict[str, list[str]] = {}
    for name, value in values.items():
        texts.setdefault(_OTHER_NAMES.get(name, name), []).extend(_texts_in(value))
    if not texts.get("fn") and not texts.get("ln") and texts.get("full_name"):
        first, last = split_name(texts["full_name"][0])
        texts |= {"fn": [first] if first else [], "ln": [last] if last else []}
    if clicked_at is not None and "fbclid" in texts:
        texts.setdefault("fbc", []).extend(filter(None, (build_fbc(one, clicked_at) for one in texts["fbclid"])))
    return _build(texts, phone_countries=(default_country,), today=today, known={})


def merge_match_keys(first: MatchKeys, second: MatchKeys) -> MatchKeys:
    """Both: the hashes of `first`, then those of `second` that are new; of plain values that of `first`, where it has one.

    Only of two click ids the newer one counts, as Meta wants. At most MOST_VALUES hashes are kept for a key.
    """
    merged: dict[str, Any] = {}
    for name in HASHED:
        ours, theirs = getattr(first, name), getattr(second, name)
        merged[name] = tuple(dict.fromkeys(ours + theirs))[:MOST_VALUES] if theirs else ours
    for name in PLAIN:
        merged[name] = getattr(first, name) or getattr(second, name)
    if first.fbc and second.fbc and (find_click_ms(second.fbc) or 0) > (find_click_ms(first.fbc) or 0):
        merged["fbc"] = second.fbc
    return MatchKeys(**merged)


def _build(
    texts: Mapping[str, list[str]],
    *,
    phone_countries: tuple[str | None, ...],
    today: date | None,
    known: Mapping[str, Hashes],
) -> MatchKeys:
    """`texts` are values by Meta's names; `known` are hashes that go before theirs."""
    country = next(filter(None, map(find_country, texts.get("country", ()))), None)
    rules: dict[str, Callable[[str], Hashes]] = {
        "em": hash_email,
        "ph": partial(hash_phone, countries=(*phone_countries, country)),
        "fn": hash_first_name,
        "ln": hash_last_name,
        "ge": hash_gender,
        "db": partial(hash_birth_date, today=today),
        "ct": hash_city,
        "st": partial(hash_state, country=country),
        "zp": partial(hash_postal_code, country=country),
        "country": hash_country,
        "external_id": hash_external_id,
    }
    found: dict[str, Any] = {}
    for name, values in texts.items():
        if name in rules:
            found[name] = _all_hashes(values, rules[name], known.get(name, ()))
        elif name in _PLAIN_RULES:
            found[name] = next(filter(None, map(_PLAIN_RULES[name], values)), None)
    return MatchKeys(**found)


def _all_hashes(texts: list[str], rule: Callable[[str], Hashes], known: Hashes) -> Hashes:
    """The known ones, the likeliest hash of every text, then all their other spellings."""
    found = [hashes for hashes in map(rule, texts[:MOST_VALUES]) if hashes]
    if not known and len(found) == 1:
        return found[0][:MOST_VALUES]
    likeliest = [hashes[0] for hashes in found]
    others = [one for hashes in found for one in hashes[1:]]
    return tuple(dict.fromkeys((*known, *likeliest, *others)))[:MOST_VALUES]


def _hash_what_is_read(card: LeadCard) -> dict[str, Hashes]:
    """The card's address and number as they are: both were checked when the card was made, which is what costs time."""
    found = {
        "em": lower(card.email) if card.email and _PLAIN_EMAIL.fullmatch(card.email) else "",
        "ph": _digits(card.phone),
    }
    return {name: (hash_text(text),) for name, text in found.items() if text}


def _unread_emails(card: LeadCard, answered: Mapping[str, list[str]]) -> Iterator[str]:
    known = card.email or ""
    if known and not _PLAIN_EMAIL.fullmatch(known):
        yield known
    for text in _typed(answered, EMAILS):
        if text.lower() != known.lower():
            yield text


def _unread_phones(card: LeadCard, answered: Mapping[str, list[str]]) -> Iterator[str]:
    known = _digits(card.phone)
    if card.phone and not known:
        yield card.phone
    for text in _typed(answered, PHONES):
        if not (known and text in (card.phone, card.phone_typed)):
            yield text


def _digits(phone: str | None) -> str:
    return phone[1:] if phone and _E164.fullmatch(phone) else ""


def _typed(answered: Mapping[str, list[str]], types: Iterable[str]) -> Iterator[str]:
    for type_ in types:
        yield from answered.get(type_, ())


def _texts_in(value: Any) -> Iterator[str]:
    """Text, and whole numbers as text, alone or in a list. Nothing else can be a value."""
    for one in value if isinstance(value, list | tuple) else (value,):
        if isinstance(one, str):
            yield one
        elif isinstance(one, int | float) and (digits := id_text(one)):
            yield digits
