"""What a sales rep reads on the phone about one lead. Pure: the time is handed in."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from leadloop.emails import normal_email
from leadloop.leads import Answer, LeadCard
from leadloop.phones import normal_phone
from notifiers.formats import BodyFormat, named_format
from notifiers.own_text import write_own_text
from notifiers.pen import Pen, one_line, shorten

TEST_MARK = "TEST"
_TEST_NOTE = "TEST lead: made with a testing tool, nobody is waiting for a call."

_PLATFORMS = {"fb": "Facebook", "ig": "Instagram", "msg": "Messenger", "wa": "WhatsApp"}
# How much of one answer is shown, at first and when everything together is too long.
_ANSWER_LIMITS = (1_000, 500, 240, 120, 60)
_NAME_LIMIT = 80
_CONTEXT_LIMIT = 120
_MOST_ANSWERS = 100

# What the lines above the answers say already. By question type; by key where the form could not be read.
_NAME_TYPES = frozenset(["FULL_NAME", "FIRST_NAME", "LAST_NAME"])
_PHONE_TYPES = frozenset(["PHONE", "WORK_PHONE_NUMBER", "WHATSAPP_NUMBER", "USER_PROVIDED_PHONE_NUMBER"])
_EMAIL_TYPES = frozenset(["EMAIL", "WORK_EMAIL"])
_TYPE_OF_KEY = {
    "full_name": "FULL_NAME",
    "first_name": "FIRST_NAME",
    "last_name": "LAST_NAME",
    "email": "EMAIL",
    "phone_number": "PHONE",
}


@dataclass(frozen=True)
class Message:
    """One alert, written for one format. `title` is "" where the target has no title."""

    title: str = field(repr=False)
    body: str = field(repr=False)
    body_format: BodyFormat


@dataclass(frozen=True)
class _Line:
    """One line of the alert: `value` as the person typed it, but on one line."""

    label: str
    value: str
    kind: str = "text"  # or "phone" (E.164) or "email" (checked)


def build_message(
    card: LeadCard, template: str | None, *, now: datetime, body_format: BodyFormat | str = "text"
) -> Message:
    """The alert about this lead, as long as the target takes, with nothing in it that acts.

    `template` (leadloop.templates) replaces the body: own_text.py. `body_format` is Target.body_format, or "text", "html" or
    "markdown" for no service in particular. Parts that are unknown are left out. `now` is aware.
    """
    made_for = named_format(body_format) if isinstance(body_format, str) else body_format
    first = made_for.pen.heading(_TEST_NOTE) + made_for.pen.line_break if card.is_test else ""
    body = write_own_text(card, template, made_for, first=first) if template else ""
    body = body or _default_body(card, now, made_for)
    title = _title(card, made_for.title_maxlen) if made_for.title_maxlen else ""
    return Message(title, body, made_for)


def _title(card: LeadCard, limit: int) -> str:
    """Titles are drawn as anything: what could be markup anywhere is taken out."""
    says = f"{TEST_MARK} lead" if card.is_test else "New lead"
    who = _who(card)
    title = f"{says}: {who}" if who else says
    if card.form_name and (form := one_line(card.form_name, _NAME_LIMIT)):
        title += f" · {form}"
    return shorten(_TITLE_PEN.text(one_line(title, limit)), limit)


_TITLE_PEN = Pen("chat")


def _who(card: LeadCard) -> str:
    named = card.full_name or " ".join(filter(None, [card.first_name, card.last_name]))
    for known in (named, card.phone, card.phone_typed, card.email):
        if known and (shown := one_line(known, _NAME_LIMIT)):
            return shown
    return ""


# --- the default body -------------------------------------------------------------------------------------------------


def _default_body(card: LeadCard, now: datetime, made_for: BodyFormat) -> str:
    heading = made_for.pen.heading(_heading(card, made_for))
    lines = list(_lines(card, now))
    for limit in _ANSWER_LIMITS:
        body = made_for.pen.compose(heading, [_write(line, made_for, limit) for line in lines])
        if made_for.size(body) <= made_for.body_maxlen:
            return body
    return as_many_as_fit(heading, [_write(line, made_for, _ANSWER_LIMITS[-1]) for line in lines], made_for)


def _heading(card: LeadCard, made_for: BodyFormat) -> str:
    who = _who(card)
    says = f"{TEST_MARK} lead" if card.is_test else "New lead"
    if made_for.title_maxlen and not card.is_test:
        return who or says
    return f"{says}: {who}" if who else says


def as_many_as_fit(heading: str, written: list[str], made_for: BodyFormat) -> str:
    """The first lines, which are the ones to call by, and an ellipsis for the others."""
    pen, kept = made_for.pen, list[str]()
    for line in written:
        if made_for.size(pen.compose(heading, [*kept, line, pen.more()])) > made_for.body_maxlen:
            return pen.compose(heading, [*kept, pen.more()])
        kept.append(line)
    return pen.compose(heading, kept)


def _write(line: _Line, made_for: BodyFormat, limit: int) -> str:
    pen = made_for.pen
    if line.kind == "phone":
        value = pen.phone(line.value)
    elif line.kind == "email":
        value = pen.email(line.value)
    else:
        value = pen.text(one_line(line.value, limit))
    return pen.item(one_line(line.label, min(limit, _CONTEXT_LIMIT)), value)


def _lines(card: LeadCard, now: datetime) -> Iterator[_Line]:
    """Everything below the heading, the most needed first."""
    if card.phone:
        yield _Line("Phone", card.phone, "phone")
    elif card.phone_typed and one_line(card.phone_typed, _CONTEXT_LIMIT):
        yield _Line("Phone (as typed)", one_line(card.phone_typed, _CONTEXT_LIMIT))
    if card.email:
        yield _Line("E-mail", card.email, "email")
    yield from _answers(card)
    yield from _context(card, now)


def _answers(card: LeadCard) -> Iterator[_Line]:
    for answer in card.answers[:_MOST_ANSWERS]:
        value = ", ".join(filter(None, (one_line(text, _ANSWER_LIMITS[0]) for text in _chosen(answer))))
        if value and not _is_said(answer, card):
            asked = one_line(answer.label or answer.key.replace("_", " "), _CONTEXT_LIMIT)
            yield _line(asked or "Answer", value, answer.type, card)


def _chosen(answer: Answer) -> tuple[str, ...]:
    return (answer.labels or answer.values)[:50]


def _line(asked: str, value: str, kind: str, card: LeadCard) -> _Line:
    """A second number or address is as good to tap as the first."""
    if kind in _PHONE_TYPES and (phone := normal_phone(value, (card.country,))):
        return _Line(asked, phone, "phone")
    if kind in _EMAIL_TYPES and (email := normal_email(value)):
        return _Line(asked, email, "email")
    return _Line(asked, value)


def _is_said(answer: Answer, card: LeadCard) -> bool:
    """Whether the heading or the lines above say it. What could not be read as number or address is shown as typed."""
    kind = answer.type or _TYPE_OF_KEY.get(answer.key, "")
    if kind == "HIDDEN":
        return True  # tracking parameters: for the CRM, not for the person who calls
    if kind in _NAME_TYPES:
        return bool(card.full_name or card.first_name or card.last_name)
    if kind == "EMAIL":
        return card.email is not None
    return kind == "PHONE" and bool(card.phone or card.phone_typed)


def _context(card: LeadCard, now: datetime) -> Iterator[_Line]:
    for label, value in (
        ("Form", card.form_name),
        ("Ad", card.ad_name or card.campaign_name),
        ("Page", card.page_name),
    ):
        if value and (shown := one_line(value, _CONTEXT_LIMIT)):
            yield _Line(label, shown)
    came = [_PLATFORMS.get(card.platform, one_line(card.platform, 40)) if card.platform else ""]
    came += ["not from an ad" if card.is_organic else "", ago(card.created_at, now) if card.created_at else ""]
    if said := ", ".join(filter(None, came)):
        yield _Line("Sent", said)


def ago(then: datetime, now: datetime) -> str:
    """How long ago: "12 s ago", "3 min ago", "2 h ago", "5 days ago". A clock that runs ahead makes it "just now"."""
    seconds = int((now - then).total_seconds())
    if seconds < 1:
        return "just now"
    if seconds < 90:
        return f"{seconds} s ago"
    if seconds < 90 * 60:
        return f"{round(seconds / 60)} min ago"
    if seconds < 36 * 3600:
        return f"{round(seconds / 3600)} h ago"
    return f"{round(seconds / 86_400)} days ago"
