"""What Meta said of a dataset's quality, as a time series: a point where something changed, and one a day."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from leadloop.conversions.quality_meta import MetaQuality, Point, read_meta
from store.conversion_models import QualityPoint
from store.sql import rows_changed

KEPT = timedelta(days=400)
AT_LEAST_EVERY = timedelta(days=1)
COMPARED_WITH = timedelta(days=7)
_OLDEST_COMPARED = timedelta(days=14)


def add_point(
    session: Session,
    dataset_id: str,
    *,
    now: datetime,
    answer: Mapping[str, Any] | None = None,
    reason: tuple[str, str, str] | None = None,
) -> bool:
    """Keep what Meta said, or why it refused (code, message, action). False when it said the same less than a day ago."""
    code, message, action = reason or (None, None, None)
    last = find_point(session, dataset_id)
    if (
        last is not None
        and (last.answer, last.code) == (answer, code)
        and timedelta(0) <= now - last.at < AT_LEAST_EVERY
    ):
        return False
    told = None if answer is None else dict(answer)
    session.add(QualityPoint(dataset_id=dataset_id, at=now, answer=told, code=code, message=message, action=action))
    session.flush()
    return True


def find_point(
    session: Session, dataset_id: str, *, answered: bool = False, until: datetime | None = None
) -> Point | None:
    """The newest; with `answered` the newest that Meta did not refuse; not later than `until`."""
    query = select(QualityPoint).where(QualityPoint.dataset_id == dataset_id)
    if answered:
        query = query.where(QualityPoint.answer.is_not(None))
    if until is not None:
        query = query.where(QualityPoint.at <= until)
    row = session.scalar(query.order_by(QualityPoint.at.desc(), QualityPoint.id.desc()).limit(1))
    return None if row is None else Point(row.at, row.answer, row.code, row.message, row.action)


def read_meta_quality(session: Session, dataset_id: str) -> MetaQuality:
    """Meta's newest scores, beside those that held a week before. A point stands until the next, so the one before counts."""
    newest = find_point(session, dataset_id)
    answered = find_point(session, dataset_id, answered=True)
    before = None
    if answered is not None:
        before = find_point(session, dataset_id, answered=True, until=answered.at - COMPARED_WITH)
        if before is not None and before.at < answered.at - _OLDEST_COMPARED:
            before = None
    return read_meta(newest, answered, before)


def prune_points(session: Session, *, now: datetime) -> int:
    """Forget points older than KEPT; returns how many."""
    gone = delete(QualityPoint).where(QualityPoint.at < now - KEPT).execution_options(synchronize_session=False)
    return rows_changed(session.execute(gone))
