import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadloop.emails import normal_email


@pytest.mark.parametrize(
    ("typed", "address"),
    [
        ("zoe@example.com", "zoe@example.com"),
        ("test@meta.com", "test@meta.com"),
        ("Zoe.Test+ads@EXAMPLE.COM", "Zoe.Test+ads@example.com"),
        ("Zoë@Exämple.com", "Zoë@xn--exmple-cua.com"),
        ("zoe@xn--exmple-cua.com", "zoe@xn--exmple-cua.com"),
        ("zoe\u0308@example.com", "zoë@example.com"),
        ("用户@例子.广告", "用户@xn--fsqu00a.xn--4rr70v"),
        ("user@straße.de", "user@xn--strae-oqa.de"),
        ("a@sales.test", "a@sales.test"),
        ("a@crm.example", "a@crm.example"),
        (" zoe@example.com \n", "zoe@example.com"),
        ("\u200bzoe@example.com\ufeff", "zoe@example.com"),
        ("mailto:zoe@example.com", "zoe@example.com"),
        ("Zoë Test <zoe@example.com>", "zoe@example.com"),
        ("<zoe@example.com>", "zoe@example.com"),
        ("zoe@example.com.", "zoe@example.com"),
        ("zoe@example.com,", "zoe@example.com"),
        ("zoe＠example.com", "zoe@example.com"),
        ("o'brien@example.com", "o'brien@example.com"),
        ("zoe\0@example.com", "zoe@example.com"),
    ],
)
def test_readable_addresses(typed: str, address: str) -> None:
    assert normal_email(typed) == address


@pytest.mark.parametrize(
    "typed",
    [
        "", " ", "@", "zoe", "zoe@", "@example.com", "a@b", "a@localhost", "a@printer.local", "a@x.invalid", "a b@example.com",
        "zoe @example.com", "a..b@example.com", ".a@example.com", "a@b@example.com", "a@[127.0.0.1]", "a@-x.com",
        "a@x_y.com", "a@" + "b" * 64 + ".com", "x" * 300 + "@example.com", "a" * 100_000, "zoe\ud800@example.com",
        "<" * 5000, "none", "-",
    ],
)  # fmt: skip
def test_unusable_addresses(typed: str) -> None:
    assert normal_email(typed) is None


def test_an_address_with_an_unreadable_letter_is_none() -> None:
    assert normal_email("zoe\ufffd@example.com") is None


@given(st.text(st.characters(), max_size=60) | st.emails())
def test_the_result_is_stable(typed: str) -> None:
    address = normal_email(typed)
    assert address is None or normal_email(address) == address
