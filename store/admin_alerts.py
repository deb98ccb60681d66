"""Alerts to whoever keeps leadloop going: which addresses are to hear of which hold, and which have heard.

One row of `admin_alert` for each hold and address, so that no hold is told twice; one row of work for each address, so that
what is held together is told together. That row's subject is the first alert the address ever had.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, func, select, update
from sqlalchemy.orm import Session

from leadloop.errors import Verdict
from store.conversion_models import AdminAlert
from store.lanes import Rest, alert_lane
from store.models import Lane, Notifier, Work
from store.sql import insert_new
from store.work import LATER, add_work

KIND = "admin_alert"
GATHER_S = 20.0  # one dead token holds many Pages, one after the other: so long the first waits for its neighbours


@dataclass(frozen=True)
class AdminAddress:
    """An address to be rung. `wanted`: its notifier is (still) one of the admin's. `target` as in Notice."""

    notifier_id: int
    notifier: str
    target: str
    wanted: bool
    changed_at: datetime


@dataclass(frozen=True)
class Untold:
    """A hold that an address has not heard of. `rows` wait for its end. `alert_id` is the row of `admin_alert`."""

    alert_id: int
    lane: str
    since: datetime
    code: str
    message: str
    action: str
    rows: int


def add_admin_alerts(session: Session, rest: Rest, *, now: datetime) -> None:
    """Have the addresses of `rest.tell` told that its lane is held since `now`. An address that is itself what is held is
    left out. Safe to repeat."""
    for notifier_id, target in rest.tell:
        if alert_lane(notifier_id, target) != rest.lane:
            _add(session, rest.lane, now, (notifier_id, target), now=now)
            _want_ringing(session, notifier_id, target, now=now)


def load_address(session: Session, subject_id: int) -> AdminAddress | None:
    """The address that a row of work is about; None when its alerts are gone."""
    wanted = and_(Notifier.admin.is_(True), Notifier.removed_at.is_(None))
    query = (
        select(AdminAlert.notifier_id, Notifier.name, AdminAlert.target, wanted, Notifier.changed_at)
        .join(Notifier, Notifier.id == AdminAlert.notifier_id)
        .where(AdminAlert.id == subject_id)
    )
    row = session.execute(query).first()
    return None if row is None else AdminAddress(row[0], row[1], row[2], bool(row[3]), row[4])


def list_untold(session: Session, notifier_id: int, target: str) -> list[Untold]:
    """What is held now and this address has not heard of, longest first. A hold that has ended is not among them."""
    rows = select(func.count()).where(Work.lane == Lane.name, Work.state == "open").scalar_subquery()
    columns = (AdminAlert.id, AdminAlert.lane, AdminAlert.since, Lane.code, Lane.message, Lane.action, rows)
    query = (
        select(*columns)
        .join(Lane, _SAME_HOLD)
        .where(AdminAlert.notifier_id == notifier_id, AdminAlert.target == target, AdminAlert.sent_at.is_(None))
        .order_by(AdminAlert.since, AdminAlert.id)
    )
    return [
        Untold(alert_id, lane, since, code or "", message or "", action or "", waiting)
        for alert_id, lane, since, code, message, action, waiting in session.execute(query)
    ]


def note_told(session: Session, alert_ids: list[int], *, now: datetime) -> None:
    told = {"sent_at": now, "code": None, "message": None, "action": None}
    _set(session, told, AdminAlert.id.in_(alert_ids))


def note_admin_alert_failed(session: Session, subject_id: int, verdict: Verdict, *, keep: str) -> None:
    """The address could not be rung: why, on each alert it has not had. Alerts with the code `keep` keep it."""
    address = load_address(session, subject_id)
    if address is not None:
        why = {"code": verdict.code, "message": verdict.message, "action": verdict.action}
        untold = _untold(address.notifier_id, address.target)
        _set(session, why, untold, AdminAlert.code.is_distinct_from(keep))


def note_maybe_told(session: Session, subject_id: int, *, code: str, pause_s: float, now: datetime) -> None:
    """No answer came. What was in doubt before counts as told; the rest is in doubt now (`code`), and rung after a pause."""
    address = load_address(session, subject_id)
    if address is None:
        return
    untold = _untold(address.notifier_id, address.target)
    _set(session, {"sent_at": now}, untold, AdminAlert.code == code)
    _set(session, {"code": code}, untold)
    mine = (Work.kind == KIND, Work.subject_id == subject_id, Work.state == "open")
    put_off = update(Work).where(*mine).values(due_at=now + timedelta(seconds=pause_s), outage=False)
    session.execute(put_off.execution_options(synchronize_session=False))


def move_alerts(session: Session, address: AdminAddress, targets: list[str], *, now: datetime) -> None:
    """The address is no longer its notifier's: those that are (`targets`) are told instead. With none, nobody is."""
    for hold in list_untold(session, address.notifier_id, address.target):
        for target in targets:
            if alert_lane(address.notifier_id, target) != hold.lane:
                _add(session, hold.lane, hold.since, (address.notifier_id, target), now=now)
    gone = delete(AdminAlert).where(_untold(address.notifier_id, address.target))
    session.execute(gone.execution_options(synchronize_session=False))
    for target in targets:
        if list_untold(session, address.notifier_id, target):
            _want_ringing(session, address.notifier_id, target, now=now)


_SAME_HOLD = and_(Lane.name == AdminAlert.lane, Lane.since == AdminAlert.since, Lane.hold.is_(True))
_ADD = insert_new(AdminAlert, ["lane", "since", "notifier_id", "target"])


def _add(session: Session, lane: str, since: datetime, address: tuple[int, str], *, now: datetime) -> None:
    notifier_id, target = address
    row = {"lane": lane, "since": since, "notifier_id": notifier_id, "target": target, "created_at": now}
    _ADD.run(session, [row])


def _want_ringing(session: Session, notifier_id: int, target: str, *, now: datetime) -> None:
    """A row of work for the address. One that waits is not put off, however many holds follow one another."""
    # Two transactions that each add the first alert of an address would each make it the subject of a row.
    session.execute(select(Notifier.id).where(Notifier.id == notifier_id).with_for_update())
    this_address = (AdminAlert.notifier_id == notifier_id, AdminAlert.target == target)
    first = session.scalar(select(func.min(AdminAlert.id)).where(*this_address))
    oldest = select(func.min(AdminAlert.created_at)).join(Lane, _SAME_HOLD)
    waits_since = session.scalar(oldest.where(*this_address, AdminAlert.sent_at.is_(None))) or now
    due_at = max(now, waits_since + timedelta(seconds=GATHER_S))
    if first is not None:
        lane = alert_lane(notifier_id, target)
        # LATER: a fresh row that waits is taken for one that a wrong clock made (store/future.py).
        add_work(session, KIND, [first], lane, now=now, priority=LATER, due_at=due_at, again=True)


def _untold(notifier_id: int, target: str) -> ColumnElement[bool]:
    return and_(AdminAlert.notifier_id == notifier_id, AdminAlert.target == target, AdminAlert.sent_at.is_(None))


def _set(session: Session, values: dict[str, Any], *where: ColumnElement[bool]) -> None:
    session.execute(update(AdminAlert).where(*where).values(values).execution_options(synchronize_session=False))
