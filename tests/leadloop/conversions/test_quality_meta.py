"""Meta's answers, read: whatever it writes, nothing raises and nothing is made up."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from leadloop.conversions.quality_meta import Point, read_meta, read_scores

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


def web(score: Any = 6.4, **more: Any) -> dict[str, Any]:
    return {"event_name": "Lead", "event_match_quality": {"composite_score": score}} | more


def test_metas_own_sample_is_read() -> None:
    row = web(
        event_coverage={"percentage": 61.0, "goal_percentage": 75, "description": "..."},
        data_freshness={"upload_frequency": "hourly"},
        acr={"percentage": 12.3},
    )
    row["event_match_quality"]["match_key_feedback"] = [
        {"identifier": "email", "coverage": {"percentage": 92.5}},
        {"identifier": "phone", "coverage": {"percentage": 88.1}, "potential_aly_acr_increase": {"percentage": 3.0}},
    ]
    (found,) = read_scores({"web": [row]})
    assert (found.kind, found.event_name, found.score, found.coverage, found.coverage_goal) == (
        "web",
        "Lead",
        6.4,
        61.0,
        75,
    )
    assert (found.upload_frequency, found.additional_conversions) == ("hourly", 12.3)
    assert [(key.identifier, key.percent, key.gain_percent) for key in found.keys] == [
        ("email", 92.5, None),
        ("phone", 88.1, 3.0),
    ]


def test_offline_scores_are_read() -> None:
    row = {"event_name": "Purchase", "composite": {"score": 8.5, "recommendation": "Send city."}}
    (found,) = read_scores({"offline": [row | {"match_key": {"coverage": {"email": 70, "phone": 20}}}]})
    assert (found.kind, found.score, found.recommendation) == ("offline", 8.5, "Send city.")
    assert [(key.identifier, key.percent) for key in found.keys] == [("email", 70), ("phone", 20)]


@pytest.mark.parametrize(
    "answer",
    [
        None,
        {},
        [],
        "x",
        {"web": None},
        {"web": {"event_name": "Lead"}},
        {"web": [None, 1, {"event_name": 5}, {}]},
        {"web": [], "offline": "x"},
    ],
)
def test_what_is_no_answer_has_no_scores(answer: Any) -> None:
    assert read_scores(answer) == []


@pytest.mark.parametrize("score", [None, "6.4", True, [], {}, float("nan"), float("inf")])
def test_what_is_no_number_is_unknown(score: Any) -> None:
    (found,) = read_scores({"web": [web(score, event_coverage=[], acr=3, data_freshness=None)]})
    assert (found.score, found.coverage, found.upload_frequency, found.keys) == (None, None, None, ())


def test_scores_are_compared_with_those_of_the_same_event_and_kind() -> None:
    before = Point(NOW - timedelta(days=8), {"web": [web(5.0)], "offline": [{"event_name": "Lead"}]})
    newest = Point(NOW, {"web": [web(6.4), {"event_name": "Purchase"}]})
    found = read_meta(newest, newest, before)
    assert [(one.event_name, one.score, one.before) for one in found.scores] == [
        ("Lead", 6.4, 5.0),
        ("Purchase", None, None),
    ]
    assert (found.answered_at, found.before_at, found.failed) == (NOW, NOW - timedelta(days=8), None)


def test_a_refusal_is_told_beside_the_last_scores() -> None:
    refused = Point(NOW, None, "graph_190", "The token is dead.", "Enter a new one.")
    answered = Point(NOW - timedelta(days=1), {"web": [web()]})
    found = read_meta(refused, answered, None)
    assert (found.failed, found.polled_at, len(found.scores)) == (refused, NOW, 1)
    assert read_meta(None, None, None).polled_at is None
