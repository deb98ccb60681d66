import re
import unicodedata
from collections.abc import Callable
from datetime import date
from functools import partial
from hashlib import sha256

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from leadloop.conversions import hashing
from leadloop.conversions.hashing import (
    EMPTY_SHA256,
    given_hash,
    hash_external_id,
    hash_text,
    normalise_birth_date,
    normalise_city,
    normalise_email,
    normalise_external_id,
    normalise_first_name,
    normalise_last_name,
    normalise_phone,
)

Normalise = Callable[[str], tuple[str, ...]]

TODAY = date(2026, 11, 22)
SHA = "62a14e44f765419d10fea99367361a727c12365e2520f32218d505ed9aa0f62f"
# Every hashed key: how a text is normalised, and how it is hashed.
KEYS: dict[str, tuple[Normalise, Normalise]] = {
    "em": (hashing.normalise_email, hashing.hash_email),
    "ph": (partial(hashing.normalise_phone, countries=["TR"]), partial(hashing.hash_phone, countries=["TR"])),
    "fn": (hashing.normalise_first_name, hashing.hash_first_name),
    "ln": (hashing.normalise_last_name, hashing.hash_last_name),
    "ge": (hashing.normalise_gender, hashing.hash_gender),
    "db": (partial(hashing.normalise_birth_date, today=TODAY), partial(hashing.hash_birth_date, today=TODAY)),
    "ct": (hashing.normalise_city, hashing.hash_city),
    "st": (hashing.normalise_state, hashing.hash_state),
    "zp": (hashing.normalise_postal_code, hashing.hash_postal_code),
    "zp of the US": (
        partial(hashing.normalise_postal_code, country="US"),
        partial(hashing.hash_postal_code, country="US"),
    ),
    "country": (hashing.normalise_country, hashing.hash_country),
    "external_id": (hashing.normalise_external_id, hashing.hash_external_id),
}
PERSONAL = sorted(KEYS.keys() - {"external_id"})

ANY_TEXT = st.text(st.characters())  # lone surrogates and NUL included
# What people's values are made of, so that more than emptiness is tested.
LIKELY = st.text(
    st.sampled_from("aAzZiIıİşŞğçöÖüÜäßẞåøæñéÉłŁőΣσςжЖ정علیक्षि0123459 -'’.,/@+()​‍️\u0301\u0307🌸"), max_size=30
)
TYPED = st.one_of(ANY_TEXT, LIKELY, st.emails())


@pytest.mark.parametrize(
    ("key", "typed", "digest"),
    [
        # Meta's documentation
        ("em", "John_Smith@gmail.com", SHA),
        ("fn", "Mary", "6915771be1c5aa0c886870b6951b03d7eafc121fea0e80a5ea83beb7c449f4ec"),
        ("fn", "정", "8fa8cd9c440be61d0151429310034083132b35975c4bea67fdd74158eb51db14"),
        ("fn", "Valéry", "08e1996b5dd49e62a4b4c010d44e4345592a863bb9f8e3976219bac29417149c"),
        ("fn", "Vale\u0301ry", "08e1996b5dd49e62a4b4c010d44e4345592a863bb9f8e3976219bac29417149c"),
        ("db", "2/16/1997", "01acdbf6ec7b4f478a225f1a246e5d6767eeab1a7ffa17f025265b5b94f40f0c"),
        ("country", "us", "79adb2a2fce5c6ba215fe5f27f532d4e7edbac4b6a5e09e1ef3a08084a904621"),
        ("em", "mary@example.com", "f1904cf1a9d73a55fa5de0ac823c4403ded71afd4c3248d00bdcd0866552bb79"),
        ("ph", "+1 555 987 6543", "1ef970831d7963307784fa8688e8fce101a15685d62aa765fed23f3a2c576a4e"),
        # computed
        ("ge", "f", "252f10c83610ebca1a059c0bae8255eba2f95be4d1d7bcfa89d7248a82d9f111"),
        ("ge", "m", "62c66a7a5dd70c3146618063c344e531e6d4b59e379808443ce962b3abd63c5a"),
        ("country", "tr", "7817bb812e82168bd48fe1ea6783078d42be37e8db9bdaafdac5c45804aca64f"),
        ("ph", "0532 123 45 67", "7e3308159fc7cca243cef8a01acc25f18cd62d0d1ad92a6d38c3107d9aa3d8cc"),
        ("em", "ayse.yilmaz@example.com", "488ca96571b758c820ffac1386d6489ad489a3ac98fcb28e1287d4b4ffea0e4f"),
        ("fn", "Ayşe", "370749e90bceb4b51200f92cb75a9d3d5c721c4eb54ed1f93462bed540ea7c69"),
        ("fn", "Ayse", "17d9136b9bfabe56ee84681bc9f192d076bb5981543c7cfe1cbc8b0362ac2da2"),
        ("ln", "Yılmaz", "c6a102d5a10939cf59b9bc29df54c5a040a349775b9281038db59824d4c6e86a"),
        ("ct", "İstanbul", "751c59fe1fa734e61bec7c142171bfcbca97ff8223171b4bd63d8165a67a4d74"),
        ("ct", "i\u0307stanbul", "751c59fe1fa734e61bec7c142171bfcbca97ff8223171b4bd63d8165a67a4d74"),
        ("ct", "New York", "350c754ba4d38897693aa077ef43072a859d23f613443133fecbbd90a3512ca5"),
        ("st", "California", "6959097001d10501ac7d54c0bdb8db61420f658f2922cc26e46d536119a31126"),
        ("zp", "94035-1234", "1794327a4d443904421f5ca1f3d72d0a62ba2f0770d80755ec2220fc0efb052e"),
        ("zp", "M1 1AE", "1dc694c2070e697769fb959b50671d76cafd430d8ca191fbdd0affcaea344ac5"),
        ("external_id", "CRM-000123", "bb9edd468efd9eb23a23da18bbde007bbc1af81ca297634fdc29a616661bdb09"),
    ],
)
def test_vectors(key: str, typed: str, digest: str) -> None:
    assert KEYS[key][1](typed)[0] == digest


def test_a_us_number_is_hashed_as_meta_shows_it() -> None:
    assert hashing.hash_phone("(650)555-1212", ["US"]) == (
        "e323ec626319ca94ee8bff2e4c87cf613be6ea19919ed1364124e16807ab3176",
    )


def test_the_native_and_the_latin_spelling_are_both_hashed() -> None:
    assert hashing.hash_first_name("AYŞE") == (
        "370749e90bceb4b51200f92cb75a9d3d5c721c4eb54ed1f93462bed540ea7c69",
        "17d9136b9bfabe56ee84681bc9f192d076bb5981543c7cfe1cbc8b0362ac2da2",
    )


@pytest.mark.parametrize(
    ("normalise", "typed", "texts"),
    [
        (normalise_email, " <Zoe@EXAMPLE.com>, ", ("zoe@example.com",)),
        (normalise_email, "İZMİR@example.com", ("izmir@example.com",)),
        (normalise_email, "zoe@xn--exmple-cua.com", ("zoe@exämple.com", "zoe@xn--exmple-cua.com")),
        (normalise_email, '"a b"@c.de', ()),
        (normalise_email, "@b.c", ()),
        (normalise_phone, "+0000000000", ()),
        (normalise_phone, "+1 555 123 4567 ext. 123", ("15551234567",)),
        (normalise_phone, "٠٠٩٠٥٣٢١٢٣٤٥٦٧", ("905321234567",)),
        (normalise_first_name, "J. Robert", ("jrobert", "robert")),
        (normalise_first_name, "  \u200bMary\u00a0 ", ("mary",)),
        (normalise_first_name, "𝐌𝐚𝐫𝐲", ("𝐌𝐚𝐫𝐲", "mary")),
        (normalise_first_name, "M\ufffdller", ()),
        (normalise_first_name, "42", ()),
        (normalise_first_name, "\u0301", ()),
        (normalise_first_name, "☎️", ()),
        (normalise_first_name, "क्षितिज", ("क्षितिज",)),
        (normalise_first_name, "محمـــد", ("محمد",)),
        (normalise_first_name, "x" * 201, ()),
        (normalise_last_name, "Ortega y Gasset", ("ortegaygasset", "ortega", "gasset")),
        (normalise_last_name, "de la Cruz Gómez", ("delacruzgómez", "delacruzgomez", "delacruz", "gómez", "gomez")),
        (normalise_last_name, "St. John", ("stjohn",)),
        (normalise_last_name, "Jørgensen", ("jørgensen", "jorgensen", "joergensen")),
        (normalise_last_name, "Nguyễn", ("nguyễn", "nguyen")),
        (normalise_last_name, "Əliyev", ("əliyev", "eliyev")),
        (normalise_last_name, "ΠΑΠΑΣ", ("παπας",)),
        (normalise_city, "Frankfurt (Oder)", ("frankfurtoder", "frankfurt", "oder")),
        (normalise_city, "75000", ()),
        (normalise_birth_date, "19970216", ("19970216",)),
        (normalise_birth_date, "1899-12-31", ()),
        (normalise_birth_date, "1990-02-30", ()),
        (normalise_birth_date, "1997-02", ()),
        (normalise_external_id, "İ d\u20281", ("id1",)),
        (normalise_external_id, " \u200b ", ()),
        (normalise_external_id, "x" * 501, ()),
    ],
)
def test_normalised_texts(normalise: Normalise, typed: str, texts: tuple[str, ...]) -> None:
    assert normalise(typed) == texts


def test_a_birth_date_is_not_in_the_future() -> None:
    assert normalise_birth_date("2026-11-22", today=TODAY) == ("20261122",)
    assert normalise_birth_date("2026-11-23", today=TODAY) == ()


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("around", ["{}", "  {}\n", "\ufeff{}\u200b", "{}.AQQCAQIB", "{}.Ag"])
def test_sha256_is_recognised_and_put_in_lower_case(key: str, around: str) -> None:
    for digest in (SHA, SHA.upper()):
        assert KEYS[key][1](around.format(digest)) == (SHA,)


@pytest.mark.parametrize("key", PERSONAL)
@pytest.mark.parametrize("digits", [32, 40, 56, 96, 128])
def test_other_hashes_are_left_out(key: str, digits: int) -> None:
    digest = (SHA + SHA)[:digits]
    assert KEYS[key][1](digest) == KEYS[key][1](f" {digest.upper()} ") == ()


@pytest.mark.parametrize("key", KEYS)
def test_the_hash_of_nothing_is_left_out_when_it_is_handed_in(key: str) -> None:
    for text in (EMPTY_SHA256, f" {EMPTY_SHA256.upper()} ", f"{EMPTY_SHA256}.AQQCAQIB", "", " ", "\0", "\ud800"):
        assert KEYS[key][1](text) == ()


@pytest.mark.parametrize("text", [SHA[:63], f"{SHA}0", f"{SHA}.", f"sha256:{SHA}", "g" * 64])
def test_what_only_looks_like_a_hash_is_none(text: str) -> None:
    assert given_hash(text) is None


def test_an_external_id_of_32_hex_digits_is_an_id() -> None:
    uuid = "550E8400e29b41d4a716446655440000"
    assert hash_external_id(uuid) == (hash_text(uuid.lower()),)


def test_nothing_is_not_hashed() -> None:
    with pytest.raises(ValueError):
        hash_text("")


@pytest.mark.parametrize("key", KEYS)
@settings(deadline=None)  # an unknown country reads all languages, once
@given(text=TYPED)
@example("İ" * 40)
@example("e\u0301" * 100)
@example("\u1100\u200d\u1161")
@example("M\ud800ller")
@example("A \u0300")  # one letter, once the blank is gone
@example("\u0301" * 50_000)  # seconds, if it were normalised
def test_normalising_any_text_gives_texts_that_stay_as_they_are(key: str, text: str) -> None:
    normalise, hash_ = KEYS[key]
    texts = normalise(text)
    assert texts == normalise(text)  # the order is stable
    assert len(set(texts)) == len(texts)
    for one in texts:
        assert one
        assert one == unicodedata.normalize("NFC", one)
        assert not re.search("[\\s\0İ]|i\u0307", one)
        again = normalise(f"+{one}" if key == "ph" else one)
        assert one in again
        assert set(again) <= set(texts)
    if given_hash(text) is None:
        assert hash_(text) == tuple(sha256(one.encode()).hexdigest() for one in texts)


@pytest.mark.parametrize("key", KEYS)
@settings(deadline=None)  # an unknown country reads all languages, once
@given(text=TYPED)
def test_hashes_have_their_shape_and_are_never_of_nothing(key: str, text: str) -> None:
    for digest in KEYS[key][1](text):
        assert re.fullmatch("[0-9a-f]{64}", digest)
        assert digest != EMPTY_SHA256


@pytest.mark.parametrize("key", KEYS)
@given(text=st.one_of(LIKELY, ANY_TEXT))
def test_composed_and_decomposed_text_hash_alike(key: str, text: str) -> None:
    hash_ = KEYS[key][1]
    if len(text) < 60:
        assert hash_(unicodedata.normalize("NFC", text)) == hash_(unicodedata.normalize("NFD", text))


@pytest.mark.parametrize("key", KEYS)
@given(text=st.text(st.sampled_from("aAzZiIşŞöÖüÜñÑéÉłŁжЖδΔ0123459 -'.@+"), max_size=30))
def test_upper_and_lower_case_hash_alike(key: str, text: str) -> None:
    hash_ = KEYS[key][1]
    assert hash_(text.upper()) == hash_(text.lower()) == hash_(text)


@pytest.mark.parametrize("key", ["fn", "ln", "ct"])
@given(text=st.text(st.sampled_from("aAiIıİsSßẞşöÜ"), min_size=1, max_size=10))
def test_dotless_and_sharp_letters_meet_in_the_latin_spelling(key: str, text: str) -> None:
    normalise = KEYS[key][0]
    assert set(normalise(text.upper())) & set(normalise(text))


@given(text=st.text(st.sampled_from("abcxyzABCXYZéÉşŞğĞöÖüÜıñÑжЖ정δ"), min_size=1, max_size=20))
def test_where_the_libraries_agree_we_do(text: str) -> None:
    """On letters alone all of them take the lower case, trimmed."""
    libraries = text.lower().strip()
    assert normalise_first_name(f" {text} ")[0] == libraries
    assert normalise_last_name(text)[0] == libraries


@given(local=st.text("abcXYZ019._+-", min_size=1, max_size=12), domain=st.text("abcXYZ019", min_size=1, max_size=12))
def test_addresses_that_all_libraries_take_are_hashed_alike(local: str, domain: str) -> None:
    typed = f" {local}@{domain}.com "
    if re.fullmatch(r"[A-Za-z0-9_+-]+(\.[A-Za-z0-9_+-]+)*", local):
        assert normalise_email(typed) == (typed.strip().lower(),)
