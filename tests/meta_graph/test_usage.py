"""Usage headers, honest and hostile."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meta_graph.usage import UsageHint, parse_usage, regain_s

PAGE = "111111111111111"


def hints(page_id: str | None = PAGE, **headers: Any) -> list[UsageHint]:
    texts = {
        name.replace("_", "-"): value if isinstance(value, str) else json.dumps(value)
        for name, value in headers.items()
    }
    return parse_usage(texts, page_id)


def leadgen(percent: Any = 0, minutes: Any = 0, type_: str = "leadgen") -> dict[str, Any]:
    counted = {"call_count": percent, "total_cputime": 2, "total_time": 3}
    return {"type": type_, **counted, "estimated_time_to_regain_access": minutes}


def test_no_headers_no_hints() -> None:
    assert hints() == []


def test_the_example_of_the_facts() -> None:
    found = hints(
        x_app_usage={"call_count": 28, "total_time": 25, "total_cputime": 25},
        x_business_use_case_usage={PAGE: [leadgen(97, 19)]},
    )
    assert found == [UsageHint(None, 28.0, None), UsageHint(PAGE, 97.0, 1_140.0)]


@pytest.mark.parametrize(
    ("percent", "rest_s"),
    [(0, None), (94.9, None), (95, 60), (99.9, 60), (100, 300), (250, 300), (10**12, 300), ("96", 60), ("97.5", 60)],
)
def test_rest_begins_before_the_limit(percent: Any, rest_s: float | None) -> None:
    for name in ("call_count", "total_time", "total_cputime"):
        (app,) = hints(x_app_usage={name: percent})
        assert (app.page_id, app.rest_s) == (None, rest_s)
        (page,) = hints(x_page_usage={name: percent})
        assert (page.page_id, page.rest_s) == (PAGE, rest_s)
        assert page.percent <= 1_000


@pytest.mark.parametrize(
    ("minutes", "rest_s"),
    [(1, 60), (19, 1_140), (0.5, 30), ("5", 300), (0, None), (-3, None), (10**15, 86_400), (None, None), (True, None)],
)
def test_minutes_become_seconds(minutes: Any, rest_s: float | None) -> None:
    (hint,) = hints(x_business_use_case_usage={PAGE: [leadgen(10, minutes)]})
    assert hint.rest_s == rest_s


def test_only_what_limits_reading_leads_counts() -> None:
    rows = [leadgen(99, 9, type_) for type_ in ("messenger", "instagram", "ads_management", "", "LEADGEN")]
    assert hints(x_business_use_case_usage={PAGE: rows}) == []
    assert hints(x_business_use_case_usage={PAGE: [leadgen(50, 0, "pages")]}) == [UsageHint(PAGE, 50.0, None)]


def test_the_worst_of_several_counts() -> None:
    found = hints(
        x_page_usage={"call_count": 96},
        x_business_use_case_usage={PAGE: [leadgen(20, 3), leadgen(98, 0, "pages")], "999": [leadgen(5)]},
    )
    assert found == [UsageHint(PAGE, 98.0, 180.0), UsageHint("999", 5.0, None)]


def test_an_ad_account_never_stops_a_page() -> None:
    row = {"acc_id_util_pct": 100, "reset_time_duration": 80_000, "ads_api_access_tier": "standard_access"}
    assert hints(x_ad_account_usage=row) == []


def test_without_a_page_only_what_names_one_counts() -> None:
    row = {"call_count": 99, "acc_id_util_pct": 99}
    assert hints(None, x_page_usage=row, x_ad_account_usage=row) == []


HOSTILE = [
    "",
    "null",
    "[]",
    "{",
    '"x"',
    "[" * 50_000,
    '{"a":' * 50_000,
    '{"call_count": NaN}',
    '{"call_count": Infinity, "total_time": -Infinity}',
    '{"call_count": 1e999}',
    '{"call_count": ' + "9" * 5_000 + "}",
    '{"call_count": {"a": 1}, "total_time": [99], "total_cputime": null}',
    '{"call_count": true}',
    '{"call_count": -5}',
    '{"call_count": "lots"}',
    "\x00\ud800İ",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_headers_say_nothing(text: str) -> None:
    for name in ("x_app_usage", "x_page_usage", "x_ad_account_usage", "x_business_use_case_usage"):
        assert hints(**{name: text}) == []


@pytest.mark.parametrize(
    "value",
    [
        {PAGE: "x"},
        {PAGE: {"type": "leadgen", "call_count": 99}},
        {PAGE: [None, 5, "x", []]},
        {"zoe@example.com": [leadgen(99, 9)]},
        {"": [leadgen(99, 9)]},
        {"../me": [leadgen(99, 9)]},
        {"9" * 100: [leadgen(99, 9)]},
        {PAGE: [{"type": ["leadgen"], "call_count": 99}]},
    ],
)
def test_hostile_business_headers_say_nothing(value: Any) -> None:
    assert hints(x_business_use_case_usage=value) == []


def test_a_flood_of_objects_is_bounded() -> None:
    flood = {str(number): [leadgen(99)] * 40 for number in range(500)}
    assert len(hints(x_business_use_case_usage=flood)) == 32


def test_regain_prefers_this_page() -> None:
    header = json.dumps({PAGE: [leadgen(100, 4), leadgen(100, 6)], "9": [leadgen(100, 60)]})
    assert regain_s({"x-business-use-case-usage": header}, PAGE) == 360
    assert regain_s({"x-business-use-case-usage": header}, "5") == 3_600
    assert regain_s({"x-business-use-case-usage": header}, None) == 3_600
    assert regain_s({}, PAGE) is None


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["leadgen", "pages"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "call_count", "total_time", "estimated_time_to_regain_access", PAGE, "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(json_values)
def test_any_json_is_survived(value: Any) -> None:
    text = json.dumps(value)
    names = ("x-app-usage", "x-page-usage", "x-ad-account-usage", "x-business-use-case-usage")
    for hint in parse_usage(dict.fromkeys(names, text), PAGE):
        assert 0 <= hint.percent <= 1_000
        assert hint.rest_s is None or 0 < hint.rest_s <= 86_400
    found = regain_s(dict.fromkeys(names, text), PAGE)
    assert found is None or 0 < found <= 86_400
