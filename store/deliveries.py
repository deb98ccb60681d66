"""Deliveries and alerts: noting what was pushed, delivered, sent, or went wrong."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, or_, update
from sqlalchemy.orm import Session

from leadloop.errors import Verdict
from store.models import Delivery, Notice, Work
from store.sql import Prepared, table_of

_delivery, _notice, _work = table_of(Delivery), table_of(Notice), table_of(Work)


def _update(table: Any, names: tuple[str, ...], **fixed: Any) -> Prepared:
    values = {name: bindparam("new_" + name, type_=table.c[name].type) for name in names}
    return Prepared(
        lambda _insert, _dialect: update(table).where(table.c.id == bindparam("of_id")).values(values | fixed)
    )


_RESULT: dict[str, Any] = {"code": None, "message": None, "action": None}
_PUSHED_COLUMNS = ("remote_kind", "remote_id", "remote_url", "steps", "pushed_at")
_PUSHED = _update(_delivery, _PUSHED_COLUMNS)
_DELIVERED = _update(
    _delivery,
    (*_PUSHED_COLUMNS, "delivered_at"),
    state="delivered",
    attempts=_delivery.c.attempts + 1,
    **_RESULT,
)
_MADE = _update(_delivery, ("made",))
_SENT = _update(
    _notice,
    ("target", "sent_at"),
    state="sent",
    # Once true it stays so: a worker that lost its lease may note its own ring after the one who rang again.
    maybe_repeated=or_(_notice.c.maybe_repeated, bindparam("new_maybe_repeated", type_=_notice.c.maybe_repeated.type)),
    attempts=_notice.c.attempts + 1,
    **_RESULT,
)
_FAILED_COLUMNS = ("state", "code", "message", "action")
_DELIVERY_FAILED = _update(_delivery, _FAILED_COLUMNS, attempts=_delivery.c.attempts + 1)
_NOTICE_FAILED = _update(_notice, _FAILED_COLUMNS, attempts=_notice.c.attempts + 1)
_MAYBE_REPEATED = _update(_notice, (), maybe_repeated=True)
_PUT_OFF = Prepared(
    lambda _insert, _dialect: (
        update(_work)
        .where(_work.c.kind == "notice", _work.c.subject_id == bindparam("of_id"), _work.c.state == "open")
        .values(due_at=bindparam("until", type_=_work.c.due_at.type), outage=False)
    )
)


def note_pushed(
    session: Session, delivery_id: int, ref: tuple[str, str, str | None], steps: list[str], *, now: datetime
) -> None:
    """The record exists in the CRM, and these steps are done. `ref`: kind, id, link."""
    _PUSHED.run(session, _pushed(delivery_id, ref, steps, now))


def note_delivered(
    session: Session, delivery_id: int, ref: tuple[str, str, str | None], steps: list[str], *, now: datetime
) -> None:
    _DELIVERED.later(session, _pushed(delivery_id, ref, steps, now) | {"new_delivered_at": now})


def note_made(session: Session, delivery_id: int, made: list[tuple[str, str, str | None]]) -> None:
    """These records exist in the CRM although the push is not complete."""
    _MADE.run(session, {"of_id": delivery_id, "new_made": [list(one) for one in made]})


def note_sent(session: Session, notice_id: int, *, target: str, maybe_repeated: bool, now: datetime) -> None:
    values = {"of_id": notice_id, "new_target": target, "new_sent_at": now, "new_maybe_repeated": maybe_repeated}
    _SENT.later(session, values)


def note_delivery_failed(session: Session, delivery_id: int, verdict: Verdict) -> None:
    _DELIVERY_FAILED.run(session, _failed(delivery_id, verdict))


def note_notice_failed(session: Session, notice_id: int, verdict: Verdict) -> None:
    _NOTICE_FAILED.run(session, _failed(notice_id, verdict))


def note_maybe_repeated(session: Session, notice_id: int) -> None:
    """It may have rung already, so that one more ring may be the second."""
    _MAYBE_REPEATED.run(session, {"of_id": notice_id})


def note_maybe_rung(session: Session, notice_id: int, *, pause_s: float, now: datetime) -> None:
    """No answer came. It is tried again after a pause, and not earlier because something else of the lane worked."""
    note_maybe_repeated(session, notice_id)
    _PUT_OFF.run(session, {"of_id": notice_id, "until": now + timedelta(seconds=pause_s)})


def _pushed(delivery_id: int, ref: tuple[str, str, str | None], steps: list[str], now: datetime) -> dict[str, Any]:
    kind, remote_id, url = ref
    return {
        "of_id": delivery_id,
        "new_remote_kind": kind[:100],
        "new_remote_id": remote_id[:500],
        "new_remote_url": url,
        "new_steps": list(steps),
        "new_pushed_at": now,
    }


def _failed(subject_id: int, verdict: Verdict) -> dict[str, Any]:
    return {
        "of_id": subject_id,
        "new_state": verdict.state if verdict.state in ("parked", "failed") else "waiting",
        "new_code": verdict.code,
        "new_message": verdict.message,
        "new_action": verdict.action,
    }
