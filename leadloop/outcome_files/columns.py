"""The header of a file of outcomes: which column is what to us, by its own name or by one that somebody gave for it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from leadloop.conversions.outcome import LONGEST_FIELD_NAME, MOST_FIELDS, LeadKey
from leadloop.outcome_files.mistakes import FileInvalid, Mistake, column_letter
from leadloop.outcome_files.rows import Row
from leadloop.texts import tidy

LEAD_COLUMNS: tuple[LeadKey, ...] = ("leadgen_id", "crm_id", "email", "phone")
NEEDED = ("stage", "occurred_at")
KNOWN = (*LEAD_COLUMNS, *NEEDED, "value", "currency", "order_id", "connection")
FIELDS = "fields."
LEFT_OUT = ""
_LONGEST_SHOWN = 60
_NEARLY = 2  # names that come near to known ones make a header; fewer may be chance, and the row somebody's data
_PERSONAL = re.compile(r"@|[0-9][0-9 ().\-]{5,}")  # a first row that is no header


@dataclass(frozen=True)
class Columns:
    """`at` gives the position of each known column; `free` of those that become fields, without "fields."."""

    width: int
    at: Mapping[str, int]
    free: Mapping[str, int]
    unnamed: Sequence[int] = field(default=())

    def letter(self, name: str) -> str:
        """The spreadsheet's letter of a known column; "" where the file has none of that name."""
        return column_letter(self.at[name]) if name in self.at else ""

    def used(self) -> dict[str, int]:
        return dict(self.at) | {FIELDS + name: position for name, position in self.free.items()}


def is_ours(name: str) -> bool:
    """Whether a name is one that --column may give: a known one, fields.<name>, or "" to leave the column out."""
    return name in KNOWN or name == LEFT_OUT or (name.startswith(FIELDS) and tidy(name[len(FIELDS) :]) is not None)


def nearest(name: str) -> str | None:
    """The known column that somebody may have meant."""
    plain = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    inside = [one for one in KNOWN if plain.endswith(f"_{one}") or plain.startswith(f"{one}_")]
    return next(iter(inside or get_close_matches(plain, KNOWN, n=1, cutoff=0.6)), None)


def count_known(cells: Sequence[str], renamed: Mapping[str, str]) -> int:
    """How many names of a header are known, by themselves or through --column."""
    given = {_key(theirs) for theirs in renamed}
    return sum(_key(cell) in given or _known(cell) is not None for cell in cells)


def read_header(
    row: Row, renamed: Mapping[str, str], *, delimiter_words: str, lead_by: LeadKey | None = None
) -> Columns:
    """The columns of a file. `renamed`: their name to ours. Raises FileInvalid with all that is wrong with the header.

    `lead_by`: the column that must be there to name the lead; else it is any of LEAD_COLUMNS.
    """
    if len(row.cells) == 1:
        raise FileInvalid([Mistake(row.number, "A", "", _one_column(delimiter_words))])
    if not count_known(row.cells, renamed) and sum(map(_is_nearly_known, row.cells)) < _NEARLY:
        message = f"Names no column that is known: begin with a header of {', '.join(KNOWN)} and fields.<name>, or say"
        raise FileInvalid([Mistake(row.number, "", "", f'{message} --column "their name=ours" for each of yours.')])
    found = _Header(row, {_key(theirs): ours for theirs, ours in renamed.items()})
    found.check_renamed(renamed)
    found.check_needed(LEAD_COLUMNS if lead_by is None else (lead_by,))
    if found.mistakes:
        raise FileInvalid(found.mistakes)
    free = {name[len(FIELDS) :]: at for name, at in found.at.items() if name.startswith(FIELDS)}
    known = {name: at for name, at in found.at.items() if not name.startswith(FIELDS)}
    return Columns(len(row.cells), known, free, tuple(found.unnamed))


class _Header:
    def __init__(self, row: Row, renamed: Mapping[str, str]) -> None:
        self.row, self.renamed = row, renamed
        self.at: dict[str, int] = {}
        self.unnamed: list[int] = []
        self.mistakes: list[Mistake] = []
        for position, cell in enumerate(row.cells):
            self._take(position, cell)

    def _take(self, position: int, cell: str) -> None:
        if not _key(cell):
            self.unnamed.append(position)
            return
        ours = self.renamed.get(_key(cell), _known(cell))
        if ours is None:
            self._say(position, "", _unknown(cell))
        elif ours == LEFT_OUT:
            return
        elif ours in self.at:
            other = column_letter(self.at[ours])
            self._say(position, ours, f'Is there twice, in column {other} too: leave one out with --column "name=".')
        elif ours.startswith(FIELDS) and len(ours) > LONGEST_FIELD_NAME + len(FIELDS):
            self._say(position, "", f"Has a name of more than {LONGEST_FIELD_NAME} characters: shorten it.")
        else:
            self.at[ours] = position

    def check_renamed(self, renamed: Mapping[str, str]) -> None:
        there = {_key(cell) for cell in self.row.cells}
        for theirs in renamed:
            if _key(theirs) not in there:
                near = get_close_matches(_key(theirs), there, n=1, cutoff=0.6)
                mend = (
                    f'write "{near[0]}", if that was meant' if near and _is_shown(near[0]) else "see the file's header"
                )
                self._say(None, "", f'Has no column "{theirs}" (of --column): {mend}.')

    def check_needed(self, lead_columns: Sequence[LeadKey]) -> None:
        if not any(name in self.at for name in lead_columns):
            ways = f"one of {', '.join(lead_columns)}" if len(lead_columns) > 1 else lead_columns[0]
            self._say(None, "", f'Has no column that names the lead: add {ways}, or say --column "their name=ours".')
        for name in NEEDED:
            if name not in self.at:
                self._say(None, "", f'Has no column {name}: add it, or say --column "their name={name}".')
        many = sum(name.startswith(FIELDS) for name in self.at)
        if many > MOST_FIELDS:
            self._say(None, "", f"Has {many} columns of fields, more than {MOST_FIELDS}: leave some out.")

    def _say(self, position: int | None, name: str, message: str) -> None:
        letter = "" if position is None else column_letter(position)
        self.mistakes.append(Mistake(self.row.number, letter, name, message))


def _key(name: str) -> str:
    return (tidy(name) or "").lower()


def _known(cell: str) -> str | None:
    """Our name of a header's cell: capitals make no difference, but in what follows "fields."."""
    name = tidy(cell) or ""
    if name.lower() in KNOWN:
        return name.lower()
    if name.lower().startswith(FIELDS) and (rest := tidy(name[len(FIELDS) :])):
        return FIELDS + rest
    return None


def _is_nearly_known(cell: str) -> bool:
    return _is_shown(cell) and nearest(cell) is not None


def _is_shown(name: str) -> bool:
    return len(name) <= _LONGEST_SHOWN and name.isprintable() and not _PERSONAL.search(name)


def _unknown(cell: str) -> str:
    name = tidy(cell) or ""
    shown = name if _is_shown(name) else "their name"
    near = nearest(name)
    told = f'"{shown}" is no column of an outcome' if shown == name else "Is no column of an outcome"
    meant = f'say --column "{shown}={near}", if that was meant; ' if near else ""
    return f'{told}: {meant}keep it with --column "{shown}=fields.NAME", leave it out with --column "{shown}=".'


def _one_column(delimiter_words: str) -> str:
    return (
        f"The file has only one column (separated by {delimiter_words}): save it with commas, semicolons or tabs between"
        " the cells, or say --delimiter."
    )
