"""The leads of a Page read from Meta's list, because its notice named none (Include Values is off)."""

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from leadloop.errors import Verdict
from leadloop.logs import get_logger
from leadloop.ports import Services
from store.asked_pages import AskedPage, ask_for_page, finish_asked_page, load_asked_page
from store.lanes import graph_lane
from store.models import Page
from store.work import WorkItem, add_work, give_back, settle
from workers.backfill import fetch_page
from workers.jobs import Effect, working_with
from workers.leads import no_token, page_fingerprint, page_token

log = get_logger(__name__)
OVERLAP = timedelta(
    hours=24
)  # Source: Meta ingestion facts §5.2: a time with an overlap, and each lead known by its id
LONGEST_REPEAT = timedelta(hours=36)  # Meta repeats a notice for so long (facts §1.6): an older time is not believed


def ask(session: Session, page_id: str, *, sent_at: datetime | None, received_at: datetime, now: datetime) -> None:
    """Note that a Page is to be read since its notice was sent, and a day more, with the work of doing so."""
    told = min(max(sent_at or received_at, received_at - LONGEST_REPEAT), received_at)
    asked_id = ask_for_page(session, page_id, since=told - OVERLAP, now=now)
    add_work(session, "fetch", [asked_id], graph_lane(page_id), now=now)


def run(item: WorkItem, services: Services) -> Effect:
    """Read Meta's list of all forms of one Page and add what is missing here. Safe to repeat: leads are unique."""
    asked, page = _load(item, services)
    token = page_token(page, services)
    if token is None:
        raise no_token(asked.page_id, waited=None if page.configured else services.now() - item.added_at)
    with working_with(page_fingerprint(token)):
        seen, added = fetch_page(services, page, since=asked.since)
    log.info("page_fetched", page_id=asked.page_id, seen=seen, added=added)

    def effect(session: Session, now: datetime) -> None:
        # Settled here and at once, so that a notice of the same transaction finds the row gone and adds it anew.
        if finish_asked_page(session, asked, now=now):
            settle(session, item, Verdict("done"), now=now)
        else:
            give_back(session, [item], now=now)

    return effect


def current_fingerprint(item: WorkItem, services: Services) -> str | None:
    """The fingerprint of the token this Page would be read with now."""
    return page_fingerprint(page_token(_load(item, services)[1], services))


def _load(item: WorkItem, services: Services) -> tuple[AskedPage, Page]:
    with services.read() as session:
        asked = load_asked_page(session, item.subject_id)
        page = session.scalar(select(Page).where(Page.page_id == asked.page_id))
    return asked, page or Page(page_id=asked.page_id, configured=False)
