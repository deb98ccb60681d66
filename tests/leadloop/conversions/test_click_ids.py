from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadloop.conversions.click_ids import build_fbc, find_click_ms, normal_fbc, normal_fbp

CLICKED_AT = datetime.fromtimestamp(1788622000, UTC) + timedelta(milliseconds=123)


@pytest.mark.parametrize(
    "value",
    [
        "fb.1.1788622000123.IwARsyntheticClickId",
        "fb.0.1788622000123.AbCdSynthetic.AQQCAQIB",
        "fb.2.1788622000123.AbCd-_Synthetic_aem_x.Bg",
        "fb.1.1788622000456.1098115397",
    ],
)
def test_a_value_from_a_cookie_stays_as_it_is(value: str) -> None:
    assert normal_fbc(value) == normal_fbp(f" {value}\n") == value


@pytest.mark.parametrize(
    "value",
    [
        "",
        "IwARsyntheticClickId",
        "fb.1.1788622000123",
        "fb.1.1788622000123.",
        "fb.1..IwAR",
        "fb.x.1788622000123.IwAR",
        "fb.1.17886x.IwAR",
        "FB.1.1788622000123.IwAR",
        "fb.1.1788622000123.IwAR.XX",
        "fb.1.1788622000123.IwAR.AQQCAQI",
        "fb.1.1788622000123.IwAR.AQQCAQIB.Bg",
        "fb.1.1788622000123.Iw AR",
        "fb.1.1788622000123.İwAR",
        "fb.1.٣.IwAR",
        f"fb.1.1788622000123.{'A' * 1000}",
        "62a14e44f765419d10fea99367361a727c12365e2520f32218d505ed9aa0f62f",
    ],
)
def test_anything_else_is_left_out(value: str) -> None:
    assert normal_fbc(value) is None
    assert normal_fbp(value) is None


def test_an_fbc_is_built_from_a_link() -> None:
    assert build_fbc("IwARsyntheticClickId", CLICKED_AT) == "fb.1.1788622000123.IwARsyntheticClickId"
    elsewhere = CLICKED_AT.astimezone(timezone(timedelta(hours=3)))
    assert build_fbc(" IwARsyntheticClickId ", elsewhere) == "fb.1.1788622000123.IwARsyntheticClickId"


@pytest.mark.parametrize("fbclid", ["", " ", "a b", "a.b", "ğ", "A" * 1000])
def test_no_fbc_is_built_from_what_is_no_fbclid(fbclid: str) -> None:
    assert build_fbc(fbclid, CLICKED_AT) is None


def test_no_fbc_is_built_for_a_time_before_1970() -> None:
    assert build_fbc("IwAR", datetime(1969, 12, 31, tzinfo=UTC)) is None


def test_the_time_of_a_click_is_in_it() -> None:
    assert find_click_ms("fb.1.1788622000123.IwAR") == 1788622000123
    assert find_click_ms("IwAR") is None


@given(st.text(st.characters()), st.datetimes(timezones=st.just(UTC)))
def test_what_is_built_can_be_read(fbclid: str, clicked_at: datetime) -> None:
    fbc = build_fbc(fbclid, clicked_at)
    assert fbc is None or (normal_fbc(fbc) == fbc and fbc.endswith(fbclid.strip()))


@given(st.text(st.characters()) | st.from_regex(r"\Afb\.\d\.\d+\.[^.]*(\.\w{2,8})?\Z"))
def test_reading_changes_nothing(value: str) -> None:
    found = normal_fbc(value)
    assert found is None or (found == value.strip() and normal_fbc(found) == found)
