"""A funnel turns what happened to a lead into the events that Meta is told: pure, from what was decided before.

The rules and why they are so: docs/decisions/0051-conversion-rules.md.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from difflib import get_close_matches
from typing import Any, Literal

from leadloop.conversions.event import make_event_id
from leadloop.conversions.findings import Fault
from leadloop.conversions.money import MoneyInvalid, fit_currency, parse_currency, parse_value
from leadloop.conversions.routes import Route

RAW_STAGE = "(raw lead)"  # the stage of a lead that has only just come, where no stage of the funnel is that
UNKNOWN_STAGE = "unknown_stage"  # the code of a decision on a stage that the funnel does not have
_NEW = "new"
_TAKEN = frozenset({"queued", "sending", "sent", "accepted", "unknown"})
_ANY = "*"
_PLAIN_OPTIONS = ("route", "advance_only", "fill_skipped", "lead_event_source", "raw_event")

ValueRule = Literal["required", "optional"]
When = Mapping[str, tuple[str, ...]]
Action = Literal["send", "hold", "skip"]


@dataclass(frozen=True)
class StageRule:
    """One stage: its name in the CRM, the event that it becomes (None: known, not sent), and what the event is worth.

    `value`: "required", the event waits for the deal's amount; "optional", it is told where there is one; None, it is not
    told. `fixed_value` is told instead of the deal's; `predicted_value` where the deal has none yet, and as predicted_ltv.
    `currency` is that of both, and of a deal that names none. `when`: see Funnel.
    """

    stage: str
    event: str | None = None
    value: ValueRule | None = None
    fixed_value: Decimal | None = None
    predicted_value: Decimal | None = None
    currency: str | None = None
    when: When = field(default_factory=dict)


@dataclass(frozen=True)
class Funnel:
    """A connection's stages, in their order, as events of a dataset.

    `advance_only`: a stage that comes after a later one tells nothing. `fill_skipped`: the earlier stages that a lead jumped
    over are told first. `raw_event`: what a lead that has only just come is told as; without one a stage called "new" is.
    `when`: what must hold of the outcome, {"pipeline": ("b2b",)}: each key with one of its values, "*" being any.
    `consent`: keys of the form's boxes that must all be ticked. `ldu_states`: those of Limited Data Use (two letters).
    """

    dataset_id: str
    stages: tuple[StageRule, ...]
    route: Route = "conversion_leads"
    advance_only: bool = True
    fill_skipped: bool = False
    lead_event_source: str | None = None
    raw_event: str | None = None
    when: When = field(default_factory=dict)
    consent: tuple[str, ...] = ()
    ldu_states: tuple[str, ...] = ()


@dataclass(frozen=True)
class Past:
    """What was decided for the same lead and funnel before: one conversion, as it stands. `state` is the conversion's."""

    stage: str
    event_name: str | None
    state: str
    occurred_at: datetime
    order_id: str | None = None


@dataclass(frozen=True)
class Happened:
    """What a stage is decided on. `subject` names the lead or contact for ever ("lead:222222222222222").

    `facts` is what conditions look at: pipeline, page, form, owner and the outcome's fields.
    """

    subject: str
    occurred_at: datetime
    value: Decimal | None = None
    currency: str | None = None
    order_id: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Decision:
    """What becomes of one stage: an event to send, one to hold until something is known, or nothing, with the reason.

    `position` counts the stages of ladder(funnel) from 0 (-1: not one of them). `filled`: the stage was jumped over,
    and its event carries the time of the outcome that jumped. `code`, `message` and `mend` say why, for "hold" and
    "skip"; on "send" they say what was left out.
    """

    action: Action
    stage: str
    position: int
    occurred_at: datetime
    event_name: str | None = None
    event_id: str | None = None
    value: Decimal | None = None
    currency: str | None = None
    predicted_value: Decimal | None = None
    filled: bool = False
    code: str = ""
    message: str = ""
    mend: str = ""


def decide(funnel: Funnel, stage: str, history: Sequence[Past], outcome: Happened) -> list[Decision]:
    """What follows from `stage`: its own decision last, before it those of skipped stages that are filled in.

    `history` holds what was decided for the same lead and funnel, in any order. The same call gives the same answer, with the
    same event ids.
    """
    rules = ladder(funnel)
    position = find_position(rules, stage)
    if position is None:
        return [_unknown(stage, rules, outcome)]
    rule = rules[position]
    past = [one for one in history if _is_related(one, outcome)]
    why_not = _why_not(funnel, rules, position, past, outcome)
    if why_not is not None:
        code, fault = why_not
        return [_skip(rule, position, outcome, code, fault)]
    filled = _fill(funnel, rules, position, past, outcome) if funnel.fill_skipped else []
    return [*filled, _tell(funnel, rule, position, outcome)]


def decide_again(
    funnel: Funnel, stage: str, history: Sequence[Past], outcome: Happened, *, filled: bool = False
) -> Decision:
    """The decision on one stage alone, for an event that Meta was not told of: with the funnel as it is now, and with what is
    known now. `filled`: the stage was jumped over when `outcome` happened."""
    rules = ladder(funnel)
    position = find_position(rules, stage)
    if position is None:
        return _unknown(stage, rules, outcome)
    rule = rules[position]
    past = [one for one in history if _is_related(one, outcome)]
    why_not = _why_not(funnel, rules, position, past, outcome)
    if why_not is not None:
        return _skip(rule, position, outcome, *why_not, filled=filled)
    return _tell(funnel, rule, position, outcome, filled=filled)


def decide_raw(funnel: Funnel, history: Sequence[Past], outcome: Happened) -> list[Decision]:
    """What follows from a lead that has only just come; [] where the funnel has no event for it.

    `outcome.occurred_at` is when the lead was received: Meta wants it later than the lead's own creation.
    """
    stage = raw_stage(funnel)
    return [] if stage is None else decide(funnel, stage, history, outcome)


def raw_stage(funnel: Funnel) -> str | None:
    """The stage of a lead that has only just come: the one with the raw event, RAW_STAGE, or one called "new"."""
    if funnel.raw_event is not None:
        return next((rule.stage for rule in funnel.stages if rule.event == funnel.raw_event), RAW_STAGE)
    if funnel.route != "conversion_leads":
        return None
    return next((rule.stage for rule in funnel.stages if rule.event and _key(rule.stage) == _NEW), None)


def ladder(funnel: Funnel) -> tuple[StageRule, ...]:
    """The funnel's stages in their order, the raw lead before them where it is none of them."""
    if funnel.raw_event is None or raw_stage(funnel) != RAW_STAGE:
        return funnel.stages
    return (StageRule(RAW_STAGE, funnel.raw_event), *funnel.stages)


def find_position(rules: Sequence[StageRule], stage: str) -> int | None:
    """Where a stage stands. Upper and lower case and blanks make no difference."""
    for position, rule in enumerate(rules):
        if rule.stage == stage:
            return position
    key = _key(stage)
    return next((position for position, rule in enumerate(rules) if _key(rule.stage) == key), None)


def parse_funnel(dataset_id: str, stages: Iterable[Mapping[str, Any]], options: Mapping[str, Any]) -> Funnel:
    """A funnel from its stored row. `options` are the other keys of its table, as they stand in the file.

    Defaults are filled in and unknown keys ignored. Raises MoneyInvalid, KeyError.
    """
    known = {name: options[name] for name in _PLAIN_OPTIONS if options.get(name) is not None}
    return Funnel(
        dataset_id=dataset_id,
        stages=tuple(map(parse_stage, stages)),
        when=parse_when(options.get("when")),
        consent=tuple(options.get("consent") or ()),
        ldu_states=tuple(options.get("ldu_states") or ()),
        **known,
    )


def parse_stage(stored: Mapping[str, Any]) -> StageRule:
    """A rule from its stored row: amounts as text, absent keys left out. Raises MoneyInvalid, KeyError."""
    currency = stored.get("currency")
    currency = None if currency is None else parse_currency(currency)
    fixed, predicted = (
        None if stored.get(key) is None else parse_value(stored[key], currency)
        for key in ("fixed_value", "predicted_value")
    )
    return StageRule(
        stage=stored["stage"],
        event=stored.get("event"),
        value=stored.get("value"),
        fixed_value=fixed,
        predicted_value=predicted,
        currency=currency,
        when=parse_when(stored.get("when")),
    )


def parse_when(stored: Mapping[str, str | Iterable[str]] | None) -> dict[str, tuple[str, ...]]:
    """Conditions as they stand in the file: each key has a text or a list of them."""
    return {name: (values,) if isinstance(values, str) else tuple(values) for name, values in (stored or {}).items()}


def holds(when: When, facts: Mapping[str, Any]) -> bool:
    """Whether all conditions hold: each named fact is one of the values, or, being a list, has one of them."""
    for name, wanted in when.items():
        fact = facts.get(name)
        texts = {_key(_text(one)) for one in (fact if isinstance(fact, list | tuple) else (fact,)) if one is not None}
        texts.discard("")
        if not texts or (_ANY not in wanted and texts.isdisjoint(map(_key, wanted))):
            return False
    return True


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _key(text: str) -> str:
    return " ".join(text.split()).casefold()


def _is_related(past: Past, outcome: Happened) -> bool:
    """A lead may bring several deals. Without an order id on either side it may be the same deal, so it counts as that."""
    return past.order_id is None or outcome.order_id is None or past.order_id == outcome.order_id


def _why_not(
    funnel: Funnel, rules: Sequence[StageRule], position: int, past: Sequence[Past], outcome: Happened
) -> tuple[str, Fault] | None:
    rule = rules[position]
    if rule.event is None:
        return "not_sent", Fault("This stage is known and not sent", "")
    if not holds(funnel.when, outcome.facts) or not holds(rule.when, outcome.facts):
        return "condition", Fault("The conditions of the funnel do not hold for this outcome", "")
    if _is_taken(rule, past):
        return "already_sent", Fault("Meta was told of this stage of the deal already", "")
    if funnel.advance_only and _is_backward(rules, position, past, outcome):
        return "backward", Fault("The deal had reached a later stage already", "set advance_only = false to send it")
    return None


def _is_taken(rule: StageRule, past: Iterable[Past]) -> bool:
    """To Meta the event's name is the stage, so that two stages of one name are told once, too."""
    return any(
        one.state in _TAKEN and (one.event_name == rule.event or _key(one.stage) == _key(rule.stage)) for one in past
    )


def _is_backward(rules: Sequence[StageRule], position: int, past: Iterable[Past], outcome: Happened) -> bool:
    """By the times of what happened and not of the notices: one that comes late is no step back."""
    for one in past:
        if one.state == "skipped" or one.occurred_at >= outcome.occurred_at:
            continue
        reached = find_position(rules, one.stage)
        if reached is not None and reached > position and rules[reached].event is not None:
            return True
    return False


def _fill(
    funnel: Funnel, rules: Sequence[StageRule], position: int, past: Sequence[Past], outcome: Happened
) -> list[Decision]:
    """Events of earlier stages that nothing was sent for. The deal's amount is the outcome's own and not told twice."""
    filled: list[Decision] = []
    names = {rules[position].event}
    for at, rule in enumerate(rules[:position]):
        if rule.event in names or _why_not_filled(rule, past, outcome):
            continue
        decision = _tell(funnel, rule, at, outcome, filled=True)
        names.add(rule.event)
        filled.append(decision)
    return filled


def _why_not_filled(rule: StageRule, past: Sequence[Past], outcome: Happened) -> bool:
    return rule.event is None or not holds(rule.when, outcome.facts) or _is_taken(rule, past)


def _tell(funnel: Funnel, rule: StageRule, position: int, outcome: Happened, *, filled: bool = False) -> Decision:
    value, currency, fault = _price(rule, outcome, deals_own=not filled)
    needed = _needs_value(rule)
    action: Action = "hold" if needed and value is None else "send"
    if action == "hold" and filled:
        message = "A skipped stage that needs a value cannot be filled in"
        return _skip(
            rule, position, outcome, "value_unknown", Fault(message, "give the stage a fixed_value"), filled=True
        )
    subject = outcome.subject if outcome.order_id is None else f"{outcome.subject}/{outcome.order_id}"
    predicted = rule.predicted_value if currency is not None and currency == (rule.currency or currency) else None
    return Decision(
        action,
        rule.stage,
        position,
        outcome.occurred_at,
        event_name=rule.event,
        event_id=make_event_id(funnel.dataset_id, subject, rule.stage),
        value=value,
        currency=currency,
        predicted_value=predicted,
        filled=filled,
        code=("value_unknown" if action == "hold" else "value_left_out") if fault else "",
        message=f"{fault.message}." if fault else "",
        mend=f"{fault.mend[:1].upper()}{fault.mend[1:]}." if fault else "",
    )


def _needs_value(rule: StageRule) -> bool:
    return rule.value == "required" or rule.event == "Purchase"


def _price(rule: StageRule, outcome: Happened, *, deals_own: bool) -> tuple[Decimal | None, str | None, Fault | None]:
    """(value, currency, what is missing or was left out)."""
    told = _needs_value(rule) or rule.value == "optional" or rule.predicted_value is not None
    if rule.fixed_value is not None:
        value, currency = rule.fixed_value, rule.currency or outcome.currency
    elif told and deals_own and outcome.value is not None:
        value, currency = outcome.value, outcome.currency or rule.currency
    elif rule.predicted_value is not None:
        value, currency = rule.predicted_value, rule.currency or outcome.currency
    else:
        missing = Fault("The event needs a value and the outcome has none", "send the outcome again with its value")
        return None, None, missing if _needs_value(rule) else None
    if currency is None:
        mend = "send the outcome again with its currency, or give the stage one"
        return None, None, Fault("The value has no currency", mend)
    try:
        return fit_currency(value, currency), currency, None
    except MoneyInvalid as wrong:
        return None, None, Fault(f"The value {wrong.fault.message}", wrong.fault.mend)


def _skip(
    rule: StageRule, position: int, outcome: Happened, code: str, fault: Fault, *, filled: bool = False
) -> Decision:
    return Decision(
        "skip",
        rule.stage,
        position,
        outcome.occurred_at,
        event_name=rule.event,
        filled=filled,
        code=code,
        message=f"{fault.message}.",
        mend=f"{fault.mend[:1].upper()}{fault.mend[1:]}." if fault.mend else "",
    )


def _unknown(stage: str, rules: Sequence[StageRule], outcome: Happened) -> Decision:
    by_key = {_key(rule.stage): rule.stage for rule in rules}
    near = get_close_matches(_key(stage)[:100], by_key, n=1, cutoff=0.6)
    mend = "Add the stage to the funnel, without an event if Meta is not to be told."
    if near:
        mend = f'Write "{by_key[near[0]]}" if that was meant, or add the stage to the funnel.'
    message = "The funnel has no such stage."
    return Decision("skip", stage, -1, outcome.occurred_at, code=UNKNOWN_STAGE, message=message, mend=mend)
