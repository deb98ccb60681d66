"""A lead that has been read: its keys for Meta are made, what waited for it goes on, and Meta is told that it has come."""

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from leadloop.conversions.funnel import RAW_STAGE, raw_stage
from leadloop.leads import LeadCard
from store.funnels import funnels_for, read_funnels
from store.models import Lead
from store.outcome_joining import join_lead
from store.outcomes import add_raw_outcome
from store.routing import Plan, connection_names

LATE_AFTER = timedelta(hours=1)
AFTER_CREATION = timedelta(seconds=1)  # Meta may drop what is not later than the lead itself: facts §1.4


def begin_conversions(
    session: Session, lead_id: int, card: LeadCard, plan: Plan, *, now: datetime, priority: int
) -> None:
    """Join the outcomes that waited for the lead, and keep that it has come as its first outcome, where a funnel of one of
    its connections tells Meta of that."""
    joined = join_lead(session, lead_id, leadgen_id=card.leadgen_id, email=card.email, phone=card.phone, now=now)
    funnels = read_funnels(session)
    if not funnels or card.is_test:
        return
    mine = funnels_for(funnels, None, of_lead=connection_names(session, plan.connections), or_every=False)
    if any(raw_stage(one.funnel) is not None for one in mine):
        came_at = raw_time(card, now, late=joined > 0)
        add_raw_outcome(
            session, lead_id, card.leadgen_id, stage=RAW_STAGE, occurred_at=came_at, now=now, priority=priority
        )


def join_unreadable(session: Session, lead_id: int, *, now: datetime) -> None:
    """Meta will never let it be read: its id alone has to do."""
    leadgen_id = session.get_one(Lead, lead_id).leadgen_id
    join_lead(session, lead_id, leadgen_id=leadgen_id, email=None, phone=None, now=now)


def raw_time(card: LeadCard, now: datetime, *, late: bool = False) -> datetime:
    """When a lead came: when Meta's notice did, as Meta wants it later than the form. What comes much later (a list that is
    read, an outage), or after one of its outcomes (`late`), keeps the time of the form: the raw lead is the first stage, and
    to date it anew would get round Meta's age limit. Never ahead of `now`: the web's clock may be, and Meta refuses that."""
    received = min(card.received_at or now, now)
    if card.created_at is None:
        return received
    first = card.created_at + AFTER_CREATION
    return first if late or received - card.created_at > LATE_AFTER else max(received, first)
