from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadloop.phones import is_number_of, normal_phone


@pytest.mark.parametrize(
    ("typed", "country", "e164"),
    [
        # with a country code, however it is written
        ("+34600000001", None, "+34600000001"),
        ("+34600000001", "TR", "+34600000001"),
        ("0034 600 00 00 01", "TR", "+34600000001"),
        ("00905321234567", "US", "+905321234567"),
        ("+0090 532 123 45 67", "TR", "+905321234567"),
        ("+00905321234567", "US", "+905321234567"),
        ("+90 (0) 532 123 45 67", None, "+905321234567"),
        ("+44 (0)20 7946 0958", None, "+442079460958"),
        ("(+90)5321234567", None, "+905321234567"),
        ("p:+905321234567", None, "+905321234567"),
        ("tel:+90-532-123-45-67", None, "+905321234567"),
        ("\u202a+90 532 123 45 67\u202c", None, "+905321234567"),
        ("+39 06 1234567", None, "+39061234567"),
        # without one: the country decides
        ("0532 123 45 67", "TR", "+905321234567"),
        ("5321234567", "TR", "+905321234567"),
        ("905321234567", "TR", "+905321234567"),
        ("0532 123 45 67", "tr", "+905321234567"),
        ("+0532 123 45 67", "TR", "+905321234567"),
        ("(650)555-1212", "US", "+16505551212"),
        ("8 (912) 345-67-89", "RU", "+79123456789"),
        ("030/123456", "DE", "+4930123456"),
        ("1-800-FLOWERS", "US", "+18003569377"),
        ("011 90 532 123 4567", "US", "+905321234567"),
        # a zero before the country code, as before every number at home
        ("0+905321234567", "TR", "+905321234567"),
        ("(0) +90 532 123 45 67", "US", "+905321234567"),
        # digits of other scripts
        ("٠٥٣٢١٢٣٤٥٦٧", "TR", "+905321234567"),
        ("۰۹۱۲ ۳۴۵ ۶۷۸۹", "IR", "+989123456789"),
        ("＋81 90 1234 5678", None, "+819012345678"),
        ("０３-1234-5678", "JP", "+81312345678"),
        # Brazil: carrier codes, and the ninth digit of mobile numbers
        ("(11) 98765-4321", "BR", "+5511987654321"),
        ("0 15 11 98765-4321", "BR", "+5511987654321"),
        ("+55 011 98765-4321", None, "+5511987654321"),
        ("+55 11 8765-4321", None, "+5511987654321"),
        ("11 3265-4321", "BR", "+551132654321"),
        # Argentina: 9 abroad is 15 at home
        ("011 15-2345-6789", "AR", "+5491123456789"),
        ("+54 11 15 2345 6789", None, "+5491123456789"),
        ("+54 9 11 2345 6789", None, "+5491123456789"),
        ("11 2345 6789", "AR", "+541123456789"),
        # Mexico: prefixes of before 2019
        ("+52 1 55 1234 5678", None, "+525512345678"),
        ("044 55 1234 5678", "MX", "+525512345678"),
        ("01 55 1234 5678", "MX", "+525512345678"),
        ("55 1234 5678", "MX", "+525512345678"),
        # extensions and company
        ("+442079460958 ext. 22", None, "+442079460958"),
        ("020 7946 0958 x22", "GB", "+442079460958"),
        ("+90 532 123 45 67;ext=5", None, "+905321234567"),
        ("0 532 1234567 (WhatsApp)", "TR", "+905321234567"),
        ("my number is 0532 123 45 67", "TR", "+905321234567"),
        ("0532 123 45 67 / 0533 123 45 67", "TR", "+905321234567"),
        ("+90 212 555 00 00 / 123", None, "+902125550000"),
        # a forgotten plus
        ("905321234567", None, "+905321234567"),
        ("905321234567", "US", "+905321234567"),
        ("4915123456789", "TR", "+4915123456789"),
        ("34600000001", "TR", "+34600000001"),
    ],
)  # fmt: skip
def test_numbers_become_e164(typed: str, country: str | None, e164: str) -> None:
    assert normal_phone(typed, [country]) == e164


@pytest.mark.parametrize(
    ("typed", "country"),
    [
        ("", "TR"), ("+", "TR"), ("112", "TR"), ("5551212", "US"), ("0532 123 45 67", None), ("34600000001", None),
        ("<test lead: dummy data for phone_number>", "US"), ("none", "US"), ("0" * 300, "TR"), ("1" * 100_000, "TR"),
        ("+1", None), ("zoe@example.com", "TR"), ("0532 123 45 67", "XX"), ("0532 123 45 67", ""), ("\ud800", "TR"),
    ],
)  # fmt: skip
def test_no_number(typed: str, country: str | None) -> None:
    assert normal_phone(typed, [country]) is None


@pytest.mark.parametrize(
    "typed",
    [
        "+34 600 000 0011", "0034 600 000 0011", "+1 202 555 01111", "+90 532 123 45 678", "+90 532 123 45",
        "0090 532 123 45", "+34 600 000 0011 / 0532 123 45 67", "00000000000", "0" * 100, "0 " * 50,
    ],
)  # fmt: skip
@pytest.mark.parametrize("countries", [["TR"], ["TR", "DE"], ["DE", "US"]])
def test_a_mistyped_number_is_not_made_one_of_another_country(typed: str, countries: list[str]) -> None:
    assert normal_phone(typed, countries) is None


def test_of_the_right_length_alone_is_not_enough_without_a_country_code() -> None:
    for typed in ("0151 23456789", "0532 123 45 678", "532 123 45"):
        assert normal_phone(typed, ["TR"]) is None
    assert normal_phone("+90 151 234 56 78", ["TR"]) == "+901512345678"


def test_the_country_answered_counts_where_the_pages_own_does_not_fit() -> None:
    assert normal_phone("0151 23456789", ["TR", "DE"]) == "+4915123456789"
    assert normal_phone("0532 123 45 67", ["TR", "DE"]) == "+905321234567"
    assert normal_phone("0532 123 45 67", [None, "TR"]) == "+905321234567"


@given(st.text(st.sampled_from("+0123456789 ()-/.,x;p:９٣aé\u202a\0") | st.characters(), max_size=120))
def test_any_text_gives_e164_or_nothing(typed: str) -> None:
    number = normal_phone(typed, ["TR", "US"])
    assert number is None or (number[0] == "+" and number[1:].isascii() and number[1:].isdigit() and len(number) <= 18)


def test_threads_agree() -> None:
    typed = [("0532 123 45 67", "TR"), ("(650)555-1212", "US"), ("030/123456", "DE"), ("09123456789", "IR")] * 25
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda pair: normal_phone(pair[0], [pair[1]]), typed))
    assert found == [normal_phone(text, [country]) for text, country in typed]


def test_a_number_is_of_the_countries_with_its_calling_code() -> None:
    assert is_number_of("+905321234567", "TR")
    assert is_number_of("+16505551212", "ca")
    assert not is_number_of("+905321234567", "DE")
    assert not is_number_of("+905321234567", "XX")
