"""The whole policy of failures as one table: what was raised, when, and what happens next."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from leadloop.errors import (
    LeadloopError,
    NeedsHuman,
    Permanent,
    Retryable,
    RetryPolicy,
    Verdict,
    backoff_s,
    judge,
)

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
POLICY = RetryPolicy(first_s=2.0, longest_s=3_600.0, give_up_s=86_400.0, hold_probe_s=900.0)
FRESH = NOW - timedelta(seconds=1)


def retryable(**more: Any) -> Retryable:
    return Retryable("It broke.", code="broke", **more)


def verdict(caught: Exception, *, attempts: int = 1, added_at: datetime = FRESH, now: datetime = NOW) -> Verdict:
    return judge(caught, attempts=attempts, added_at=added_at, now=now, policy=POLICY)


def wait_s(found: Verdict) -> float:
    assert found.due_at is not None
    return (found.due_at - NOW).total_seconds()


def rest_s(found: Verdict) -> float | None:
    return None if found.lane_rest_until is None else (found.lane_rest_until - NOW).total_seconds()


TABLE = [
    # raised, attempts, age in s → state, least wait, longest wait, lane rests for, held, counts
    (retryable(), 1, 1, "open", 1.5, 2.5, None, False, True),
    (retryable(), 4, 1, "open", 12, 20, None, False, True),
    (retryable(), 40, 1, "open", 2_700, 4_500, None, False, True),
    (retryable(), 10_000, 1, "open", 2_700, 4_500, None, False, True),
    (retryable(outage=True), 1, 1, "open", 1.5, 2.5, None, False, True),
    # ill, and asked for rest: the row waits at least that long, and the lane rests for exactly that
    (retryable(outage=True, retry_after_s=60), 1, 1, "open", 60, 60, 60, False, True),
    (retryable(outage=True, retry_after_s=0), 1, 1, "open", 1.5, 2.5, 0, False, True),
    (retryable(outage=True, retry_after_s=-5), 1, 1, "open", 1.5, 2.5, 0, False, True),
    (retryable(outage=True, retry_after_s=1), 12, 1, "open", 2_700, 4_500, 1, False, True),
    (retryable(outage=True, retry_after_s=10**9), 1, 1, "open", 3_600, 3_600, 3_600, False, True),
    (retryable(outage=True, retry_after_s=60), 30, 86_400, "parked", None, None, None, False, True),
    # a limit: the row waits for exactly that, however often it was tried and however old it is
    (retryable(retry_after_s=60), 1, 1, "open", 60, 60, 60, False, False),
    (retryable(retry_after_s=60), 500, 1, "open", 60, 60, 60, False, False),
    (retryable(retry_after_s=60), 500, 10**7, "open", 60, 60, 60, False, False),
    (retryable(retry_after_s=0), 1, 1, "open", 1, 1, 1, False, False),
    (retryable(retry_after_s=-5), 1, 1, "open", 1, 1, 1, False, False),
    (retryable(retry_after_s=10**9), 1, 1, "open", 3_600, 3_600, 3_600, False, False),
    (retryable(scope="lane", retry_after_s=60), 1, 1, "open", 60, 60, 60, False, False),
    (retryable(scope="lane", retry_after_s=60), 500, 1, "open", 60, 60, 60, False, False),
    (retryable(scope="lane", retry_after_s=10**9), 1, 1, "open", 3_600, 3_600, 3_600, False, False),
    (retryable(scope="lane"), 1, 1, "open", 1.5, 2.5, None, False, True),
    # the end of patience
    (retryable(), 30, 86_399, "open", 1, 1, None, False, True),
    (retryable(), 30, 86_400, "parked", None, None, None, False, True),
    (retryable(scope="lane", retry_after_s=60), 1, 86_400, "open", 60, 60, 60, False, False),
    (retryable(give_up_after_s=600), 20, 590, "open", 10, 10, None, False, True),
    (retryable(give_up_after_s=600), 20, 600, "parked", None, None, None, False, True),
    (retryable(give_up_after_s=10**9), 20, 86_400, "parked", None, None, None, False, True),
    (retryable(give_up_after_s=0), 1, 0, "parked", None, None, None, False, True),
    # a clock that was set back must not park anything
    (retryable(), 1, -10_000, "open", 1.5, 2.5, None, False, True),
    (NeedsHuman("Do it.", code="do", action="This."), 1, 1, "parked", None, None, None, False, True),
    (NeedsHuman("Do it.", code="do", action="This.", scope="lane"), 1, 1, "open", 0, 0, 900, True, False),
    (NeedsHuman("Do it.", code="do", action="This.", scope="lane"), 9, 10**7, "open", 0, 0, 900, True, False),
    (Permanent("Gone.", code="gone"), 1, 1, "failed", None, None, None, False, True),
    (Permanent("Gone.", code="gone", scope="lane"), 1, 10**7, "failed", None, None, None, False, True),
    # a bug of ours
    (KeyError("zoe@example.com"), 1, 1, "open", 1.5, 2.5, None, False, True),
    (KeyError("zoe@example.com"), 1, 86_400, "parked", None, None, None, False, True),
    (LeadloopError("Odd.", code="odd"), 1, 1, "open", 1.5, 2.5, None, False, True),
]


@pytest.mark.parametrize("row", TABLE, ids=[f"{row[0]!r}-{row[1]}-{row[2]}" for row in TABLE])
def test_what_happens_next(row: tuple[Any, ...]) -> None:
    caught, attempts, age_s, state, least_s, longest_s, rests_s, hold, counts = row
    found = verdict(caught, attempts=attempts, added_at=NOW - timedelta(seconds=age_s))
    assert (found.state, rest_s(found), found.hold, found.counts) == (state, rests_s, hold, counts)
    if least_s is None:
        assert found.due_at is None
    else:
        assert least_s <= wait_s(found) <= longest_s


def test_a_verdict_says_why_and_what_to_do() -> None:
    for kind in (Retryable, NeedsHuman, Permanent):
        found = verdict(kind("It broke.", code="broke", action="Mend it."))
        assert (found.code, found.message, found.action) == ("broke", "It broke.", "Mend it.")


def test_an_outage_is_passed_on() -> None:
    assert verdict(retryable(outage=True)).outage
    assert not verdict(retryable()).outage


def test_a_bug_is_named_by_its_type_alone() -> None:
    found = verdict(KeyError("zoe@example.com"))
    assert found.code == "bug_keyerror"
    assert "zoe" not in f"{found}"
    assert found.action


def test_a_code_of_a_bug_is_bounded() -> None:
    kind = type("A" * 500, (Exception,), {})
    assert len(verdict(kind()).code or "") <= 44


def test_the_last_try_is_at_the_end_of_patience_and_not_after() -> None:
    found = verdict(retryable(outage=True, retry_after_s=3_600), added_at=NOW - timedelta(seconds=86_390))
    assert wait_s(found) == 10


@pytest.mark.parametrize(("attempts", "seconds"), [(0, 1.0), (1, 2.0), (2, 4.0), (11, 2_048.0), (12, 3_600.0)])
def test_backoff_doubles_up_to_the_longest(attempts: int, seconds: float) -> None:
    assert backoff_s(attempts, POLICY, jitter=1.0) == seconds


def test_backoff_is_spread() -> None:
    found = {round(backoff_s(5, POLICY), 3) for _ in range(200)}
    assert len(found) > 50
    assert 24 <= min(found) <= max(found) <= 40
