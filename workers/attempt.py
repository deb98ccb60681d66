"""One attempt at a row: its job is run, and whatever it raises becomes a verdict, and a rest of its lane where it says so."""

import contextlib
from datetime import datetime

import sentry_sdk
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from leadloop.errors import LeadloopError, Retryable, Verdict, judge
from leadloop.logs import get_logger
from leadloop.ports import Services
from store.lanes import Rest
from store.replay import begin_replay
from store.work import WorkItem
from workers.alone import verdict_on_lost
from workers.jobs import Effect, Job, Jobs
from workers.targets import admin_addresses

log = get_logger(__name__)
DATABASE_AWAY = (OperationalError, InterfaceError, PoolTimeout)  # no bug of ours, and nothing that the lead has done


def attempt(item: WorkItem, jobs: Jobs, services: Services) -> tuple[Effect | None, Verdict, Rest | None]:
    """Run the job of one row; what is to be written down, what becomes of the row, and how its lane rests.

    Whatever the job raises is in the verdict. A row with which too many workers died is not run (workers/alone.py).
    """
    if (parked := verdict_on_lost(item)) is not None:
        log.error("row_given_up", code=parked.code, lost=item.lost)
        return None, parked, None
    job = jobs.get(item.kind)
    try:
        if job is None:
            raise LookupError(f"no job of kind {item.kind}")
        if item.again:
            services.writer.write(lambda session: begin_replay(session, item))
        return job.run(item, services), Verdict("done"), None
    except Exception as caught:
        if isinstance(caught, DATABASE_AWAY):
            caught = Retryable(
                f"The database did not answer ({type(caught).__name__}).",
                code="database_away",
                action="Nothing, if it is back: leadloop goes on by itself. See its log otherwise.",
            )
        if not isinstance(caught, LeadloopError):
            sentry_sdk.capture_exception(caught)
            log.exception("job_raised", error=type(caught).__name__)
        verdict = judge_attempt(item, caught, services, now=services.now())
        return None, verdict, _rest_for(item, job, verdict, caught, services)


def judge_attempt(item: WorkItem, caught: Exception, services: Services, *, now: datetime) -> Verdict:
    """What happens to this row after this error, under the settings' retry policy."""
    policy = services.settings.retry_policy
    return judge(caught, attempts=item.attempts, added_at=item.added_at, now=now, policy=policy)


def _rest_for(item: WorkItem, job: Job | None, verdict: Verdict, caught: Exception, services: Services) -> Rest | None:
    if verdict.lane_rest_until is None:
        return None
    fingerprint = getattr(caught, "fingerprint", None)
    if fingerprint is None and job is not None and verdict.hold:
        with contextlib.suppress(LeadloopError):  # a secret that does not open has no fingerprint
            fingerprint = job.fingerprint(item, services)
    return Rest(
        lane=item.lane,
        until=verdict.lane_rest_until,
        hold=verdict.hold,
        code=verdict.code,
        message=verdict.message,
        action=verdict.action,
        fingerprint=fingerprint if verdict.hold else None,
        tell=admin_addresses(services) if verdict.hold else (),
    )
