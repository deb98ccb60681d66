from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadloop.leads import TEMPLATE_FIELDS, Answer, Consent, LeadCard
from leadloop.templates import Placeholder, Template, TemplateError, parse_template, render_text

CARD = LeadCard(
    leadgen_id="222222222222222",
    page_id="111111111111111",
    form_name="Autumn offer",
    is_organic=False,
    is_test=True,
    created_at=datetime(2026, 11, 22, 8, 26, 30, tzinfo=UTC),
    full_name="Zoë Test",
    first_name="Zoë",
    email="zoe@example.com",
    answers=(
        Answer("budget", "CUSTOM", None, ("5000",), ("5,000 TRY",)),
        Answer("which_services?", "CUSTOM", None, ("seo", "ads"), ("SEO", "Advertising")),
        Answer("¿qué.tal? a:b", "CUSTOM", None, ("bien",), ("Bien",)),
        Answer("a{b", values=("odd",), labels=("odd",)),
        Answer("empty", values=("", "  "), labels=("", "  ")),
        Answer("none"),
        Answer("half", values=("", "x"), labels=("", "x")),
    ),
    consents=(Consent("optional_1", True), Consent("optional_2", False)),
)


def render(text: str, card: LeadCard = CARD) -> Any:
    return parse_template(text).render(card)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        # one placeholder: the value as it is
        ("{full_name}", "Zoë Test"),
        ("{ full_name }", "Zoë Test"),
        ("{last_name}", None),
        ("{is_test}", True),
        ("{is_organic}", False),
        ("{created_at}", "2026-11-22T08:26:30Z"),
        ("{received_at}", None),
        ("{answers.budget}", "5000"),
        ("{labels.budget}", "5,000 TRY"),
        ("{answers.which_services?}", ["seo", "ads"]),
        ("{labels.which_services?}", ["SEO", "Advertising"]),
        ("{answers.¿qué.tal? a:b}", "bien"),
        ("{answers.¿QUÉ.TAL? A:B}", "bien"),
        ("{answers.¿que\u0301.tal? a:b}", "bien"),
        ("{answers.a{b}", "odd"),
        ("{answers.empty}", None),
        ("{answers.none}", None),
        ("{answers.half}", "x"),
        ("{answers.unknown}", None),
        ("{consents.optional_1}", True),
        ("{consents.optional_2}", False),
        ("{consents.other}", None),
        # among text
        ("{first_name} <{email}>", "Zoë <zoe@example.com>"),
        ("Budget: {answers.budget}", "Budget: 5000"),
        ("Budget: {answers.none}", None),
        ("{last_name}{phone}", None),
        ("{first_name} {last_name}", "Zoë"),
        ("{last_name} {first_name}  {phone} of {form_name}", "Zoë of Autumn offer"),
        ("Services: {answers.which_services?}", "Services: seo, ads"),
        ("test={is_test}, organic={is_organic}", "test=true, organic=false"),
        ("{phone} consent={consents.optional_2}", "consent=false"),
        (" {email} ", " zoe@example.com "),
        # constants and braces
        ("Meta lead ads", "Meta lead ads"),
        ("", ""),
        ("{{literal}}", "{literal}"),
        ("{{{full_name}}}", "{Zoë Test}"),
        ("{answers.budget}}}", "5000}"),
        ("}}{{", "}{"),
    ],
)
def test_render(text: str, value: Any) -> None:
    assert render(text) == value
    assert type(render(text)) is type(value)


@pytest.mark.parametrize("name", TEMPLATE_FIELDS)
def test_every_field_may_be_named_and_an_empty_one_is_none(name: str) -> None:
    template = parse_template(f"{{{name}}}")
    assert template.names == (name,)
    empty = replace(LeadCard("1", "2"), is_organic=None)
    assert template.render(empty) == {"leadgen_id": "1", "page_id": "2", "is_test": False}.get(name)


def test_names_are_listed_once_in_order() -> None:
    template = parse_template("{email} {answers.b.c} {{x}} {email}{consents.k}{labels.b.c}")
    assert template.names == ("email", "answers.b.c", "consents.k", "labels.b.c")
    assert parse_template("constant").names == ()
    assert parse_template("a{email}").parts == ("a", Placeholder("card", "email"))


@pytest.mark.parametrize(
    ("text", "column", "words"),
    [
        ("{ful_name}", 1, ["{ful_name}", "Did you mean {full_name}"]),
        ("Hello {Email}!", 7, ["{Email}", "{email}"]),
        ("{answer.budget}", 1, ["{answers.budget}"]),
        ("{lables.budget}", 1, ["{labels.budget}"]),
        ("{budget__c}", 1, ["{answers.budget__c}", "{full_name}", "{consents.KEY}"]),
        ("é {xyz.abc}", 3, ["{xyz.abc}", "{answers.xyz.abc}"]),
        ("{}", 1, ['"{}"', "{email}"]),
        ("{ }", 1, ['"{}"']),
        ("{answers.}", 1, ["{answers.KEY}"]),
        ("{consents. }", 1, ["{consents.KEY}"]),
        ("{full_name", 1, ["never closed", "{{"]),
        ("a}b", 2, ["}}"]),
        ("{mapped}", 1, ["{mapped}"]),
        ("{answers}", 1, ["{answers}"]),
        ("{__class__}", 1, ["{__class__}"]),
        ("{full_name!r}", 1, ["{full_name}"]),
        ("{" + "x" * 5000 + "}", 1, ["xxx"]),
    ],
)
def test_mistakes_name_the_column_and_the_mend(text: str, column: int, words: list[str]) -> None:
    with pytest.raises(TemplateError) as caught:
        parse_template(text)
    assert caught.value.column == column
    message = str(caught.value)
    assert message.startswith(f"Column {column}: ")
    assert [word for word in words if word not in message] == []
    assert len(message) < 1500


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("New lead: {full_name} {phone} ({form_name}, {ad_name})", "New lead: Zoë Test — (Autumn offer, —)"),
        ("{phone}", "—"),
        ("{answers.which_services?}", "seo, ads"),
        ("{labels.which_services?}", "SEO, Advertising"),
        ("{created_at}", "2026-11-22 08:26 UTC"),
        ("{is_test} {is_organic} {consents.optional_2} {consents.no}", "yes no no —"),
        ("plain", "plain"),
        ("", ""),
    ],
)
def test_render_text(text: str, shown: str) -> None:
    assert render_text(parse_template(text), CARD) == shown
    assert render_text(text, CARD) == shown


def test_render_text_of_a_bad_text_says_so() -> None:
    with pytest.raises(TemplateError):
        render_text("{nothing}", CARD)


TEXT = st.text(st.characters() | st.sampled_from("{}."), max_size=12)
CARDS = st.builds(
    LeadCard,
    leadgen_id=TEXT,
    page_id=TEXT,
    full_name=st.none() | TEXT,
    is_organic=st.none() | st.booleans(),
    created_at=st.none() | st.datetimes(timezones=st.just(UTC)),
    answers=st.lists(
        st.builds(Answer, TEXT, TEXT, st.none() | TEXT, st.lists(TEXT).map(tuple), st.lists(TEXT).map(tuple)),
        max_size=3,
    ).map(tuple),
    consents=st.lists(st.builds(Consent, TEXT, st.booleans()), max_size=2).map(tuple),
)
PIECE = TEXT | st.sampled_from(
    ["{{", "}}", "{full_name}", "{is_organic}", "{created_at}", "{answers.a}", "{labels.é?}"]
)


@given(st.lists(PIECE, max_size=6).map("".join), CARDS)
def test_any_text_is_a_template_or_a_template_error_and_rendering_never_raises(text: str, card: LeadCard) -> None:
    try:
        template = parse_template(text)
    except TemplateError:
        return
    value = template.render(card)
    assert value is None or isinstance(value, str | bool | list)
    assert isinstance(render_text(template, card), str)


@given(TEXT)
def test_doubled_braces_write_any_text(text: str) -> None:
    constant = parse_template(text.replace("{", "{{").replace("}", "}}"))
    assert constant.render(CARD) == text
    assert isinstance(constant, Template)
