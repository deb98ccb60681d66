import json
import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leadloop.conversions.hashing import EMPTY_SHA256, hash_text
from leadloop.conversions.people import (
    HASHED,
    MOST_VALUES,
    PLAIN,
    MatchKeys,
    build_match_keys,
    merge_match_keys,
    parse_match_keys,
)
from leadloop.leads import Answer, LeadCard

SHA = "62a14e44f765419d10fea99367361a727c12365e2520f32218d505ed9aa0f62f"
CLICKED_AT = datetime.fromtimestamp(1788622000, UTC) + timedelta(milliseconds=123)
CARD = LeadCard(
    leadgen_id="12345678901234567",
    page_id="200000000000001",
    full_name="Ayşe Yılmaz",
    first_name="Ayşe",
    last_name="Yılmaz",
    email="Ayse.Yilmaz@example.com",
    phone="+905321234567",
    phone_typed="0532 123 45 67",
    city="İstanbul",
    country="TR",
    postal_code="34710",
    date_of_birth="1997-02-16",
    gender="Kadın",
    received_at=datetime(2026, 11, 22, 9, 0, tzinfo=UTC),
    answers=(
        Answer("email", "EMAIL", None, ("Ayse.Yilmaz@example.com",)),
        Answer("phone", "PHONE", None, ("0532 123 45 67",)),
        Answer("work_email", "WORK_EMAIL", None, ("a.yilmaz@firma.example.com", "no address")),
        Answer("work_phone", "WORK_PHONE_NUMBER", None, ("0212 252 00 00", "12")),
        Answer("which_services?", "CUSTOM", None, ("seo",)),
    ),
)


def hashes(*texts: str) -> tuple[str, ...]:
    return tuple(map(hash_text, texts))


def test_the_keys_of_a_lead() -> None:
    assert build_match_keys(CARD, default_country="TR", external_ids=["CRM-000123"]) == MatchKeys(
        em=hashes("ayse.yilmaz@example.com", "a.yilmaz@firma.example.com"),
        ph=hashes("905321234567", "902122520000"),
        fn=hashes("ayşe", "ayse"),
        ln=hashes("yılmaz", "yilmaz"),
        ge=hashes("f"),
        db=hashes("19970216"),
        ct=hashes("istanbul"),
        zp=hashes("34710"),
        country=hashes("tr"),
        external_id=hashes("crm-000123"),
        lead_id="12345678901234567",
    )


def test_a_lead_that_says_nothing_has_its_id() -> None:
    assert build_match_keys(LeadCard("222222222222222", "1")).to_user_data() == {"lead_id": 222222222222222}


def test_what_a_card_could_not_read_is_left_out() -> None:
    card = replace(CARD, phone=None, date_of_birth="01/02/2003", gender="?", email=None, answers=())
    keys = build_match_keys(card)
    assert (keys.em, keys.ph, keys.db, keys.ge) == ((), (), (), ())


def test_a_birth_date_after_the_lead_is_left_out() -> None:
    assert build_match_keys(replace(CARD, date_of_birth="2026-11-23")).db == ()


def test_an_address_with_other_letters_is_hashed_both_ways() -> None:
    keys = build_match_keys(replace(CARD, email="Zoë@xn--exmple-cua.com", answers=()))
    assert keys.em == hashes("zoë@exämple.com", "zoë@xn--exmple-cua.com")


@pytest.mark.parametrize(
    ("answered", "phone", "default", "country"),
    [
        ("DE", "+905321234567", "TR", "de"),
        (None, "+905321234567", "TR", "tr"),
        (None, None, "TR", "tr"),
        (None, "+4930123456", "TR", None),
        (None, "+905321234567", None, None),
    ],
)
def test_the_pages_country_stands_in_unless_the_number_is_from_elsewhere(
    answered: str | None, phone: str | None, default: str | None, country: str | None
) -> None:
    card = replace(CARD, country=answered, phone=phone, answers=())
    assert build_match_keys(card, default_country=default).country == (hashes(country) if country else ())


def test_dummy_answers_of_metas_testing_tool_are_not_hashed() -> None:
    dummy = "<test lead: dummy data for full_name>"
    card = replace(CARD, first_name=dummy, last_name=None, city=dummy, email=None, phone=None, answers=())
    keys = build_match_keys(card)
    assert (keys.fn, keys.ct) == ((), ())


def test_loose_values_by_our_names_and_by_metas() -> None:
    ours = {"email": "Zoe@example.com", "phone": "0532 123 45 67", "first_name": "Zoë", "city": "İzmir"}
    metas = {"em": "Zoe@example.com", "ph": ["0532 123 45 67"], "fn": "Zoë", "ct": "İzmir"}
    keys = parse_match_keys(ours, default_country="TR")
    assert keys == parse_match_keys(metas, default_country="TR")
    assert (keys.em, keys.ph, keys.fn) == (hashes("zoe@example.com"), hashes("905321234567"), hashes("zoë", "zoe"))


def test_a_full_name_is_split_where_there_is_no_other() -> None:
    assert parse_match_keys({"full_name": "Zoe Test"}).ln == hashes("test")
    assert parse_match_keys({"full_name": "Zoe Test", "first_name": "Ann"}).ln == ()


def test_the_country_of_loose_values_reads_their_numbers_states_and_codes() -> None:
    keys = parse_match_keys({"country": "Deutschland", "phone": "030/123456", "state": "CA", "zp": "94035-1234"})
    assert keys.country == hashes("de")
    assert keys.ph == hashes("4930123456")
    assert keys.zp == hashes("940351234", "94035")


def test_hashes_from_outside_are_taken_and_md5_is_not() -> None:
    keys = parse_match_keys({"em": [SHA.upper(), f" {SHA}.AQQCAQIB "], "ph": "0" * 32, "fn": EMPTY_SHA256, "fbc": SHA})
    assert keys == MatchKeys(em=(SHA,))


def test_plain_keys_are_neither_hashed_nor_put_in_lower_case() -> None:
    values = {
        "client_ip_address": "2001:DB8::7",
        "client_user_agent": "Mozilla/5.0 (Synthetic)",
        "fbc": "fb.1.1788622000123.IwARsyntheticClickId",
        "fbp": "fb.1.1788622000456.1098115397",
        "subscription_id": "Sub-42",
        "page_id": "200000000000001",
        "page_scoped_user_id": "3000000000000001",
        "ctwa_clid": "ARAsyntheticClickIdFromReferral",
        "ig_sid": "4000000000000001",
        "whatsapp_business_account_id": "100000000000001",
    }
    accounts = {"ig_account_id": "17840000000000001", "lead_id": 12345678901234567}
    keys = parse_match_keys(values | accounts)
    assert keys.to_user_data() == values | {
        "instagram_business_account_id": "17840000000000001",
        "lead_id": 12345678901234567,
    }
    assert keys.to_user_data(instagram_key="ig_account_id") == values | accounts
    assert keys.to_json() == values | {"ig_account_id": "17840000000000001", "lead_id": "12345678901234567"}
    assert parse_match_keys({"instagram_business_account_id": 17840000000000001}).ig_account_id == "17840000000000001"


def test_a_lead_id_keeps_every_digit_on_the_wire() -> None:
    keys = parse_match_keys({"lead_id": "98765432109876543"})
    assert json.dumps(keys.to_user_data()) == '{"lead_id": 98765432109876543}'
    assert parse_match_keys({"lead_id": 98765432109876543.0}) == MatchKeys()


def test_an_fbclid_becomes_an_fbc_unless_there_is_one() -> None:
    click = {"fbclid": "IwARsyntheticClickId"}
    assert parse_match_keys(click, clicked_at=CLICKED_AT).fbc == "fb.1.1788622000123.IwARsyntheticClickId"
    assert parse_match_keys(click) == MatchKeys()
    known = "fb.2.1788622000100.IwARother"
    assert parse_match_keys(click | {"fbc": known}, clicked_at=CLICKED_AT).fbc == known
    assert parse_match_keys(click | {"fbc": "no fbc"}, clicked_at=CLICKED_AT).fbc is not None


@pytest.mark.parametrize("value", [None, True, 1.5, {}, {"a": "b"}, [], [None, [], {}], "", " ", b"x", object()])
def test_values_of_no_use_are_left_out(value: Any) -> None:
    assert parse_match_keys(dict.fromkeys((*HASHED, *PLAIN, "email", "full_name", "more"), value)) == MatchKeys()


def test_merging_keeps_order_drops_repeats_and_is_bounded() -> None:
    first = MatchKeys(em=hashes("a", "b"), lead_id="1", fbc="fb.1.20.Old", ctwa_clid="First")
    second = MatchKeys(em=hashes("b", "c"), ph=hashes("1"), lead_id="2", fbc="fb.1.30.New", ctwa_clid="Later", fbp="x")
    merged = merge_match_keys(first, second)
    assert merged == MatchKeys(
        em=hashes("a", "b", "c"), ph=hashes("1"), lead_id="1", fbc="fb.1.30.New", ctwa_clid="First", fbp="x"
    )
    assert merge_match_keys(second, first).fbc == "fb.1.30.New"
    many = MatchKeys(em=hashes(*map(str, range(MOST_VALUES))))
    assert merge_match_keys(many, first) == replace(first, em=many.em)


def test_many_values_give_each_ones_likeliest_hash_first() -> None:
    keys = parse_match_keys({"fn": ["Ayşe", "Zoë"], "em": [f"{number}@example.com" for number in range(1000)]})
    assert keys.fn == hashes("ayşe", "zoë", "ayse", "zoe")
    assert keys.em == hashes(*(f"{number}@example.com" for number in range(MOST_VALUES)))


def test_user_data_is_a_copy() -> None:
    keys = build_match_keys(CARD)
    keys.to_user_data()["em"].append("x")
    assert "x" not in keys.to_user_data()["em"]


def test_no_value_stands_in_a_traceback() -> None:
    told = repr(build_match_keys(CARD))
    assert told == "MatchKeys(em, ph, fn, ln, ge, db, ct, zp, country, lead_id)"


def test_keys_of_a_later_version_are_passed_over() -> None:
    assert MatchKeys.from_json({"em": [SHA], "new": "x"}) == MatchKeys(em=(SHA,))


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(st.characters()), st.lists(st.text(st.characters()))
)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from((*HASHED, *PLAIN, "email", "full_name", "fbclid")), VALUES))
def test_whatever_comes_in_what_goes_out_has_metas_shape(values: dict[str, Any]) -> None:
    keys = parse_match_keys(values, default_country="TR", today=date(2026, 11, 22), clicked_at=CLICKED_AT)
    stored = json.loads(json.dumps(keys.to_json()))
    assert MatchKeys.from_json(stored) == keys
    assert (
        merge_match_keys(keys, keys)
        == merge_match_keys(keys, MatchKeys())
        == merge_match_keys(MatchKeys(), keys)
        == keys
    )
    for name, value in keys.to_user_data().items():
        if name in HASHED:
            assert 1 <= len(value) == len(set(value)) <= MOST_VALUES
            assert all(re.fullmatch("[0-9a-f]{64}", one) and one != EMPTY_SHA256 for one in value)
        else:
            assert isinstance(value, int if name == "lead_id" else str)
            assert value


TEXTS = st.none() | st.text(st.characters())


@settings(deadline=None)
@given(st.fixed_dictionaries(dict.fromkeys(("first_name", "last_name", "email", "phone", "city", "state"), TEXTS)))
def test_no_card_is_too_strange(texts: dict[str, Any]) -> None:
    keys = build_match_keys(LeadCard("1", "2", **texts), default_country="US")
    assert EMPTY_SHA256 not in json.dumps(keys.to_json())
