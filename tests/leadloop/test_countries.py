from concurrent.futures import ThreadPoolExecutor

import pytest
from babel import localedata
from hypothesis import given
from hypothesis import strategies as st

from leadloop.countries import find_country


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("TR", "TR"), ("tr", "TR"), (" Tr ", "TR"), ("TUR", "TR"), ("usa", "US"), ("U.S.A.", "US"), ("UK", "GB"),
        ("Turkey", "TR"), ("Türkiye", "TR"), ("TÜRKİYE", "TR"), ("Turquie", "TR"), ("Türkei", "TR"), ("ตุรกี", "TR"),
        ("🇹🇷 Türkiye", "TR"), ("Almanya", "DE"), ("ALMANYA", "DE"), ("Hırvatistan", "HR"), ("HIRVATİSTAN", "HR"),
        ("Österreich", "AT"), ("Osterreich", "AT"), ("España", "ES"), ("ESPANA", "ES"), ("Brasil", "BR"),
        ("日本", "JP"), ("中国", "CN"), ("中國", "CN"), ("대한민국", "KR"), ("Россия", "RU"), ("Україна", "UA"),
        ("السعودية", "SA"), ("الإمارات العربية المتحدة", "AE"), ("भारत", "IN"), ("Ελλάδα", "GR"),
        ("Bosnia and Herzegovina", "BA"), ("Bosnia & Herzegovina", "BA"), ("The Netherlands", "NL"), ("Holland", "NL"),
        ("England", "GB"), ("United States of America", "US"), ("South Korea", "KR"), ("Czech Republic", "CZ"),
        ("Côte d’Ivoire", "CI"), ("Ivory Coast", "CI"), ("Myanmar", "MM"), ("Hong Kong", "HK"), ("Kosovo", "XK"),
        ("Canary Islands", "ES"), ("Saint Lucia", "LC"), ("São Tomé and Príncipe", "ST"),
        # easily mixed up
        ("Niger", "NE"), ("Nigeria", "NG"), ("Guinea", "GN"), ("Dominica", "DM"), ("Georgia", "GE"), ("टोगो", "TG"),
        ("Congo", "CG"), ("DR Congo", "CD"), ("Austria", "AT"), ("Australia", "AU"),
        ("Áo", "AT"), ("Bỉ", "BE"), ("Mỹ", "US"), ("My\u0303", "US"), ("AO", "AO"), ("ＴＲ", "TR"), ("the UK", "GB"),
        # none, or not one
        ("", None), ("a", None), ("asdf", None), ("Istanbul", None), ("EU", None), ("ZZ", None), ("XX", None), ("12", None),
        ("?!", None), ("🇹🇷", None), ("\ud800", None), ("x" * 5000, None), ("Virgin Islands", None),
    ],
)  # fmt: skip
def test_find_country(name: str, code: str | None) -> None:
    assert find_country(name) == code


@pytest.mark.parametrize(
    "locale", ["tr_TR", "tr", "TR-tr", "zh_TW", "tl_PH", "no_NO", "fb_LT", "", None, "\0", "../../x"]
)
def test_any_locale_will_do(locale: str | None) -> None:
    assert find_country("Türkiye", locale=locale) == "TR"


def test_the_forms_language_is_asked_before_all_others() -> None:
    assert find_country("Saint-Martin") is None  # in French the name of both halves of the island
    assert find_country("Saint-Martin", locale="fr_FR") is None
    assert find_country("Saint Martin", locale="tr_TR") == "MF"
    assert find_country("Nga", locale="vi_VN") == "RU"
    assert find_country("nga", locale="en_US") == "NG"
    assert find_country("NGA", locale="tr_TR") == "NG"


def test_reading_all_languages_does_not_fill_babels_cache() -> None:
    before = len(localedata._cache)
    assert find_country("Hindistan") == "IN"
    assert find_country("no such country") is None
    assert len(localedata._cache) == before


def test_threads_agree() -> None:
    names = ["Yunanistan", "Allemagne", "Deutschland", "nowhere", "PL", "日本"] * 20
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda name: find_country(name, locale="pl_PL"), names))
    assert found == ["GR", "DE", "DE", None, "PL", "JP"] * 20


@given(st.text(st.characters(), max_size=110))
def test_any_text_gives_a_code_or_nothing(name: str) -> None:
    code = find_country(name)
    assert code is None or (len(code) == 2 and code.isascii() and code.isupper())
