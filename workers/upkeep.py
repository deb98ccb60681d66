"""What is looked after now and then on the way back: outcomes whose lead came unseen, events that have become too old, answers
kept for programs that ask again."""

from datetime import timedelta

from sqlalchemy.orm import Session

from leadloop.logs import get_logger
from leadloop.ports import Services
from store.conversions import expire
from store.idempotency import KEPT_FOR, TOGETHER, remove_answers
from store.outcome_joining import LONGEST_WINDOW, Place, join_late

log = get_logger(__name__)
RECENT = timedelta(minutes=15)


def join_recent_outcomes(services: Services) -> None:
    """An outcome and its lead that came at the same moment."""
    _join(services, RECENT)


def join_older_outcomes(services: Services) -> None:
    """A lead that stayed unread for days, and whatever else was missed: all that could still be told to Meta."""
    _join(services, LONGEST_WINDOW)


def _join(services: Services, within: timedelta) -> None:
    now, joined = services.now(), 0
    after: Place | None = None
    while True:

        def join(session: Session, after: Place | None = after) -> tuple[int, Place | None]:
            return join_late(session, since=now - within, now=now, after=after)

        count, after = services.writer.write(join)
        joined += count
        if after is None:
            break
    if joined:
        log.info("outcomes_joined", outcomes=joined)
        services.bell.ring()


def expire_conversions(services: Services) -> None:
    """While a dataset is held nobody looks at its queue."""
    expired = services.writer.write(lambda session: expire(session, now=services.now()))
    if expired:
        log.warning("conversions_expired", events=expired)


def remove_kept_answers(services: Services) -> None:
    """Answers under an Idempotency-Key are kept for a week. Some at a time, so that nobody waits for long."""
    before = services.now() - KEPT_FOR
    while services.writer.write(lambda session: remove_answers(session, before=before)) == TOGETHER:
        pass
