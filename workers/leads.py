"""One lead read from Graph: answers understood by its form, then deliveries and notices as the routes say."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from leadloop.errors import LeadloopError, NeedsHuman, Permanent, Retryable, Verdict
from leadloop.lead_reading import build_card, card_to_row, needs_fresh_form
from leadloop.logs import get_logger
from leadloop.ports import Graph, Services
from store.forms import save_form
from store.leads import StoryLine, add_story, mark_gone, save_card
from store.models import Form, Lead, Notifier, Page
from store.routing import add_plan, find_plan
from store.vault import fingerprint
from store.work import WorkItem
from workers.jobs import Effect
from workers.targets import find_targets

log = get_logger(__name__)
FORM_TRIES = 2  # so often a lead waits for its form to become readable; then it goes on without
FORM_AGAIN_AFTER = timedelta(minutes=10)  # a form that could not be read, or did not know an answer, is asked again


@dataclass(frozen=True)
class _Loaded:
    lead: Lead
    page: Page | None
    form: Form | None
    token: str | None = field(repr=False)


def run(item: WorkItem, services: Services) -> Effect:
    """Fill one lead from the Graph API and plan where it goes.

    Safe to repeat: the answer overwrites itself, deliveries are unique by (lead, connection). Raises what Graph raises.
    """
    loaded = _load(item.subject_id, services)
    lead, graph = loaded.lead, _graph(services)
    if loaded.token is None:
        raise _no_token(lead.page_id)
    answer = graph.read_lead(lead.leadgen_id, token=loaded.token, page_id=lead.page_id)
    form, fresh_form = _find_form(answer, loaded, services, patient=item.attempts > FORM_TRIES)
    card = build_card(
        answer,
        form=form,
        page_name=loaded.page.name if loaded.page else None,
        default_country=loaded.page.default_country if loaded.page else None,
        received_at=lead.received_at,
        fallback={
            "leadgen_id": lead.leadgen_id,
            "page_id": lead.page_id,
            "form_id": lead.form_id,
            "ad_id": lead.ad_id,
        },
    )
    row = card_to_row(card)

    def effect(session: Session, now: datetime) -> None:
        if fresh_form is not None:
            save_form(session, fresh_form, now=now)
        save_card(session, lead.id, answer=answer, card=card, row=row, now=now)
        key = None if lead.state == "read" else f"read:{lead.id}"
        line = StoryLine(
            lead.id, "read", now, {"attempt": item.attempts, "form_known": form is not None}, dedup_key=key
        )
        add_story(session, [line])
        plan = find_plan(session, page_id=lead.page_id, form_id=card.form_id)
        add_plan(session, lead, plan, find_targets=_targets_of(services), now=now, priority=item.priority)

    log.info("lead_read", lead_id=lead.id, page_id=lead.page_id, form_known=form is not None)
    return effect


def fail(session: Session, item: WorkItem, verdict: Verdict, now: datetime) -> None:
    """The story tells the first failure of each kind, and the end; the work row has the rest."""
    detail = {"code": verdict.code, "message": verdict.message, "action": verdict.action, "state": verdict.state}
    key = f"read_failed:{item.subject_id}:{verdict.code}:{verdict.state}"
    add_story(session, [StoryLine(item.subject_id, "read_failed", now, detail, dedup_key=key)])
    if verdict.state == "failed":
        mark_gone(session, item.subject_id)


def current_fingerprint(item: WorkItem, services: Services) -> str | None:
    """The fingerprint of the token this Page would be read with now."""
    return page_fingerprint(_load(item.subject_id, services).token)


def page_fingerprint(token: str | None) -> str:
    return fingerprint(token or "")


def page_token(page: Page | None, services: Services) -> str | None:
    """The Page's own token, else the system user's; None when there is neither."""
    if page is not None and page.token_sealed:
        return services.vault.open(page.token_sealed)
    return services.settings.meta_access_token or None


def _load(lead_id: int, services: Services) -> _Loaded:
    with services.read() as session:
        lead = session.get_one(Lead, lead_id)
        page = session.scalar(select(Page).where(Page.page_id == lead.page_id))
        form = session.scalar(select(Form).where(Form.form_id == lead.form_id)) if lead.form_id else None
    return _Loaded(lead, page, form, page_token(page, services))


def _graph(services: Services) -> Graph:
    if services.graph is None:
        raise RuntimeError("this process was started without a Graph client")
    return services.graph


def _no_token(page_id: str) -> NeedsHuman:
    return NeedsHuman(
        f"There is no access token for Page {page_id}, so its leads cannot be read.",
        code="no_token",
        action=f'Add [[pages]] with id = "{page_id}" and access_token to the configuration file and apply it,'
        " or set META_ACCESS_TOKEN to a system user's token.",
        scope="lane",
    )


def _find_form(
    answer: dict[str, Any], loaded: _Loaded, services: Services, *, patient: bool
) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """The form's description, and the same again if it was read just now and is to be kept.

    `patient`: do without a form that cannot be read now; otherwise a passing error is raised, to try the lead again.
    """
    form_id = answer.get("form_id") or loaded.lead.form_id
    if not form_id or not loaded.token:
        return None, None
    known = loaded.form if loaded.form is not None and loaded.form.form_id == str(form_id) else None
    if known is not None and known.snapshot is not None and not needs_fresh_form(answer, known.snapshot):
        return known.snapshot, None
    reader: FormReader = services.cached("forms", FormReader)
    return reader.find(
        str(form_id), known, loaded, services, lambda snapshot: needs_fresh_form(answer, snapshot), patient=patient
    )


class FormReader:
    """Reads a form once although many of its leads are in hand at the same time."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._locks: dict[str, Lock] = {}
        self._recent: dict[str, tuple[datetime, dict[str, Any] | None]] = {}

    def find(
        self,
        form_id: str,
        known: Form | None,
        loaded: _Loaded,
        services: Services,
        is_stale: Callable[[dict[str, Any]], bool],
        *,
        patient: bool,
    ) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
        old = known.snapshot if known is not None else None
        with self._lock:
            lock = self._locks.setdefault(form_id, Lock())
        with lock:
            now = services.now()
            asked_at, recent = self._recent.get(form_id, (None, None))
            if recent is not None and not is_stale(recent):
                return recent, None
            tried_at = max((at for at in (asked_at, known.tried_at if known else None) if at), default=None)
            if tried_at is not None and timedelta(0) <= now - tried_at < FORM_AGAIN_AFTER:
                return recent or old, None
            found = self._read(form_id, loaded, services, patient=patient)
            if len(self._recent) > 500:
                self._recent.clear()
            self._recent[form_id] = (now, found or old)
            return found or old, found

    def _read(self, form_id: str, loaded: _Loaded, services: Services, *, patient: bool) -> dict[str, Any] | None:
        try:
            return _graph(services).read_form(form_id, token=loaded.token or "", page_id=loaded.lead.page_id)
        except LeadloopError as caught:
            if isinstance(caught, Retryable) and not patient:
                raise
            # The lead matters more than its form: it goes on with what its answers say by themselves.
            log.warning("form_not_read", form_id=form_id, code=caught.code)
            return None


def _targets_of(services: Services) -> Callable[[Notifier], list[str]]:
    return lambda notifier: [target.fingerprint for target in find_targets(notifier, services)]


def check_readable(lead: Lead) -> None:
    """Raise unless the lead has been read, for whatever wants its card."""
    if lead.card is None:
        raise Permanent(
            "The lead has not been read from Meta, so there is nothing to send.",
            code="lead_unread",
            action="Replay the lead: leadloop leads replay " + lead.leadgen_id,
        )
