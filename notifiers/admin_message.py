"""What whoever keeps leadloop going reads about what is held. Pure: the time is handed in."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from notifiers.formats import BodyFormat
from notifiers.message import Message, ago, as_many_as_fit
from notifiers.pen import Pen, one_line, shorten

_LIMITS = (1_000, 500, 240, 120)  # of one line, at first and when everything together is too long


@dataclass(frozen=True)
class Held:
    """One lane that is held. `name` as in store.figures.Names, `rows` wait for the mend; nothing of a person."""

    name: str
    since: datetime
    code: str
    why: str
    mend: str
    rows: int


def build_admin_message(held: Sequence[Held], *, now: datetime, body_format: BodyFormat) -> Message:
    """One message about everything in `held` (not empty), as long as the address takes; what has one reason and one mend is
    told as one. `now` is aware."""
    pen, body = body_format.pen, ""
    title = shorten(Pen("chat").text(_says(held)), body_format.title_maxlen) if body_format.title_maxlen else ""
    for limit in _LIMITS:
        lines = [pen.item(label, pen.text(one_line(value, limit))) for label, value in _lines(held, now)]
        body = pen.compose(pen.heading(_says(held)), lines)
        if body_format.size(body) <= body_format.body_maxlen:
            return Message(title, body, body_format)
    return Message(title, as_many_as_fit(pen.heading(_says(held)), lines, body_format), body_format)


def _says(held: Sequence[Held]) -> str:
    if len(held) == 1:
        return f"leadloop needs you: {one_line(held[0].name, 80)} is held"
    return f"leadloop needs you: {len(held)} things are held"


def _lines(held: Sequence[Held], now: datetime) -> Iterable[tuple[str, str]]:
    for alike in _alike(held):
        yield "Held", ", ".join(sorted({one.name for one in alike}))
        yield "Why", alike[0].why
        yield "Mend", alike[0].mend
        since = min(one.since for one in alike)
        yield "Since", f"{since.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC, {ago(since, now)}"
        yield "Waiting", _rows(sum(one.rows for one in alike))
    yield "Then", "it goes on by itself. More: leadloop work list --parked"


def _alike(held: Sequence[Held]) -> list[list[Held]]:
    """By what happened and what mends it: one dead token holds twenty Pages, and the texts name each its own."""
    found: dict[tuple[str, str], list[Held]] = {}
    for one in held:
        found.setdefault((one.code, one.mend), []).append(one)
    return sorted(found.values(), key=lambda alike: -sum(one.rows for one in alike))


def _rows(rows: int) -> str:
    return "1 row of work" if rows == 1 else f"{rows:,} rows of work"
