"""How a failed attempt is told in a lead's story: the first of each kind and the end, not every try."""

from datetime import datetime

from sqlalchemy.orm import Session

from leadloop.errors import Verdict
from store.leads import StoryLine, add_story


def tell_failure(
    session: Session, lead_id: int, kind: str, subject_id: int, verdict: Verdict, *, now: datetime, **who: str
) -> None:
    """One line per subject, code and state. `who` names the connection or notifier."""
    detail = who | {
        "code": verdict.code or "",
        "message": verdict.message or "",
        "action": verdict.action or "",
        "state": verdict.state,
    }
    key = f"{kind}:{subject_id}:{verdict.code}:{verdict.state}"
    add_story(session, [StoryLine(lead_id, kind, now, detail, dedup_key=key)])
