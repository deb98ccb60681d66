import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leadloop.conversions.personal import holds_personal_data

CALM = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # other work may be on the machine


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("zoe@example.com", "an e-mail address"),
        ("call zoe@exämple.com, please", "an e-mail address"),
        ("a @ b and zoe@example.co.uk", "an e-mail address"),
        ("+905321234567", "a phone number"),
        ("call +90 (532) 123-45-67 now", "a phone number"),
        ("DEAL-42", None),
        ("20261122001234", None),
        ("00905321234567", None),
        ("3 @ 12.50", None),
        ("@acme.example", None),
        ("a@b", None),
        ("+1", None),
        ("A+12345678", None),
        ("+123456789012345678901", None),
        ("", None),
    ],
)
def test_what_is_personal(text: str, found: str | None) -> None:
    assert holds_personal_data(text) == found


@CALM
@given(st.text(st.sampled_from("a@.+1 -()/"), max_size=200))
def test_nothing_raises(text: str) -> None:
    holds_personal_data(text)


@pytest.mark.parametrize("start", ["", "a@"])
@pytest.mark.parametrize("part", ["@", "+1 ", "a@", "b.", "1-", "+", "+1"])
def test_long_texts_take_no_time(start: str, part: str) -> None:
    text = start + part * 10**6
    begun = time.process_time()
    holds_personal_data(text)
    assert time.process_time() - begun < 0.2
