"""What can go wrong, in three kinds, and judge(): an error becomes what happens next.

Retryable   the same call may work later        waits, parks after the cap
NeedsHuman  waiting alone will not help          parks the row, or holds the whole lane
Permanent   will never work, for anybody         recorded, stopped
anything else is a bug of ours: told to Sentry, then treated as Retryable.

Messages hold codes and ids, never a remote body: CRMs like to echo the e-mail address.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

Scope = Literal["item", "lane"]
LEAST_REST_S = 1.0  # of who asks for rest and names none: what does not count must not go round at full speed


class LeadloopError(Exception):
    """Base of the three kinds. `message` is one plain sentence; `action` says what a person can do.

    `code` is short and bounded ("graph_190_463", "http_503"): it is counted in metrics and shown in tables.
    `scope` "lane" says that nothing of that connection or Page can work now, "item" that only this row is concerned.
    `details`: what the other side said in its own words, bounded and cleaned, to be kept and shown beside the message. It is
    never logged.
    """

    def __init__(self, message: str, *, code: str, action: str = "", scope: Scope = "item") -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.action = action
        self.scope: Scope = scope
        self.details: Mapping[str, Any] = {}
        self.fingerprint: str | None = None  # of the token or settings it was met with, to notice that they changed


class Retryable(LeadloopError):
    """The same call may work later.

    `retry_after_s`: the other side asked for that much rest, in seconds; the lane rests for as long. Without `outage` it
    is a limit (429) and the row has done nothing wrong: it waits for that long and no longer, the attempt does not count,
    and however long that goes on, the row is not parked for it.
    `outage`: the other side as a whole is ill (time-out, refused, 5xx), so a success of any row is a reason to try all.
    `answered`: with an outage, that the other side is there and failed at this very call (500): it may well be this row
    that it cannot take, so it takes more to make its neighbours wait.
    `give_up_after_s`: park after this many seconds since the row was added, when that is earlier than the general limit.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str,
        action: str = "",
        scope: Scope = "item",
        retry_after_s: float | None = None,
        outage: bool = False,
        answered: bool = False,
        give_up_after_s: float | None = None,
    ) -> None:
        super().__init__(message, code=code, action=action, scope=scope)
        self.retry_after_s = retry_after_s
        self.outage = outage
        self.answered = answered
        self.give_up_after_s = give_up_after_s


class NeedsHuman(LeadloopError):
    """Waiting will not help until somebody acts. `action` is what to do; it is never empty."""

    def __init__(self, message: str, *, code: str, action: str, scope: Scope = "item") -> None:
        super().__init__(message, code=code, action=action, scope=scope)


class Permanent(LeadloopError):
    """Will never work, for anybody: recorded and stopped."""


class SettingsError(Exception):
    """A setting is missing or malformed: one sentence that names it and the mend."""


@dataclass(frozen=True)
class Verdict:
    """What happens to a work row after an attempt.

    `state` "done" ends it, "open" waits until `due_at`, "parked" waits for a person, "failed" will never work.
    `lane_rest_until`: nothing else of the lane is tried before then; with `hold` it is shown as held, with the reason.
    """

    state: Literal["done", "open", "parked", "failed"]
    due_at: datetime | None = None
    code: str | None = None
    message: str | None = None
    action: str | None = None
    outage: bool = False
    answered: bool = False
    lane_rest_until: datetime | None = None
    hold: bool = False
    counts: bool = True  # False: the attempt does not count against the row (its lane is held, or was told to rest)


@dataclass(frozen=True)
class RetryPolicy:
    """Times of the retries, in seconds: doubling from `first_s`, at most `longest_s`, parked after `give_up_s`."""

    first_s: float = 2.0
    longest_s: float = 86_400.0
    give_up_s: float = 7 * 86_400.0
    hold_probe_s: float = 900.0


def backoff_s(attempts: int, policy: RetryPolicy, *, jitter: float | None = None) -> float:
    """Seconds to wait after `attempts` attempts: exponential with full-width jitter of ±25 %."""
    share = random.uniform(0.75, 1.25) if jitter is None else jitter
    return float(min(policy.longest_s, policy.first_s * 2 ** min(attempts - 1, 40)) * share)


def judge(caught: Exception, *, attempts: int, added_at: datetime, now: datetime, policy: RetryPolicy) -> Verdict:
    """Turn what an attempt raised into what happens next. Pure: the whole policy is a table.

    `attempts` counts this one; `added_at` is when the row was added (for the give-up limit).
    """
    if isinstance(caught, Permanent):
        return Verdict("failed", code=caught.code, message=caught.message, action=caught.action)
    if isinstance(caught, NeedsHuman):
        if caught.scope == "lane":
            rest = now + timedelta(seconds=policy.hold_probe_s)
            return Verdict(
                "open",
                due_at=now,
                code=caught.code,
                message=caught.message,
                action=caught.action,
                lane_rest_until=rest,
                hold=True,
                counts=False,
            )
        return Verdict("parked", code=caught.code, message=caught.message, action=caught.action)
    if not isinstance(caught, Retryable):
        caught = Retryable(
            f"An error of leadloop itself ({type(caught).__name__}); it has been reported.",
            code="bug_" + type(caught).__name__.lower()[:40],
            action="Please report this with the log lines of the same work_id.",
        )
    if caught.retry_after_s is not None and (caught.scope == "lane" or not caught.outage):
        return _wait_for_limit(caught, caught.retry_after_s, now=now, policy=policy)
    age_s = (now - added_at).total_seconds()
    give_up_s = min(
        policy.give_up_s, caught.give_up_after_s if caught.give_up_after_s is not None else policy.give_up_s
    )
    if age_s >= give_up_s:
        return Verdict("parked", code=caught.code, message=caught.message, action=caught.action)
    wait_s = backoff_s(attempts, policy)
    lane_rest_until = None
    if caught.retry_after_s is not None:
        rest_s = min(max(0.0, caught.retry_after_s), policy.longest_s)
        wait_s = max(wait_s, rest_s)
        lane_rest_until = now + timedelta(seconds=rest_s)
    due_at = min(now + timedelta(seconds=wait_s), max(now, added_at + timedelta(seconds=give_up_s)))
    return Verdict(
        "open",
        due_at=due_at,
        code=caught.code,
        message=caught.message,
        action=caught.action,
        outage=caught.outage,
        answered=caught.answered,
        lane_rest_until=lane_rest_until,
    )


def _wait_for_limit(caught: Retryable, asked_s: float, *, now: datetime, policy: RetryPolicy) -> Verdict:
    rest = now + timedelta(seconds=min(max(LEAST_REST_S, asked_s), policy.longest_s))
    return Verdict(
        "open",
        due_at=rest,
        code=caught.code,
        message=caught.message,
        action=caught.action,
        outage=caught.outage,
        lane_rest_until=rest,
        counts=False,
    )
