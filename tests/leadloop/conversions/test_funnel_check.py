from dataclasses import replace
from decimal import Decimal

import pytest

from leadloop.conversions.funnel import Funnel, StageRule
from leadloop.conversions.funnel_check import check_funnel, doubt_funnel

FUNNEL = Funnel(
    "900000000000001",
    (
        StageRule("new", "Raw Lead"),
        StageRule("qualified", "Lead", fixed_value=Decimal("250.00"), currency="TRY"),
        StageRule("won", "Purchase", "required"),
        StageRule("lost"),
    ),
)


def found(funnel: Funnel) -> list[str]:
    return [f"{index} {key} {fault}" for (index, key), fault in check_funnel(funnel)]


def with_stage(rule: StageRule) -> Funnel:
    return replace(FUNNEL, stages=(StageRule("new", "Raw Lead"), rule))


def test_a_good_funnel() -> None:
    assert found(FUNNEL) == []
    assert doubt_funnel(FUNNEL) == []


def test_stages_of_several_pipelines_may_share_an_event() -> None:
    assert found(replace(FUNNEL, stages=(StageRule("C1:WON", "Purchase"), StageRule("C2:WON", "Purchase")))) == []


@pytest.mark.parametrize(
    ("funnel", "said"),
    [
        (replace(FUNNEL, dataset_id=""), "None dataset_id is missing: add the id of the dataset that gets the events."),
        (replace(FUNNEL, stages=(StageRule("lost"),)), "None stages has no stage with an event: add event"),
        (replace(FUNNEL, raw_event=" "), 'None raw_event is blank: write a name such as "Lead".'),
        (with_stage(StageRule(" NEW ", "Other")), "1 stage is a stage already (number 1); a funnel goes one way"),
        (with_stage(StageRule("won", "x" * 51)), "1 event has more than 50 characters: shorten it."),
        (with_stage(StageRule("won", "E", fixed_value=Decimal(5))), "1 fixed_value has no currency: add currency"),
        (with_stage(StageRule("won", "E", currency="TRL")), "1 currency is no currency that is in use: write an ISO"),
        (with_stage(StageRule("lost", currency="TRY")), "1 currency is given, but the stage has no event: add event"),
        (
            with_stage(StageRule("lost", fixed_value=Decimal(5), currency="TRY")),
            "1 fixed_value is given, but the stage",
        ),
        (
            with_stage(StageRule("won", "E", predicted_value=Decimal("5.5"), currency="JPY")),
            "1 predicted_value has more decimals than JPY has: round it to a whole number.",
        ),
    ],
)
def test_what_cannot_work(funnel: Funnel, said: str) -> None:
    assert found(funnel)[0].startswith(said)


def test_forbidden_names_of_the_messaging_route() -> None:
    stages = (StageRule("new", "Lead"), StageRule("demo", "Schedule"), StageRule("won", "Purchase"))
    refused = "is not one of the names that this route allows"
    assert found(Funnel("1", stages, route="business_messaging", raw_event="Raw Lead")) == [
        f'None raw_event {refused}: use "LeadSubmitted", the nearest of them.',
        f'0 event {refused}: use "LeadSubmitted", the nearest of them.',
        f'1 event {refused}: use "QualifiedLead", the nearest of them.',
    ]


def test_doubts() -> None:
    (alone, spelt) = doubt_funnel(Funnel("1", (StageRule("won", "purchase"),)))[::-1]
    assert alone[0] == (None, "stages")
    assert (
        alone[1].message == "sends one event only, and Meta learns from at least two: the raw lead and one later stage"
    )
    assert spelt[0] == (0, "event")
    assert spelt[1].mend == 'write "Purchase", if that was meant'
    assert doubt_funnel(Funnel("1", (StageRule("won", "Purchase"),), raw_event="Raw Lead")) == []
    assert doubt_funnel(Funnel("1", (StageRule("won", "Purchase"),), route="website")) == []
