import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadloop.errors import Permanent
from leadloop.lead_reading import build_card, card_from_row, card_to_row, needs_fresh_form
from leadloop.leads import Answer, Consent, LeadCard

RECEIVED = datetime(2026, 11, 22, 8, 26, 33, 120_000, tzinfo=UTC)
FALLBACK = {"leadgen_id": "222222222222222", "page_id": "111111111111111", "form_id": "333333333333333", "ad_id": "77"}

# The samples of Meta ingestion facts §5.1 and §5.3
ANSWER: dict[str, Any] = json.loads("""
{"id":"222222222222222","created_time":"2026-11-22T08:26:30+0000","form_id":"333333333333333",
 "ad_id":"120210000000000001","ad_name":"Ad A","adset_id":"120210000000000011","adset_name":"Set A",
 "campaign_id":"120210000000000021","campaign_name":"Campaign A","is_organic":false,"platform":"ig",
 "field_data":[{"name":"full_name","values":["Zoë Test"]},{"name":"email","values":["zoe@example.com"]},
   {"name":"phone_number","values":["+34600000001"]},{"name":"which_services?","values":["seo","ads"]},
   {"name":"utm_source","values":["nov"]}],
 "custom_disclaimer_responses":[{"checkbox_key":"optional_1","is_checked":"1"},{"checkbox_key":"optional_2","is_checked":""}]}
""")
FORM: dict[str, Any] = json.loads("""
{"id":"333333333333333","name":"Quote","status":"ACTIVE","locale":"es_ES","page":{"id":"111111111111111","name":"Test Page"},
 "questions":[{"id":"1","key":"full_name","label":"Nombre completo","type":"FULL_NAME"},
  {"id":"4","key":"email","label":"Correo","type":"EMAIL"},
  {"id":"2","key":"phone_number","label":"Teléfono","type":"PHONE"},
  {"id":"3","key":"which_services?","label":"Which services?","type":"CUSTOM",
   "options":[{"key":"seo","value":"SEO"},{"key":"ads","value":"Publicidad"}]}],
 "tracking_parameters":[{"key":"utm_source","value":"nov"}]}
""")


def read(answer: Any = ANSWER, form: Any = FORM, country: str | None = "TR", **fallback: Any) -> LeadCard:
    return build_card(
        answer,
        form=form,
        page_name="Acme Istanbul",
        default_country=country,
        received_at=RECEIVED,
        fallback=FALLBACK | fallback,
    )


def person(answers: dict[str, Any], form: Any = None, country: str | None = "TR") -> LeadCard:
    data = [{"name": name, "values": value if isinstance(value, list) else [value]} for name, value in answers.items()]
    return read({"id": "222222222222222", "field_data": data}, form, country)


def form_of(locale: str = "en_US", **types: str) -> dict[str, Any]:
    return {"locale": locale, "questions": [{"key": key, "type": type_} for key, type_ in types.items()]}


def test_the_sample_of_the_facts() -> None:
    assert read() == LeadCard(
        leadgen_id="222222222222222",
        page_id="111111111111111",
        form_id="333333333333333",
        page_name="Acme Istanbul",
        form_name="Quote",
        ad_id="120210000000000001",
        ad_name="Ad A",
        adset_id="120210000000000011",
        adset_name="Set A",
        campaign_id="120210000000000021",
        campaign_name="Campaign A",
        platform="ig",
        is_organic=False,
        is_test=False,
        created_at=datetime(2026, 11, 22, 8, 26, 30, tzinfo=UTC),
        received_at=RECEIVED,
        full_name="Zoë Test",
        first_name="Zoë",
        last_name="Test",
        email="zoe@example.com",
        phone="+34600000001",
        phone_typed="+34600000001",
        answers=(
            Answer("full_name", "FULL_NAME", "Nombre completo", ("Zoë Test",), ("Zoë Test",)),
            Answer("email", "EMAIL", "Correo", ("zoe@example.com",), ("zoe@example.com",)),
            Answer("phone_number", "PHONE", "Teléfono", ("+34600000001",), ("+34600000001",)),
            Answer("which_services?", "CUSTOM", "Which services?", ("seo", "ads"), ("SEO", "Publicidad")),
            Answer("utm_source", "HIDDEN", None, ("nov",), ("nov",)),
        ),
        consents=(Consent("optional_1", True), Consent("optional_2", False)),
    )


def test_without_the_form_standard_names_are_understood_and_types_stay_empty() -> None:
    card = read(form=None)
    assert (card.full_name, card.email, card.phone, card.form_name) == (
        "Zoë Test",
        "zoe@example.com",
        "+34600000001",
        None,
    )
    assert {answer.type for answer in card.answers} == {""}
    assert card.find_answer("which_services?") == Answer("which_services?", "", None, ("seo", "ads"), ("seo", "ads"))


def test_type_decides_and_not_the_name() -> None:
    form = form_of(q1="FULL_NAME", q2="EMAIL", q3="PHONE", q4="city")
    card = person({"q1": "Zoë Test", "q2": "zoe@example.com", "q3": "0532 123 45 67", "q4": "İzmir"}, form)
    assert (card.full_name, card.email, card.phone, card.city) == (
        "Zoë Test",
        "zoe@example.com",
        "+905321234567",
        "İzmir",
    )
    swapped = form_of(email="FULL_NAME", full_name="EMAIL")
    card = person({"full_name": "zoe@example.com", "email": "Zoë Test"}, swapped)
    assert (card.full_name, card.email) == ("Zoë Test", "zoe@example.com")


ALL_TYPES = {
    "FULL_NAME": ("full_name", "Zoë Test", "Zoë Test"),
    "FIRST_NAME": ("first_name", "Zoë", "Zoë"),
    "LAST_NAME": ("last_name", "Test", "Test"),
    "EMAIL": ("email", "zoe@EXAMPLE.com", "zoe@example.com"),
    "WORK_EMAIL": ("email", "zoe@example.com", "zoe@example.com"),
    "PHONE": ("phone", "0532 123 45 67", "+905321234567"),
    "WORK_PHONE_NUMBER": ("phone", "0532 123 45 67", "+905321234567"),
    "WHATSAPP_NUMBER": ("phone", "0532 123 45 67", "+905321234567"),
    "PHONE_OTP": ("phone", "0532 123 45 67", "+905321234567"),
    "CITY": ("city", " İzmir ", "İzmir"),
    "STATE": ("state", "CA", "CA"),
    "PROVINCE": ("state", "Ontario", "Ontario"),
    "COUNTRY": ("country", "Türkiye", "TR"),
    "ZIP": ("postal_code", "94035", "94035"),
    "POST_CODE": ("postal_code", "M1 1AE", "M1 1AE"),
    "STREET_ADDRESS": ("street_address", "Main 1\nFlat 2", "Main 1 Flat 2"),
    "DOB": ("date_of_birth", "16.02.1997", "1997-02-16"),
    "GENDER": ("gender", "female", "female"),
    "COMPANY_NAME": ("company", "Acme", "Acme"),
    "JOB_TITLE": ("job_title", "CEO", "CEO"),
}


@pytest.mark.parametrize("type_", ALL_TYPES)
def test_each_type_fills_its_field(type_: str) -> None:
    field, typed, expected = ALL_TYPES[type_]
    assert getattr(person({"q": typed}, form_of(q=type_)), field) == expected
    assert getattr(person({"q": "  "}, form_of(q=type_)), field) is None
    assert getattr(person({"q": []}, form_of(q=type_)), field) is None


def test_what_was_typed_stays_in_the_answers() -> None:
    typed = "  Zoë \u00a0 TEST\n"
    card = person(
        {"full_name": [typed], "email": ["nonsense"], "phone_number": ["call me"], "x": ["", " "]}, country="TR"
    )
    assert (card.full_name, card.email, card.phone, card.phone_typed) == ("Zoë TEST", None, None, "call me")
    assert [answer.values for answer in card.answers] == [(typed,), ("nonsense",), ("call me",), ("", " ")]


def test_what_cannot_be_stored_is_replaced_everywhere() -> None:
    form = {
        "questions": [{"key": "k\0", "label": "L\ud800", "type": "CUSTOM", "options": [{"key": "a\0", "value": "b\0"}]}]
    }
    card = read({"field_data": [{"name": "k\0", "values": ["a\0", "x\udfff"]}], "ad_name": "a\0d"}, form)
    assert card.answers == (Answer("k", "CUSTOM", "L\ufffd", ("a", "x\ufffd"), ("b", "x\ufffd")),)
    assert card.ad_name == "ad"


def test_personal_before_work_and_readable_before_unreadable() -> None:
    form = form_of(a="WORK_EMAIL", b="EMAIL", c="WORK_PHONE_NUMBER", d="WHATSAPP_NUMBER", e="PHONE")
    full = {
        "a": "job@example.com",
        "b": "me@example.com",
        "c": "+34600000003",
        "d": "+34600000002",
        "e": "+34600000001",
    }
    assert (person(full, form).email, person(full, form).phone) == ("me@example.com", "+34600000001")
    del full["e"]
    assert person(full, form).phone == "+34600000002"
    card = person(full | {"b": "me", "d": "later"}, form)
    assert (card.email, card.phone, card.phone_typed) == ("job@example.com", "+34600000003", "+34600000003")
    card = person({"c": "?", "d": "later"}, form)
    assert (card.phone, card.phone_typed) == (None, "later")


def test_the_country_answered_serves_the_phone_where_the_page_has_none() -> None:
    answers = {"country": "Almanya", "phone_number": "0151 23456789"}
    assert person(answers, country=None).phone == "+4915123456789"
    assert person(answers, country="TR").phone == "+4915123456789"
    assert person({"phone_number": "0151 23456789"}, country=None).phone is None
    assert person(answers, country="nowhere").phone == "+4915123456789"


@pytest.mark.parametrize(
    ("answers", "full", "first", "last"),
    [
        ({"full_name": "Ludwig van der Berg"}, "Ludwig van der Berg", "Ludwig", "van der Berg"),
        ({"first_name": "Zoë", "last_name": "Test"}, "Zoë Test", "Zoë", "Test"),
        ({"first_name": "Zoë"}, "Zoë", "Zoë", None),
        ({"last_name": "Test"}, "Test", None, "Test"),
        ({"full_name": "Zoë Marie Test", "first_name": "Zoë"}, "Zoë Marie Test", "Zoë", "Test"),
        ({"full_name": "Zoë Marie Test", "last_name": "Marie Test"}, "Zoë Marie Test", "Zoë Marie", "Marie Test"),
        ({"full_name": "Dr. Zoë Test"}, "Dr. Zoë Test", "Zoë", "Test"),
        ({"full_name": "Madonna"}, "Madonna", "Madonna", None),
        ({"full_name": "王小明"}, "王小明", "王小明", None),
        ({"full_name": "x" * 300}, "x" * 300, None, None),
        ({"full_name": ["", " ", "Zoë Test"]}, "Zoë Test", "Zoë", "Test"),
        ({"first_name": "太郎", "last_name": "山田"}, "山田太郎", "太郎", "山田"),
        # names of which only the others say what they are
        ({"nom": "Test", "prénom": "Zoë"}, "Zoë Test", "Zoë", "Test"),
        ({"nombre": "Zoë", "apellidos": "Test Test"}, "Zoë Test Test", "Zoë", "Test Test"),
        ({"name": "Zoë Test"}, "Zoë Test", "Zoë", "Test"),
        ({"name": "x", "first_name": "Zoë", "last_name": "Test"}, "Zoë Test", "Zoë", "Test"),
        ({"adı_soyadı": "Ayşe Nur Yılmaz"}, "Ayşe Nur Yılmaz", "Ayşe Nur", "Yılmaz"),
    ],
)
def test_names(answers: dict[str, Any], full: str, first: str | None, last: str | None) -> None:
    card = person(answers)
    assert (card.full_name, card.first_name, card.last_name) == (full, first, last)


def test_the_forms_language_orders_the_name() -> None:
    card = person({"full_name": "Nguyễn Văn An"}, form_of("vi_VN", full_name="FULL_NAME"))
    assert (card.first_name, card.last_name) == ("Văn An", "Nguyễn")


def test_an_own_question_with_a_standard_name_fills_what_typed_questions_left_empty() -> None:
    form = form_of(email="CUSTOM", mail="EMAIL", phone_number="CUSTOM")
    card = person({"email": "own@example.com", "mail": "typed@example.com", "phone_number": "0532 123 45 67"}, form)
    assert (card.email, card.phone) == ("typed@example.com", "+905321234567")
    choice = {"key": "country", "type": "CUSTOM", "options": [{"key": "1", "value": "Deutschland"}]}
    assert person({"country": "1"}, {"questions": [choice]}).country == "DE"
    assert person({"country": "1"}, {"tracking_parameters": [{"key": "country"}]}).country is None


def test_hidden_fields_never_become_the_person() -> None:
    card = person(
        {"email": "agency@example.com"}, {"tracking_parameters": [{"key": "email", "value": "agency@example.com"}]}
    )
    assert card.email is None
    assert card.answers == (Answer("email", "HIDDEN", None, ("agency@example.com",), ("agency@example.com",)),)


def test_a_name_that_comes_twice_keeps_all_values_in_order() -> None:
    data = [{"name": "a", "values": ["1", "2"]}, {"name": "b", "values": []}, {"name": "a", "values": ["3", "1"]}]
    assert read({"field_data": data}, None).answers == (
        Answer("a", values=("1", "2", "3", "1"), labels=("1", "2", "3", "1")),
        Answer("b"),
    )


@pytest.mark.parametrize(
    ("checked", "consent"),
    [("1", True), ("", False), (True, True), (False, False), ("true", True), (1, True), ("0", False), (None, False), ([], False)],
)  # fmt: skip
def test_only_a_plain_yes_is_a_consent(checked: Any, consent: bool) -> None:
    boxes = [{"checkbox_key": "optional_1", "is_checked": checked}, {"is_checked": "1"}, "x", {"checkbox_key": "late"}]
    assert read({"custom_disclaimer_responses": boxes}).consents == (
        Consent("optional_1", consent),
        Consent("late", False),
    )


@pytest.mark.parametrize(
    ("answers", "is_test"),
    [
        ({"full_name": "<test lead: dummy data for full_name>"}, True),
        ({"FULL_NAME": " <Test Lead: dummy data for FULL_NAME>"}, True),
        ({"email": "test@meta.com"}, True),
        ({"email": " Test@FB.com "}, True),
        ({"which_services?": ["seo", "<test lead: dummy data for which_services?>"]}, True),
        ({"email": "contest@meta.com"}, False),
        ({"full_name": "Test Lead"}, False),
        ({}, False),
    ],
)
def test_test_leads(answers: dict[str, Any], is_test: bool) -> None:
    assert person(answers).is_test is is_test


def test_a_test_lead_gives_a_card_that_looks_like_one() -> None:
    names = ("full_name", "email", "phone_number", "country", "date_of_birth")
    card = person({name: f"<test lead: dummy data for {name}>" for name in names} | {"email": "test@meta.com"})
    assert (card.full_name, card.first_name, card.last_name) == (
        "<test lead: dummy data for full_name>", "<test lead: dummy data for full_name>", None,
    )  # fmt: skip
    assert (card.email, card.phone, card.country) == ("test@meta.com", None, None)
    assert card.phone_typed == "<test lead: dummy data for phone_number>"


def test_ids_as_numbers_and_what_the_webhook_said() -> None:
    card = read(
        {"id": 222222222222222, "ad_id": 2**63, "form_id": None, "adset_id": True, "created_time": 1763799990}, None
    )
    assert (card.leadgen_id, card.ad_id, card.form_id, card.adset_id) == (
        "222222222222222", "9223372036854775808", "333333333333333", None,
    )  # fmt: skip
    assert card.created_at == datetime(2025, 11, 22, 8, 26, 30, tzinfo=UTC)
    bare = read({}, None, created_time="1763799990")
    assert (bare.ad_id, bare.created_at, bare.is_organic, bare.platform) == ("77", card.created_at, None, None)
    assert read({}, {"page": {"id": 5}, "id": 6}, page_id=None, form_id=None).page_id == "5"
    assert read({}, {"page": {"id": 5}, "id": 6}, page_id=None, form_id=None).form_id == "6"
    assert read({}, {"page_id": "7"}, page_id=None).page_id == "7"


def test_received_at_is_utc() -> None:
    istanbul = RECEIVED.astimezone(timezone(timedelta(hours=3)))
    card = build_card({}, form=None, page_name=None, default_country=None, received_at=istanbul, fallback=FALLBACK)
    assert card.received_at is not None
    assert card.received_at.isoformat() == "2026-11-22T08:26:33.120000+00:00"


@pytest.mark.parametrize("answer", [None, [], [{"id": "222222222222222"}], "x", 5, True])
def test_an_answer_that_is_no_object_is_refused(answer: Any) -> None:
    with pytest.raises(Permanent) as caught:
        read(answer)
    assert caught.value.code == "lead_not_an_object"


@pytest.mark.parametrize("other", ["222222222222223", 5, "zoe@example.com", "0222222222222222"])
def test_an_answer_about_another_lead_is_refused_without_quoting_it(other: Any) -> None:
    with pytest.raises(Permanent) as caught:
        read({"id": other})
    assert caught.value.code == "lead_id_differs"
    assert "zoe" not in str(caught.value)


@pytest.mark.parametrize("unreadable", [None, "", " ", [], {}, True, 1.5, -4])
def test_an_unreadable_id_is_no_id(unreadable: Any) -> None:
    assert read({"id": unreadable}).leadgen_id == "222222222222222"
    with pytest.raises(Permanent) as caught:
        read({"id": unreadable}, leadgen_id=None)
    assert caught.value.code == "lead_without_id"


def test_wrong_types_are_kept_as_text_or_passed_over() -> None:
    data = [
        None, 5, "x", {}, {"name": "n"}, {"name": None, "values": ["lost name"]}, {"name": 7, "values": "alone"},
        {"name": "m", "values": [1, 2.5, True, None, {"a": 1}, ["b"]]}, {"name": ["l"], "values": 3},
    ]  # fmt: skip
    card = read(
        {"field_data": data, "ad_name": ["x"], "platform": {}, "campaign_name": 17, "is_organic": "false"}, None
    )
    assert [(answer.key, answer.values) for answer in card.answers] == [
        ("n", ()),
        ("", ("lost name",)),
        ("7", ("alone",)),
        ("m", ("1", "2.5", "true", '{"a": 1}', '["b"]')),
        ('["l"]', ("3",)),
    ]
    assert (card.ad_name, card.platform, card.campaign_name, card.is_organic) == (None, None, "17", False)


@pytest.mark.parametrize("field_data", [None, {}, "x", 5, {"name": "email"}, [[]]])
def test_field_data_of_another_shape_is_no_answers(field_data: Any) -> None:
    assert read({"field_data": field_data}).answers == ()


def test_needs_fresh_form() -> None:
    assert not needs_fresh_form(ANSWER, FORM)
    assert needs_fresh_form({"field_data": [{"name": "new_question", "values": ["x"]}]}, FORM)
    assert needs_fresh_form(ANSWER, None)
    assert needs_fresh_form(ANSWER, {**FORM, "tracking_parameters": []})
    assert not needs_fresh_form({}, None)
    assert not needs_fresh_form("x", FORM)


# --- rows -------------------------------------------------------------------------------------------------------------


def through_json(card: LeadCard) -> LeadCard:
    text = json.dumps(card_to_row(card), ensure_ascii=True)
    assert text.isascii()
    return card_from_row(json.loads(text))


def test_a_card_comes_back_from_its_row() -> None:
    card = read().with_mapped({"a": "x", "b": True, "c": ["1", "2"], "d": None, "e": [], "f": ""})
    assert through_json(card) == card
    assert through_json(LeadCard("1", "2")) == LeadCard("1", "2")
    assert through_json(LeadCard("1", "")) == LeadCard("1", "")


def test_a_row_of_another_version_is_read_as_far_as_it_goes() -> None:
    row = card_to_row(read()) | {"shoe_size": 43}
    del row["email"]
    row["answers"][0]["mood"] = "good"
    assert card_from_row(row) == replace(read(), email=None)


TEXT = st.text(st.characters(), max_size=8)
OPTIONAL = st.none() | TEXT
TIME = st.none() | st.datetimes(timezones=st.just(UTC) | st.just(timezone(timedelta(hours=3, minutes=7))))
TEXTS = st.lists(TEXT, max_size=3).map(tuple)
CARDS = st.builds(
    LeadCard,
    leadgen_id=TEXT,
    page_id=TEXT,
    ad_name=OPTIONAL,
    full_name=OPTIONAL,
    country=OPTIONAL,
    is_organic=st.none() | st.booleans(),
    is_test=st.booleans(),
    created_at=TIME,
    received_at=TIME,
    answers=st.lists(st.builds(Answer, TEXT, TEXT, OPTIONAL, TEXTS, TEXTS), max_size=3).map(tuple),
    consents=st.lists(st.builds(Consent, TEXT, st.booleans()), max_size=3).map(tuple),
    mapped=st.dictionaries(TEXT, OPTIONAL | st.booleans() | st.lists(TEXT, max_size=2), max_size=3),
)


@given(CARDS)
def test_any_card_comes_back_from_its_row(card: LeadCard) -> None:
    assert through_json(card) == card


# --- anything at all --------------------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
VALUE = JSON | st.sampled_from(
    ["Zoë Test", "zoe@example.com", "0532 123 45 67", "Türkiye", "16.02.1997", "seo", "SEO", "1"]
)
KEY = JSON | st.sampled_from(["full_name", "nom", "email", "phone_number", "country", "dob", "q1", "q2", "utm"])
TYPE = JSON | st.sampled_from([*ALL_TYPES, "CUSTOM", "HIDDEN"])
FIELD = JSON | st.fixed_dictionaries({}, optional={"name": KEY, "values": VALUE | st.lists(VALUE, max_size=3)})
CHOICE = JSON | st.fixed_dictionaries(
    {}, optional={"key": VALUE, "value": VALUE, "next_question_choices": st.lists(JSON)}
)
QUESTION = JSON | st.fixed_dictionaries(
    {},
    optional={
        "key": KEY,
        "type": TYPE,
        "label": JSON,
        "options": JSON | st.lists(CHOICE, max_size=3),
        "conditional_questions_choices": JSON | st.lists(CHOICE, max_size=2),
        "dependent_conditional_questions": JSON
        | st.lists(JSON | st.fixed_dictionaries({"field_key": KEY}, optional={"name": JSON}), max_size=2),
    },
)
ANY_ANSWER = JSON | st.fixed_dictionaries(
    {},
    optional={
        "id": JSON,
        "created_time": JSON,
        "ad_id": JSON,
        "is_organic": JSON,
        "platform": JSON,
        "field_data": JSON | st.lists(FIELD, max_size=4),
        "custom_disclaimer_responses": JSON
        | st.lists(JSON | st.fixed_dictionaries({"checkbox_key": KEY, "is_checked": JSON}), max_size=2),
    },
)
ANY_FORM = JSON | st.fixed_dictionaries(
    {},
    optional={
        "name": JSON,
        "locale": JSON | st.sampled_from(["tr_TR", "vi_VN", "es_LA"]),
        "page": JSON,
        "questions": JSON | st.lists(QUESTION, max_size=3),
        "tracking_parameters": JSON | st.lists(st.fixed_dictionaries({"key": KEY}), max_size=2),
    },
)


@given(answer=ANY_ANSWER, form=ANY_FORM, country=st.none() | st.sampled_from(["TR", "US", "xx", ""]))
def test_whatever_meta_sends_gives_a_card_or_permanent(answer: Any, form: Any, country: str | None) -> None:
    needs_fresh_form(answer, form)
    try:
        card = read(answer, form, country)
    except Permanent:
        return
    assert through_json(card) == card
    json.dumps(card.to_json(), ensure_ascii=False).encode()  # nothing in it that cannot be written out
    blank = [name for name, value in card_to_row(card).items() if isinstance(value, str) and not value.strip()]
    assert not blank
