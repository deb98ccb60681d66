"""Somebody decides that a parked row is not worth mending: it goes, what it was about ends, and the lead's story says so."""

from datetime import datetime

from sqlalchemy.orm import Session

from store.leads import StoryLine, add_story, mark_gone
from store.models import Connection, Delivery, Notice, Notifier, Work
from store.work import drop_parked


def drop_work(session: Session, work_id: int, *, now: datetime) -> bool:
    """False when there is no such row that waits for a person. A replay of the lead adds the work anew."""
    row = drop_parked(session, work_id)
    if row is None:
        return False
    found = _end(session, row)
    if found is not None:
        lead_id, detail = found
        add_story(session, [StoryLine(lead_id, "dropped", now, {"work": row.kind, "code": row.code} | detail)])
    return True


def _end(session: Session, row: Work) -> tuple[int, dict[str, str]] | None:
    """Mark what the row was about as not tried any more. Its lead and whom it would have reached; None for a notice of
    Meta's, which has no story: its bytes and its verdict stay."""
    if row.kind == "lead":
        mark_gone(session, row.subject_id)
        return row.subject_id, {}
    if row.kind == "delivery" and (delivery := session.get(Delivery, row.subject_id)):
        delivery.state = "failed"
        return delivery.lead_id, {"connection": session.get_one(Connection, delivery.connection_id).name}
    if row.kind == "notice" and (notice := session.get(Notice, row.subject_id)):
        notice.state = "failed"
        return notice.lead_id, {"notifier": session.get_one(Notifier, notice.notifier_id).name}
    return None
