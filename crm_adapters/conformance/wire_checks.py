"""Checks that every failure of the CRM becomes the right kind, tells nothing it should not, and is forgotten when over."""

from collections.abc import Callable
from functools import partial

from crm_adapters.base import Earlier
from crm_adapters.conformance.failures import FAILURES, ODD_BODIES, Failure
from crm_adapters.conformance.people import make_lead
from crm_adapters.conformance.record_checks import REPEATED, count_requests
from crm_adapters.conformance.server import Reply
from crm_adapters.conformance.subject import (
    Kind,
    Stage,
    Subject,
    demand,
    demand_private,
    error_texts,
    kind_of,
    watching,
)
from leadloop.errors import LeadloopError, NeedsHuman, Permanent, Retryable
from leadloop.leads import LeadCard


def becomes(name: str) -> Callable[[Subject], None]:
    """A check that the failure of that name becomes its kind, at every request of the push and of the steps."""
    failure = FAILURES[name]

    def check(subject: Subject) -> None:
        lead = make_lead()
        pushes, steps = (1, 0) if failure.reply is None else count_requests(subject, lead)
        for position in range(pushes):
            with subject.running() as stage:
                _set_up(stage, failure, position)
                strict = failure.everywhere or position == pushes - 1
                _judge(stage, failure, lead, strict, partial(stage.push, lead))
                if failure.reply is not None:
                    _heal(stage)
                    stage.push(lead, earlier=REPEATED)
                    stage.one_record(f"{name} at request {position + 1} of the push, then all was well")
        for position in range(steps):
            with subject.running() as stage:
                ref = stage.push(lead)
                _set_up(stage, failure, position)
                _judge(stage, failure, lead, failure.everywhere, partial(stage.steps, lead, ref))
                _heal(stage)
                stage.steps(lead, ref)
                stage.one_record(f"{name} at request {position + 1} of the steps, then all was well")

    check.__doc__ = f"{name} becomes {failure.kind}."
    return check


def survives(name: str) -> Callable[[Subject], None]:
    """A check that JSON of an unexpected shape is an orderly failure (or taken for a success), never a crash."""

    def check(subject: Subject) -> None:
        lead = make_lead()
        pushes, steps = count_requests(subject, lead)
        odd = Reply(200, ODD_BODIES[name], {"Content-Type": "application/json"})
        for position in range(pushes):
            with subject.running() as stage:
                stage.fake.fail(odd, skip=position)
                _attempt(stage, lead, f"the odd answer {name!r}", partial(stage.push, lead))
                stage.fake.heal()
                stage.push(lead, earlier=REPEATED)
                stage.one_record(f"the odd answer {name!r}, then all was well")
        for position in range(steps):
            with subject.running() as stage:
                ref = stage.push(lead)
                stage.fake.fail(odd, skip=position)
                _attempt(stage, lead, f"the odd answer {name!r}", partial(stage.steps, lead, ref))

    check.__doc__ = f"The odd answer {name!r} does no harm."
    return check


def outage_over(subject: Subject) -> None:
    """Down for three tries, then back: the same instance delivers, and there is one record."""
    lead = make_lead()
    with subject.running() as stage:
        adapter = stage.connect()
        stage.fake.fail(Reply(503, b"down"), times=3)
        for _ in range(3):
            _attempt(stage, lead, "503", lambda: stage.push(lead, adapter=adapter, earlier=Earlier(maybe_pushed=True)))
        stage.fake.heal()
        stage.push(lead, adapter=adapter, earlier=REPEATED)
        stage.one_record("an outage that ended")


def _set_up(stage: Stage, failure: Failure, position: int) -> None:
    if failure.reply is None:
        stage.connect()
        stage.fake.stop()
    else:
        stage.fake.fail(failure.reply, skip=position, times=failure.times)
        stage.hasty = failure.name == "timeout"


def _heal(stage: Stage) -> None:
    stage.fake.heal()
    stage.hasty = False


def _judge(stage: Stage, failure: Failure, lead: LeadCard, strict: bool, action: Callable[[], object]) -> None:
    error = _attempt(stage, lead, failure.name, action)
    seen: Kind = "delivered" if error is None else kind_of(error)
    override = stage.subject.overrides.get(failure.name)
    wanted = override.kind if override else failure.kind
    if not strict:
        return
    shown = "" if error is None else f" ({error.code})"
    demand(seen == wanted, f"{failure.name} became {seen}{shown}, not {wanted}")
    if failure.name == "redirect":
        demand(all(request.path != "/elsewhere" for request in stage.fake.received), "a redirect was followed")
    if isinstance(error, Retryable) and override is None:
        _timing(failure, error)


def _timing(failure: Failure, error: Retryable) -> None:
    if failure.rest_s is not None:
        least, most = failure.rest_s
        rest = error.retry_after_s
        demand(rest is not None and least <= rest <= most, f"{failure.name}: retry_after_s is {rest}")
    demand(error.outage or not failure.outage, f"{failure.name} must be marked as an outage")


def _attempt(stage: Stage, lead: LeadCard, what: str, action: Callable[[], object]) -> LeadloopError | None:
    """Run it under watch. None when it went well; anything but an error of ours breaks the rules."""
    error: LeadloopError | None = None
    with watching() as watch:
        try:
            action()
        except LeadloopError as caught:
            error = caught
        except AssertionError:
            raise
        except Exception as caught:
            kind = type(caught).__name__
            demand(
                False, f"{what} made the adapter raise {kind}, which is none of the three kinds (its text is kept back)"
            )
    demand_private(watch.lines, lead, stage.secrets(), f"{what}: a log line")
    if error is not None:
        demand_private(error_texts(error), lead, stage.secrets(), f"{what}: the error")
        _presentable(error, what)
    return error


def _presentable(error: LeadloopError, what: str) -> None:
    demand(0 < len(error.message) <= 500, f"{what}: the error's message must be 1 to 500 characters")
    good = error.code and len(error.code) <= 60 and error.code.replace("_", "a").isalnum() and error.code.isascii()
    demand(good and error.code == error.code.lower(), f"{what}: the code {error.code[:60]!r} is not short lower case")
    if isinstance(error, NeedsHuman | Permanent):
        demand(error.action.strip(), f"{what}: the error does not say what a person can do")
