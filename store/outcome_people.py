"""Whom events are about: what is known of a lead or contact, as funnels and the linter want it. Reads no database.

It stands here and not with the workers, since a test event is made of the same people as every other.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from leadloop.conversions.event import Thread
from leadloop.conversions.people import HASHED, PLAIN, MatchKeys, lead_match_keys, merge_match_keys, parse_match_keys
from leadloop.conversions.routes import Channel
from leadloop.conversions.telling import Person
from leadloop.lead_reading import card_from_row
from leadloop.leads import LeadCard
from store.outcome_facts import WISHES, ContactFacts, LeadFacts

CHANNEL_KINDS: Mapping[str, Channel] = {"wa_id": "whatsapp", "psid": "messenger", "igsid": "instagram"}
_YES = frozenset({"true", "yes", "1"})
_NO = frozenset({"false", "no", "0"})
# Meta's ids of the lead and of the chat are what Meta gave us and no caller's to say: it checks them, and one that is not
# true has it refuse the event, or credits another ad. Facts §5.2, §6.4.
_METAS_OWN = frozenset(
    str.split("lead_id page_id page_scoped_user_id ctwa_clid ig_account_id ig_sid whatsapp_business_account_id")
)
_OWN_KEYS = (
    *HASHED,
    *(name for name in PLAIN if name not in _METAS_OWN),
    "fbclid",
)  # what an outcome's fields may tell


def last_wishes(told: Iterable[Mapping[str, Any]]) -> dict[str, bool]:
    """What a person said last of consent and of opting out. `told`: fields of outcomes, in the order in which they happened.

    A word holds until there is another one: who took back the consent has not given it again by being silent.
    """
    wishes: dict[str, bool] = {}
    for fields in told:
        for name in WISHES:
            if _is_yes(fields.get(name)) or _is_no(fields.get(name)):
                wishes[name] = _is_yes(fields[name])
    return wishes


def describe_person(
    lead: LeadFacts | None,
    contact: ContactFacts | None,
    *,
    fields: Mapping[str, Any],
    at: datetime,
    route: str,
    consents: tuple[str, ...] = (),
    channel: Channel | None = None,
    nobody: str = "",
) -> Person:
    """The person of an event on `route`.

    `fields` are those of the outcome, with what it says of the person itself; `at` is when it happened. `consents`: keys of
    the form's boxes that must all be ticked. `channel`: of several conversations the one there. `nobody` names the subject
    when it is neither a lead nor a contact.
    """
    card = None if lead is None or lead.card is None else card_from_row(lead.card)
    given = parse_match_keys({name: fields[name] for name in _OWN_KEYS if name in fields})
    thread = None if contact is None else _thread(contact, at, channel)
    common: dict[str, Any] = {
        "thread": thread,
        "opt_out": _is_yes(fields.get("opt_out")),
        "consent": False if _is_no(fields.get("consent")) else None,
        "event_source_url": _text(fields.get("event_source_url")),
        "referrer_url": _text(fields.get("referrer_url")),
    }
    of_contact = MatchKeys() if contact is None else _contact_keys(contact)
    in_thread = route == "business_messaging" and contact is not None and thread is not None
    if contact is not None and in_thread:
        common["page_country"] = contact.countries.get(thread.business_id if thread else "")
    if lead is None:
        name = f"contact:{contact.id}" if contact else nobody
        return Person(subject=name, match_keys=merge_match_keys(given, of_contact), **common)
    if consents and not _has_consented(card, consents):
        common["consent"] = False
    common.setdefault("page_country", lead.business_country)
    return Person(
        subject=f"contact:{contact.id}" if contact is not None and in_thread else f"lead:{lead.leadgen_id}",
        match_keys=merge_match_keys(given, merge_match_keys(_lead_keys(lead, card), of_contact)),
        lead_id=lead.leadgen_id,
        lead_created_at=lead.created_at,
        country=card.country if card else None,
        state=card.state if card else None,
        is_test=lead.is_test,
        **common,
    )


def _lead_keys(lead: LeadFacts, card: LeadCard | None) -> MatchKeys:
    """Those that were made when the lead was read; of a lead that was read by an earlier version, made now."""
    if lead.match_keys is not None:
        return MatchKeys.from_json(lead.match_keys)
    return MatchKeys() if card is None else lead_match_keys(card, lead.default_country)


def _contact_keys(contact: ContactFacts) -> MatchKeys:
    values: dict[str, list[str]] = {"em": [], "ph": [], "external_id": [f"contact:{contact.id}"]}
    for identity in contact.identities:
        if identity.kind == "email":
            values["em"].append(identity.value)
        elif identity.kind == "phone":
            values["ph"].append(identity.value)
    return parse_match_keys(values)


def _thread(contact: ContactFacts, at: datetime, wanted: Channel | None) -> Thread | None:
    """The conversation through which the person came: the first on a channel that Meta can be told of, by then."""
    found = []
    for identity in contact.identities:
        channel = CHANNEL_KINDS.get(identity.kind)
        person_id = identity.detail.get("ctwa_clid") if identity.kind == "wa_id" else identity.value
        if channel is not None and person_id and wanted in (None, channel):
            found.append((identity.first_seen_at > at, Thread(channel, identity.scope, str(person_id))))
    found.sort(key=lambda one: one[0])
    return found[0][1] if found else None


def _has_consented(card: LeadCard | None, wanted: tuple[str, ...]) -> bool:
    given = {consent.key for consent in card.consents if consent.checked} if card is not None else set()
    return given.issuperset(wanted)


def _is_yes(value: Any) -> bool:
    return value is True or (isinstance(value, str) and value.strip().lower() in _YES)


def _is_no(value: Any) -> bool:
    return value is False or (isinstance(value, str) and value.strip().lower() in _NO)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
