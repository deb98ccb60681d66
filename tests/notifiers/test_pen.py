"""A stranger's text is shown and does nothing, in every markup."""

import re
import time
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifiers.pen import Markup, Pen, inert, one_line, shorten

MARKUPS: list[Markup] = ["text", "chat", "markdown", "html"]

anything = st.text(st.characters(), max_size=200)  # surrogates too


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("  Zoë \t Test ", "Zoë Test"),
        ("a\nPhone: +1 555", "a Phone: +1 555"),
        ("a\r\nb\u2028c\u2029d\x85e\x0bf", "a b c d e f"),
        ("nul\x00bell\x07esc\x1b[31m", "nulbell esc [31m"),
        ("\u202egnp.exe\u202c \u2066x\u2069 \u200fy", "gnp.exe x y"),
        ("zero\u200bwidth\ufeff\u2060", "zerowidth"),
        ("lone \ud800 surrogate", "lone \ufffd surrogate"),
        ("İstanbul ışık 👩‍👩‍👧 نام‌ها", "İstanbul ışık 👩‍👩‍👧 نام‌ها"),
        ("Z" + "\u0301" * 500 + "oe", "Z\u0301\u0301\u0301oe"),
        ("", ""),
        (" \n\t", ""),
    ],
)
def test_a_text_becomes_one_visible_line(typed: str, shown: str) -> None:
    assert one_line(typed, 100) == shown


@pytest.mark.parametrize(("limit", "kept"), [(5, "abcd…"), (6, "abcdef"), (1, "…"), (0, "…")])
def test_a_long_text_ends_in_an_ellipsis(limit: int, kept: str) -> None:
    assert shorten("abcdef", limit) == kept


def test_cutting_leaves_no_half_character() -> None:
    assert shorten("abc👩\u200d👧def", 6) == "abc👩…"
    assert shorten("abe\u0301\u0301\u0301def", 6) == "abe…"


@pytest.mark.parametrize("typed", ["x" * 50_000, "\u200b" * 50_000, "a\n" * 25_000, "\u0301" * 50_000, "@" * 50_000])
def test_a_huge_answer_costs_little(typed: str) -> None:
    started = time.process_time()
    assert len(one_line(typed, 1_000)) <= 1_000
    for markup in MARKUPS:
        inert(one_line(typed, 1_000), markup)
    assert time.process_time() - started < 0.5


@pytest.mark.parametrize("markup", MARKUPS)
@pytest.mark.parametrize(
    "typed", ["@everyone", "hi @here", "(@channel)", "x@everyone", "＠ @all", "@\u2066everyone", "<@U123>", "@zoe"]
)
def test_a_mention_mentions_nobody(typed: str, markup: Markup) -> None:
    written = inert(one_line(typed, 100), markup)
    assert not re.search(r"(?<!\w)@\w|@(everyone|here|channel|all)", written)


@pytest.mark.parametrize("markup", MARKUPS)
@pytest.mark.parametrize(
    "typed",
    ["http://evil.example/x", "HTTPS://evil.example", "www.evil.example", "evil.example", "slack://x", "evil。example"],
)
def test_a_link_leads_nowhere(typed: str, markup: Markup) -> None:
    written = inert(one_line(typed, 100), markup)
    assert "//" not in re.sub("\u200b//", "", written)
    assert not re.search(r"\w[.。]\w", written)
    assert written.replace("\u200b", "") == typed  # and it is still all there to read


@pytest.mark.parametrize("markup", MARKUPS)
@pytest.mark.parametrize(
    "typed", ["3.5", "10:30", "I am <18", "a < b > c", "5 + 3 = 8", "50 % off & more", "snake_case"]
)
def test_harmless_texts_stay_readable(typed: str, markup: Markup) -> None:
    written = inert(typed, markup)
    look_alike = written.replace("‹", "<").replace("›", ">")
    assert (look_alike if markup != "html" else _text_of(written)) == typed


@pytest.mark.parametrize("markup", ["chat", "markdown"])
@pytest.mark.parametrize(
    "typed",
    ["*bold*", "**b**", "_it_", "__b__", "~s~", "~~s~~", "`code`", "```x```", "<script>", "<!channel>", "||spoiler||",
     "\\", "x\\", "[a](http://b)", "![a](b)", "<http://a|b>", "&lt;b&gt;", "&#42;"],
)  # fmt: skip
def test_markup_is_taken_out(typed: str, markup: Markup) -> None:
    written = inert(typed, markup)
    assert not set("*`~\\<>|") & set(written)
    assert "](" not in written
    assert not re.search(r"(?<![^\W_])_|_(?![^\W_])|&#?\w+;", written)


def _text_of(markup: str) -> str:
    parser = _Tags()
    parser.feed(markup)
    parser.close()
    return parser.text


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


@given(anything)
def test_html_has_no_tags_but_ours(typed: str) -> None:
    parser = _Tags()
    line = one_line(typed, 300)
    parser.feed(Pen("html").item("Answer", Pen("html").text(line)) + Pen("html").heading(line))
    parser.close()
    assert parser.tags == ["b"]


@given(anything)
def test_nothing_adds_a_line(typed: str) -> None:
    for markup in MARKUPS:
        pen = Pen(markup)
        line = one_line(typed, 300)
        for written in (pen.text(line), pen.heading(line), pen.item(line, pen.text(line))):
            assert len(written.splitlines()) <= 1
            written.encode()  # no lone surrogate is left


@given(anything)
def test_no_value_that_starts_a_line_starts_a_block(typed: str) -> None:
    for markup in ("chat", "markdown"):
        line = Pen(markup).value(one_line(typed, 300), starts_line=True, apart=False)  # type: ignore[arg-type]
        assert not re.match(r"\s*([#>*+=-]|\d{1,9}[.)])", line)


@pytest.mark.parametrize(
    "typed", ["<test lead: dummy data for full_name>", "<b>x</b>", "a < b > c", "1<2>3", "<3", "<a"]
)
def test_a_tag_in_a_text_loses_both_its_ends(typed: str) -> None:
    shown = Pen("text").text(typed)
    assert ("<" in shown) == (">" in shown) or typed == "<3"
    assert shown.replace("‹", "<").replace("›", ">") == typed
    if typed.startswith("<test"):
        assert shown == "‹test lead: dummy data for full_name›"


def test_right_to_left_text_is_isolated_from_the_number_beside_it() -> None:
    assert Pen().item("Name", Pen().text("مرحبا")) == "Name: \u2068مرحبا\u2069"
    assert Pen().text("Zoë") == "Zoë"


@pytest.mark.parametrize(
    ("pen", "phone", "email"),
    [
        (Pen("text"), "+905321234567", "zoe@example.com"),
        (Pen("chat"), "+905321234567", "zoe@example.com"),
        (Pen("markdown"), "[+905321234567](tel:+905321234567)", "[zoe@example.com](mailto:zoe@example.com)"),
        (Pen("markdown", links=False), "+905321234567", "zoe@example.com"),
        (
            Pen("html"),
            '<a href="tel:+905321234567">+905321234567</a>',
            '<a href="mailto:zoe@example.com">zoe@example.com</a>',
        ),
        (Pen("html", links=False), "+905321234567", "zoe@example.com"),
    ],
)
def test_a_number_and_an_address_can_be_tapped_where_links_work(pen: Pen, phone: str, email: str) -> None:
    assert pen.phone("+905321234567") == phone
    assert pen.email("zoe@example.com") == email


def test_an_odd_but_valid_address_breaks_no_markup() -> None:
    odd = "a*b_`~|{x}?subject=hi&body=<b>@example.com"
    assert (
        Pen("markdown")
        .email(odd)
        .endswith("](mailto:a%2Ab_%60~%7C%7Bx%7D%3Fsubject%3Dhi%26body%3D%3Cb%3E@example.com)")
    )
    assert not set("*`~|<>") & set(Pen("markdown").email(odd).partition("](")[0])
    assert "<b>" not in Pen("html").email(odd)
    assert Pen("chat").email("x@here.com") == "x@\u200bhere.com"


def test_a_question_keeps_its_own_sign() -> None:
    assert Pen().item("Which services?", "SEO") == "Which services? SEO"
    assert Pen().item("City: ", "Izmir") == "City: Izmir"
    assert Pen("markdown").item("# 1. City", "Izmir") == "- \u200b# 1. City: Izmir"
