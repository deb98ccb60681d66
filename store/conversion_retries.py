"""A person's decision to send an event again: which may be, which are meant, and what is changed for it.

What Meta refused, what is held and what was not to be told is decided anew by the caller, and takes its row again; what went
out without an answer goes once more exactly as it was. The time of an event never changes, and what Meta has accepted is
never sent again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import false, select
from sqlalchemy.orm import Session

from leadloop.conversions.findings import Finding
from leadloop.conversions.lint_event import lint_event
from leadloop.conversions.telling import judge_findings
from store.conversion_models import Conversion, Outcome
from store.conversions import EXPIRED, Draft, Subject, want_sending
from store.outcome_facts import lock_subject

RETRYABLE = ("unknown", "refused", "held", "skipped")
NEVER_TOLD = ("already_sent", "test_lead")  # reasons for skipping that no other funnel changes
How = Literal["as_it_was", "anew"]
Reason = tuple[str, str, str]

_WHY_NOT: dict[str, Reason] = {
    "accepted": ("already_accepted", "Meta has accepted it: it is never sent again.", ""),
    "queued": ("on_its_way", "It waits to be sent.", "If its dataset is held, leadloop work list says why."),
    "sending": ("on_its_way", "It is being sent at this moment.", "Look again in a minute."),
    "expired": EXPIRED,
}
_TEST: Reason = (
    "test_event",
    "It is a test event, and those are not sent again.",
    "Send another one: leadloop conversions test.",
)


@dataclass(frozen=True)
class Retried:
    """What became of one conversion that a person wants to be sent again. `state` is the one it is in now; `reason` is
    (code, message, action) where that is not "queued". `done`: it was taken up again, whatever came of it."""

    id: int
    state: str
    event_name: str | None = None
    dataset_id: str | None = None
    done: bool = False
    reason: Reason | None = None


def why_not(row: Conversion, *, now: datetime) -> Reason | None:
    """Why a conversion may not be sent again; None when it may."""
    if row.is_test:
        return _TEST
    if row.state not in RETRYABLE:
        return _WHY_NOT[row.state]
    return EXPIRED if row.deadline_at <= now else None


def how(row: Conversion) -> How:
    """What went out and was not answered goes again as it went; what Meta was surely not told is decided anew."""
    return "as_it_was" if row.state == "unknown" else "anew"


def find_retryable(session: Session, dataset_id: str, state: str, *, now: datetime) -> list[int]:
    """The ids of a dataset's events in this state (one of RETRYABLE), oldest first. Of the skipped ones those that another
    funnel may tell and Meta still takes: the others are most of all there ever were."""
    query = select(Conversion.id).where(
        Conversion.dataset_id == dataset_id, Conversion.state == state, Conversion.is_test == false()
    )
    if state == "skipped":
        query = query.where(Conversion.code.not_in(NEVER_TOLD), Conversion.deadline_at > now)
    return list(session.scalars(query.order_by(Conversion.id)))


def lock_for_retry(session: Session, conversion_id: int) -> Conversion | None:
    """The row, with its lead and contact held, so that nobody decides on them meanwhile."""
    known = session.execute(
        select(Conversion.lead_id, Conversion.contact_id).where(Conversion.id == conversion_id)
    ).first()
    if known is None:
        return None
    lock_subject(session, Subject(*known))
    query = select(Conversion).where(Conversion.id == conversion_id)
    return session.scalars(query.with_for_update().execution_options(populate_existing=True)).one_or_none()


def find_outcome(session: Session, row: Conversion) -> Outcome | None:
    return None if row.outcome_id is None else session.get(Outcome, row.outcome_id)


def send_as_it_was(session: Session, row: Conversion, *, now: datetime) -> Retried:
    """Queue it once more, unchanged, unless the linter knows by now that Meta would refuse it."""
    state, reason = judge_findings(_lint(row, now))
    if state != "queued":
        return Retried(row.id, row.state, row.event_name, row.dataset_id, reason=reason)
    row.state, row.settled_at = "queued", None
    row.code = row.message = row.action = None
    return _go(session, row, now)


def send_anew(session: Session, row: Conversion, draft: Draft, *, now: datetime) -> Retried:
    """Put what was decided anew in its place, under the same id and with the same time. What was skipped had no id yet."""
    event_id = row.event_id or draft.event_id
    other = None
    if event_id is not None:
        other = session.scalar(
            select(Conversion.id).where(
                Conversion.id != row.id,
                Conversion.dataset_id == row.dataset_id,
                Conversion.event_id == event_id,
                Conversion.event_name == draft.event_name,
            )
        )
    if other is not None:
        reason = (
            "decided_elsewhere",
            f"By the funnel as it is now, conversion {other} is the event of this stage.",
            f"See leadloop conversions show {other}.",
        )
        return Retried(row.id, row.state, row.event_name, row.dataset_id, reason=reason)
    row.connection, row.route, row.stage = draft.connection, draft.route, draft.stage
    row.event_name, row.deadline_at, row.state = draft.event_name or row.event_name, draft.deadline_at, draft.state
    row.event_id = event_id
    row.code, row.message, row.action = draft.reason or (None, None, None)
    row.warnings = [dict(one) for one in draft.warnings]
    row.payload = None if draft.payload is None else _with_id(draft.payload, event_id)
    row.answer = row.fbtrace_id = None
    row.settled_at = None if draft.state == "queued" else now
    return _go(session, row, now) if draft.state == "queued" else _taken_up(row)


def _with_id(payload: Any, event_id: str | None) -> dict[str, Any]:
    return dict(payload) if event_id is None else dict(payload) | {"event_id": event_id}


def _go(session: Session, row: Conversion, now: datetime) -> Retried:
    session.flush()
    want_sending(session, [row.dataset_id], now=now)
    return _taken_up(row)


def _taken_up(row: Conversion) -> Retried:
    reason = None if row.state == "queued" else (row.code or "", row.message or "", row.action or "")
    return Retried(row.id, row.state, row.event_name, row.dataset_id, done=True, reason=reason)


def _lint(row: Conversion, now: datetime) -> Sequence[Finding]:
    return lint_event(row.payload, now=now)
