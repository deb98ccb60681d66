"""Templates of mappings and alerts: "{full_name}", "Budget: {answers.budget}". Parsed once, rendered for each lead.

{email}             a field of the card (leadloop.leads.TEMPLATE_FIELDS)
{answers.KEY}       what was answered under Meta's key, as sent; KEY is any text without "}"
{labels.KEY}        the same with the texts of the chosen options
{consents.KEY}      whether an optional checkbox was ticked
{{ and }}           braces themselves
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Literal, TypeVar

from leadloop.leads import TEMPLATE_FIELDS, LeadCard, MappedValue, iso_utc

Found = TypeVar("Found")
Source = Literal["card", "answers", "labels", "consents"]

MISSING = "—"
_KEYED: tuple[Source, ...] = ("answers", "labels", "consents")
_BLANKS = re.compile(r"[ \t]{2,}")


class TemplateError(ValueError):
    """A template that cannot be used. The message says what is wrong, at which column (from 1), and the mend."""

    def __init__(self, message: str, *, column: int) -> None:
        super().__init__(f"Column {column}: {message}")
        self.column = column


@dataclass(frozen=True)
class Placeholder:
    """One "{…}". `name` is the card's field, or the key of the answer or consent."""

    source: Source
    name: str

    def __str__(self) -> str:
        return self.name if self.source == "card" else f"{self.source}.{self.name}"


@dataclass(frozen=True)
class Template:
    """A parsed template: literal texts and placeholders in order."""

    text: str
    parts: tuple[str | Placeholder, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """What the placeholders name ("full_name", "answers.budget"), each once, in order."""
        return tuple(dict.fromkeys(str(part) for part in self.parts if isinstance(part, Placeholder)))

    def render(self, card: LeadCard) -> MappedValue:
        """The value for a CRM's field.

        One placeholder alone gives the value as it is: text, a boolean, a list of texts when several were answered,
        None when there is none. Placeholders among text give text, with missing ones left out and the gap closed; None
        when all are missing. Without placeholders it is a constant.
        """
        if len(self.parts) == 1 and isinstance(self.parts[0], Placeholder):
            return _value(self.parts[0], card)
        return self._joined(card)

    def _joined(self, card: LeadCard) -> str | None:
        values = [part if isinstance(part, str) else _flat(_value(part, card)) for part in self.parts]
        missing = values.count(None)
        if missing and missing == sum(isinstance(part, Placeholder) for part in self.parts):
            return None
        text = "".join(value or "" for value in values)
        return _BLANKS.sub(" ", text).strip() if missing else text


def parse_template(text: str) -> Template:
    """`text` as a Template. Raises TemplateError, which names the unknown field, its column and the nearest names."""
    parts = list(_parts(text))
    for part in parts:
        if isinstance(part, TemplateError):
            raise part
    return Template(text, tuple(_merged(part for part in parts if not isinstance(part, TemplateError))))


def find_template_errors(text: str) -> list[TemplateError]:
    """Everything that is wrong with a template, in order; [] when parse_template() takes it."""
    return [part for part in _parts(text) if isinstance(part, TemplateError)]


def render_text(template: Template | str, card: LeadCard) -> str:
    """The template as people read it in an alert: "—" where something is missing, so that a sentence keeps its shape.

    Several answers are joined by commas, booleans are yes and no, times are "2026-11-22 08:26 UTC". A template given as
    text is parsed first, which may raise TemplateError.
    """
    return "".join(text for _, text in show_parts(template, card))


def show_parts(template: Template | str, card: LeadCard) -> list[tuple[Placeholder | None, str]]:
    """The pieces of render_text(): the template's own texts (None), and the values with their placeholders."""
    parsed = parse_template(template) if isinstance(template, str) else template
    return [(None, part) if isinstance(part, str) else (part, _readable(part, card)) for part in parsed.parts]


def _parts(text: str) -> Iterator[str | Placeholder | TemplateError]:
    position = 0
    while position < len(text):
        if text.startswith(("{{", "}}"), position):
            yield text[position]
            position += 2
        elif text[position] == "{":
            end = text.find("}", position)
            if end < 0:
                yield TemplateError('"{" is never closed. For a brace itself write "{{".', column=position + 1)
                return
            yield _placeholder(text[position + 1 : end], column=position + 1)
            position = end + 1
        elif text[position] == "}":
            yield TemplateError('"}" without a "{" before it. For a brace itself write "}}".', column=position + 1)
            position += 1
        else:
            end = min((at for brace in "{}" if (at := text.find(brace, position)) >= 0), default=len(text))
            yield text[position:end]
            position = end


def _merged(parts: Iterator[str | Placeholder]) -> Iterator[str | Placeholder]:
    literal = ""
    for part in parts:
        if isinstance(part, str):
            literal += part
            continue
        if literal:
            yield literal
            literal = ""
        yield part
    if literal:
        yield literal


def _placeholder(inner: str, *, column: int) -> Placeholder | TemplateError:
    name = inner.strip()
    if name in TEMPLATE_FIELDS:
        return Placeholder("card", name)
    before, dot, key = name.partition(".")
    for source in _KEYED:
        if dot and before == source:
            if not key.strip():
                return TemplateError(f"{{{source}.}} names no key; write {{{source}.KEY}}.", column=column)
            return Placeholder(source, key)
    return TemplateError(_unknown(name, before if dot else "", key), column=column)


def _unknown(name: str, before: str, key: str) -> str:
    if not name:
        return '"{}" names no field. ' + _ALLOWED
    shown = f"{{{name[:60]}}} is no field of a lead."
    near = get_close_matches(name.lower(), TEMPLATE_FIELDS, n=3, cutoff=0.6)
    if before:
        near = [f"{source}.{key[:60]}" for source in get_close_matches(before.lower(), _KEYED, n=1, cutoff=0.5)]
    if near:
        return f"{shown} Did you mean {' or '.join(f'{{{one}}}' for one in near)}? {_ALLOWED}"
    return f"{shown} For an answer of that name write {{answers.{name[:60]}}}. {_ALLOWED}"


_ALLOWED = (
    f"Allowed are {', '.join(f'{{{name}}}' for name in TEMPLATE_FIELDS)}, {{answers.KEY}}, {{labels.KEY}} and"
    " {consents.KEY}."
)


def _value(placeholder: Placeholder, card: LeadCard) -> MappedValue:
    if placeholder.source == "card":
        value = getattr(card, placeholder.name)
        if isinstance(value, datetime):
            return iso_utc(value)
        return value if isinstance(value, bool) else value or None
    if placeholder.source == "consents":
        return _find(placeholder.name, {consent.key: consent.checked for consent in card.consents})
    chosen = placeholder.source == "labels"
    values = _find(placeholder.name, {one.key: one.labels if chosen else one.values for one in card.answers}) or ()
    texts = [value for value in values if value.strip()]
    return texts if len(texts) > 1 else texts[0] if texts else None


def _find(key: str, among: dict[str, Found]) -> Found | None:
    """By the very key; else by the same key in other Unicode composition or case (an editor may compose an é)."""
    if key in among:
        return among[key]
    plain = _plain(key)
    return next((found for other, found in among.items() if _plain(other) == plain), None)


def _plain(key: str) -> str:
    return unicodedata.normalize("NFC", key.strip()).casefold() if len(key) <= 500 else key


def _flat(value: MappedValue) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return ", ".join(value) if isinstance(value, list) else value


def _readable(placeholder: Placeholder, card: LeadCard) -> str:
    value = _value(placeholder, card)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if placeholder.source == "card" and isinstance(when := getattr(card, placeholder.name), datetime):
        return f"{when.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    return _flat(value) or MISSING
