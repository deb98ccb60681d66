"""Meta's own list of leads, read for a form or a Page since a time: what is missing here is added.

Each page of the list is stored with the place reached, in one transaction, so that a stopped backfill resumes. Facts: §5.2
(cursors are not kept long; the filter is `time_created`), §5.5 (leads are gone after 90 days); read 2026-11-22.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from leadloop.conversions.people import lead_match_keys
from leadloop.errors import LeadloopError, NeedsHuman, Permanent
from leadloop.lead_reading import build_card, card_to_row, id_text, parse_graph_time
from leadloop.leads import LeadCard
from leadloop.logs import get_logger
from leadloop.ports import LeadPage, Services
from store.forms import save_form
from store.leads import LeadNotice, StoryLine, add_leads, add_story, save_card
from store.models import Backfill, Form, Lead, Page, Work
from store.routing import add_plan, page_country
from store.work import BACKFILL, FRESH
from workers.lead_conversions import begin_conversions
from workers.leads import page_token, plan_for
from workers.targets import fingerprints_of

log = get_logger(__name__)
KEPT_BY_META = timedelta(days=90)
CURSOR_LIVES = timedelta(hours=1)

_Cards = list[tuple[dict[str, Any], LeadCard]]


@dataclass(frozen=True)
class Progress:
    """How far one form has come: leads seen in Meta's list, and those that were missing here."""

    form_id: str
    form_name: str | None
    seen: int
    added: int
    expected: int | None
    done: bool


def backfill(
    services: Services, *, since: datetime, form_id: str | None = None, page_id: str | None = None
) -> Iterator[Progress]:
    """Read Meta's list for one form, for all forms of a Page, or for all Pages that are configured.

    Yields after every page of the list. Safe to stop and to repeat. Raises what Graph raises; what was read stays.
    """
    oldest = services.now() - KEPT_BY_META
    trouble: LeadloopError | None = None
    for page, form in _forms(services, form_id, page_id):
        if isinstance(form, LeadloopError):
            trouble = trouble or form
            continue
        try:
            yield from _backfill_form(services, page, form, since=max(since, oldest))
        except LeadloopError as caught:  # the other forms and Pages are read all the same
            trouble = trouble or caught
    if trouble is not None:
        raise trouble


def fetch_page(services: Services, page: Page, *, since: datetime) -> tuple[int, int]:
    """All forms of one Page for a notice that named no lead: how many leads the lists held, and how many were missing here.

    What was missing is as fresh as any lead: it goes first, and the sales team is rung. No place is kept, so that neither
    this nor a backfill under way goes on from where the other stopped. Raises what Graph raises; what was read stays.
    """
    seen = added = 0
    trouble: LeadloopError | None = None
    token = _token(page, services)
    for form in _graph(services).read_page_forms(page.page_id, token=token):
        try:
            for listed in _pages_of_list(services, page, form, token=token, since=since):
                cards = _cards(listed, form, page, services)

                def keep(session: Session, cards: _Cards = cards, form: dict[str, Any] = form) -> int:
                    return _keep_leads(
                        session,
                        services,
                        cards,
                        form=form,
                        source="changed_fields",
                        priority=FRESH,
                        now=services.now(),
                    )

                added += services.writer.write(keep)
                seen += len(listed.leads)
        except LeadloopError as caught:  # the other forms are read all the same
            trouble = trouble or caught
    services.bell.ring()
    if trouble is not None:
        raise trouble
    return seen, added


def _pages_of_list(
    services: Services, page: Page, form: dict[str, Any], *, token: str, since: datetime, after: str | None = None
) -> Iterator[LeadPage]:
    while True:
        listed: LeadPage = _graph(services).read_form_leads(
            str(form.get("id")), token=token, page_id=page.page_id, since=since, after=after
        )
        yield listed
        if listed.after is None:
            return
        after = listed.after


def _forms(
    services: Services, form_id: str | None, page_id: str | None
) -> Iterator[tuple[Page, dict[str, Any] | LeadloopError]]:
    with services.read() as session:
        pages = list(session.scalars(select(Page).where(Page.configured).order_by(Page.position)))
        known = session.scalar(select(Form).where(Form.form_id == form_id)) if form_id else None
        lead_page = session.scalar(select(Lead.page_id).where(Lead.form_id == form_id).limit(1)) if form_id else None
    if form_id is not None:
        owner = page_id or (known.page_id if known else None) or lead_page
        chosen = [page for page in pages if page.page_id == owner] if owner else pages
        yield _one_form(services, form_id, chosen)
        return
    chosen = [page for page in pages if page_id in (None, page.page_id)]
    if not chosen:
        raise NeedsHuman(
            f"Page {page_id} is not in the configuration." if page_id else "No Page is in the configuration.",
            code="page_unknown",
            action="Add it under [[pages]] in the configuration file and apply it.",
        )
    for page in chosen:
        try:
            forms = _graph(services).read_page_forms(page.page_id, token=_token(page, services))
        except LeadloopError as caught:
            yield page, caught
            continue
        for form in forms:
            yield page, form


def _one_form(services: Services, form_id: str, pages: list[Page]) -> tuple[Page, dict[str, Any]]:
    trouble: LeadloopError | None = None
    for page in pages:
        try:
            return page, _graph(services).read_form(form_id, token=_token(page, services), page_id=page.page_id)
        except (NeedsHuman, Permanent) as caught:
            trouble = caught
    raise trouble or NeedsHuman(
        f"No configured Page has form {form_id}.",
        code="form_unknown",
        action="Check the form's id, and that its Page is under [[pages]].",
    )


def _backfill_form(services: Services, page: Page, form: dict[str, Any], *, since: datetime) -> Iterator[Progress]:
    form_id = str(form.get("id"))
    token = _token(page, services)
    state = services.writer.write(lambda session: _begin(session, form_id, page.page_id, since, services.now()))
    seen, added = state.seen, state.added
    expected = form.get("leads_count") if isinstance(form.get("leads_count"), int) else None
    for listed in _pages_of_list(services, page, form, token=token, since=since, after=state.after):
        cards = _cards(listed, form, page, services)

        def keep(session: Session, cards: _Cards = cards, nxt: Any = listed.after) -> int:
            return _keep(session, services, cards, form=form, state=state, after=nxt, now=services.now())

        added += services.writer.write(keep)
        seen += len(listed.leads)
        services.bell.ring()
        yield Progress(form_id, form.get("name"), seen, added, expected, listed.after is None)


def _begin(session: Session, form_id: str, page_id: str, since: datetime, now: datetime) -> Backfill:
    """Go on where an earlier backfill of the same span stopped, unless its cursor is too old to be trusted."""
    state = session.scalar(select(Backfill).where(Backfill.form_id == form_id))
    resumes = (
        state is not None
        and state.finished_at is None
        and state.since <= since
        and now - state.updated_at < CURSOR_LIVES
    )
    if state is None:
        state = Backfill(form_id=form_id, page_id=page_id, since=since, started_at=now, updated_at=now)
        session.add(state)
    if not resumes:
        state.since, state.after, state.seen, state.added = since, None, 0, 0
        state.started_at, state.finished_at = now, None
    state.updated_at = now
    session.flush()
    session.expunge(state)
    return state


def _cards(listed: LeadPage, form: dict[str, Any], page: Page, services: Services) -> _Cards:
    return [card for answer in listed.leads if (card := _card(answer, form, page, services.now())) is not None]


def _card(
    answer: dict[str, Any], form: dict[str, Any], page: Page, now: datetime
) -> tuple[dict[str, Any], LeadCard] | None:
    leadgen_id = id_text(answer.get("id"))
    if leadgen_id is None:
        return None
    fallback = {"leadgen_id": leadgen_id, "page_id": page.page_id, "form_id": str(form.get("id")), "ad_id": None}
    card = build_card(
        answer,
        form=form,
        page_name=page.name,
        default_country=page.default_country,
        received_at=now,
        fallback=fallback,
    )
    return answer, card


def _keep(
    session: Session,
    services: Services,
    cards: _Cards,
    *,
    form: dict[str, Any],
    state: Backfill,
    after: str | None,
    now: datetime,
) -> int:
    """Store one page of the list, and the place reached. Returns how many leads were new here."""
    new = _keep_leads(session, services, cards, form=form, source="backfill", priority=BACKFILL, now=now)
    row = session.get_one(Backfill, state.id)
    row.after, row.updated_at = after, now
    row.seen += len(cards)
    row.added += new
    row.finished_at = now if after is None else None
    return new


def _keep_leads(
    session: Session,
    services: Services,
    cards: _Cards,
    *,
    form: dict[str, Any],
    source: str,
    priority: int,
    now: datetime,
) -> int:
    """Store the leads of one page of the list. Returns how many were new here."""
    save_form(session, form, now=now)
    whole = [(answer, card) for answer, card in cards if "field_data" in answer]
    bare = [card for answer, card in cards if "field_data" not in answer]  # these are read by their id instead
    add = partial(add_leads, session, received_at=now, now=now, source=source, priority=priority)
    ids, new = add([_notice(card) for _answer, card in whole], read=False)
    new |= add([_notice(card) for card in bare])[1]
    unread = set(session.scalars(select(Lead.leadgen_id).where(Lead.id.in_(ids.values()), Lead.state != "read")))
    for answer, card in whole:
        if card.leadgen_id in unread:
            _fill(session, services, ids[card.leadgen_id], answer, card, priority=priority, now=now)
    return len(new)


def _notice(card: LeadCard) -> LeadNotice:
    return LeadNotice(card.leadgen_id, card.page_id, card.form_id, card.ad_id, card.created_at)


def _fill(
    session: Session,
    services: Services,
    lead_id: int,
    answer: dict[str, Any],
    card: LeadCard,
    *,
    priority: int,
    now: datetime,
) -> None:
    """The list holds the answers, so that no call for each lead is needed."""
    default_country = page_country(session, card.page_id)
    keys = lead_match_keys(card, default_country).to_json()
    save_card(session, lead_id, answer=answer, card=card, row=card_to_row(card), match_keys=keys, now=now)
    session.execute(
        delete(Work)
        .where(Work.kind == "lead", Work.subject_id == lead_id, Work.holder.is_(None))
        .execution_options(synchronize_session=False)
    )
    add_story(session, [StoryLine(lead_id, "read", now, {"source": "backfill"}, dedup_key=f"read:{lead_id}")])
    plan = plan_for(session, card, priority=priority, now=now)
    add_plan(
        session,
        lead_id,
        plan,
        find_targets=partial(fingerprints_of, services=services),
        now=now,
        priority=priority,
    )
    begin_conversions(session, lead_id, card, plan, now=now, priority=priority)


def _token(page: Page, services: Services) -> str:
    token = page_token(page, services)
    if token is None:
        raise NeedsHuman(
            f"There is no access token for Page {page.page_id}.",
            code="no_token",
            action="Set access_token for it in the configuration file, or META_ACCESS_TOKEN.",
        )
    return token


def _graph(services: Services) -> Any:
    if services.graph is None:
        raise RuntimeError("this process was started without a Graph client")
    return services.graph


def parse_since(text: str, *, now: datetime) -> datetime:
    """ "7d", "36h", or an ISO date or time, as aware UTC. ValueError otherwise."""
    units = {"d": "days", "h": "hours"}
    if text[-1:] in units and text[:-1].isdigit():
        return now - timedelta(**{units[text[-1]]: int(text[:-1])})
    found = parse_graph_time(text) if "T" in text or ":" in text else None
    if found is not None:
        return found
    return datetime.fromisoformat(text).replace(tzinfo=now.tzinfo)
