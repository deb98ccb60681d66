"""One row of a file becomes an OutcomeInput, or all that is wrong with it, cell by cell."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from leadloop.conversions.outcome import LONGEST_FIELD_VALUE, LeadKey, OutcomeInput, OutcomeInvalid, read_outcome
from leadloop.conversions.routes import SKEW_S
from leadloop.outcome_files.amounts import read_decimal_comma
from leadloop.outcome_files.columns import FIELDS, LEAD_COLUMNS, Columns
from leadloop.outcome_files.mistakes import Mistake, RowInvalid, column_letter
from leadloop.outcome_files.rows import Row
from leadloop.outcome_files.times import TimeInvalid, read_time

_ROUNDED = re.compile(r"[0-9](?:[.,][0-9]+)?[eE]\+?[0-9]+")
_IDS = ("leadgen_id", "crm_id", "phone", "order_id")
_BROKEN = frozenset({"#N/A", "#REF!", "#NAME?", "#VALUE!", "#DIV/0!", "#NUM!", "#NULL!", "#SPILL!", "#CALC!"})
_COMMA_MEND = "or say --decimal-comma, if all amounts of the file have a comma before their decimals"


@dataclass(frozen=True)
class Choices:
    """What holds for all rows: of those without a `connection`, of amounts without a `currency`, of times without an
    offset (`zone`). `lead_by`: the one column that names the lead."""

    connection: str | None = None
    currency: str | None = None
    zone: ZoneInfo | None = None
    decimal_comma: bool = False
    lead_by: LeadKey | None = None


@dataclass(frozen=True)
class RowOutcome:
    """`at_noon`: the row held a date only."""

    row: int
    outcome: OutcomeInput
    at_noon: bool = False


def read_row(row: Row, columns: Columns, choices: Choices, *, now: datetime) -> RowOutcome:
    """The outcome in one row. Raises RowInvalid with all mistakes of the row."""
    if len(row.cells) != columns.width:
        raise RowInvalid([_ragged(row, columns)])
    reading = _Reading(row, columns, choices)
    data, at_noon = reading.build(now)
    try:
        outcome = read_outcome(data, now=now)
    except OutcomeInvalid as caught:
        reading.add_errors(caught.errors)
        raise RowInvalid(reading.mistakes) from None
    if reading.mistakes:
        raise RowInvalid(reading.mistakes)
    return RowOutcome(row.number, outcome, at_noon)


def locate(row: int, field: str, message: str, columns: Columns) -> Mistake:
    """A mistake about a field as read_outcome() and the store name it ("lead.email"), at its column."""
    name = field.removeprefix("lead.")
    if name == "lead":
        name = next(one for one in LEAD_COLUMNS if one in columns.at)
    return Mistake(row, columns.letter(name), name, message)


class _Reading:
    """One row on its way: its cells, and what was found wrong with them."""

    def __init__(self, row: Row, columns: Columns, choices: Choices) -> None:
        self._row, self._columns, self._choices = row, columns, choices
        self.mistakes: list[Mistake] = []
        self._told: set[str] = set()
        self._cells: dict[str, str] = {}
        for name, position in columns.used().items():
            cell = row.cells[position].strip()
            if cell:
                self._take(name, position, cell)
        for position in columns.unnamed:
            if row.cells[position].strip():
                self._say_at(position, "", "Has something in a column without a name: name it, or empty it.")

    def _take(self, name: str, position: int, cell: str) -> None:
        wrong = _why_no_cell(name, cell)
        if wrong is None:
            self._cells[name] = cell
        elif self._choices.lead_by in (None, name) or name not in LEAD_COLUMNS:
            self._told.add(name)
            self._say_at(position, name, wrong)

    def build(self, now: datetime) -> tuple[dict[str, Any], bool]:
        """What read_outcome() takes, without what is known to be wrong; and whether its time is a date's noon."""
        data: dict[str, Any] = {name: self._cells.get(name) for name in ("order_id", "connection", "currency")}
        data["fields"] = {name: cell for name in self._columns.free if (cell := self._cells.get(FIELDS + name))}
        data["connection"] = data["connection"] or self._choices.connection
        if "stage" in self._cells:
            data["stage"] = self._cells["stage"]
        data["lead"] = self._name_lead()
        data["value"] = self._read_value()
        if "value" in self._cells and data["currency"] is None and "currency" not in self._told:
            data["currency"] = self._choices.currency
        when, at_noon = self._read_time(now)
        if when is not None:
            data["occurred_at"] = when
        return data, at_noon

    def add_errors(self, errors: list[tuple[str, str]]) -> None:
        for field, message in errors:
            name = field.removeprefix("lead.")
            if name in self._told or (name == "lead" and self._told & set(LEAD_COLUMNS)):
                continue
            if name == "value" and not self._choices.decimal_comma and read_decimal_comma(self._cells["value"]):
                message = f"{message[:-1]}, {_COMMA_MEND}."
            if name == "connection" and self._choices.connection is None:
                message = f"{message[:-1]}; or say --connection NAME for all rows."
            self.mistakes.append(locate(self._row.number, field, message, self._columns))

    def _name_lead(self) -> Mapping[str, str] | None:
        allowed = LEAD_COLUMNS if self._choices.lead_by is None else (self._choices.lead_by,)
        filled = [name for name in allowed if name in self._cells]
        if len(filled) == 1 and not self._told & set(allowed):
            return {filled[0]: self._cells[filled[0]]}
        if len(filled) > 1:
            named = ", ".join(f"{name} in column {self._columns.letter(name)}" for name in filled)
            message = f"Names the lead {len(filled)} times ({named}): keep one, or say --lead-by {filled[0]}."
            self._say(filled[1], message)
        elif not filled and not self._told & set(allowed):
            there = [name for name in allowed if name in self._columns.at]
            self._say(there[0], f"Names no lead: fill {' or '.join(there)}.")
        return None

    def _read_value(self) -> str | None:
        value = self._cells.get("value")
        if value is None or not self._choices.decimal_comma:
            return value
        plain = read_decimal_comma(value)
        if plain is None and not value.startswith(("-", "−", "(")):
            self._say("value", 'Is not an amount with a comma before the decimals, such as "12.500,00": correct it.')
            return None
        return plain or value

    def _read_time(self, now: datetime) -> tuple[str | datetime | None, bool]:
        if "occurred_at" not in self._cells:
            return None, False
        try:
            found = read_time(self._cells["occurred_at"], self._choices.zone)
        except TimeInvalid as wrong:
            self._say("occurred_at", str(wrong))
            return None, False
        if found.at_noon and isinstance(found.when, datetime):
            late = found.when - now
            if timedelta(seconds=SKEW_S) < late <= timedelta(hours=12):
                message = (
                    "Is a date without an hour, which is taken as noon, and that has not come yet: write the hour."
                )
                self._say("occurred_at", message)
                return None, False
        return found.when, found.at_noon

    def _say(self, name: str, message: str) -> None:
        self._told.add(name)
        self._say_at(self._columns.at[name], name, message)

    def _say_at(self, position: int, name: str, message: str) -> None:
        self.mistakes.append(Mistake(self._row.number, column_letter(position), name, message))


def _why_no_cell(name: str, cell: str) -> str | None:
    """What no outcome holds, whatever the column is."""
    if "\0" in cell:
        return 'Holds NUL characters: save the file as "CSV UTF-8".'
    if cell.startswith("="):
        return "Begins with =, as a formula does: save the file with values instead of formulas."
    if cell in _BROKEN:
        return "Holds a spreadsheet's error and no value: correct the formula that it comes from."
    if name in _IDS and _ROUNDED.fullmatch(cell):
        return "Was rounded by a spreadsheet: make the column text there, and put the whole number in again."
    if name.startswith(FIELDS) and len(cell) > LONGEST_FIELD_VALUE:
        return f"Is longer than {LONGEST_FIELD_VALUE:,} characters: shorten it, or leave the column out with --column."
    return None


def _ragged(row: Row, columns: Columns) -> Mistake:
    cells = len(row.cells)
    if cells < columns.width:
        message = f"Ends before this column: it has {cells} cells, and the header {columns.width}. Fill it up."
        return Mistake(row.number, column_letter(cells), _name_at(cells, columns), message)
    message = (
        f"Goes on after the header's last column: it has {cells} cells, and the header {columns.width}. A cell that holds"
        " the delimiter must stand in quotation marks."
    )
    return Mistake(row.number, column_letter(columns.width), "", message)


def _name_at(position: int, columns: Columns) -> str:
    return next((name for name, at in columns.used().items() if at == position), "")
