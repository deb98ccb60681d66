"""One alert to one address. Independent of the CRM: a dead CRM does not delay it, and the reverse."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from leadloop.errors import NeedsHuman, Verdict
from leadloop.lead_reading import card_from_row
from leadloop.logs import get_logger
from leadloop.ports import Services
from notifiers.message import build_message
from notifiers.send import Target, send
from store.leads import StoryLine, add_story
from store.models import Lead, Notice, Notifier
from store.vault import fingerprint
from store.work import WorkItem
from workers.jobs import Effect
from workers.leads import check_readable
from workers.targets import find_targets

log = get_logger(__name__)


@dataclass(frozen=True)
class _Loaded:
    notice: Notice
    lead: Lead
    notifier: Notifier
    rung: frozenset[str]


def run(item: WorkItem, services: Services) -> Effect:
    """Ring one address about one lead.

    Not safe to repeat by itself: when an earlier worker died with this row in hand (`item.lost`), the address may have
    been rung already; it is rung again, once, and counted.
    """
    loaded = _load(item.subject_id, services)
    check_readable(loaded.lead)
    target = _find_target(loaded, services)
    maybe_repeated = item.lost > 0
    card = card_from_row(loaded.lead.card or {})
    send(target, build_message(card, loaded.notifier.template, now=services.now(), body_format=target.body_format))
    took_s = (services.now() - loaded.lead.received_at).total_seconds()
    services.counters.observe("leadloop_webhook_to_alert_seconds", took_s, notifier=loaded.notifier.name)
    if maybe_repeated:
        services.counters.add("leadloop_alerts_maybe_repeated_total", notifier=loaded.notifier.name)
    log.info(
        "alert_sent",
        lead_id=loaded.lead.id,
        notifier=loaded.notifier.name,
        since_webhook_ms=round(took_s * 1000),
        maybe_repeated=maybe_repeated,
    )

    def effect(session: Session, now: datetime) -> None:
        session.execute(
            update(Notice)
            .where(Notice.id == loaded.notice.id)
            .values(
                state="sent",
                target=target.fingerprint,
                sent_at=now,
                attempts=Notice.attempts + 1,
                maybe_repeated=maybe_repeated,
                code=None,
                message=None,
                action=None,
            )
            .execution_options(synchronize_session=False)
        )
        detail = {"notifier": loaded.notifier.name, "to": target.label, "maybe_repeated": maybe_repeated}
        add_story(session, [StoryLine(loaded.lead.id, "alerted", now, detail)])

    return effect


def fail(session: Session, item: WorkItem, verdict: Verdict, now: datetime) -> None:
    """Note a failed attempt on the notice, and the first of its kind in the lead's story."""
    notice = session.get(Notice, item.subject_id, populate_existing=True)
    if notice is None:
        return
    notice.state = verdict.state if verdict.state in ("parked", "failed") else "waiting"
    notice.attempts += 1
    notice.code, notice.message, notice.action = verdict.code, verdict.message, verdict.action
    session.flush()
    notifier = session.get_one(Notifier, notice.notifier_id)
    detail = {
        "notifier": notifier.name,
        "code": verdict.code,
        "message": verdict.message,
        "action": verdict.action,
        "state": verdict.state,
    }
    key = f"alert_failed:{notice.id}:{verdict.code}:{verdict.state}"
    add_story(session, [StoryLine(notice.lead_id, "alert_failed", now, detail, dedup_key=key)])


def current_fingerprint(item: WorkItem, services: Services) -> str | None:
    """The fingerprint of the addresses this notifier rings now."""
    return notifier_fingerprint(_load(item.subject_id, services).notifier, services)


def notifier_fingerprint(notifier: Notifier, services: Services) -> str:
    return fingerprint(services.vault.open(notifier.urls_sealed))


def _load(notice_id: int, services: Services) -> _Loaded:
    with services.read() as session:
        notice = session.get_one(Notice, notice_id)
        rung = select(Notice.target).where(Notice.lead_id == notice.lead_id, Notice.notifier_id == notice.notifier_id)
        return _Loaded(
            notice,
            session.get_one(Lead, notice.lead_id),
            session.get_one(Notifier, notice.notifier_id),
            frozenset(session.scalars(rung)),
        )


def _find_target(loaded: _Loaded, services: Services) -> Target:
    """The address of this notice; when it was replaced, one that this lead has not been sent to yet."""
    addresses = [] if loaded.notifier.removed_at else find_targets(loaded.notifier, services)
    for target in addresses:
        if target.fingerprint == loaded.notice.target:
            return target
    for target in addresses:
        if target.fingerprint not in loaded.rung:
            return target
    raise NeedsHuman(
        f"The address of this alert is no longer in the notifier {loaded.notifier.name!r}.",
        code="address_removed",
        action="Nothing, if it was removed on purpose; otherwise add it again and retry.",
    )
