import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadloop.texts import clean_text, drop_invisible, fold, tidy

ANY_TEXT = st.text(st.characters())  # lone surrogates included


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("Zoë 😀\n\t\u202e", "Zoë 😀\n\t\u202e"),
        ("a\0b\0", "ab"),
        ("\ud800x\udfff", "\ufffdx\ufffd"),
        ("e\u0301", "e\u0301"),
        ("", ""),
    ],
)
def test_clean_text_changes_only_what_cannot_be_stored(text: str, cleaned: str) -> None:
    assert clean_text(text) == cleaned


@given(ANY_TEXT)
def test_clean_text_is_always_storable(text: str) -> None:
    cleaned = clean_text(text)
    assert b"\0" not in cleaned.encode()
    assert clean_text(cleaned) == cleaned


@pytest.mark.parametrize(
    ("text", "tidied"),
    [
        (None, None),
        ("", None),
        (" \u00a0\u200b\ufeff\n", None),
        ("\u3164", None),
        ("\0", None),
        ("  Zoë \u00a0\n Test ", "Zoë Test"),
        ("\u202b\u200fדוד כהן\u202c", "דוד כהן"),
        ("Zoë\u202e Te\u200est\u2066 x\u061c", "Zoë Test x"),
        ("e\u0301", "é"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("a\x07b", "ab"),
        ("👩\u200d💻", "👩\u200d💻"),
    ],
)
def test_tidy(text: str | None, tidied: str | None) -> None:
    assert tidy(text) == tidied


@given(ANY_TEXT)
def test_tidy_is_stable_and_never_empty(text: str) -> None:
    tidied = tidy(text)
    assert tidied != ""
    assert tidy(tidied) == tidied


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("¿Qué servicio necesitas?", "que_servicio_necesitas"),
        ("quel_est_votre_besoin_?", "quel_est_votre_besoin"),
        ("İL", "il"),
        ("ıl", "il"),
        ("ŞEHİR", "sehir"),
        ("Straße", "strasse"),
        ("ＡＢＣ１", "abc1"),
        ("टोगो", "टोगो"),
        ("?!", ""),
        ("😀", ""),
        ("", ""),
        ("x" * 3000, ""),
    ],
)
def test_fold(text: str, folded: str) -> None:
    assert fold(text) == folded


def test_fold_keeps_vowel_signs_that_tell_words_apart() -> None:
    assert fold("टोगो") != fold("टोंगा")


def test_drop_invisible() -> None:
    assert drop_invisible("\u202a+90\u200b 532\u202c") == "+90 532"


@pytest.mark.parametrize("hostile", ["a" + "\u0301\u0316" * 25_000, " \u200b" * 25_000 + "x", "\u200b \u200b" * 16_000])
def test_hostile_text_takes_linear_time(hostile: str) -> None:
    started = time.process_time()
    tidy(hostile)
    fold(hostile)
    assert time.process_time() - started < 1
