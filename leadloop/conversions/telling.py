"""A decision and a person become the event as it will be sent, and the linter says in which state it starts, and why. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from leadloop.conversions.event import Thread, build_event
from leadloop.conversions.findings import Finding
from leadloop.conversions.funnel import RAW_STAGE, Decision, Funnel
from leadloop.conversions.limited_data_use import limited_data_use
from leadloop.conversions.lint_event import lint_event
from leadloop.conversions.people import MatchKeys
from leadloop.conversions.routes import deadline_of

NO_CONVERSATION = (
    "no_conversation",
    "The person is not known from a chat, so that Meta has nothing to tell it by.",
    "Nothing, where people also come through forms; a funnel of another route tells of those.",
)
_RAW = "raw"  # lead_stage of a lead that has only just come, where the funnel has no stage for that
_TOO_OLD = "event_too_old"


@dataclass(frozen=True)
class Person:
    """Whom events are about, as far as it is known.

    `subject` names the lead or contact for ever. `thread` is the conversation on a messaging channel. `page_country`: where
    the Page or account is registered. `country` and `state` are the person's, for Limited Data Use. `consent` False: refused
    or taken back. `is_test`: one of Meta's test leads, of which nothing is told.
    """

    subject: str
    match_keys: MatchKeys = field(default_factory=MatchKeys, repr=False)
    lead_id: str | None = None
    lead_created_at: datetime | None = None
    thread: Thread | None = field(default=None, repr=False)
    page_country: str | None = None
    country: str | None = None
    state: str | None = None
    consent: bool | None = None
    opt_out: bool = False
    is_test: bool = False
    event_source_url: str | None = field(default=None, repr=False)
    referrer_url: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Told:
    """What becomes of a decision. `state`: queued, held, refused, expired or skipped; `reason`: (code, message, action) where
    it is not queued. `warnings` do not stop it."""

    state: str
    deadline_at: datetime
    reason: tuple[str, str, str] | None = None
    warnings: tuple[Mapping[str, str], ...] = ()
    payload: Mapping[str, Any] | None = field(default=None, repr=False)


def tell(
    funnel: Funnel, decision: Decision, person: Person, *, order_id: str | None, source_name: str, now: datetime
) -> Told:
    """The event of a decision, or why there is none.

    `source_name` is the CRM's, for lead_event_source where the funnel gives none. An event that waits for its value has no
    payload yet. The same call gives the same event.
    """
    deadline = deadline_of(funnel.route, decision.occurred_at)
    reason = (decision.code, decision.message, decision.mend)
    if decision.action == "skip":
        return Told("skipped", deadline, reason)
    if person.is_test:
        message = "It is one of Meta's test leads, and nothing that happens to it is told."
        return Told("skipped", deadline, ("test_lead", message, "To try the way: leadloop conversions test."))
    messaging = funnel.route == "business_messaging"
    if messaging and person.thread is None:
        return Told("skipped", deadline, NO_CONVERSATION)
    if decision.action == "hold":
        return Told("held", deadline, reason)
    if decision.event_name is None or decision.event_id is None:
        raise ValueError("an event that is sent has a name and an id")
    keys = replace(person.match_keys, lead_id=None) if messaging else person.match_keys
    event = build_event(
        funnel.route,
        event_name=decision.event_name,
        event_time=decision.occurred_at,
        event_id=decision.event_id,
        user_data=keys.to_user_data(),
        lead_id=person.lead_id,
        lead_event_source=funnel.lead_event_source or source_name,
        thread=person.thread,
        stage=_RAW if decision.stage == RAW_STAGE else decision.stage,
        value=decision.value,
        currency=decision.currency,
        predicted_value=decision.predicted_value,
        order_id=order_id,
        data_processing=limited_data_use(country=person.country, state=person.state, states=funnel.ldu_states),
        opt_out=person.opt_out,
        event_source_url=person.event_source_url,
        referrer_url=person.referrer_url,
    )
    findings = lint_event(
        event,
        now=now,
        page_country=person.page_country,
        lead_created_at=None if messaging else person.lead_created_at,  # such an event does not name the lead
        lead_id=person.lead_id,
        consent=person.consent,
    )
    state, why = judge_findings(findings)
    if state == "queued" and deadline <= now:
        state, why = "expired", _EXPIRING
    warnings = [_as_row(one) for one in findings if one.level == "warning"]
    if decision.code:
        warnings.insert(0, {"code": decision.code, "field": "value", "message": decision.message})
    return Told(state, deadline, why, tuple(warnings), event)


_EXPIRING = (
    _TOO_OLD,
    "It is about to be too old for Meta, and would not arrive in time.",
    "Nothing can be done; its time must not be changed.",
)


def judge_findings(findings: Sequence[Finding]) -> tuple[str, tuple[str, str, str] | None]:
    """The state in which an event begins, and why it is not queued: too old, refused or held, by its worst finding."""
    old = next((one for one in findings if one.code == _TOO_OLD), None)
    if old is not None:
        return "expired", _as_reason(old)
    for level in ("refused", "held"):
        worst = next((one for one in findings if one.level == level), None)
        if worst is not None:
            return level, _as_reason(worst)
    return "queued", None


def _as_reason(finding: Finding) -> tuple[str, str, str]:
    what = f"{finding.field} {finding.message}" if finding.field else f"The event {finding.message}"
    return finding.code, f"{what}.", f"{finding.mend[:1].upper()}{finding.mend[1:]}." if finding.mend else ""


def _as_row(finding: Finding) -> dict[str, str]:
    row = {"code": finding.code, "field": finding.field, "message": finding.message, "mend": finding.mend}
    return {name: text for name, text in row.items() if text}
