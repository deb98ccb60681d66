"""What one lane learns from an attempt: rest a little when one row after the other fails, wake them once it works.

A row that cannot be taken and a CRM that is away look the same from one call. What tells them apart is who else fails:
several different rows one after the other, with no success among them, are an outage; a row that fails although its lane
has worked since it failed before is in trouble by itself, and costs nobody else anything.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from leadloop.errors import Verdict
from store.admin_alerts import add_admin_alerts
from store.lanes import Rest, find_lane, free_lane, rest_lane
from store.work import WorkItem, keep_probing

TOLERATED = 5  # so many different rows fail one after the other before the lane as a whole rests
MOST_FAILED = 12  # rows remembered: enough for the longest rest
LONGEST_REST_S = 30.0
LONGEST_REST_ANSWERED_S = 4.0  # each call is answered, with 500: most likely these rows alone are in trouble
PROBE_ANSWERED_S = 300.0  # and then the next try of a row that waits may be later
WAKE_S = 2.0  # no row is tried again in the very moment in which it failed, because another one did not


def weigh(session: Session, item: WorkItem, verdict: Verdict, *, now: datetime) -> tuple[Verdict, Rest | None]:
    """Whether an outage is the lane's or only this row's: the verdict that follows, and the rest of the lane. Reads only."""
    lane = find_lane(session, item.lane)
    rests = lane is not None and lane.rest_until > now  # calls that were under way when it began say nothing new
    failed = list(lane.failed) if lane is not None else []
    by_itself = item.attempts - item.lost > 1 and not item.outage
    if not rests and item.id not in failed and not (by_itself and verdict.answered):
        failed = [*failed, item.id][-MOST_FAILED:]
    ill = len(failed) >= TOLERATED
    if by_itself and not ill:
        verdict = replace(verdict, outage=False)
    if rests or not failed:
        return verdict, None
    longest_s = LONGEST_REST_ANSWERED_S if verdict.answered else LONGEST_REST_S
    rest_s = min(longest_s, 2.0 ** (len(failed) - TOLERATED)) if ill else 0.0
    rest = Rest(
        item.lane,
        now + timedelta(seconds=rest_s),
        code=verdict.code,
        message=verdict.message,
        action=verdict.action,
        rows=tuple(failed),
    )
    return verdict, rest


def note_failure(session: Session, item: WorkItem, verdict: Verdict, rest: Rest | None, *, now: datetime) -> bool:
    """After a failure in a lane that may be ill. True when the lane is newly held; then the admin is told as well."""
    newly_held = rest is not None and rest_lane(session, rest, now=now)
    if rest is not None and newly_held:
        add_admin_alerts(session, rest, now=now)
    within_s = PROBE_ANSWERED_S if verdict.answered else LONGEST_REST_S
    keep_probing(session, item.lane, by=now + timedelta(seconds=within_s))
    return newly_held


def note_success(session: Session, lane: str, *, now: datetime) -> bool:
    """It works (again): what waited because of the outage is due. A rest that was asked for is kept: calls that were
    under way when it began say nothing about it."""
    lane_now = find_lane(session, lane)
    if lane_now is not None and lane_now.rest_until > now and not lane_now.failed:
        return False
    return free_lane(session, lane, now=now, wake_by=now + timedelta(seconds=WAKE_S))
