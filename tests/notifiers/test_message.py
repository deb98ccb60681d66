"""What a sales rep reads: everything needed to call, nothing invented, as long as the target takes."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leadloop.leads import Answer, LeadCard
from notifiers.formats import BodyFormat, named_format
from notifiers.message import Message, ago, build_message
from notifiers.pen import Pen

from .conftest import NOW, _make_card

Make = Callable[..., LeadCard]
SMS = BodyFormat(Pen("text"), "text", body_maxlen=160, title_maxlen=0)
NTFY = BodyFormat(Pen("text"), "text", body_maxlen=3_880, counted_as="json")
FORMATS = [named_format("text"), named_format("html"), named_format("markdown"), SMS, NTFY]


def build(card: LeadCard, body_format: BodyFormat | str = "text", template: str | None = None) -> Message:
    return build_message(card, template, now=NOW, body_format=body_format)


def test_the_alert_says_who_and_from_where(make_card: Make) -> None:
    message = build(make_card())
    assert message.title == "New lead: Zoë Example · Autumn offer"
    assert message.body.split("\n") == [
        "Zoë Example",
        "Phone: +905321234567",
        "E-mail: zoe@example.com",
        "Which services? SEO, Advertising",
        "Form: Autumn offer",
        "Ad: Video 3",
        "Page: Acme Istanbul",
        "Sent: Instagram, 12 s ago",
    ]


def test_in_html_the_number_can_be_tapped(make_card: Make) -> None:
    assert build(make_card(answers=()), "html").body == (
        '<b>Zoë Example</b><br>Phone: <a href="tel:+905321234567">+905321234567</a>'
        '<br>E-mail: <a href="mailto:zoe@example.com">zoe@example.com</a>'
        "<br>Form: Autumn offer<br>Ad: Video 3<br>Page: Acme Istanbul<br>Sent: Instagram, 12 s ago"
    )


def test_in_markdown_the_number_can_be_tapped(make_card: Make) -> None:
    assert build(make_card(answers=()), "markdown").body.startswith(
        "**Zoë Example**\n\n- Phone: [+905321234567](tel:+905321234567)\n- E-mail: [zoe@example.com](mailto:"
    )


def test_where_there_is_no_title_the_first_line_says_it(make_card: Make) -> None:
    message = build(make_card(), SMS)
    assert message.title == ""
    assert message.body.startswith("New lead: Zoë Example\nPhone: +905321234567\n")


@pytest.mark.parametrize("body_format", FORMATS)
@pytest.mark.parametrize("template", [None, "Call {full_name} now"])
def test_a_test_lead_says_so_everywhere(make_card: Make, body_format: BodyFormat, template: str | None) -> None:
    message = build(make_card(is_test=True), body_format, template)
    assert "TEST" in message.body
    assert ("TEST" in message.title) == bool(body_format.title_maxlen)
    real = build(make_card(), body_format, template)
    assert "TEST" not in real.title + real.body


def test_a_lead_of_which_nothing_is_known_still_rings() -> None:
    message = build(LeadCard("1", "2"))
    assert (message.title, message.body) == ("New lead", "New lead")


UNKNOWN: list[dict[str, Any]] = [
    {name: None}
    for name in ("full_name", "email", "phone", "phone_typed", "form_name", "ad_name", "page_name", "platform")
]
UNKNOWN += [{"created_at": None}, {"full_name": None, "first_name": None, "last_name": None}, {"answers": ()}]
UNKNOWN += [{"form_name": " \u200b", "page_name": "", "full_name": "\n", "platform": ""}]


@pytest.mark.parametrize("unknown", UNKNOWN)
@pytest.mark.parametrize("body_format", FORMATS)
def test_what_is_unknown_is_left_out(make_card: Make, unknown: dict[str, Any], body_format: BodyFormat) -> None:
    message = build(make_card(**unknown), body_format)
    assert "None" not in message.title + message.body
    assert not [line for line in message.body.split("\n") if line.rstrip().endswith(":")]
    assert message.body.strip()


def test_a_number_that_is_none_is_shown_as_typed(make_card: Make) -> None:
    body = build(make_card(phone=None, phone_typed="call my mum 0532"), "html").body
    assert "Phone (as typed): call my mum 0532" in body
    assert "tel:" not in body


def test_an_address_that_is_none_is_shown_as_typed(make_card: Make) -> None:
    answers = (Answer("email", "EMAIL", "Your e-mail", ("zoe at example",), ("zoe at example",)),)
    assert "Your e-mail: zoe at example\n" in build(make_card(email=None, answers=answers)).body


def test_a_form_that_could_not_be_read_repeats_nothing(make_card: Make) -> None:
    answers = tuple(
        Answer(key, "", None, (value,), (value,))
        for key, value in {
            "full_name": "Zoë Example",
            "phone_number": "0532 123 45 67",
            "email": "zoe@example.com",
            "what_is_your_budget": "5000",
        }.items()
    )
    body = build(make_card(answers=answers)).body
    assert body.count("Zoë Example") == 1
    assert "0532 123" not in body
    assert "what is your budget: 5000\n" in body


def test_a_second_number_and_address_can_be_tapped_too(make_card: Make) -> None:
    answers = (
        Answer("work_phone", "WORK_PHONE_NUMBER", "Work phone", ("+90 212 444 00 00",), ("+90 212 444 00 00",)),
        Answer("work_email", "WORK_EMAIL", "Work e-mail", ("z@work.example",), ("z@work.example",)),
        Answer("whatsapp", "WHATSAPP_NUMBER", "WhatsApp", ("not one",), ("not one",)),
    )
    body = build(make_card(answers=answers), "html").body
    assert 'Work phone: <a href="tel:+902124440000">' in body
    assert "mailto:z@work.example" in body
    assert "WhatsApp: not one" in body


def test_tracking_parameters_are_not_for_the_sales_rep(make_card: Make) -> None:
    assert "newsletter-7" not in build(make_card()).body


def test_an_organic_lead_says_so(make_card: Make) -> None:
    card = make_card(is_organic=True, ad_name=None, campaign_name=None, platform="fb")
    assert "Sent: Facebook, not from an ad, 12 s ago" in build(card).body
    assert "Ad:" not in build(card).body
    assert "Sent: threads, " in build(make_card(platform="threads")).body


def test_an_answer_cannot_pretend_to_be_a_line_of_ours(make_card: Make) -> None:
    forged = Answer("q", "CUSTOM", "Note", ("hi\nPhone: +15550000000\r\nSent: now",), ("hi\nPhone: +15550000000",))
    for body_format in FORMATS[:3]:
        body = build(make_card(answers=(forged,)), body_format).body
        assert body.count("Phone: ") == 2  # ours, and one in the middle of the note's own line
        assert "Note: hi Phone: +15550000000" in body


@pytest.mark.parametrize("body_format", FORMATS)
@pytest.mark.parametrize(
    "answer", ["word " * 10_000, "x" * 50_000, "<&>\"'" * 10_000, "😀" * 50_000, "*" * 50_000, "@a " * 20_000]
)
def test_a_huge_answer_is_shortened_to_what_the_target_takes(
    make_card: Make, answer: str, body_format: BodyFormat
) -> None:
    answers = tuple(Answer(f"q{i}", "CUSTOM", f"Question {i}", (answer,), (answer,)) for i in range(30))
    message = build(make_card(answers=answers, full_name="Zoë " * 200), body_format)
    assert body_format.size(message.body) <= body_format.body_maxlen
    assert len(message.title) <= max(body_format.title_maxlen, 0)
    assert "…" in message.body
    assert "+905321234567" in message.body  # what to call by is never cut off


def test_in_a_short_message_the_rest_gives_way_to_the_number(make_card: Make) -> None:
    body = build(make_card(), SMS).body
    assert len(body) <= 160
    assert "Phone: +905321234567\nE-mail: zoe@example.com\n" in body
    assert body.endswith("…")


def test_a_hundred_questions_are_enough(make_card: Make) -> None:
    answers = tuple(Answer(f"q{i}", "CUSTOM", f"Q{i}", ("a",), ("a",)) for i in range(10_000))
    assert "Q99: a" in build(make_card(answers=answers)).body
    assert "Q100" not in build(make_card(answers=answers)).body


@pytest.mark.parametrize(
    ("passed", "said"),
    [
        (timedelta(seconds=-5), "just now"),
        (timedelta(milliseconds=900), "just now"),
        (timedelta(seconds=12.9), "12 s ago"),
        (timedelta(seconds=89), "89 s ago"),
        (timedelta(seconds=90), "2 min ago"),
        (timedelta(minutes=3, seconds=10), "3 min ago"),
        (timedelta(minutes=89), "89 min ago"),
        (timedelta(hours=2), "2 h ago"),
        (timedelta(hours=35), "35 h ago"),
        (timedelta(days=6), "6 days ago"),
    ],
)
def test_time_since_the_form_was_sent(passed: timedelta, said: str) -> None:
    assert ago(NOW - passed, NOW) == said


# --- templates --------------------------------------------------------------------------------------------------------


def test_a_template_replaces_the_body(make_card: Make) -> None:
    message = build(make_card(), template="Call {full_name}\nat {phone} ({labels.which_services?})")
    assert message.title == "New lead: Zoë Example · Autumn offer"
    assert message.body == "Call Zoë Example\nat +905321234567 (SEO, Advertising)"


def test_a_templates_lines_stay_lines_in_each_format(make_card: Make) -> None:
    template = "{first_name}\n{phone}"
    assert build(make_card(), "html", template).body == 'Zoë<br><a href="tel:+905321234567">+905321234567</a>'
    assert build(make_card(), "markdown", template).body == "Zoë  \n[+905321234567](tel:+905321234567)"


OWN = """
*Call* {full_name} <now> & {phone} {email}
https://crm.example/leads/{leadgen_id}?by={email}&tel={phone}&x={answers.none}
{{braces}} @sales
"""
QUERY = "by=zoe.t%40example.com&tel=%2B905321234567&x="


@pytest.mark.parametrize(
    ("body_format", "lines"),
    [
        (
            "text",
            [
                "*Call* Zoë Example <now> & +905321234567 zoe.t@example.com",
                f"https://crm.example/leads/77?{QUERY}",
                "{braces} @sales",
            ],
        ),
        (
            BodyFormat(Pen("chat"), "text"),
            [
                "*Call* Zoë Example <now> & +905321234567 zoe.t@example.com",
                f"https://crm.example/leads/77?{QUERY}",
                "{braces} @sales",
            ],
        ),
        (
            "markdown",
            [
                "*Call* Zoë Example <now> & [+905321234567](tel:+905321234567)"
                " [zoe.t@example.com](mailto:zoe.t@example.com)  ",
                f"https://crm.example/leads/77?{QUERY}  ",
                "{braces} @sales",
            ],
        ),
        (
            "html",
            [
                '*Call* Zoë Example &lt;now&gt; &amp; <a href="tel:+905321234567">+905321234567</a>'
                ' <a href="mailto:zoe.t@example.com">zoe.t@example.com</a>'
                f"<br>https://crm.example/leads/77?{QUERY.replace('&', '&amp;')}<br>{{braces}} @sales"
            ],
        ),
    ],
    ids=["text", "chat", "markdown", "html"],
)
def test_the_owners_text_is_sent_as_it_is(make_card: Make, body_format: BodyFormat | str, lines: list[str]) -> None:
    card = make_card(leadgen_id="77", email="zoe.t@example.com")
    assert build(card, body_format, OWN).body.split("\n") == lines


@pytest.mark.parametrize(
    ("template", "body"),
    [
        ("https://wa.me/{phone}", "https://wa.me/+905321234567"),
        ("Ring tel:{phone} now", "Ring tel:+905321234567 now"),
        ("[{full_name}](tel:{phone}) {phone}", "[Zoë Example](tel:+905321234567) [+905321234567](tel:+905321234567)"),
        (
            "[open](https://crm.example/{form_name}) {form_name}",
            "[open](https://crm.example/Autumn%20offer) Autumn offer",
        ),
        ("see https://crm.example: {email}", "see https://crm.example: [zoe@example.com](mailto:zoe@example.com)"),
        ("{phone}{email}", "[+905321234567](tel:+905321234567)[zoe@example.com](mailto:zoe@example.com)"),
    ],
)
def test_a_value_in_an_address_stays_a_part_of_it(make_card: Make, template: str, body: str) -> None:
    assert build(make_card(), "markdown", template).body == body


def test_a_value_breaks_out_of_no_address(make_card: Make) -> None:
    card = make_card(form_name=") @everyone <b> & http://evil.example/?x=1#y")
    body = build(card, "markdown", "[open](https://crm.example/f/{form_name})").body
    assert body == (
        "[open](https://crm.example/f/%29%20%40everyone%20%3Cb%3E%20%26%20http%3A%2F%2Fevil.example%2F%3Fx%3D1%23y)"
    )


@pytest.mark.parametrize(
    ("template", "values"),
    [
        ("@{answers.a}", ("everyone", "")),
        ("<{answers.a}>", ("!channel", "")),
        ("{answers.a}{answers.b}", ("[x]", "(//evil.example)")),
        ("{answers.a}{answers.b}", ("1", ". x")),
        ("&{answers.a}", ("lt;b", "")),
    ],
)
def test_values_make_nothing_together_with_what_stands_before_them(
    make_card: Make, template: str, values: tuple[str, str]
) -> None:
    card = make_card(
        answers=tuple(Answer(key, "CUSTOM", "Q", (text,), (text,)) for key, text in zip("ab", values, strict=True))
    )
    whole = template.replace("{answers.a}", values[0]).replace("{answers.b}", values[1])
    for body_format in (BodyFormat(Pen("chat"), "text"), named_format("markdown")):
        assert whole.strip() not in build(card, body_format, template).body


@pytest.mark.parametrize("template", ["{full_name}", "Name:\n  {full_name}"])
def test_a_value_at_the_start_of_a_line_is_no_heading(make_card: Make, template: str) -> None:
    assert build(make_card(full_name="# big"), "markdown", template).body.split("\n")[-1].strip() == "\u200b# big"


def test_what_is_missing_is_a_dash(make_card: Make) -> None:
    assert build(make_card(phone=None, email=None), "markdown", "{phone} {email}").body == "— —"


@pytest.mark.parametrize("body_format", FORMATS)
def test_an_owners_text_that_is_too_long_is_cut_without_half_a_link(make_card: Make, body_format: BodyFormat) -> None:
    for template in ("{phone} " * 3_000, "long text & more " * 900 + "{phone}", "{full_name}\n" * 2_000):
        body = build(make_card(), body_format, template).body
        assert body_format.size(body) <= body_format.body_maxlen
        assert body.endswith("…")
        assert body.count("<a ") == body.count("</a>")
        assert body.count("](tel:+905321234567)") == body.count("[+905321234567]")


def test_an_answer_in_a_template_is_as_inert_as_elsewhere(make_card: Make) -> None:
    hostile = "<b>x</b>\n# *head* @everyone http://evil.example"
    card = make_card(full_name=hostile, answers=(Answer("q", "CUSTOM", "Q", (hostile,), (hostile,)),))
    body = build(card, "markdown", "{full_name}\n{answers.q}\n{labels.q}").body
    assert len(body.split("\n")) == 3
    assert not set("<>*`") & set(body)
    assert "@everyone" not in body
    assert "<b>x" not in build(card, "html", "{full_name}").body
    assert "&lt;b&gt;x" in build(card, "html", "{full_name}").body


@pytest.mark.parametrize("body_format", FORMATS)
def test_a_template_is_shortened_too(make_card: Make, body_format: BodyFormat) -> None:
    card = make_card(full_name="<&😀>" * 20_000)
    message = build(card, body_format, "{full_name} " * 50)
    assert body_format.size(message.body) <= body_format.body_maxlen
    assert "…" in message.body


@pytest.mark.parametrize("template", ["{no_such_field}", "{", "   ", "\n\u200b\n"])
def test_a_template_that_gives_nothing_costs_no_alert(make_card: Make, template: str) -> None:
    assert build(make_card(), template=template).body == build(make_card()).body


# --- whatever comes ---------------------------------------------------------------------------------------------------

typed = st.text(st.characters(), max_size=80) | st.none()
answers = st.lists(
    st.builds(
        Answer,
        key=st.text(max_size=20),
        type=st.sampled_from(["", "CUSTOM", "EMAIL", "PHONE", "FULL_NAME", "WORK_PHONE_NUMBER", "WORK_EMAIL"]),
        label=typed,
        values=st.tuples(st.text(st.characters(), max_size=60)),
        labels=st.tuples(st.text(st.characters(), max_size=60)),
    ),
    max_size=4,
).map(tuple)


@settings(deadline=None)
@given(
    card=st.builds(
        _make_card,
        full_name=typed,
        phone_typed=typed,
        form_name=typed,
        page_name=typed,
        platform=typed,
        answers=answers,
    ),
    body_format=st.sampled_from(FORMATS),
    template=st.sampled_from([None, "{full_name}: {phone_typed}\n{form_name}"]),
)
def test_whatever_was_typed_becomes_a_message_that_fits(
    card: LeadCard, body_format: BodyFormat, template: str | None
) -> None:
    message = build(card, body_format, template)
    assert message.body.strip()
    assert body_format.size(message.body) <= body_format.body_maxlen
    assert len(message.title) <= body_format.title_maxlen
    (message.title + message.body).encode()
    if template is None and body_format.pen.markup == "text":
        assert all(
            ": " in line or "? " in line or "？ " in line for line in message.body.split("\n")[1:] if line != "…"
        )


def test_a_message_keeps_the_person_out_of_its_repr(make_card: Make) -> None:
    assert "Zoë" not in repr(build(make_card()))
    assert "0532" not in repr(build(make_card()))
