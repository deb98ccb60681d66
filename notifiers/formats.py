"""How each kind of address wants its text: markup, links, lengths. Read off the Apprise plugin, with what it cannot say.

Apprise knows a service's lengths and what it calls its format. It does not say that Mattermost's "text" is drawn as
Markdown, that Telegram drops tel: links, or that a WhatsApp template takes one line.
"""

import json
from dataclasses import dataclass, replace
from typing import Any, Literal

from notifiers.addresses import Plugin
from notifiers.pen import Markup, Pen

# An alert is read on a phone; the whole of a long answer is in the CRM.
BODY_MAXLEN = 4_000
TITLE_MAXLEN = 120

# By family (notifiers.addresses). "Text" that the service draws as some kind of Markdown, or Markdown of which lists
# and links are unknown: what we write ourselves stays plain there.
_CHAT = frozenset(
    """discord fluxer flock guilded gupshup kook nctalk notifiarr ryver revolt signal stackfield synology threema viber
    whatsapp zalo zoom""".split()  # noqa: SIM905 - one string is read at a glance
)
# "Text" that the service draws as Markdown with links.
_MARKDOWN = frozenset(["mmost", "zulip"])
# Markdown in which links lead to a phone number; what json and the like send is read by programs of the owner's.
_MARKDOWN_WITH_LINKS = frozenset(
    "slack workflow webex wxteams rocket mmost zulip twist json xml form apprise amqp".split()  # noqa: SIM905
)
# HTML that drops tel: links; the number alone is made tappable there.
_HTML_WITHOUT_LINKS = frozenset(["tgram"])
# Services that take several formats, and whose default is not the one with links.
_PREFERRED = {"matrix": "html", "pover": "html"}
# Adaptive Cards take an empty line for a line break.
_LINE_BREAKS = {"workflow": "\n\n"}

_SLACK_BLOCK_MAXLEN = 3_000  # docs.slack.dev, Block Kit, section block: text has at most 3,000 characters
_NTFY_MAXLEN = 4_000  # docs.ntfy.sh, Limitations: 4,096 bytes; more becomes an attached file


@dataclass(frozen=True)
class BodyFormat:
    """What an address takes.

    `pen` writes the text. `told` is what Apprise is told it is, so that nothing is converted twice. `body_maxlen` and
    `title_maxlen` are in characters, or for `counted_as` "json" in bytes of the JSON text; a `title_maxlen` of 0 means
    that there is no title, so that the first line of the body says it.
    """

    pen: Pen
    told: Literal["text", "html", "markdown"]
    body_maxlen: int = BODY_MAXLEN
    title_maxlen: int = TITLE_MAXLEN
    counted_as: Literal["characters", "json"] = "characters"

    def size(self, text: str) -> int:
        return len(json.dumps(text)) if self.counted_as == "json" else len(text)


def named_format(name: str) -> BodyFormat:
    """The format called "text", "html" or "markdown", for no service in particular. KeyError for another name."""
    return _NAMED[name]


_NAMED: dict[str, BodyFormat] = {
    "text": BodyFormat(Pen("text"), "text"),
    "html": BodyFormat(Pen("html", line_break="<br>"), "html"),
    "markdown": BodyFormat(Pen("markdown", line_break="  \n"), "markdown"),
}


def format_of(plugin: Plugin) -> BodyFormat:
    """The format of one address. `?format=` of its URL is honoured where Apprise does so."""
    service, family = plugin.apprise, plugin.family
    taken = service.resolve_format(_PREFERRED.get(family)).value
    made = replace(
        named_format(taken),
        pen=_pen(service, family, taken),
        body_maxlen=min(BODY_MAXLEN, int(service.body_maxlen)),
        title_maxlen=min(TITLE_MAXLEN, int(service.title_maxlen)),
    )
    if family == "slack" and service.use_blocks:
        return replace(made, body_maxlen=_SLACK_BLOCK_MAXLEN)
    if family == "ntfy":
        return replace(made, body_maxlen=_NTFY_MAXLEN - TITLE_MAXLEN, counted_as="json")
    if service.overflow_amalgamate_title:  # the title counts as body; a line break and a count are kept free as well
        return replace(made, body_maxlen=made.body_maxlen - made.title_maxlen - 20)
    return made


def _pen(service: Any, family: str, taken: str) -> Pen:
    if family == "whatsapp" and service.template:  # Meta, Cloud API: a template's parameters take no line breaks
        return Pen("chat", line_break=" · ")
    markup: Markup = "text" if taken == "text" else "html" if taken == "html" else "markdown"
    if taken == "text" and family in _MARKDOWN:
        markup = "markdown"
    elif taken != "html" and family in _CHAT:
        markup = "chat"
    pen = named_format(markup).pen if markup != "chat" else Pen("chat")
    if markup == "html":
        return replace(pen, links=family not in _HTML_WITHOUT_LINKS)
    if markup == "markdown":
        return replace(pen, links=family in _MARKDOWN_WITH_LINKS, line_break=_LINE_BREAKS.get(family, pen.line_break))
    return pen
