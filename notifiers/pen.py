"""A stranger's text on its way into an alert: it is shown, and does nothing.

No markup, no mention, no link, no second line. How that is done: what a target would read as markup becomes a character
that looks the same (`*` becomes `∗`), since Slack, WhatsApp and Google Chat show a backslash as a backslash; a mention
or a link is broken by a zero-width space. HTML alone has an escape that works everywhere, so HTML keeps every character.
"""

import html
import re
import unicodedata
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote

from leadloop.texts import clean_text

# text: shown as it is. chat: the target draws *bold*, _italic_ and links in what it calls text. The others as named.
Markup = Literal["text", "chat", "markdown", "html"]

ELLIPSIS = "…"
_NOTHING = "\u200b"  # zero-width space

# Characters that turn, hide or reorder what stands beside them. The joiners U+200C and U+200D stay: Persian and emoji
# need them. Of a pile of combining marks, which would cover the lines around it, three stay.
_HIDDEN = re.compile("[\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]")
_MARK = "[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]"
_PILE = re.compile(f"({_MARK}{{3}}){_MARK}+")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]+")

_MENTION = re.compile(r"(?i)(?<!\w)@|@(?=(?:everyone|here|channel|all)\b)")
_SCHEME = re.compile(r"(?i)(?<![a-z])([a-z][a-z0-9+.-]{1,20}):(?=/)")
_HOST_DOT = re.compile(r"(?<=\w)([.。．｡])(?=[^\W\d_]{2})")
_TAG = re.compile(r"<(?=[^\s\d=<>])([^<>]*)(>?)")
_ENTITY = re.compile(r"&(?=#?\w{1,40};)")
_EDGE_LINE = re.compile(r"(?<![^\W_])_+|_+(?![^\W_])")
_LINE_START = re.compile(r"(?m)^(?=[#›+=\[:∗-]|\d{1,9}[.)])")
_LOOK_ALIKES = str.maketrans({"*": "∗", "`": "ˋ", "~": "∼", "\\": "∖", "<": "‹", ">": "›", "|": "∣"})


def one_line(text: str, limit: int) -> str:
    """`text` on one line without control, direction or hidden characters, at most `limit` characters with its "…".

    A lone surrogate becomes U+FFFD. Linear in `limit`, not in the length of `text`.
    """
    return shorten(" ".join(_visible(text, limit).split()), limit)


def shorten(text: str, limit: int) -> str:
    """At most `limit` characters, the last of them "…" when something was cut off."""
    if len(text) <= limit:
        return text
    cut = text[: max(0, limit - 1)].rstrip()
    while cut and (unicodedata.combining(cut[-1]) or cut[-1] in "\u200c\u200d\ufe0f"):
        cut = cut[:-1]
    return cut + ELLIPSIS


def _visible(text: str, limit: int) -> str:
    start = text[: 4 * limit + 1_000]  # what is left out below is seldom three quarters of a text
    return _PILE.sub(r"\1", _HIDDEN.sub("", _CONTROL.sub(" ", clean_text(start))))


def inert(text: str, markup: Markup) -> str:
    """`text` (from one_line()) as a target of this markup shows it literally."""
    text = _MENTION.sub("@" + _NOTHING, text)
    text = _SCHEME.sub(r"\1:" + _NOTHING, text)
    text = _HOST_DOT.sub(r"\1" + _NOTHING, text)
    if markup == "html":
        text = html.escape(text)
    elif markup == "text":
        text = _TAG.sub(lambda found: f"‹{found[1]}{'›' if found[2] else ''}", text)
    else:
        text = _ENTITY.sub("&" + _NOTHING, text.translate(_LOOK_ALIKES))
        text = _EDGE_LINE.sub(lambda found: "ˍ" * len(found.group()), text).replace("](", "]" + _NOTHING + "(")
    return _isolated(text)


def _isolated(text: str) -> str:
    """Right-to-left text inside a first-strong isolate, so that it does not reorder the number beside it."""
    if text.isascii() or not any(unicodedata.bidirectional(character) in ("R", "AL") for character in text):
        return text
    return "\n".join(f"\u2068{line}\u2069" if line else line for line in text.split("\n"))


@dataclass(frozen=True)
class Pen:
    """Writes one kind of text: what we say as markup, what a stranger typed as inert text.

    `links`: the target follows tel: and mailto: links; elsewhere number and address stand there plain, which phones
    make tappable by themselves. `line_break` ends a line.
    """

    markup: Markup = "text"
    links: bool = True
    line_break: str = "\n"

    def text(self, typed: str) -> str:
        return inert(typed, self.markup)

    def heading(self, typed: str) -> str:
        """The first line, bold where there is bold."""
        text = self._from_line_start(typed)
        if self.markup == "html":
            return f"<b>{text}</b>"
        return f"**{text}**" if self.markup == "markdown" else text

    def item(self, label: str, value: str) -> str:
        """One line "label: value"; `value` is written already, `label` may be a stranger's."""
        asked = label.rstrip(" :")
        colon = "" if asked.endswith(("?", "？", "؟")) else ":"
        bullet = "- " if self.markup == "markdown" else ""
        return f"{bullet}{self._from_line_start(asked)}{colon} {value}"

    def literal(self, own: str) -> str:
        """The operator's own text, lines and all: what it has of markup is meant."""
        return (html.escape(own, quote=False) if self.markup == "html" else own).replace("\n", self.line_break)

    def value(self, typed: str, *, starts_line: bool, apart: bool) -> str:
        """A stranger's text among the operator's. `apart`: what stands before it must not be read together with it."""
        text = self._from_line_start(typed) if starts_line else self.text(typed)
        return _NOTHING + text if apart else text

    def phone(self, e164: str) -> str:
        """`e164` must be a number (leadloop.phones)."""
        return self._link(f"tel:{e164}", e164)

    def email(self, address: str) -> str:
        """`address` must be one (leadloop.emails); it stays whole, so that it can be copied."""
        shown = address
        if self.markup == "html":
            shown = html.escape(address)
        elif self.markup != "text":
            shown = _MENTION.sub("@" + _NOTHING, address.translate(_LOOK_ALIKES))
        return self._link(f"mailto:{quote(address, safe='@+')}", shown)

    def more(self) -> str:
        """The last line, where others found no room."""
        return f"- {ELLIPSIS}" if self.markup == "markdown" else ELLIPSIS

    def compose(self, heading: str, items: list[str]) -> str:
        """The heading and the items below it; in Markdown they are a list, which needs an empty line before it."""
        if self.markup == "markdown":
            return "\n\n".join(filter(None, [heading, "\n".join(items)]))
        return self.line_break.join([heading, *items])

    def _link(self, url: str, shown: str) -> str:
        if not self.links:
            return shown
        if self.markup == "html":
            return f'<a href="{html.escape(url)}">{shown}</a>'
        return f"[{shown}]({url})" if self.markup == "markdown" else shown

    def _from_line_start(self, typed: str) -> str:
        text = self.text(typed)
        return _LINE_START.sub(_NOTHING, text) if self.markup in ("chat", "markdown") else text
