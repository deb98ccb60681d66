"""Meta's usage headers become hints: how near a limit the app or a Page is, and how long to rest. Pure.

Source: Meta ingestion facts §6.4 (Graph "Rate Limits" page), read 2026-11-22: all numbers are percent of the allowance,
throttling may start at 100, `estimated_time_to_regain_access` is in minutes. The values come from outside: whatever is
absurd is left out, and no header can make us rest for more than a day.
"""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from leadloop.graph_values import id_text

NEAR_PERCENT, NEAR_REST_S = 95.0, 60.0  # close to the limit: a minute's rest, so that it is not hit
FULL_PERCENT, FULL_REST_S = 100.0, 300.0  # at the limit without being told how long
LONGEST_REST_S = 86_400.0  # Meta's longest window
MOST_PERCENT = 1_000.0
MOST_OBJECTS = 32  # what Meta puts into one header
LEAD_TYPES = ("leadgen", "pages")  # what limits reading leads; messenger, instagram and ads have their own
ADS_TYPES = ("ads_management",)  # events count as Marketing API calls. Source: Meta conversions facts §1.5, §1.8
_COUNTERS = ("call_count", "total_cputime", "total_time")


@dataclass(frozen=True)
class UsageHint:
    """How much of an allowance is used. `page_id` is the Page or the dataset, None the whole app. `percent` may pass 100 (at
    most 1000).

    `rest_s`: send nothing for that many seconds; None: there is room.
    """

    page_id: str | None
    percent: float
    rest_s: float | None


def parse_usage(headers: Mapping[str, str], page_id: str | None) -> list[UsageHint]:
    """The hints of one answer, at most one for the app and one for each Page; empty when Meta sent no usable header.

    `headers` have names in lower case. `page_id` is the Page the call was made for: X-Page-Usage does not name one.
    X-Ad-Account-Usage and the types of ads say nothing about leads: an ad account that is used up only keeps the names of
    ads back (see the client), and no lead waits for it.
    """
    found: dict[str | None, UsageHint] = {}
    for hint in (*_app(headers), *_page(headers, page_id), *_business(headers)):
        found[hint.page_id] = _worse(found.get(hint.page_id), hint)
    return list(found.values())


def parse_dataset_usage(headers: Mapping[str, str], dataset_id: str | None) -> list[UsageHint]:
    """The hints of an answer about a dataset, at most one for the app and one for the dataset, if one is named.

    Its calls are counted against an ad account, which the headers name and nobody else needs: what is used up there rests
    this dataset, and no lead. Source: Meta conversions facts §1.5, §1.8.
    """
    found: dict[str | None, UsageHint] = {}
    for hint in (*_app(headers), *(_ads(headers, dataset_id) if dataset_id else ())):
        found[hint.page_id] = _worse(found.get(hint.page_id), hint)
    return list(found.values())


def dataset_regain_s(headers: Mapping[str, str]) -> float | None:
    """How long Meta says an ad account's limit that was hit will last; the longest of all it names."""
    seconds = max(regain_s(headers, None) or 0.0, _reset_s(_object(headers.get("x-ad-account-usage"))) or 0.0)
    return seconds or None


def regain_s(headers: Mapping[str, str], page_id: str | None) -> float | None:
    """How long Meta says a limit that was hit will last: of this Page if it is named, else the longest of all."""
    minutes: dict[str, float] = {}
    for object_id, row in _business_rows(headers):
        minutes[object_id] = max(
            minutes.get(object_id, 0.0), _number(row.get("estimated_time_to_regain_access")) or 0.0
        )
    longest = minutes.get(page_id or "") or max(minutes.values(), default=0.0)
    return min(longest * 60, LONGEST_REST_S) or None


def _app(headers: Mapping[str, str]) -> Iterator[UsageHint]:
    yield from _counted(None, _object(headers.get("x-app-usage")))


def _page(headers: Mapping[str, str], page_id: str | None) -> Iterator[UsageHint]:
    if page_id is not None:
        yield from _counted(page_id, _object(headers.get("x-page-usage")))


def _business(headers: Mapping[str, str]) -> Iterator[UsageHint]:
    for object_id, row in _business_rows(headers):
        if row.get("type") in LEAD_TYPES:
            minutes = _number(row.get("estimated_time_to_regain_access"))
            yield from _counted(object_id, row, told_s=minutes * 60 if minutes else None)


def _ads(headers: Mapping[str, str], dataset_id: str) -> Iterator[UsageHint]:
    for _account_id, row in _business_rows(headers):
        if row.get("type") in ADS_TYPES:
            minutes = _number(row.get("estimated_time_to_regain_access"))
            yield from _counted(dataset_id, row, told_s=minutes * 60 if minutes else None)
    account = _object(headers.get("x-ad-account-usage"))
    percent = _number(account.get("acc_id_util_pct"))
    if percent is not None:
        yield UsageHint(dataset_id, min(percent, MOST_PERCENT), _rest_s(percent, _reset_s(account)))


def _reset_s(account: Mapping[str, Any]) -> float | None:
    """Seconds until an ad account's score is at nothing again: told in every answer, and to be waited for at 100 % alone."""
    if (_number(account.get("acc_id_util_pct")) or 0.0) < FULL_PERCENT:
        return None
    return min(_number(account.get("reset_time_duration")) or 0.0, LONGEST_REST_S) or None


def _business_rows(headers: Mapping[str, str]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    objects = _object(headers.get("x-business-use-case-usage"))
    for name, rows in list(objects.items())[:MOST_OBJECTS]:
        object_id = id_text(name)
        if object_id is not None and isinstance(rows, list):
            yield from ((object_id, row) for row in rows[:MOST_OBJECTS] if isinstance(row, dict))


def _counted(page_id: str | None, row: Mapping[str, Any], told_s: float | None = None) -> Iterator[UsageHint]:
    numbers = [number for name in _COUNTERS if (number := _number(row.get(name))) is not None]
    if numbers or told_s:
        percent = max(numbers, default=0.0)
        yield UsageHint(page_id, min(percent, MOST_PERCENT), _rest_s(percent, told_s))


def _rest_s(percent: float, told_s: float | None) -> float | None:
    if told_s:
        return min(told_s, LONGEST_REST_S)
    if percent >= FULL_PERCENT:
        return FULL_REST_S
    return NEAR_REST_S if percent >= NEAR_PERCENT else None


def _worse(first: UsageHint | None, second: UsageHint) -> UsageHint:
    if first is None:
        return second
    rest_s = max(first.rest_s or 0.0, second.rest_s or 0.0)
    return UsageHint(second.page_id, max(first.percent, second.percent), rest_s or None)


def _object(header: str | None) -> Mapping[str, Any]:
    try:
        value = json.loads(header or "{}")
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _number(value: Any) -> float | None:
    """A number of at least zero, also when written as text; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and number >= 0 else None
