"""One alert to one address of an admin notifier: everything that is held and that it has not heard of."""

from datetime import datetime

from sqlalchemy.orm import Session

from leadloop.errors import Verdict
from leadloop.logs import get_logger
from leadloop.ports import Services
from notifiers.admin_message import Held, build_admin_message
from notifiers.send import MAYBE_RUNG, send
from store.admin_alerts import (
    AdminAddress,
    list_untold,
    load_address,
    move_alerts,
    note_admin_alert_failed,
    note_maybe_told,
    note_told,
)
from store.figures import read_names
from store.models import Notifier
from store.work import WorkItem
from workers.jobs import Effect, working_with
from workers.notices import PAUSE_S, notifier_fingerprint
from workers.targets import target_set_fingerprint, targets_of

log = get_logger(__name__)


def run(item: WorkItem, services: Services) -> Effect | None:
    """Ring one address about all that is held and that it has not been told. What has ended meanwhile is not told.

    Not safe to repeat by itself, as in notices.py: rung once more after a call without an answer and after a worker that died
    with the row in hand; what is noted as told is never told again. Raises what send() raises, and SecretUnopened.
    """
    with services.read() as session:
        address = load_address(session, item.subject_id)
        untold = list_untold(session, address.notifier_id, address.target) if address else []
        names = read_names(session) if untold else None
    if address is None or names is None:
        return None
    addresses = targets_of(address.notifier_id, address.changed_at, services) if address.wanted else []
    target = next((one for one in addresses if one.fingerprint == address.target), None)
    if target is None:
        return _move(address, [one.fingerprint for one in addresses])
    held = [Held(names.lane(one.lane), one.since, one.code, one.message, one.action, one.rows) for one in untold]
    message = build_admin_message(held, now=services.now(), body_format=target.body_format)
    with working_with(target_set_fingerprint(address.notifier_id, services)):
        send(target, message)
    log.info("admin_alert_sent", notifier=address.notifier, lanes=[one.lane for one in untold])
    return lambda session, now: note_told(session, [one.alert_id for one in untold], now=now)


def fail(session: Session, item: WorkItem, verdict: Verdict, now: datetime) -> None:
    """Note a failed attempt on each alert that was to be told."""
    if verdict.code == MAYBE_RUNG:
        note_maybe_told(session, item.subject_id, code=MAYBE_RUNG, pause_s=PAUSE_S, now=now)
    else:
        note_admin_alert_failed(session, item.subject_id, verdict, keep=MAYBE_RUNG)


def current_fingerprint(item: WorkItem, services: Services) -> str | None:
    """The fingerprint of the addresses that this notifier rings now."""
    with services.read() as session:
        address = load_address(session, item.subject_id)
        return notifier_fingerprint(session.get_one(Notifier, address.notifier_id), services) if address else None


def _move(address: AdminAddress, targets: list[str]) -> Effect:
    return lambda session, now: move_alerts(session, address, targets, now=now)
