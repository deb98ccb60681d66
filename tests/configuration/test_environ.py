""" "$NAME", "$$x" and what is neither."""

import datetime

import pytest

from configuration.environ import MASK, pointer, resolve

ENVIRON = {"TOKEN": "tok-123", "EMPTY": "", "BLANK": " \n", "BROKEN": "a\udcffb", "DOLLAR": "$HOME"}


def test_names_at_any_depth_are_replaced_and_remembered() -> None:
    found = resolve({"a": "$TOKEN", "b": ["x", {"c/d~": "$DOLLAR"}], "n": 3, "t": True}, ENVIRON)
    assert found.value == {"a": "tok-123", "b": ["x", {"c/d~": "$HOME"}], "n": 3, "t": True}
    assert found.env_names == {"/a": "TOKEN", "/b/1/c~1d~0": "DOLLAR"}
    assert found.faults == []


@pytest.mark.parametrize(
    ("written", "meant"),
    [("$$TOKEN", "$TOKEN"), ("$$", "$"), ("$$$x", "$$x"), ("a $TOKEN", "a $TOKEN"), ("", ""), (" $TOKEN", " $TOKEN")],
)
def test_texts_that_are_no_names(written: str, meant: str) -> None:
    found = resolve(written, ENVIRON)
    assert (found.value, found.env_names, found.faults) == (meant, {}, [])


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("$MISSING", "$MISSING is not set"),
        ("$TOKENS", "there is $TOKEN"),
        ("$EMPTY", "$EMPTY is set, but empty"),
        ("$BLANK", "$BLANK is set, but empty"),
        ("$BROKEN", "$BROKEN holds bytes that are not UTF-8"),
        ("$", "not the name of a variable"),
        ("${TOKEN}", "not the name of a variable"),
        ("$TOKEN/x", "not the name of a variable"),
        ("$TOKEN\n", "not the name of a variable"),
        ("$1A", "not the name of a variable"),
        ("$İD", "not the name of a variable"),
        (f"https://u:{MASK}@host", "mask of an export"),
        (datetime.date(2026, 11, 22), "date or time"),
        (datetime.time(1, 2), "date or time"),
        (float("nan"), "finite"),
        (float("inf"), "finite"),
        (2**63, "larger number"),
        pytest.param(16**5000, "larger number", id="thousands of digits"),
    ],
)
def test_what_cannot_be_taken(value: object, words: str) -> None:
    found = resolve({"list": [value]}, ENVIRON)
    ((path, fault),) = found.faults
    assert path == ("list", 0)
    assert words in fault
    assert fault.mend
    assert found.env_names == {}


def test_nothing_of_the_values_is_shown() -> None:
    found = resolve(["$TOKEN", "$NOPE", "$weird secret"], ENVIRON)
    assert "tok-123" not in repr(found)
    assert "weird secret" not in repr(found)


def test_pointer() -> None:
    assert pointer(()) == ""
    assert pointer(("a/b", 0, "~")) == "/a~1b/0/~0"
