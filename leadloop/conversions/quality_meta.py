"""What Meta's Dataset Quality API says, read out of its answers: scores of Meta's, and never one of ours. Pure.

An answer that is {} is kept as such: Meta gives it to those who may not see, and where there is nothing to see. For what it
publishes: Meta conversions facts §6.5, §8.1, §8.2, read 2026-11-26.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

UNPUBLISHED: Mapping[str, str] = {
    "conversion_leads": "Meta publishes no quality score for Conversion Leads: its match quality is of web events only, and"
    " for leads it refers to its representatives. Its page of a quality API for CRM events cannot be read.",
    "business_messaging": "Meta publishes no quality score for messaging events, and its statistics show nothing of them even"
    " while it receives them: what leadloop keeps is the record.",
    "phone_call": "Meta publishes no quality score for events of phone calls.",
    "email": "Meta publishes no quality score for events of e-mails.",
    "chat": "Meta publishes no quality score for events of chats.",
    "other": "Meta publishes no quality score for events of other origin.",
}
NOT_OURS = (
    "The coverage of website events is the share of the Pixel's events that are sent here, too. leadloop does not see the"
    " Pixel, so only Meta can tell it."
)
NOTHING = (
    "Meta shows nothing: it has no web or offline events of leadloop in this dataset, or the token may not see their quality"
    " (it needs the dataset, ads_read, and ads_management or business_management; Events Manager's own tokens from July 2025)."
)


@dataclass(frozen=True)
class Point:
    """What Meta said at one time. `answer` None: it refused, and why. {}: nothing to see."""

    at: datetime
    answer: Mapping[str, Any] | None
    code: str | None = None
    message: str | None = None
    action: str | None = None


@dataclass(frozen=True)
class MetaKey:
    """How many percent of the events have a key, as Meta counts, and what it says that more of them bring."""

    identifier: str
    percent: float | None
    gain_percent: float | None
    gain: str


@dataclass(frozen=True)
class MetaScore:
    """Meta's figures of one event name. `kind` "web": `score` is Event Match Quality, 0 to 10; "offline": its composite, 0 to
    10. Percentages are Meta's. `before`: the score a week earlier."""

    kind: str
    event_name: str
    score: float | None
    before: float | None = None
    coverage: float | None = None
    coverage_goal: float | None = None
    coverage_before: float | None = None
    upload_frequency: str | None = None
    additional_conversions: float | None = None
    recommendation: str | None = None
    keys: tuple[MetaKey, ...] = ()


@dataclass(frozen=True)
class MetaQuality:
    """`polled_at`: the last point of the series, None when Meta was never asked; `failed`: it, where Meta refused.
    `answered_at`: the last answer, from which the scores are; `before_at`: the one they are compared with."""

    polled_at: datetime | None = None
    failed: Point | None = None
    answered_at: datetime | None = None
    before_at: datetime | None = None
    scores: tuple[MetaScore, ...] = ()


def read_meta(newest: Point | None, answered: Point | None, before: Point | None) -> MetaQuality:
    """From three points: the newest, the newest that was answered, and the one that held a week before that."""
    if newest is None:
        return MetaQuality()
    earlier = {(one.kind, one.event_name): one for one in read_scores(before.answer if before else None)}
    scores = tuple(
        _compare(one, earlier.get((one.kind, one.event_name)))
        for one in read_scores(answered.answer if answered else None)
    )
    return MetaQuality(
        polled_at=newest.at,
        failed=newest if newest.answer is None else None,
        answered_at=answered.at if answered else None,
        before_at=before.at if before else None,
        scores=scores,
    )


def read_scores(answer: Any) -> list[MetaScore]:
    """Nothing that Meta may write raises; what is no number is unknown."""
    web = [_web(row) for row in _rows(answer, "web")]
    return web + [_offline(row) for row in _rows(answer, "offline")]


def _compare(score: MetaScore, earlier: MetaScore | None) -> MetaScore:
    if earlier is None:
        return score
    return MetaScore(**(vars(score) | {"before": earlier.score, "coverage_before": earlier.coverage}))


def _web(row: Mapping[str, Any]) -> MetaScore:
    quality = _object(row.get("event_match_quality"))
    coverage = _object(row.get("event_coverage"))
    return MetaScore(
        "web",
        str(row["event_name"]),
        _number(quality.get("composite_score")),
        coverage=_number(coverage.get("percentage")),
        coverage_goal=_number(coverage.get("goal_percentage")),
        upload_frequency=_text(_object(row.get("data_freshness")).get("upload_frequency")),
        additional_conversions=_number(_object(row.get("acr")).get("percentage")),
        keys=tuple(_key(one) for one in _objects(quality.get("match_key_feedback")) if _text(one.get("identifier"))),
    )


def _offline(row: Mapping[str, Any]) -> MetaScore:
    composite = _object(row.get("composite"))
    match = _object(_object(row.get("match_key")).get("coverage"))
    return MetaScore(
        "offline",
        str(row["event_name"]),
        _number(composite.get("score")),
        recommendation=_text(composite.get("recommendation")),
        keys=tuple(MetaKey(name, _number(match[name]), None, "") for name in ("email", "phone") if name in match),
    )


def _key(row: Mapping[str, Any]) -> MetaKey:
    gain = _object(row.get("potential_aly_acr_increase"))
    share = _number(_object(row.get("coverage")).get("percentage"))
    return MetaKey(str(row["identifier"]), share, _number(gain.get("percentage")), _text(gain.get("description")) or "")


def _rows(answer: Any, kind: str) -> Iterable[Mapping[str, Any]]:
    return [row for row in _objects(_object(answer).get(kind)) if _text(row.get("event_name"))]


def _objects(value: Any) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
