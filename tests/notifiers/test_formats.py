"""How each service wants its text."""

import pytest

from notifiers import formats
from notifiers.addresses import build_plugin, load_services
from notifiers.formats import BODY_MAXLEN, format_of, named_format
from notifiers.pen import Pen

from .test_addresses import LABELS, SLACK


@pytest.mark.parametrize(
    ("url", "markup", "links", "told", "body_maxlen", "title_maxlen"),
    [
        (f"slack://{SLACK}", "markdown", True, "markdown", 4_000, 120),
        (f"slack://{SLACK}?blocks=yes", "markdown", True, "markdown", 3_000, 120),
        (f"slack://{SLACK}?format=text", "text", True, "text", 4_000, 120),
        ("tgram://123456789:abcdefghijklmnop/1", "html", False, "html", 4_000, 0),
        ("tgram://123456789:abcdefghijklmnop/1?format=markdown", "markdown", False, "markdown", 4_000, 0),
        ("discord://1234567890/token", "chat", True, "text", 1_860, 120),
        ("workflows://a.logic.azure.com:443/workflow/signature", "markdown", True, "markdown", 1_000, 120),
        ("mailto://u:p@example.com", "html", True, "html", 4_000, 120),
        ("mailto://u:p@example.com?format=text", "text", True, "text", 4_000, 120),
        ("json://127.0.0.1", "text", True, "text", 4_000, 120),
        ("json://127.0.0.1?format=html", "html", True, "html", 4_000, 120),
        ("mmosts://chat.example.com/tokentokentoken", "markdown", True, "text", 4_000, 0),
        ("gchat://workspace/key/token", "markdown", False, "markdown", 4_000, 0),
        ("matrix://user:token@127.0.0.1?mode=matrix", "html", True, "html", 4_000, 120),
        ("pover://uuuuuuuuuuuuuuuuuuuuuuuuuuuuuu@tttttttttttttttttttttttttttttt", "html", True, "html", 1_024, 120),
        ("ntfy://topic", "text", True, "text", 3_880, 120),
        ("clicksend://user:key@15551234567", "text", True, "text", 160, 0),
        ("whatsapp://token12345@12345678901234/15551234567", "chat", True, "text", 1_024, 0),
        ("zulip://bot@organization/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/sales", "markdown", True, "text", 4_000, 60),
    ],
)
def test_each_service_gets_what_it_shows_best(
    url: str, markup: str, links: bool, told: str, body_maxlen: int, title_maxlen: int
) -> None:
    made = format_of(build_plugin(url))
    assert (made.pen.markup, made.pen.links, made.told) == (markup, links, told)
    assert (made.body_maxlen, made.title_maxlen) == (body_maxlen, title_maxlen)


def test_every_known_service_can_be_read() -> None:
    for url in LABELS:
        made = format_of(build_plugin(url))
        assert 60 <= made.body_maxlen <= BODY_MAXLEN
        assert made.title_maxlen >= 0


def test_adaptive_cards_and_templates_have_line_breaks_of_their_own() -> None:
    assert format_of(build_plugin("workflows://a.logic.azure.com/w/s")).pen.line_break == "\n\n"
    assert format_of(build_plugin("whatsapp://t:token12345@12345678901234/15551234567?:body=1")).pen == Pen(
        "chat", line_break=" · "
    )


def test_a_named_format_is_one_of_three() -> None:
    assert named_format("html").told == "html"
    with pytest.raises(KeyError):
        named_format("pdf")


def test_the_services_of_the_tables_exist() -> None:
    """A renamed scheme would silently lose its format."""
    known = set(load_services().schemas())
    for table in (formats._CHAT, formats._MARKDOWN, formats._MARKDOWN_WITH_LINKS, formats._HTML_WITHOUT_LINKS):
        assert table <= known
    assert set(formats._PREFERRED) | set(formats._LINE_BREAKS) <= known
