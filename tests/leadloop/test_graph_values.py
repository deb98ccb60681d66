from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadloop.graph_values import id_text, objects_in, parse_graph_time, text_of, yes_no

NOTICE = datetime(2025, 11, 22, 8, 26, 30, tzinfo=UTC)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters()), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("222222222222222", "222222222222222"),
        (222222222222222, "222222222222222"),
        (2**53 + 1, "9007199254740993"),
        (10**39, "1" + "0" * 39),
        (" 17 ", "17"),
        ("0", "0"),
        (0, "0"),
        (5.0, "5"),
        (float(2**53), "9007199254740992"),
        (1e20, None),
        (5.5, None),
        (float("nan"), None),
        (float("inf"), None),
        (10**40, None),
        ("1" * 40, "1" * 40),
        ("1" * 41, None),
        (True, None),
        (-1, None),
        ("-1", None),
        ("+1", None),
        ("", None),
        (" ", None),
        ("12a", None),
        ("١٢", None),
        ("²", None),
        ("l:222", None),
        (None, None),
        ([], None),
        ({"id": 1}, None),
    ],
)
def test_id_text(value: Any, text: str | None) -> None:
    assert id_text(value) == text


@pytest.mark.parametrize(
    ("value", "when"),
    [
        ("2025-11-22T08:26:30+0000", NOTICE),
        ("2025-11-22T08:26:30Z", NOTICE),
        ("2025-11-22T11:26:30+03:00", NOTICE),
        ("2025-11-22T08:26:30", NOTICE),
        ("2025-11-22 08:26:30.5+00:00", NOTICE.replace(microsecond=500_000)),
        (" 2025-11-22T08:26:30+0000\n", NOTICE),
        (1763799990, NOTICE),
        ("1763799990", NOTICE),
        (1763799990.0, NOTICE),
        ("1763799990.25", NOTICE.replace(microsecond=250_000)),
        (1763799990123, NOTICE.replace(microsecond=123_000)),
        ("1763799990123", NOTICE.replace(microsecond=123_000)),
        (10**11, datetime(5138, 11, 16, 9, 46, 40, tzinfo=UTC)),
        (10**11 + 1, datetime(1973, 3, 3, 9, 46, 40, 1000, tzinfo=UTC)),
        (0, None),
        ("0", None),
        (-5, None),
        ("-5", None),
        (10**18, None),
        (True, None),
        (None, None),
        ("", None),
        ("yesterday", None),
        ("2025-13-45T00:00:00+0000", None),
        ("0001-01-01T00:00:00+2300", None),
        ("9999-12-31T23:59:59-2300", None),
        ("٢٠٢٥-11-22T08:26:30", None),
        ("\ud800" * 12, None),
        (float("nan"), None),
        (float("inf"), None),
        ([1763799990], None),
    ],
)
def test_parse_graph_time(value: Any, when: datetime | None) -> None:
    assert parse_graph_time(value) == when


@pytest.mark.parametrize(
    ("value", "answer"),
    [
        ("1", True), (1, True), (True, True), ("true", True), (" TRUE ", True), ("0", False), (0, False),
        (False, False), ("false", False), ("", None), ("maybe", None), (2, None), (None, None), ([1], None), (1.0, None),
    ],
)  # fmt: skip
def test_yes_no(value: Any, answer: bool | None) -> None:
    assert yes_no(value) is answer


def test_text_of_keeps_numbers_booleans_and_objects_as_json_writes_them() -> None:
    assert [text_of(value) for value in (5, 1.5, True, None, {"é": [1]}, "a\0")] == [
        "5", "1.5", "true", None, '{"é": [1]}', "a",
    ]  # fmt: skip


def test_text_of_gives_up_on_what_json_cannot_write() -> None:
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    assert text_of(deep) is None
    while deep:  # take it apart by hand: freeing it at once would recurse
        deep = deep.pop()


def test_integers_longer_than_python_writes_are_nothing() -> None:
    enormous = 10**5000
    assert id_text(enormous) is None
    assert text_of(enormous) is None
    assert parse_graph_time(enormous) is None
    assert yes_no(enormous) is None


def test_objects_in_passes_over_everything_else() -> None:
    assert list(objects_in([{"a": 1}, None, 5, "x", [{}], {"b": 2}])) == [{"a": 1}, {"b": 2}]
    assert [list(objects_in(value)) for value in (None, "ab", {"a": {}}, 5)] == [[], [], [], []]


@given(ANYTHING)
def test_nothing_raises(value: Any) -> None:
    for function in (id_text, parse_graph_time, yes_no, text_of):
        function(value)
    list(objects_in(value))
