"""What a lead's outcomes mean to Meta: the funnels decide, the linter looks, and what is to be told is queued.

All outcomes of one lead that are open are decided together, in the order in which they happened, in the transaction that keeps
the conversions: two workers never decide on the same lead at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy.orm import Session

from crm_adapters import UnknownAdapter, get_adapter
from leadloop.conversions.funnel import RAW_STAGE, UNKNOWN_STAGE, Decision, Happened, Past, decide, decide_raw
from leadloop.conversions.telling import Person, tell
from leadloop.logs import get_logger
from leadloop.ports import Services
from store.conversion_models import Outcome
from store.conversions import Draft, Subject, forget_skipped, put_conversion, read_past, want_sending, withdraw
from store.funnels import ANY, ConfiguredFunnel, doubt_stage, funnels_for, read_adapters, read_funnels
from store.leads import StoryLine, add_story
from store.outcome_facts import (
    ContactFacts,
    LeadFacts,
    list_wishes,
    lock_undecided,
    read_contact_facts,
    read_lead_facts,
)
from store.outcome_people import describe_person, last_wishes
from store.work import WorkItem, add_work
from workers.jobs import Effect

log = get_logger(__name__)
OUR_NAME = "leadloop"  # the CRM's name where the outcome is of none


def run(item: WorkItem, services: Services) -> Effect:
    """Decide what follows from an outcome, and from all others of its lead that are open. Safe to repeat."""

    def effect(session: Session, now: datetime) -> None:
        subject, outcomes = lock_undecided(session, item.subject_id)
        if not outcomes:
            return
        _decide_all(session, subject, outcomes, services, now=now, priority=item.priority)
        if item.subject_id not in {outcome.id for outcome in outcomes}:  # a lead with very many: its turn is to come
            add_work(session, item.kind, [item.subject_id], item.lane, now=now, priority=item.priority, again=True)

    return effect


def _decide_all(
    session: Session, subject: Subject, outcomes: list[Outcome], services: Services, *, now: datetime, priority: int
) -> None:
    lead = None if subject.lead_id is None else read_lead_facts(session, subject.lead_id)
    contact = None if subject.contact_id is None else read_contact_facts(session, subject.contact_id)
    forget_skipped(session, [outcome.id for outcome in outcomes])
    earlier = Earlier(session, subject)
    if earlier.wishes().get("consent") is False:
        withdraw(session, subject, now=now)
    queued: set[str] = set()
    for outcome in outcomes:
        states = []
        mine = funnels_for(
            read_funnels(session),
            outcome.connection,
            of_lead=() if lead is None else lead.crms,
            or_every=outcome.source != "lead",
        )
        known = doubt_stage(mine, outcome.stage) is None  # by one of them: that others do not is no news
        for configured in mine:
            for draft in _decide(open_case(session, earlier, outcome, configured, lead, contact), now=now):
                if known and draft.reason is not None and draft.reason[0] == UNKNOWN_STAGE:
                    continue
                kept = put_conversion(session, draft, subject, outcome.id, now=now)
                earlier.note(draft)
                states.append(draft.state)
                if kept is not None and draft.state == "queued":
                    queued.add(draft.dataset_id)
                services.counters.add("leadloop_conversions_decided_total", state=draft.state)
        outcome.decided_at = now
        _tell_story(session, outcome, states)
    session.flush()
    want_sending(session, queued, now=now, priority=priority)


class Earlier:
    """What was decided for the same subject before, read again only after something was added to it."""

    def __init__(self, session: Session, subject: Subject) -> None:
        self._session = session
        self._subject = subject
        self._known: dict[tuple[str, str | None], list[Past]] = {}
        self._wishes: dict[str, bool] | None = None

    def wishes(self) -> dict[str, bool]:
        """What the person has said last of consent and of opting out, whenever that was."""
        if self._wishes is None:
            self._wishes = last_wishes(list_wishes(self._session, self._subject))
        return self._wishes

    def read(self, dataset_id: str, order_id: str | None) -> list[Past]:
        key = dataset_id, order_id
        if key not in self._known:
            self._known[key] = read_past(self._session, dataset_id, self._subject, order_id=order_id)
        return self._known[key]

    def note(self, draft: Draft) -> None:
        if draft.state != "skipped":
            self._known.clear()


@dataclass(frozen=True)
class Case:
    """An outcome as one funnel sees it. `source_name` is the CRM's name for Meta."""

    configured: ConfiguredFunnel
    outcome: Outcome
    person: Person
    happened: Happened
    past: Sequence[Past]
    source_name: str

    def draft(self, decision: Decision, *, now: datetime) -> Draft:
        """The conversion that a decision becomes."""
        funnel, order_id = self.configured.funnel, self.outcome.order_id
        told = tell(funnel, decision, self.person, order_id=order_id, source_name=self.source_name, now=now)
        return Draft(
            dataset_id=funnel.dataset_id,
            connection=self.configured.connection,
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


def open_case(
    session: Session,
    earlier: Earlier,
    outcome: Outcome,
    configured: ConfiguredFunnel,
    lead: LeadFacts | None,
    contact: ContactFacts | None,
) -> Case:
    """What an outcome is decided on by one funnel, as it is known now."""
    funnel = configured.funnel
    person = describe_person(
        lead,
        contact,
        fields=outcome.fields | earlier.wishes(),
        at=outcome.occurred_at,
        route=funnel.route,
        consents=funnel.consent,
        nobody=f"outcome:{outcome.id}",
    )
    happened = Happened(
        subject=person.subject,
        occurred_at=outcome.occurred_at,
        value=None if outcome.value is None else Decimal(outcome.value),
        currency=outcome.currency,
        order_id=outcome.order_id,
        facts=_facts(outcome, lead, person),
    )
    past = earlier.read(funnel.dataset_id, outcome.order_id)
    return Case(
        configured,
        outcome,
        person,
        happened,
        past,
        _source_name(session, outcome.connection or configured.connection),
    )


def _decide(case: Case, *, now: datetime) -> list[Draft]:
    funnel, outcome = case.configured.funnel, case.outcome
    is_raw = outcome.source == "lead" and outcome.stage == RAW_STAGE
    if is_raw:
        decisions = decide_raw(funnel, case.past, case.happened)
    else:
        decisions = decide(funnel, outcome.stage, case.past, case.happened)
    return [case.draft(decision, now=now) for decision in decisions]


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


def _facts(outcome: Outcome, lead: LeadFacts | None, person: Person) -> dict[str, Any]:
    """What the conditions of a funnel look at: the outcome's own fields, and what is known of the lead."""
    facts = dict(outcome.fields)
    known = {"connection": outcome.connection, "stage": outcome.stage, "source": outcome.source}
    if lead is not None:
        known |= {"page": lead.page_id, "form": lead.form_id, "ad": lead.ad_id}
    if person.thread is not None:
        known |= {"channel": person.thread.channel, "page": known.get("page") or person.thread.business_id}
    return facts | {name: value for name, value in known.items() if value is not None}


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
