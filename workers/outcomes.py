"""What a lead's outcomes mean to Meta: the funnels decide, the linter looks, and what is to be told is queued.

All outcomes of one lead that are open are decided together, in the order in which they happened, in the transaction that keeps
the conversions: two workers never decide on the same lead at once.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy.orm import Session

from crm_adapters import UnknownAdapter, get_adapter
from leadloop.conversions.event import Thread
from leadloop.conversions.funnel import RAW_STAGE, Decision, Happened, decide, decide_raw
from leadloop.conversions.people import HASHED, PLAIN, MatchKeys, merge_match_keys, parse_match_keys
from leadloop.conversions.telling import Person, tell
from leadloop.lead_reading import card_from_row
from leadloop.leads import LeadCard
from leadloop.logs import get_logger
from leadloop.ports import Services
from store.conversion_models import Outcome
from store.conversions import Draft, Subject, forget_skipped, put_conversion, read_past, want_sending
from store.funnels import ANY, ConfiguredFunnel, funnels_for, read_adapters, read_funnels
from store.leads import StoryLine, add_story
from store.outcome_facts import (
    ContactFacts,
    LeadFacts,
    lock_undecided,
    read_contact_facts,
    read_lead_facts,
)
from store.work import WorkItem
from workers.jobs import Effect
from workers.lead_conversions import lead_match_keys

log = get_logger(__name__)
OUR_NAME = "leadloop"  # the CRM's name where the outcome is of none
_NO = frozenset({"false", "no", "0"})
_OWN_KEYS = (*HASHED, *PLAIN, "fbclid")  # of an outcome's fields, those that are Meta's own names of user_data


def run(item: WorkItem, services: Services) -> Effect:
    """Decide what follows from an outcome, and from all others of its lead that are open. Safe to repeat."""

    def effect(session: Session, now: datetime) -> None:
        subject, outcomes = lock_undecided(session, item.subject_id)
        if outcomes:
            _decide_all(session, subject, outcomes, services, now=now, priority=item.priority)

    return effect


def _decide_all(
    session: Session, subject: Subject, outcomes: list[Outcome], services: Services, *, now: datetime, priority: int
) -> None:
    lead = None if subject.lead_id is None else read_lead_facts(session, subject.lead_id)
    contact = None if subject.contact_id is None else read_contact_facts(session, subject.contact_id)
    forget_skipped(session, [outcome.id for outcome in outcomes])
    queued: set[str] = set()
    for outcome in outcomes:
        states = []
        for configured in funnels_for(
            read_funnels(session), outcome.connection, of_lead=() if lead is None else lead.crms
        ):
            for draft in _decide(session, subject, outcome, configured, lead, contact, now=now):
                kept = put_conversion(session, draft, subject, outcome.id, now=now)
                states.append(draft.state)
                if kept is not None and draft.state == "queued":
                    queued.add(draft.dataset_id)
                services.counters.add("leadloop_conversions_decided_total", state=draft.state)
        outcome.decided_at = now
        _tell_story(session, outcome, states)
    session.flush()
    want_sending(session, queued, now=now, priority=priority)


def _decide(
    session: Session,
    subject: Subject,
    outcome: Outcome,
    configured: ConfiguredFunnel,
    lead: LeadFacts | None,
    contact: ContactFacts | None,
    *,
    now: datetime,
) -> list[Draft]:
    funnel = configured.funnel
    card = _card(lead)
    person = _person(outcome, lead, card, contact, route=funnel.route, consents=funnel.consent)
    happened = Happened(
        subject=person.subject,
        occurred_at=outcome.occurred_at,
        value=None if outcome.value is None else Decimal(outcome.value),
        currency=outcome.currency,
        order_id=outcome.order_id,
        facts=_facts(outcome, lead, person),
    )
    past = read_past(session, funnel.dataset_id, subject)
    is_raw = outcome.source == "lead" and outcome.stage == RAW_STAGE
    decisions = decide_raw(funnel, past, happened) if is_raw else decide(funnel, outcome.stage, past, happened)
    source_name = _source_name(session, outcome.connection or configured.connection)
    return [_draft(configured, decision, person, outcome.order_id, source_name, now) for decision in decisions]


def _draft(
    configured: ConfiguredFunnel,
    decision: Decision,
    person: Person,
    order_id: str | None,
    source_name: str,
    now: datetime,
) -> Draft:
    funnel = configured.funnel
    told = tell(funnel, decision, person, order_id=order_id, source_name=source_name, now=now)
    return Draft(
        dataset_id=funnel.dataset_id,
        connection=configured.connection,
        route=funnel.route,
        stage=decision.stage,
        event_time=decision.occurred_at,
        deadline_at=told.deadline_at,
        state=told.state,
        event_name=decision.event_name,
        event_id=decision.event_id,
        order_id=order_id,
        filled=decision.filled,
        reason=told.reason,
        warnings=told.warnings,
        payload=told.payload,
    )


def _tell_story(session: Session, outcome: Outcome, states: list[str]) -> None:
    if outcome.lead_id is None or outcome.source == "lead":
        return
    detail = {"stage": outcome.stage, "connection": outcome.connection or "", "source": outcome.source}
    line = StoryLine(
        outcome.lead_id,
        "outcome",
        outcome.occurred_at,
        detail | {"states": sorted(set(states))},
        dedup_key=f"outcome:{outcome.id}",
    )
    add_story(session, [line])


# --- whom it is about --------------------------------------------------------------------------------------------------


def _card(lead: LeadFacts | None) -> LeadCard | None:
    return None if lead is None or lead.card is None else card_from_row(lead.card)


def _person(
    outcome: Outcome,
    lead: LeadFacts | None,
    card: LeadCard | None,
    contact: ContactFacts | None,
    *,
    route: str,
    consents: tuple[str, ...],
) -> Person:
    fields = outcome.fields
    given = parse_match_keys({name: fields[name] for name in _OWN_KEYS if name in fields})
    thread = None if contact is None else _thread(contact, outcome.occurred_at)
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
        name = f"contact:{contact.id}" if contact else f"outcome:{outcome.id}"
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


_CHANNELS: Mapping[str, Any] = {"wa_id": "whatsapp", "psid": "messenger", "igsid": "instagram"}


def _thread(contact: ContactFacts, at: datetime) -> Thread | None:
    """The conversation through which the person came: the first on a channel that Meta can be told of, by then."""
    found = []
    for identity in contact.identities:
        channel = _CHANNELS.get(identity.kind)
        person_id = identity.detail.get("ctwa_clid") if identity.kind == "wa_id" else identity.value
        if channel is not None and person_id:
            found.append((identity.first_seen_at > at, Thread(channel, identity.scope, str(person_id))))
    found.sort(key=lambda one: one[0])
    return found[0][1] if found else None


def _facts(outcome: Outcome, lead: LeadFacts | None, person: Person) -> dict[str, Any]:
    """What the conditions of a funnel look at: the outcome's own fields, and what is known of the lead."""
    facts = dict(outcome.fields)
    known = {"connection": outcome.connection, "stage": outcome.stage, "source": outcome.source}
    if lead is not None:
        known |= {"page": lead.page_id, "form": lead.form_id, "ad": lead.ad_id}
    if person.thread is not None:
        known |= {"channel": person.thread.channel, "page": known.get("page") or person.thread.business_id}
    return facts | {name: value for name, value in known.items() if value is not None}


def _has_consented(card: LeadCard | None, wanted: tuple[str, ...]) -> bool:
    given = {consent.key for consent in card.consents if consent.checked} if card is not None else set()
    return given.issuperset(wanted)


def _source_name(session: Session, connection: str) -> str:
    """The CRM's name as Meta shows it: the adapter's, but for those that stand for any."""
    kind = read_adapters(session).get(connection)
    if connection == ANY or kind is None:
        return OUR_NAME
    if kind in ("webhook", "sql"):
        return connection
    try:
        return get_adapter(kind).label
    except UnknownAdapter:
        return connection


def _is_yes(value: Any) -> bool:
    return value is True or (isinstance(value, str) and value.strip().lower() in ("true", "yes", "1"))


def _is_no(value: Any) -> bool:
    return value is False or (isinstance(value, str) and value.strip().lower() in _NO)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
