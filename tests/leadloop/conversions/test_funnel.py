from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leadloop.conversions.funnel import (
    RAW_STAGE,
    Decision,
    Funnel,
    Happened,
    Past,
    StageRule,
    decide,
    decide_raw,
    find_position,
    holds,
    parse_funnel,
    parse_stage,
    parse_when,
    raw_stage,
)
from leadloop.conversions.money import MoneyInvalid

CALM = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # other work may be on the machine

AT = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
FUNNEL = Funnel(
    "900000000000001",
    (
        StageRule("new", "Raw Lead"),
        StageRule("qualified", "Lead"),
        StageRule("demo", "Demo Scheduled"),
        StageRule("won", "Purchase", "required"),
        StageRule("lost"),
    ),
)


def happened(minutes: int = 0, **kwargs: Any) -> Happened:
    return Happened("lead:222222222222222", AT + timedelta(minutes=minutes), **kwargs)


WON = happened(value=Decimal("12500.00"), currency="TRY")


def past(decisions: list[Decision], order_id: str | None = None) -> list[Past]:
    """What is kept of decisions: sent events were accepted, held ones wait."""
    states = {"send": "accepted", "hold": "held", "skip": "skipped"}
    return [Past(one.stage, one.event_name, states[one.action], one.occurred_at, order_id) for one in decisions]


def walk(funnel: Funnel, *steps: tuple[str, Happened]) -> list[str]:
    """What Meta is told on a way through the stages: "stage:event", in order."""
    history: list[Past] = []
    told = []
    for stage, outcome in steps:
        decisions = decide(funnel, stage, history, outcome)
        history += past(decisions, outcome.order_id)
        told += [f"{one.stage}:{one.event_name}" for one in decisions if one.action == "send"]
    return told


def only(funnel: Funnel, stage: str, outcome: Happened, history: list[Past] | None = None) -> Decision:
    (decision,) = decide(funnel, stage, history or [], outcome)
    return decision


def test_a_stage_becomes_its_event() -> None:
    decision = only(FUNNEL, "won", WON)
    assert decision == Decision(
        "send",
        "won",
        3,
        AT,
        event_name="Purchase",
        event_id=decision.event_id,
        value=Decimal("12500.00"),
        currency="TRY",
    )
    assert decision.event_id == only(FUNNEL, "won", replace(WON, occurred_at=AT + timedelta(1))).event_id
    assert decision.event_id != only(FUNNEL, "demo", WON).event_id
    assert decision.event_id != only(FUNNEL, "won", replace(WON, order_id="DEAL-42")).event_id


@pytest.mark.parametrize("stage", ["WON", " won ", "Won"])
def test_case_and_blanks_make_no_difference(stage: str) -> None:
    decision = only(FUNNEL, stage, WON)
    assert decision.stage == "won"
    assert decision.event_id == only(FUNNEL, "won", WON).event_id


def test_unknown_and_unsent_stages() -> None:
    decision = only(FUNNEL, "qualifed", happened())
    assert (decision.action, decision.code, decision.position) == ("skip", "unknown_stage", -1)
    assert decision.mend == 'Write "qualified" if that was meant, or add the stage to the funnel.'
    assert "without an event" in only(FUNNEL, "zzz", happened()).mend
    decision = only(FUNNEL, "lost", happened())
    assert (decision.action, decision.code, decision.event_name) == ("skip", "not_sent", None)


def test_each_stage_once_for_ever() -> None:
    steps = [("qualified", happened(1)), ("demo", happened(2)), ("qualified", happened(3)), ("demo", happened(4))]
    assert walk(FUNNEL, *steps) == ["qualified:Lead", "demo:Demo Scheduled"]
    history = past([only(FUNNEL, "demo", happened())])
    assert only(FUNNEL, "demo", happened(9), history).code == "already_sent"


@pytest.mark.parametrize("state", ["queued", "sending", "sent", "accepted", "unknown"])
def test_what_may_have_arrived_is_never_told_again(state: str) -> None:
    assert only(FUNNEL, "demo", happened(9), [Past("demo", "Demo Scheduled", state, AT)]).code == "already_sent"


@pytest.mark.parametrize("state", ["held", "refused", "expired", "skipped"])
def test_what_never_arrived_may_be_told_with_the_same_id(state: str) -> None:
    decision = only(FUNNEL, "demo", happened(9), [Past("demo", "Demo Scheduled", state, AT)])
    assert (decision.action, decision.event_id) == ("send", only(FUNNEL, "demo", happened()).event_id)


def test_a_renamed_stage_is_not_told_again() -> None:
    assert only(FUNNEL, "demo", happened(9), [Past("meeting", "Demo Scheduled", "accepted", AT)]).code == "already_sent"


def test_two_stages_of_one_event_are_told_once() -> None:
    funnel = replace(FUNNEL, stages=(*FUNNEL.stages, StageRule("won 2", "Purchase", "required")))
    assert walk(funnel, ("won", WON), ("won 2", replace(WON, occurred_at=AT + timedelta(1)))) == ["won:Purchase"]


def test_no_way_back_unless_it_is_wanted() -> None:
    steps = (("demo", happened(1)), ("qualified", happened(2)))
    assert walk(FUNNEL, *steps) == ["demo:Demo Scheduled"]
    assert walk(replace(FUNNEL, advance_only=False), *steps) == ["demo:Demo Scheduled", "qualified:Lead"]
    history = past([only(FUNNEL, "demo", happened(1))])
    decision = only(FUNNEL, "qualified", happened(2), history)
    assert (decision.code, decision.mend) == ("backward", "Set advance_only = false to send it.")


def test_a_late_notice_is_no_step_back() -> None:
    """The CRM's notice of 8:59 arrives after that of 9:01: it has happened in the right order."""
    assert walk(FUNNEL, ("demo", happened(1)), ("qualified", happened(-1))) == ["demo:Demo Scheduled", "qualified:Lead"]


def test_a_deal_that_was_lost_may_still_be_won() -> None:
    steps = [("qualified", happened(-3)), ("lost", happened(-2)), ("won", WON)]
    assert walk(FUNNEL, *steps) == ["qualified:Lead", "won:Purchase"]


def test_a_held_stage_bars_the_way_back_and_is_told_later() -> None:
    steps = [("won", happened(-2)), ("qualified", happened(-1)), ("won", WON)]
    assert walk(FUNNEL, *steps) == ["won:Purchase"]


def test_skipped_stages_are_filled_in() -> None:
    funnel = replace(FUNNEL, fill_skipped=True)
    raw, qualified, demo, won = decide(funnel, "won", [], WON)
    assert [one.event_name for one in (raw, qualified, demo, won)] == ["Raw Lead", "Lead", "Demo Scheduled", "Purchase"]
    assert {one.occurred_at for one in (raw, qualified, demo, won)} == {AT}
    assert [one.filled for one in (raw, qualified, demo, won)] == [True, True, True, False]
    assert demo.event_id == only(FUNNEL, "demo", happened()).event_id
    assert (demo.value, won.value) == (None, Decimal("12500.00"))
    steps = [("qualified", happened(-9)), ("won", WON), ("demo", happened(-5))]
    assert walk(funnel, *steps) == ["new:Raw Lead", "qualified:Lead", "demo:Demo Scheduled", "won:Purchase"]


def test_what_is_not_filled_in() -> None:
    stages = (
        StageRule("a", "A", when={"pipeline": ("b2b",)}),
        StageRule("b"),
        StageRule("c", "C", "required"),
        StageRule("d", "D", fixed_value=Decimal(250), currency="TRY"),
        StageRule("e", "E"),
        StageRule("f", "E"),
    )
    funnel = Funnel("1", stages, fill_skipped=True)
    c, d, f = decide(funnel, "f", [], happened(value=Decimal(5), currency="EUR"))
    assert (c.action, c.code, c.filled, c.mend) == ("skip", "value_unknown", True, "Give the stage a fixed_value.")
    assert (d.action, d.value, d.currency) == ("send", Decimal(250), "TRY")
    assert f.stage == "f"
    assert decide(funnel, "b", [], happened())[0].code == "not_sent"


def test_two_deals_of_one_lead() -> None:
    first, second = replace(WON, order_id="1"), replace(WON, order_id="2")
    steps = [("qualified", happened(-9)), ("won", first), ("won", second), ("won", first), ("won", WON)]
    assert walk(FUNNEL, *steps) == ["qualified:Lead", "won:Purchase", "won:Purchase"]
    assert walk(replace(FUNNEL, fill_skipped=True), ("won", WON), ("won", first)) == [
        "new:Raw Lead",
        "qualified:Lead",
        "demo:Demo Scheduled",
        "won:Purchase",
    ]


FIVE, NINE, TRY = Decimal(5), Decimal(9), "TRY"
FIVE_EUR = {"value": FIVE, "currency": "EUR"}


@pytest.mark.parametrize(
    ("rule", "outcome", "told"),
    [
        (StageRule("s", "E"), FIVE_EUR, (None, None, None)),
        (StageRule("s", "E", "optional"), FIVE_EUR, (FIVE, "EUR", None)),
        (StageRule("s", "E", "optional"), {}, (None, None, None)),
        (StageRule("s", "E", "optional", currency=TRY), {"value": FIVE}, (FIVE, TRY, None)),
        (StageRule("s", "E", "required", currency=TRY), FIVE_EUR, (FIVE, "EUR", None)),
        (StageRule("s", "E", fixed_value=NINE, currency=TRY), FIVE_EUR, (NINE, TRY, None)),
        (StageRule("s", "E", "required", fixed_value=NINE, currency=TRY), {}, (NINE, TRY, None)),
        (StageRule("s", "E", predicted_value=NINE, currency=TRY), {}, (NINE, TRY, NINE)),
        (StageRule("s", "E", predicted_value=NINE, currency=TRY), {"value": FIVE}, (FIVE, TRY, NINE)),
        (StageRule("s", "E", predicted_value=NINE, currency=TRY), FIVE_EUR, (FIVE, "EUR", None)),
        (StageRule("s", "Purchase"), FIVE_EUR, (FIVE, "EUR", None)),
        (StageRule("s", "E", "optional", currency="JPY"), {"value": Decimal("500.00")}, (Decimal(500), "JPY", None)),
    ],
)
def test_what_an_event_is_worth(rule: StageRule, outcome: dict[str, Any], told: tuple[Any, ...]) -> None:
    decision = only(Funnel("1", (rule,)), "s", happened(**outcome))
    assert decision.action == "send"
    assert (decision.value, decision.currency, decision.predicted_value) == told


NO_VALUE = ("The event needs a value and the outcome has none.", "Send the outcome again with its value.")
NO_CURRENCY = ("The value has no currency.", "Send the outcome again with its currency, or give the stage one.")
NO_YEN = ("The value has more decimals than JPY has.", "Round it to a whole number.")


@pytest.mark.parametrize(
    ("rule", "outcome", "said"),
    [
        (StageRule("s", "E", "required"), {}, NO_VALUE),
        (StageRule("s", "Purchase"), {"currency": "TRY"}, NO_VALUE),
        (StageRule("s", "E", "required"), {"value": FIVE}, NO_CURRENCY),
        (StageRule("s", "E", "required", currency="JPY"), {"value": Decimal("5.5")}, NO_YEN),
    ],
)
def test_an_event_waits_for_a_value(rule: StageRule, outcome: dict[str, Any], said: tuple[str, str]) -> None:
    decision = only(Funnel("1", (rule,)), "s", happened(**outcome))
    assert (decision.action, decision.code, decision.message, decision.mend) == ("hold", "value_unknown", *said)
    assert decision.event_id
    optional = only(Funnel("1", (replace(rule, value="optional", event="E"),)), "s", happened(**outcome))
    assert (optional.action, optional.value) == ("send", None)
    assert optional.code == ("value_left_out" if "value" in outcome else "")


FACTS = {"pipeline": "B2B", "page": "111", "owner": 7, "tags": ["vip", "old"], "paid": True, "none": None, "empty": " "}


@pytest.mark.parametrize(
    ("when", "result"),
    [
        ({}, True),
        ({"pipeline": ("b2b",)}, True),
        ({"pipeline": ("b2c", " b2b ")}, True),
        ({"pipeline": ("b2c",)}, False),
        ({"pipeline": ("b2b",), "page": ("112",)}, False),
        ({"pipeline": ("*",)}, True),
        ({"owner": ("7",)}, True),
        ({"tags": ("vip",)}, True),
        ({"tags": ("new",)}, False),
        ({"paid": ("true",)}, True),
        ({"none": ("*",)}, False),
        ({"empty": ("*", "")}, False),
        ({"missing": ("*",)}, False),
        ({"pipeline": ()}, False),
    ],
)
def test_conditions(when: dict[str, tuple[str, ...]], result: bool) -> None:
    assert holds(when, FACTS) is result
    outcome = happened(facts=FACTS)
    for funnel in (
        replace(FUNNEL, when=when),
        replace(FUNNEL, stages=(StageRule("demo", "Demo Scheduled", when=when),)),
    ):
        decision = only(funnel, "demo", outcome)
        assert decision.action == ("send" if result else "skip")
        assert decision.code == ("" if result else "condition")


def test_a_stage_that_was_not_for_this_lead_is_no_progress() -> None:
    stages = (StageRule("a", "A"), StageRule("b", "B", when={"pipeline": ("b2b",)}))
    assert walk(Funnel("1", stages), ("b", happened(1)), ("a", happened(2))) == ["a:A"]


def test_the_raw_lead() -> None:
    (decision,) = decide_raw(FUNNEL, [], happened())
    assert (decision.stage, decision.event_name, decision.position) == ("new", "Raw Lead", 0)
    assert only(FUNNEL, "new", happened(5), past([decision])).code == "already_sent"

    named = replace(FUNNEL, stages=FUNNEL.stages[1:], raw_event="Raw Lead")
    (decision,) = decide_raw(named, [], happened())
    assert (decision.stage, decision.event_name, decision.position) == (RAW_STAGE, "Raw Lead", 0)
    assert [one.event_name for one in decide(replace(named, fill_skipped=True), "qualified", [], happened())] == [
        "Raw Lead",
        "Lead",
    ]

    assert raw_stage(replace(FUNNEL, raw_event="Lead")) == "qualified"
    assert decide_raw(replace(FUNNEL, stages=FUNNEL.stages[1:]), [], happened()) == []
    assert decide_raw(replace(FUNNEL, stages=(StageRule("new"),)), [], happened()) == []
    assert decide_raw(replace(FUNNEL, route="other"), [], happened()) == []
    assert decide_raw(replace(FUNNEL, when={"page": ("1",)}), [], happened())[0].code == "condition"


def test_positions() -> None:
    rules = (StageRule("Won"), StageRule("won"))
    assert [find_position(rules, stage) for stage in ("Won", "won", "WON", "lost")] == [0, 1, 0, None]


def test_a_stored_rule() -> None:
    stored = {"stage": "won", "event": "Purchase", "value": "required", "fixed_value": "250.00", "currency": "try"}
    assert parse_stage(stored | {"when": {"pipeline": ["b2b"]}}) == StageRule(
        "won", "Purchase", "required", Decimal("250.00"), None, "TRY", {"pipeline": ("b2b",)}
    )
    assert parse_stage({"stage": "lost"}) == StageRule("lost")
    with pytest.raises(MoneyInvalid):
        parse_stage({"stage": "won", "fixed_value": "250,00"})


def test_a_stored_funnel_has_the_defaults() -> None:
    assert parse_funnel("1", [{"stage": "lost"}], {}) == Funnel("1", (StageRule("lost"),))
    assert parse_funnel("1", [], {"route": None, "advance_only": None, "when": None, "unheard_of": 7}) == Funnel(
        "1", ()
    )


def test_a_stored_funnel_with_every_option() -> None:
    options = {
        "route": "website",
        "advance_only": False,
        "fill_skipped": True,
        "lead_event_source": "Acme CRM",
        "raw_event": "Raw Lead",
        "when": {"pipeline": "b2b", "owner": ["7", "8"]},
        "consent": ["marketing", "ads"],
        "ldu_states": ["CA"],
    }
    assert parse_funnel(
        "1", [{"stage": "won", "event": "Purchase", "fixed_value": "5", "currency": "TRY"}], options
    ) == (
        Funnel(
            "1",
            (StageRule("won", "Purchase", fixed_value=Decimal(5), currency="TRY"),),
            route="website",
            advance_only=False,
            fill_skipped=True,
            lead_event_source="Acme CRM",
            raw_event="Raw Lead",
            when={"pipeline": ("b2b",), "owner": ("7", "8")},
            consent=("marketing", "ads"),
            ldu_states=("CA",),
        )
    )
    with pytest.raises(MoneyInvalid):
        parse_funnel("1", [{"stage": "won", "fixed_value": "NaN"}], {})


def test_a_condition_that_is_one_text_is_not_taken_letter_by_letter() -> None:
    assert parse_when({"pipeline": "b2b", "page": ["111"]}) == {"pipeline": ("b2b",), "page": ("111",)}
    assert holds(parse_when({"pipeline": "b2b"}), FACTS)


STAGES = st.sampled_from(["new", "qualified", "demo", "won", "lost", "other"])
STEPS = st.lists(st.tuples(STAGES, st.integers(0, 50), st.sampled_from([None, "1", "2"]), st.booleans()), max_size=12)


@CALM
@given(STEPS, st.booleans(), st.booleans())
def test_nothing_is_told_twice(steps: list[tuple[str, int, str | None, bool]], advance: bool, fill: bool) -> None:
    funnel = replace(FUNNEL, advance_only=advance, fill_skipped=fill)
    history: list[Past] = []
    sent: list[tuple[str | None, str | None]] = []
    ids: set[str | None] = set()
    for stage, minutes, order_id, has_value in steps:
        outcome = happened(
            minutes, order_id=order_id, **({"value": Decimal(1), "currency": "EUR"} if has_value else {})
        )
        decisions = decide(funnel, stage, history, outcome)
        assert decisions == decide(funnel, stage, list(reversed(history)), outcome)
        assert decisions[-1].stage == stage
        assert all(one.filled for one in decisions[:-1])
        for one in decisions:
            if one.action != "send":
                continue
            assert one.event_id not in ids
            assert not [order for name, order in sent if name == one.event_name and None in (order, order_id)]
            ids.add(one.event_id)
            sent.append((one.event_name, order_id))
        history += past(decisions, order_id)
