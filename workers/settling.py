"""What one lane learns from an attempt: rest a little after several outages in a row, wake everything once it works."""

from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from leadloop.errors import Verdict
from store.lanes import Rest, find_lane, free_lane, rest_lane

TOLERATED = 5  # so many failures in a row before the lane as a whole rests
LONGEST_REST_S = 30.0


def wait_as_probe(verdict: Verdict, *, now: datetime) -> Verdict:
    """A row that waits because the other side is ill waits no longer than its lane rests: with nobody else in the lane,
    its next try is what notices that the outage is over. The lane's rest, not the row's back-off, spares the other side.
    """
    if not verdict.outage or verdict.due_at is None:
        return verdict
    return replace(verdict, due_at=min(verdict.due_at, now + timedelta(seconds=LONGEST_REST_S)))


def note_failure(session: Session, lane: str, verdict: Verdict, *, now: datetime) -> None:
    """The other side was ill. After several times in a row the lane rests, longer each time, and is then probed."""
    earlier = find_lane(session, lane)
    if earlier is not None and earlier.rest_until > now:
        return  # calls that were under way when the rest began say nothing new
    failures = earlier.failures + 1 if earlier is not None else 1
    rest_s = 0.0 if failures < TOLERATED else min(LONGEST_REST_S, 2.0 ** (failures - TOLERATED))
    rest = Rest(
        lane,
        now + timedelta(seconds=rest_s),
        code=verdict.code,
        message=verdict.message,
        action=verdict.action,
    )
    rest_lane(session, rest, now=now)


def note_success(session: Session, lane: str, *, now: datetime) -> bool:
    """It works (again): what waited because of the outage is due now. A rest that was asked for is kept: calls that were
    under way when it began say nothing about it."""
    lane_now = find_lane(session, lane)
    if lane_now is not None and lane_now.rest_until > now:
        return False
    return free_lane(session, lane, now=now)
