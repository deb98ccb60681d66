"""A mistake in a file, told where a spreadsheet shows it. It never repeats what stands in a cell: that may be an address."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Mistake:
    """What is wrong in one cell, with the mend; a sentence. `row` counts from 1, the header's, as a spreadsheet does.

    `column` is the spreadsheet's letter ("" for the row as a whole), `name` what the column is to us ("" unknown).
    """

    row: int
    column: str
    name: str
    message: str

    def __str__(self) -> str:
        column = f", column {self.column}" if self.column else ""
        return f"row {self.row}{column}{f' ({self.name})' if self.name else ''}: {self.message}"


class FileInvalid(ValueError):
    """Nothing after this can be read, or means what it seems to. `mistakes` says why."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        super().__init__("; ".join(map(str, mistakes)))
        self.mistakes = list(mistakes)


class RowInvalid(ValueError):
    """One row cannot be taken; the others can. `mistakes` holds all that is wrong with it."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        super().__init__("; ".join(map(str, mistakes)))
        self.mistakes = list(mistakes)


def column_letter(index: int) -> str:
    """0 is A, 25 Z, 26 AA."""
    letters = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters
