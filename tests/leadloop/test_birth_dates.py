import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadloop.birth_dates import iso_birth_date


@pytest.mark.parametrize(
    ("typed", "iso"),
    [
        ("1997-02-16", "1997-02-16"),
        ("1997/2/6", "1997-02-06"),
        ("19970216", "1997-02-16"),
        ("1997-02-16T00:00:00+0000", "1997-02-16"),
        ("16.02.1997", "1997-02-16"),
        ("1.2.2003", "2003-02-01"),
        ("02/16/1997", "1997-02-16"),
        ("16/02/1997", "1997-02-16"),
        ("16-02-1997", "1997-02-16"),
        ("05/05/1990", "1990-05-05"),
        ("١٦/٠٢/١٩٩٧", "1997-02-16"),
        ("29.02.2000", "2000-02-29"),
    ],
)
def test_dates_that_mean_one_day(typed: str, iso: str) -> None:
    assert iso_birth_date(typed) == iso


@pytest.mark.parametrize(
    "typed",
    ["01/02/2003", "31/12/80", "2/30/1997", "29.02.1999", "16/02-1997", "0000-00-00", "00/00/2000", "3 mai 1990", "", "x" * 99],
)  # fmt: skip
def test_the_rest_stays_as_typed(typed: str) -> None:
    assert iso_birth_date(typed) == typed


@given(st.text(st.characters() | st.sampled_from("0123456789-/."), max_size=50))
def test_nothing_raises(typed: str) -> None:
    assert iso_birth_date(typed) is not None
