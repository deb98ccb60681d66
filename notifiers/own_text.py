"""The body of an alert from the operator's own template: that text as it stands, and a stranger's values inert in it.

The operator's text is trusted: its links, its *bold* and its addresses stay. What was typed into the form is written by
the pen like everywhere else, number and e-mail address so that they can be tapped; inside an address of the operator's
("https://crm.example/leads/{leadgen_id}", "https://wa.me/{phone}") a value is percent-encoded, so that it stays a part
of that address.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from leadloop.leads import LeadCard
from leadloop.templates import MISSING, Placeholder, TemplateError, show_parts
from notifiers.formats import BodyFormat
from notifiers.pen import ELLIPSIS, Pen, one_line, shorten

Part = tuple[Placeholder | None, str]

# How much of one value is shown, at first and when everything together is too long.
_VALUE_LIMITS = (1_000, 500, 240, 120, 60)
_MOST_VALUES = 50
# The end of a line that is still inside an address.
_ADDRESS = re.compile(r"""(?i)(?:[a-z][a-z0-9+.-]*://|\b(?:tel|sms|mailto):)[^\s()<>\[\]"']*\Z""")


def write_own_text(card: LeadCard, template: str, made_for: BodyFormat, *, first: str = "") -> str:
    """The template filled in, below `first` (written already), as long as the target takes.

    Each value is on one line, so that an answer cannot look like a line of ours. "" for a template that says nothing or
    is no longer valid: better the default text than no alert (`config check` refuses it).
    """
    try:
        parts = _trimmed(show_parts(template, _flat(card)))
    except TemplateError:
        return ""
    if not one_line("".join(text for _, text in parts), _VALUE_LIMITS[0]):
        return ""
    for limit in _VALUE_LIMITS:
        written = list(_written(parts, card, made_for.pen, limit))
        body = first + "".join(text for _, text in written)
        if made_for.size(body) <= made_for.body_maxlen:
            return body
    return _cut(first, written, made_for)


def _written(parts: list[Part], card: LeadCard, pen: Pen, limit: int) -> Iterator[tuple[str | None, str]]:
    """Each part as it is sent, with the operator's text as it was (None for a value)."""
    line = ""  # how the line begins so far, with an "x" for each value
    for position, (placeholder, text) in enumerate(parts):
        if placeholder is None:
            yield text, pen.literal(text)
            line = (line + text).rpartition("\n")[2]
            continue
        beside = position > 0 and parts[position - 1][0] is not None
        yield None, _value(placeholder, text, card, pen, line, beside=beside, limit=limit)
        line += "x"


def _value(
    placeholder: Placeholder, text: str, card: LeadCard, pen: Pen, line: str, *, beside: bool, limit: int
) -> str:
    if address := _ADDRESS.search(line):
        return quote("" if text == MISSING else text, safe="" if "?" in address.group() else "+")
    if str(placeholder) == "phone" and card.phone:
        return pen.phone(card.phone)
    if str(placeholder) == "email" and card.email:
        return pen.email(card.email)
    # Two that stand side by side, or one behind a sign of the operator's, must not become a mention or a tag together.
    return pen.value(
        one_line(text, limit), starts_line=not line.strip(), apart=beside or line.endswith(("@", "<", "&"))
    )


def _trimmed(parts: list[Part]) -> list[Part]:
    """Without the white space around it all, as a TOML text of several lines has it, and without runs of empty lines."""
    parts = [
        part if part[0] else (None, re.sub(r"\n{3,}", "\n\n", part[1].replace("\r\n", "\n").replace("\r", "\n")))
        for part in parts
    ]
    if parts and parts[0][0] is None:
        parts[0] = (None, parts[0][1].lstrip())
    if parts and parts[-1][0] is None:
        parts[-1] = (None, parts[-1][1].rstrip())
    return parts


def _cut(first: str, written: list[tuple[str | None, str]], made_for: BodyFormat) -> str:
    """The beginning, as much as fits: what we write ourselves is never cut in two."""
    body = first
    for own, text in written:
        if made_for.size(body + text + ELLIPSIS) > made_for.body_maxlen:
            return body + _beginning(own or "", body, made_for)
        body += text
    return body


def _beginning(own: str, body: str, made_for: BodyFormat) -> str:
    """As much of the operator's own text as fits behind `body`, or an ellipsis."""
    length = len(own)
    while length > 1:
        end = made_for.pen.literal(shorten(own, length))
        if made_for.size(body + end) <= made_for.body_maxlen:
            return end
        length = length * 9 // 10
    return ELLIPSIS


def _flat(card: LeadCard) -> LeadCard:
    def flat(text: str) -> str:
        return one_line(text, _VALUE_LIMITS[0])

    texts: dict[str, Any] = {name: flat(value) for name, value in vars(card).items() if isinstance(value, str)}
    answers = tuple(
        replace(
            answer,
            values=tuple(map(flat, answer.values[:_MOST_VALUES])),
            labels=tuple(map(flat, answer.labels[:_MOST_VALUES])),
        )
        for answer in card.answers
    )
    return replace(card, **texts, answers=answers)
