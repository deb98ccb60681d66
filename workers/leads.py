"""One lead read from Graph: answers understood by its form, then deliveries and notices as the routes say."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from threading import Lock
from typing import Any

from sqlalchemy.orm import Session

from leadloop.conversions.people import lead_match_keys
from leadloop.errors import LeadloopError, NeedsHuman, Permanent, Retryable, Verdict
from leadloop.lead_reading import build_card, card_to_row, id_text, needs_fresh_form
from leadloop.leads import LeadCard
from leadloop.logs import get_logger
from leadloop.ports import Graph, Services
from store.forms import save_form
from store.lead_path import LeadToRead, load_lead
from store.leads import StoryLine, add_story, mark_gone, save_card
from store.models import Page
from store.routing import Plan, add_plan, find_plan
from store.vault import fingerprint
from store.work import BACKFILL, WorkItem
from workers.jobs import Effect, about_lead, working_with
from workers.lead_conversions import begin_conversions, join_unreadable
from workers.targets import fingerprints_of
from workers.telling import tell_failure

log = get_logger(__name__)
ALERT_WITHIN = timedelta(hours=24)
FORM_TRIES = 2  # so often a lead waits for its form to become readable; then it goes on without
MOST_FORMS = 500
TROUBLE_LASTS = timedelta(seconds=10)
UNKNOWN_PAGE_FOR = timedelta(hours=6)  # so long a lead of a Page that nobody configured waits before it is parked
FORM_AGAIN_AFTER = timedelta(minutes=10)  # a form that could not be read, or did not know an answer, is asked again


def run(item: WorkItem, services: Services) -> Effect:
    """Fill one lead from the Graph API and plan where it goes.

    Safe to repeat: the answer overwrites itself, deliveries are unique by (lead, connection). Raises what Graph raises.
    """
    with services.read() as session:
        lead = load_lead(session, item.subject_id)
    about_lead(lead.id, lead.leadgen_id)
    token = open_token(lead.token_sealed, services)
    if token is None:
        raise no_token(lead.page_id, waited=None if lead.page_configured else services.now() - item.added_at)
    with working_with(page_fingerprint(token)):
        answer = _graph(services).read_lead(lead.leadgen_id, token=token, page_id=lead.page_id)
        form, fresh_form = _find_form(answer, lead, token, services, patient=item.attempts > FORM_TRIES)
    card = build_card(
        answer,
        form=form,
        page_name=lead.page_name,
        default_country=lead.default_country,
        received_at=lead.received_at,
        fallback={
            "leadgen_id": lead.leadgen_id,
            "page_id": lead.page_id,
            "form_id": lead.form_id,
            "ad_id": lead.ad_id,
            "created_time": lead.created_at.isoformat() if lead.created_at else None,
        },
    )
    row = card_to_row(card)
    match_keys = lead_match_keys(card, lead.default_country).to_json()

    def effect(session: Session, now: datetime) -> None:
        if fresh_form is not None:
            save_form(session, fresh_form, now=now)
        save_card(session, lead.id, answer=answer, card=card, row=row, match_keys=match_keys, now=now)
        key = None if lead.state == "read" else f"read:{lead.id}"
        line = StoryLine(
            lead.id, "read", now, {"attempt": item.attempts, "form_known": form is not None}, dedup_key=key
        )
        add_story(session, [line])
        plan = plan_for(session, card, priority=item.priority, now=now)
        find_targets = partial(fingerprints_of, services=services)
        add_plan(session, lead.id, plan, find_targets=find_targets, now=now, priority=item.priority)
        begin_conversions(session, lead.id, card, plan, now=now, priority=item.priority)

    log.info(
        "lead_read", lead_id=lead.id, leadgen_id=lead.leadgen_id, page_id=lead.page_id, form_known=form is not None
    )
    return effect


def plan_for(session: Session, card: LeadCard, *, priority: int, now: datetime) -> Plan:
    """Where a lead goes as the routes are now. A backfill rings nobody for a lead older than a day."""
    plan = find_plan(session, page_id=card.page_id, form_id=card.form_id)
    old = card.created_at is None or now - card.created_at > ALERT_WITHIN
    return plan.without_alerts() if priority == BACKFILL and old else plan


def fail(session: Session, item: WorkItem, verdict: Verdict, now: datetime) -> None:
    """The story tells the first failure of each kind, and the end; the work row has the rest."""
    tell_failure(session, item.subject_id, "read_failed", item.subject_id, verdict, now=now)
    if verdict.state == "failed":
        mark_gone(session, item.subject_id)
        join_unreadable(session, item.subject_id, now=now)


def current_fingerprint(item: WorkItem, services: Services) -> str | None:
    """The fingerprint of the token this Page would be read with now."""
    with services.read() as session:
        lead = load_lead(session, item.subject_id)
    return page_fingerprint(open_token(lead.token_sealed, services))


def page_fingerprint(token: str | None) -> str:
    return fingerprint(token or "")


def page_token(page: Page | None, services: Services) -> str | None:
    """The Page's own token, else the system user's; None when there is neither."""
    return open_token(page.token_sealed if page is not None else None, services)


def open_token(sealed: str | None, services: Services) -> str | None:
    return services.vault.open(sealed) if sealed else services.settings.meta_access_token or None


def _graph(services: Services) -> Graph:
    if services.graph is None:
        raise RuntimeError("this process was started without a Graph client")
    return services.graph


def no_token(page_id: str, *, waited: timedelta | None = None) -> NeedsHuman:
    """The Page is held until there is a token. `waited`: for how long this row has, where the Page is in no configuration:
    perhaps it never will be, so after a while the row itself is parked."""
    return NeedsHuman(
        f"There is no access token for Page {page_id}, so its leads cannot be read.",
        code="no_token",
        action=f'Add [[pages]] with id = "{page_id}" and access_token to the configuration file and apply it,'
        " or set META_ACCESS_TOKEN to a system user's token.",
        scope="lane" if waited is None or waited < UNKNOWN_PAGE_FOR else "item",
    )


def _find_form(
    answer: dict[str, Any], lead: LeadToRead, token: str, services: Services, *, patient: bool
) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """The form's description, and the same again if it was read just now and is to be kept.

    `patient`: do without a form that cannot be read now; otherwise a passing error is raised, to try the lead again. A limit
    counts no attempts and may last for hours: the lead, which has been read, does not wait for it.
    """
    form_id = id_text(answer.get("form_id")) or lead.form_id
    if form_id is None:
        return None, None
    known = lead.snapshot if form_id == lead.form_id else None
    if known is not None and not needs_fresh_form(answer, known):
        return known, None

    def read() -> dict[str, Any] | None:
        try:
            return _graph(services).read_form(form_id, token=token, page_id=lead.page_id)
        except LeadloopError as caught:
            if isinstance(caught, Retryable) and caught.scope == "item" and not patient:
                raise
            # The lead matters more than its form: it goes on with what its answers say by themselves.
            log.warning("form_not_read", form_id=form_id, code=caught.code)
            return None

    reader: FormReader = services.cached("forms", FormReader)
    tried_at = lead.form_tried_at if known is not None else None
    return reader.find(form_id, known, tried_at, read, lambda form: needs_fresh_form(answer, form), now=services.now)


class FormReader:
    """Reads a form once although many of its leads are in hand at the same time."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._locks: dict[str, Lock] = {}
        self._recent: dict[str, tuple[datetime, dict[str, Any] | None]] = {}
        self._trouble: dict[str, tuple[datetime, Retryable]] = {}

    def find(
        self,
        form_id: str,
        known: dict[str, Any] | None,
        tried_at: datetime | None,
        read: Callable[[], dict[str, Any] | None],
        is_stale: Callable[[dict[str, Any]], bool],
        *,
        now: Callable[[], datetime],
    ) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
        """The form and, when it was read just now, the same once more. Asked at most once in FORM_AGAIN_AFTER."""
        with self._lock:
            lock = self._locks.setdefault(form_id, Lock())
        with lock:
            asked_at, recent = self._recent.get(form_id, (None, None))
            if recent is not None and not is_stale(recent):
                return recent, None
            last = max((at for at in (asked_at, tried_at) if at), default=None)
            if last is not None and timedelta(0) <= now() - last < FORM_AGAIN_AFTER:
                return recent or known, None
            trouble_at, trouble = self._trouble.get(form_id, (None, None))
            if trouble is not None and trouble_at is not None and timedelta(0) <= now() - trouble_at < TROUBLE_LASTS:
                raise trouble  # those who waited for this form need not each find out for themselves
            try:
                found = read()
            except Retryable as caught:
                self._trouble[form_id] = (now(), caught)
                raise
            if len(self._recent) > MOST_FORMS:
                self._recent.clear()
                self._trouble.clear()
            self._recent[form_id] = (now(), found or known)
            return found or known, found


def require_card(card: dict[str, Any] | None, leadgen_id: str) -> dict[str, Any]:
    """The card of a lead that has been read. Permanent otherwise."""
    if card is None:
        raise Permanent(
            "The lead has not been read from Meta, so there is nothing to send.",
            code="lead_unread",
            action="Replay the lead: leadloop leads replay " + leadgen_id,
        )
    return card
