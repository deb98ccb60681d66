"""An event that a person wants to be sent again: decided anew where Meta was not told, else queued as it was.

Called by the command line, for one conversion in one transaction; the work that follows is added there.
"""

from datetime import datetime

from sqlalchemy.orm import Session

from leadloop.conversions.funnel import decide_again, find_position, ladder
from store.conversion_models import Conversion, Outcome
from store.conversion_retries import (
    Reason,
    Retried,
    find_outcome,
    how,
    lock_for_retry,
    send_anew,
    send_as_it_was,
    why_not,
)
from store.conversions import Subject
from store.funnels import ConfiguredFunnel, read_funnels
from store.outcome_facts import read_contact_facts, read_lead_facts
from workers.outcomes import Earlier, open_case

NO_FUNNEL: Reason = (
    "no_funnel",
    "The configuration has no funnel for its connection and dataset any more, so that it cannot be decided anew.",
    "Put the funnel back, or leave the event as it is.",
)


def retry_conversion(session: Session, conversion_id: int, *, now: datetime) -> Retried | None:
    """Take one conversion up again, or say why not; None when there is none of this id."""
    row = lock_for_retry(session, conversion_id)
    if row is None:
        return None
    refused = why_not(row, now=now)
    if refused is not None:
        return Retried(row.id, row.state, row.event_name, row.dataset_id, reason=refused)
    if how(row) == "as_it_was":
        return send_as_it_was(session, row, now=now)
    outcome = find_outcome(session, row)
    configured = None if outcome is None else _find_funnel(session, row)
    if outcome is None or configured is None:
        return Retried(row.id, row.state, row.event_name, row.dataset_id, reason=NO_FUNNEL)
    return _decide_again(session, row, outcome, configured, now=now)


def _decide_again(
    session: Session, row: Conversion, outcome: Outcome, configured: ConfiguredFunnel, *, now: datetime
) -> Retried:
    lead = None if outcome.lead_id is None else read_lead_facts(session, outcome.lead_id)
    contact = None if outcome.contact_id is None else read_contact_facts(session, outcome.contact_id)
    earlier = Earlier(session, Subject(outcome.lead_id, outcome.contact_id))
    case = open_case(session, earlier, outcome, configured, lead, contact)
    decision = decide_again(configured.funnel, row.stage, case.past, case.happened, filled=row.filled)
    return send_anew(session, row, case.draft(decision, now=now), now=now)


def _find_funnel(session: Session, row: Conversion) -> ConfiguredFunnel | None:
    """The one it came from: of several for one dataset that which knows the stage."""
    mine = [
        one
        for one in read_funnels(session)
        if (one.connection, one.funnel.dataset_id) == (row.connection, row.dataset_id)
    ]
    knowing = [one for one in mine if find_position(ladder(one.funnel), row.stage) is not None]
    return next(iter([one for one in knowing if one.funnel.route == row.route] or knowing or mine), None)
