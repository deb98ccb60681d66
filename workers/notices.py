"""One alert to one address. Independent of the CRM: a dead CRM does not delay it, and the reverse."""

from datetime import datetime

from sqlalchemy.orm import Session

from leadloop.errors import NeedsHuman, Verdict
from leadloop.lead_reading import card_from_row
from leadloop.logs import get_logger
from leadloop.ports import Services
from notifiers.message import build_message
from notifiers.send import MAYBE_RUNG, MaybeRung, Target, send
from store.deliveries import note_maybe_repeated, note_maybe_rung, note_notice_failed, note_sent
from store.lead_path import NoticeToSend, find_rung, load_notice
from store.leads import StoryLine, add_story
from store.models import Notifier
from store.vault import fingerprint
from store.work import WorkItem
from workers.jobs import Effect, about_lead, working_with
from workers.leads import require_card
from workers.targets import target_set_fingerprint, targets_of
from workers.telling import tell_failure

log = get_logger(__name__)
PAUSE_S = 60.0  # before the second ring: the first may come late, and a service that hangs needs a moment


def run(item: WorkItem, services: Services) -> Effect | None:
    """Ring one address about one lead.

    Not safe to repeat by itself: when an earlier worker died with this row in hand (`item.lost`), or no answer came, the
    address may have been rung already. It is then rung once more and counted. After a second call without an answer the
    alert waits for a person; after a worker that died it does not, as that says nothing of the service (workers/alone.py
    bounds how often). One that is noted as sent is never rung again.
    """
    with services.read() as session:
        notice = load_notice(session, item.subject_id)
    about_lead(notice.lead_id, notice.leadgen_id)
    if notice.state == "sent":
        return _note_other_ring(notice, item, services)
    target = _find_target(notice, services)
    again = notice.maybe_repeated or item.lost > 0
    card = card_from_row(require_card(notice.card, notice.leadgen_id))
    message = build_message(card, notice.template, now=services.now(), body_format=target.body_format)
    try:
        with working_with(target_set_fingerprint(notice.notifier_id, services)):
            send(target, message)
    except MaybeRung:
        if notice.maybe_repeated:
            raise _look_there(notice, services, target) from None
        raise
    took_s = (services.now() - notice.received_at).total_seconds()
    services.counters.observe("leadloop_webhook_to_alert_seconds", took_s, notifier=notice.notifier_name)
    if again:
        _count_again(notice, services)
    log.info(
        "alert_sent",
        lead_id=notice.lead_id,
        leadgen_id=notice.leadgen_id,
        notifier=notice.notifier_name,
        since_webhook_ms=round(took_s * 1000),
        maybe_repeated=again,
    )

    def effect(session: Session, now: datetime) -> None:
        note_sent(session, notice.id, target=target.fingerprint, maybe_repeated=again, now=now)
        detail = {"notifier": notice.notifier_name, "to": target.label, "maybe_repeated": again}
        add_story(session, [StoryLine(notice.lead_id, "alerted", now, detail)])

    return effect


def _note_other_ring(notice: NoticeToSend, item: WorkItem, services: Services) -> Effect | None:
    """A worker that outlived its lease noted its ring. One that had the row after it, and died, may have rung as well."""
    if item.lost < 2 or notice.maybe_repeated:
        return None
    _count_again(notice, services)
    return lambda session, _now: note_maybe_repeated(session, notice.id)


def _look_there(notice: NoticeToSend, services: Services, target: Target) -> NeedsHuman:
    _count_again(notice, services)
    return NeedsHuman(
        f"The alert went to {target.where} and was not answered, twice, so it is not known whether it rang.",
        code="alert_maybe_rung",
        action="Look in the channel; if this lead is not there, retry the alert: leadloop work retry. If that service is"
        " often slow, put rto=25 (seconds to wait) into its address.",
    )


def _count_again(notice: NoticeToSend, services: Services) -> None:
    services.counters.add("leadloop_alerts_maybe_repeated_total", notifier=notice.notifier_name)


def fail(session: Session, item: WorkItem, verdict: Verdict, now: datetime) -> None:
    """Note a failed attempt on the notice, and the first of its kind in the lead's story."""
    note_notice_failed(session, item.subject_id, verdict)
    if verdict.code == MAYBE_RUNG:
        note_maybe_rung(session, item.subject_id, pause_s=PAUSE_S, now=now)
    elif item.lost and verdict.state in ("parked", "failed"):  # nobody rings again, who would note it then
        note_maybe_repeated(session, item.subject_id)
    notice = load_notice(session, item.subject_id)
    who = {"notifier": notice.notifier_name}
    tell_failure(session, notice.lead_id, "alert_failed", notice.id, verdict, now=now, **who)


def current_fingerprint(item: WorkItem, services: Services) -> str | None:
    """The fingerprint of the addresses this notifier rings now."""
    with services.read() as session:
        notice = load_notice(session, item.subject_id)
        return notifier_fingerprint(session.get_one(Notifier, notice.notifier_id), services)


def notifier_fingerprint(notifier: Notifier, services: Services) -> str:
    return fingerprint(services.vault.open(notifier.urls_sealed))


def _find_target(notice: NoticeToSend, services: Services) -> Target:
    """The address of this notice; when it was replaced, one that this lead has not been sent to yet."""
    addresses = [] if notice.removed_at else targets_of(notice.notifier_id, notice.changed_at, services)
    for target in addresses:
        if target.fingerprint == notice.target:
            return target
    if addresses:
        with services.read() as session:
            rung = find_rung(session, notice)
        # Each notice whose address is gone takes the address of its own place among those not rung yet.
        there = {target.fingerprint for target in addresses}
        orphans = [notice_id for notice_id, target in rung if target not in there]
        unused = [target for target in addresses if target.fingerprint not in {old for _id, old in rung}]
        place = orphans.index(notice.id) if notice.id in orphans else len(unused)
        if place < len(unused):
            return unused[place]
    raise NeedsHuman(
        f"The address of this alert is no longer in the notifier {notice.notifier_name!r}.",
        code="address_removed",
        action="Nothing, if it was removed on purpose; otherwise add it again and retry.",
    )
