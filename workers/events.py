"""A raw event becomes leads with the work of reading them; what is not used yet stays kept."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from leadloop.leads import iso_utc
from leadloop.logs import get_logger
from leadloop.meta_events import INCLUDE_VALUES, BlankNotice, EventContent, LeadgenNotice, LeadgenUpdate, read_event
from leadloop.ports import Services
from store.lead_path import EventToRead, load_event
from store.leads import LeadNotice, StoryLine, add_leads, add_story, mark_gone
from store.models import Page
from store.raw_events import mark_read
from store.work import BACKFILL, WorkItem
from workers import fetches
from workers.jobs import Effect

log = get_logger(__name__)
MOST_IDS_TOLD = 20  # in one log line; Meta may announce a thousand leads at once


def run(item: WorkItem, services: Services) -> Effect:
    """Read one raw event. Safe to repeat: leads are unique by leadgen_id, updates by what they say."""
    with services.read() as session:
        event = load_event(session, item.subject_id)
    content = read_event(event.body)
    log.info(
        "event_read",
        raw_event_id=event.id,
        verdict=content.verdict,
        leadgen_ids=[one.leadgen_id for one in content.leads[:MOST_IDS_TOLD]],
        leads=len(content.leads),
        updates=len(content.updates),
        problems=len(content.problems),
    )
    services.counters.add("leadloop_events_read_total", verdict=content.verdict)
    for page_id in sorted({blank.page_id for blank in content.blanks}):
        log.error("notice_without_values", page_id=page_id, raw_event_id=event.id, mend=INCLUDE_VALUES)
    for notice in content.leads:
        if notice.created_at is not None and not notice.entry_is_zero:
            services.counters.observe(
                "leadloop_form_to_webhook_seconds", (event.received_at - notice.created_at).total_seconds()
            )

    def effect(session: Session, now: datetime) -> None:
        store_content(session, event, content, now=now)

    return effect


def store_content(session: Session, event: EventToRead, content: EventContent, *, now: datetime) -> None:
    """Add the leads an event announces, the updates to their story, and the verdict to the event."""
    announced: list[LeadgenNotice | LeadgenUpdate] = [*content.leads]
    samples = _find_samples(session, [*announced, *content.updates])
    if samples:
        announced = [notice for notice in announced if not (notice.entry_is_zero and notice.page_id in samples)]
    notices = [_lead_notice(notice) for notice in announced]
    add_leads(session, notices, received_at=event.received_at, now=now, raw_event_id=event.id)
    for page_samples in samples.values():
        _store_samples(session, event, page_samples, now=now)
    if content.updates:
        _store_updates(session, event, content.updates, now=now)
    _ask_for_pages(session, event, content.blanks, now=now)
    mark_read(session, event.id, verdict=content.verdict, reason=content.reason, now=now)


def _lead_notice(notice: LeadgenNotice | LeadgenUpdate) -> LeadNotice:
    created_at = notice.created_at if isinstance(notice, LeadgenNotice) else None
    return LeadNotice(notice.leadgen_id, notice.page_id, notice.form_id, notice.ad_id, created_at)


def _find_samples(
    session: Session, notices: list[LeadgenNotice | LeadgenUpdate]
) -> dict[str, list[LeadgenNotice | LeadgenUpdate]]:
    """By Page, what the dashboard's Test button sent: entry 0, and a Page that nobody configured (facts §1.8, §2.1, §2.2)."""
    found: dict[str, list[LeadgenNotice | LeadgenUpdate]] = {}
    for notice in notices:
        if notice.entry_is_zero:
            found.setdefault(notice.page_id, []).append(notice)
    if not found:
        return {}
    ours = set(session.scalars(select(Page.page_id).where(Page.page_id.in_(found), Page.configured.is_(True))))
    return {page_id: samples for page_id, samples in found.items() if page_id not in ours}


def _store_samples(
    session: Session, event: EventToRead, samples: list[LeadgenNotice | LeadgenUpdate], *, now: datetime
) -> None:
    """Show that they came in. Their ids belong to nobody, so reading them would only hold a Page that does not exist."""
    notices = [_lead_notice(sample) for sample in samples]
    ids, new = add_leads(session, notices, received_at=event.received_at, now=now, raw_event_id=event.id, read=False)
    for leadgen_id in sorted(new):
        mark_gone(session, ids[leadgen_id])
    lines = [StoryLine(ids[one], "sample", now, {}, event.id, f"sample:{ids[one]}") for one in sorted(new)]
    add_story(session, lines)


def _ask_for_pages(session: Session, event: EventToRead, blanks: list[BlankNotice], *, now: datetime) -> None:
    """Have Meta's list read for each Page whose notice named no lead. In one order everywhere, so that two processes never
    wait in a circle."""
    sent: dict[str, list[datetime]] = {}
    for blank in blanks:
        sent.setdefault(blank.page_id, []).append(blank.sent_at or event.received_at)
    for page_id, times in sorted(sent.items()):
        fetches.ask(session, page_id, sent_at=min(times), received_at=event.received_at, now=now)


def _store_updates(session: Session, event: EventToRead, updates: list[LeadgenUpdate], *, now: datetime) -> None:
    # An update may overtake its lead: then the lead is added from the ids it names. But it may be of any age, so that it
    # stands behind fresh ones, and rings nobody if it is old.
    notices = [_lead_notice(update) for update in updates]
    ids, _new = add_leads(
        session, notices, received_at=event.received_at, now=now, source="leadgen_update", priority=BACKFILL
    )
    lines = []
    for update in updates:
        at = iso_utc(update.updated_at)
        detail = {"area": update.area, "event": update.event, "fields": list(update.updated_fields), "updated_at": at}
        key = f"update:{update.leadgen_id}:{at}:{update.event}:{update.area}"  # facts §1.7: never leadgen_id alone
        lines.append(
            StoryLine(ids[update.leadgen_id], "leadgen_update", event.received_at, detail, event.id, key[:500])
        )
    add_story(session, lines)
