from decimal import Decimal
from typing import Any

import pytest

from leadloop.conversions.findings import Finding
from leadloop.conversions.lint_custom_data import lint_custom_data

ITEM = {"id": "sku-1", "quantity": 1}


def lint(custom_data: Any, event_name: str = "Lead") -> list[Finding]:
    found: list[Finding] = []
    lint_custom_data(custom_data, event_name, found)
    return found


def only(custom_data: Any, event_name: str = "Lead") -> Finding:
    (finding,) = lint(custom_data, event_name)
    return finding


@pytest.mark.parametrize("custom_data", [None, {}, {"lead_stage": "mql", "pipeline": "b2b", "number": 5, "yes": True}])
def test_what_need_not_be_there(custom_data: Any) -> None:
    assert lint(custom_data) == []


@pytest.mark.parametrize("custom_data", [[], "x", 5, True])
def test_custom_data_is_an_object(custom_data: Any) -> None:
    assert only(custom_data).code == "custom_data_type"


def test_a_purchase_needs_value_and_currency() -> None:
    value, currency = lint({}, "Purchase")
    assert (value.code, value.meta_code) == ("value_missing", "100/2804009")
    assert (currency.code, currency.level) == ("currency_missing", "refused")
    assert only({"value": 12500.0}, "Purchase").level == "refused"
    assert only({"currency": "TRY"}, "Purchase").code == "value_missing"
    assert lint({"value": 12500.0, "currency": "TRY"}, "Purchase") == []
    assert lint({"value": 0, "currency": "TRY"}, "Purchase") == []


def test_a_value_without_currency_says_nothing() -> None:
    finding = only({"value": 5})
    assert (finding.code, finding.level) == ("currency_missing", "warning")


@pytest.mark.parametrize(
    "value",
    ["12500.00", True, [], {}, float("nan"), float("inf"), Decimal("12.5"), -0.01, -5, 10**13, 10**5000, 1e300],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_values_that_are_refused(value: Any) -> None:
    finding = only({"value": value, "currency": "TRY"})
    assert (finding.code, finding.field, finding.level) == ("value_wrong", "custom_data.value", "refused")


@pytest.mark.parametrize(
    ("value", "currency", "code"),
    [
        (12.345, "TRY", "value_decimals"),
        (12.5, "JPY", "value_decimals"),
        (12.0, "JPY", None),
        (12.345, "KWD", None),
        (0.1, "TRY", None),
        (1e-7, "TRY", "value_decimals"),
        (12, "try", "currency_case"),
        (12, "TRL", "currency_wrong"),
        (12, "TL", "currency_wrong"),
        (12, 949, "currency_wrong"),
        (12, [], "currency_wrong"),
        (12, "", "currency_wrong"),
    ],
)
def test_currencies_and_decimals(value: Any, currency: Any, code: str | None) -> None:
    found = lint({"value": value, "currency": currency})
    assert [finding.code for finding in found] == ([code] if code else [])
    assert all(finding.level == ("refused" if code == "currency_wrong" else "warning") for finding in found)


@pytest.mark.parametrize(
    ("key", "good", "bad"),
    [
        ("event_source", "crm", "CRM"),
        ("lead_event_source", "ExampleCRM", ""),
        ("order_id", "DEAL-42", 42),
        ("item_number", "1", []),
        ("num_items", 2, 2.0),
        ("predicted_ltv", 900.5, "900"),
        ("net_revenue", 9, True),
        ("content_ids", ["sku-1", 2], "sku-1"),
        ("content_type", "product", "products"),
        ("content_name", "Autumn", 5),
        ("contents", [ITEM], [{"id": "sku-1"}]),
        ("contents", [ITEM | {"delivery_category": "in_store"}], [ITEM | {"delivery_category": "x"}]),
        ("contents", [], {}),
        ("delivery_category", "curbside", []),
        ("customer_segmentation", "existing_customer_to_business_line", "vip"),
        ("status", True, 5),
        ("search_string", "boats", None),
    ],
)  # fmt: skip
def test_types_of_known_keys(key: str, good: Any, bad: Any) -> None:
    assert lint({key: good}) == []
    finding = only({key: bad})
    assert (finding.code, finding.field, finding.level) == ("custom_data_type", f"custom_data.{key}", "refused")


@pytest.mark.parametrize(
    "value",
    [
        "zoe@example.com",
        "call +90 532 123 45 67",
        ["a", "zoe@example.com"],
        {"note": {"by": "zoe@example.com"}},
        {"zoe@example.com": 1},
    ],
)
def test_nothing_personal(value: Any) -> None:
    finding = only({"note": value})
    assert (finding.code, finding.field, finding.level) == ("personal_data", "custom_data.note", "refused")
    assert "zoe" not in str(finding)


def test_keys_that_sound_personal() -> None:
    finding = only({"first_name": "Zoë"})
    assert (finding.code, finding.level) == ("personal_data_doubtful", "warning")
    assert only({"zoe@example.com": "x"}).code == "personal_data"
    assert only({"zoe@example.com": ["+905321234567"]}).field == "custom_data.(a key)"


def test_what_is_too_large() -> None:
    deep: Any = "x"
    for _ in range(100_000):
        deep = [deep]
    assert only({"deep": deep}).code == "too_large"
    assert only({"wide": list(range(100_000))}).code == "too_large"
    assert only({"wide": {str(number): number for number in range(100_000)}}).code == "too_large"
    assert only({"long": "x" * 10**6}).code == "text_too_long"
    assert only({"nested": {"x": float("nan")}}).code == "custom_data_type"
    while isinstance(deep, list):  # taken apart from outside: letting go of it whole would be deep, too
        deep = deep.pop()
