"""What is good enough: each target at its border, and whose target it is."""

from dataclasses import replace
from typing import Any

import pytest

from leadloop.conversions.quality import EventQuality, Freshness, LeadQuality, MessagingQuality, Stage
from leadloop.conversions.quality_meta import MetaQuality, MetaScore
from leadloop.conversions.quality_rules import Measured, Verdict, judge, seconds

RAW = Stage("Raw Lead", 1_000, 100.0, 0.0, is_raw=True)
LEADS = LeadQuality(leads=1_000, covered=600, deep=300, month=250, pages=1, sampled=10, with_lead_id=10)
EMPTY = EventQuality(None, "all")


def stage(percent: float, p90_days: float = 3.0, name: str = "Demo") -> Stage:
    return Stage(name, round(10 * percent), percent, p90_days)


def verdicts(**changes: Any) -> dict[str, Verdict]:
    given: dict[str, Any] = {"routes": (), "total": EMPTY} | changes
    return {one.code: one for one in judge(Measured(**given))}


def of_leads(**changes: Any) -> dict[str, Verdict]:
    return verdicts(leads=replace(LEADS, **changes))


def fresh(p95_s: float) -> EventQuality:
    return replace(EMPTY, freshness=Freshness(9, 1.0, p95_s, p95_s, 100.0, 0.0, 0.0, 0.0))


def test_nothing_sent_is_nothing_to_judge_by_and_no_score_is_made_up() -> None:
    found = verdicts(
        leads=LeadQuality(0, 0, 0, 0, pages=1),
        messaging=MessagingQuality(0, 0, 0, 0, 0, 0),
        routes=("website", "physical_store", "chat"),
    )
    short = {code for code, one in found.items() if one.state != "unknown"}
    assert short == {"leads_a_month", "purchases", "signals"}  # of these, none is a figure
    assert all(one.value in (None, 0) for one in found.values())
    assert "chat" not in {one.route for one in found.values()}


@pytest.mark.parametrize(
    ("accepted", "refused", "state"), [(0, 0, "unknown"), (5, 0, "good"), (10**6, 1, "short"), (0, 1, "short")]
)
def test_one_refusal_is_worth_a_look(accepted: int, refused: int, state: str) -> None:
    total = replace(
        EMPTY, accepted=accepted, refused=refused, refused_by={"graph_100_2804003": refused} if refused else {}
    )
    found = verdicts(total=total)["acceptance"]
    assert found.state == state
    assert ("graph_100_2804003" in found.mend) == bool(refused)


def test_what_has_not_reached_meta_is_told_by_its_kind() -> None:
    total = replace(EMPTY, sent=9, held=2, expired=1, unknown=1, refused_here=3, held_by={"value_unknown": 2})
    found = verdicts(total=total)["arrival"]
    assert (found.state, found.value) == ("short", 7)
    assert found.figure == "3 refused before they went out, 2 held, 1 expired, 1 unknown"
    assert "value_unknown (2)" in found.mend
    assert verdicts(total=replace(EMPTY, sent=1))["arrival"].state == "good"


@pytest.mark.parametrize(
    ("p95_s", "state", "word"),
    [
        (0.4, "good", ""),
        (3_600, "good", ""),
        (3_601, "short", "later than Meta asks for"),
        (7_200, "short", "may lower"),
        (86_400, "short", "significant"),
        (10**7, "short", "significant"),
    ],
)
def test_freshness_hurts_where_meta_says_it_does(p95_s: float, state: str, word: str) -> None:
    found = verdicts(total=fresh(p95_s))["freshness"]
    assert (found.state, found.value) == (state, p95_s)
    assert word in found.mend
    assert bool(found.mend) == (state == "short")


@pytest.mark.parametrize(
    ("covered", "leads", "state"),
    [(0, 0, "unknown"), (0, 1, "short"), (1, 1, "good"), (60, 100, "good"), (59_999, 100_000, "short"), (3, 5, "good")],
)
def test_sixty_percent_of_the_leads_are_enough(covered: int, leads: int, state: str) -> None:
    found = of_leads(covered=covered, leads=leads)["coverage"]
    assert (found.state, found.target) == (state, "at least 60 %")
    assert bool(found.mend) == (state == "short")


def test_a_dataset_that_no_page_goes_to_is_told_so() -> None:
    found = of_leads(pages=0, leads=0, covered=0)["coverage"]
    assert (found.state, found.value) == ("short", None)
    assert "funnel" in found.mend


@pytest.mark.parametrize(("stages", "state"), [((), "short"), ((RAW,), "short"), ((RAW, stage(5)), "good")])
def test_two_stages_are_the_least(stages: tuple[Stage, ...], state: str) -> None:
    assert of_leads(stages=stages)["stages"].state == state


@pytest.mark.parametrize(
    ("stages", "state"),
    [
        ((), "unknown"),
        ((RAW,), "unknown"),  # the raw lead is no stage to optimise for
        ((RAW, stage(0.9)), "short"),
        ((RAW, stage(1.0)), "good"),
        ((RAW, stage(40.0)), "good"),
        ((RAW, stage(40.1)), "short"),
        ((RAW, stage(70.0), stage(15.0, name="Won")), "good"),  # one that fits is enough
        ((stage(0.0),), "short"),
    ],
)
def test_one_stage_must_be_reached_by_one_to_forty_percent(stages: tuple[Stage, ...], state: str) -> None:
    assert of_leads(stages=stages)["conversion_rate"].state == state


@pytest.mark.parametrize(
    ("stages", "state"),
    [
        ((RAW,), "unknown"),
        ((RAW, stage(5, 28.0)), "good"),
        ((RAW, stage(5, 28.1)), "short"),
        ((RAW, stage(70, 2.0), stage(5, 40.0, "Won")), "short"),  # the early one is not fit to optimise for
        ((RAW, stage(30, 2.0), stage(5, 40.0, "Won")), "good"),
    ],
)
def test_a_stage_must_come_within_28_days(stages: tuple[Stage, ...], state: str) -> None:
    assert of_leads(stages=stages)["days_to_stage"].state == state


@pytest.mark.parametrize(
    ("month", "state"),
    [(0, "short"), (199, "short"), (200, "unclear"), (249, "unclear"), (250, "good"), (10**6, "good")],
)
def test_both_of_metas_numbers_of_leads_are_told(month: int, state: str) -> None:
    found = of_leads(month=month)["leads_a_month"]
    assert (found.state, found.target) == (state, "200 or 250")
    assert "contradicts itself" in found.source


def test_an_event_without_the_id_of_the_lead_is_told() -> None:
    assert of_leads()["lead_id"].state == "good"
    assert (of_leads(with_lead_id=9)["lead_id"].state, of_leads(with_lead_id=9)["lead_id"].value) == ("short", 90.0)
    assert of_leads(sampled=0, with_lead_id=0)["lead_id"].state == "unknown"


@pytest.mark.parametrize(("purchases", "signals", "states"), [(9, 49, ("short", "short")), (10, 50, ("good", "good"))])
def test_messaging_counts_towards_what_vendors_quote(purchases: int, signals: int, states: tuple[str, str]) -> None:
    found = verdicts(messaging=MessagingQuality(signals, purchases, 50, 50, 10, 9))
    assert (found["purchases"].state, found["signals"].state) == states
    assert "Kommo" in found["purchases"].source
    assert "respond.io" in found["signals"].source
    assert found["channel_ids"].state == "good"
    assert (found["click_window"].state, found["click_window"].value) == ("unclear", 90.0)


def test_scores_of_meta_are_its_own_and_the_worst_counts() -> None:
    scores = (
        MetaScore("web", "Lead", 6.0, coverage=80.0),
        MetaScore("web", "Purchase", 5.9, coverage=None),
        MetaScore("offline", "Purchase", 8.4, recommendation="Send city."),
    )
    found = verdicts(routes=("website", "physical_store"), meta=MetaQuality(scores=scores))
    assert (found["match_quality"].state, found["match_quality"].value) == ("short", 5.9)
    assert (found["event_coverage"].state, found["event_coverage"].value) == ("good", 80.0)
    assert "Send city." in found["offline_score"].mend
    assert found["offline_score"].source == "Meta, its own figure"


@pytest.mark.parametrize(
    ("value", "words"),
    [(0.0, "0 s"), (0.44, "0.4 s"), (61.5, "62 s"), (600, "10 min"), (7_200, "2 h"), (172_800, "2 d"), (5_356_800, "62 d")],
)  # fmt: skip
def test_a_time_is_told_in_the_unit_that_fits(value: float, words: str) -> None:
    assert seconds(value) == words
