"""Running something that is stored again: a raw event, or a lead with what follows from it."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from store.lanes import alert_lane, crm_lane, graph_lane
from store.leads import StoryLine, add_story
from store.models import Delivery, Lead, Notice, RawEvent
from store.raw_events import EVENT_LANE
from store.work import WorkItem, add_work, begin_again


def replay_lead(session: Session, lead: Lead, *, now: datetime, again: bool) -> None:
    """Read the lead from Meta once more, follow the routes as they are now, and try what is not delivered.

    `again` pushes what is delivered already, too: the adapters upsert, so that updates the record. Nobody whose alert
    was sent is rung twice.
    """
    add_story(session, [StoryLine(lead.id, "replayed", now, {"deliveries_again": again})])
    add_work(session, "lead", [lead.id], graph_lane(lead.page_id), now=now, again=True)
    for delivery in session.scalars(select(Delivery).where(Delivery.lead_id == lead.id)):
        if again or delivery.state != "delivered":
            delivery.state = "waiting"
            if again:
                _push_anew(delivery)
            session.flush()
            add_work(session, "delivery", [delivery.id], crm_lane(delivery.connection_id), now=now, again=again)
    for notice in session.scalars(select(Notice).where(Notice.lead_id == lead.id, Notice.state != "sent")):
        notice.state = "waiting"
        session.flush()
        add_work(session, "notice", [notice.id], alert_lane(notice.notifier_id, notice.target), now=now)


def replay_event(session: Session, event_id: int, *, now: datetime) -> bool:
    """Read a stored notice again. False when there is none of that id."""
    if session.get(RawEvent, event_id) is None:
        return False
    add_work(session, "event", [event_id], EVENT_LANE, now=now, again=True)
    return True


def begin_replay(session: Session, item: WorkItem) -> None:
    """For a row that was replayed while a worker had it: what that worker noted meanwhile does not count."""
    begin_again(session, item)
    if item.kind == "delivery" and (delivery := session.get(Delivery, item.subject_id)) is not None:
        _push_anew(delivery)


def _push_anew(delivery: Delivery) -> None:
    delivery.state = "waiting"
    delivery.pushed_at = None
    delivery.steps = []
    delivery.made = []
