"""Bytes of a CSV file become rows, numbered as a spreadsheet numbers them. As much of the file is held as one row needs.

A file ends where its quotes do not fit: what follows would be read as something else than was meant.
"""

import csv
import io
import re
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import BinaryIO, TypeVar

from leadloop.outcome_files.encodings import HEAD_BYTES, choose_encoding, decode_errors, not_in
from leadloop.outcome_files.mistakes import FileInvalid, Mistake, column_letter

DELIMITERS = (",", ";", "\t", "|")
DELIMITER_WORDS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
LONGEST_ROW = 1_048_576  # characters
LONGEST_CELL = 131_072  # the csv module's own limit
_QUOTE = '"'
_UNDECODED = re.compile("[\udc80-\udcff]")  # what surrogateescape makes of them
_SEPARATOR_LINE = re.compile(
    r"sep=(.)\r?\n?|sep=(.)\r", re.IGNORECASE
)  # Excel's own first line, which it does not show
_Score = Callable[[list[str]], int]
Found = TypeVar("Found")


@dataclass(frozen=True)
class Row:
    """`number` counts from 1 and counts blank rows too; a cell with line breaks does not make it more."""

    number: int
    cells: list[str]


class _TooLong(Exception):
    pass


class _Undecoded(Exception):
    pass


class RowFile:
    """An open file of rows. `rows()` may be called again and again; nothing else may read the file meanwhile.

    `file` must be able to seek. `score` says of a header how many of its names are known: it finds the delimiter where
    none is given. Raises NoText and FileInvalid.
    """

    def __init__(self, file: BinaryIO, *, encoding: str | None, delimiter: str | None, score: _Score) -> None:
        self._file = file
        file.seek(0)
        self.codec = choose_encoding(file.read(HEAD_BYTES), encoding)
        self._skips, told = self._read_with(_read_separator)
        self.delimiter = delimiter or told or self._find_delimiter(score)

    def rows(self) -> Generator[Row, None, None]:
        """Every row that is not blank. Raises FileInvalid where the file cannot be read on."""
        text = self._open()
        try:
            if self._skips:
                text.readline()
            yield from _read_rows(text, self.delimiter, self.codec)
        finally:
            text.detach()

    def _open(self) -> io.TextIOWrapper:
        self._file.seek(0)
        return io.TextIOWrapper(self._file, encoding=self.codec, errors=decode_errors(self.codec), newline="")

    def _read_with(self, read: Callable[[io.TextIOWrapper], Found]) -> Found:
        text = self._open()
        try:
            return read(text)
        except UnicodeError:
            raise FileInvalid([Mistake(1, "", "", not_in(self.codec))]) from None
        finally:
            text.detach()

    def _find_delimiter(self, score: _Score) -> str:
        """The one by which most of the header's names are known; where they are as many, the one with most columns."""

        def worth(delimiter: str) -> tuple[int, int]:
            try:
                text = self._open()
                header = next(_read_rows(text, delimiter, self.codec), None)
            except FileInvalid:
                return (-1, 0)
            finally:
                text.detach()
            return (score(header.cells), len(header.cells)) if header else (0, 0)

        return max(DELIMITERS, key=worth)


def _read_separator(text: io.TextIOWrapper) -> tuple[bool, str | None]:
    """Whether the first line only says by what cells are separated ("sep=;"), and what that is."""
    line = text.readline(20)
    found = _SEPARATOR_LINE.fullmatch(line)
    return (True, found[1] or found[2]) if found else (False, None)


class _Lines:
    """Feeds csv.reader, and knows the lines of the row that it is at."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text = text
        self.of_row: list[str] = []
        self._length = 0

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self._text.readline(LONGEST_ROW + 1)
        if not line:
            raise StopIteration
        self.of_row.append(line)
        self._length += len(line)
        if self._length > LONGEST_ROW:
            raise _TooLong
        if not line.isascii() and _UNDECODED.search(line):
            raise _Undecoded
        return line

    def next_row(self) -> None:
        self.of_row.clear()
        self._length = 0


def _read_rows(text: io.TextIOWrapper, delimiter: str, codec: str) -> Iterator[Row]:
    lines = _Lines(text)
    reader = csv.reader(lines, delimiter=delimiter, strict=True, skipinitialspace=True)
    number = 0
    while True:
        number += 1
        lines.next_row()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except (csv.Error, _TooLong, _Undecoded, UnicodeError) as caught:
            raise FileInvalid([_why(caught, number, "".join(lines.of_row), delimiter, codec)]) from None
        if any(cell and not cell.isspace() for cell in cells):
            yield Row(number, cells)


def _why(caught: Exception, number: int, text: str, delimiter: str, codec: str) -> Mistake:
    if isinstance(caught, UnicodeError):
        return Mistake(number, "", "", not_in(codec))
    if isinstance(caught, _Undecoded):
        found = _UNDECODED.search(text)
        column = _find_column(text[: found.start()] if found else text, delimiter)
        return Mistake(number, column_letter(column), "", not_in(codec))
    column = _find_column(text, delimiter)
    where = column_letter(column)
    if isinstance(caught, _TooLong) or "limit" in str(caught):
        message = (
            f"Is longer than a cell may be ({LONGEST_CELL:,} characters): a quotation mark before it is not closed,"
            " or this is no CSV of outcomes. Nothing after it can be read."
        )
        return Mistake(number, where, "", message)
    message = (
        "Has quotation marks that do not fit: a cell that begins with one must end with one, and inside it stands twice"
        ' (""). Nothing after it can be read.'
    )
    return Mistake(number, where, "", message)


def _find_column(text: str, delimiter: str) -> int:
    """The column, from 0, at which one row stops being CSV; its last one where it does not."""
    column, length, state = 0, 0, "start"
    for sign in text:
        length += 1
        if length > LONGEST_CELL:
            break
        if state == "quoted":
            state = "closed" if sign == _QUOTE else state
        elif sign == delimiter:
            column, length, state = column + 1, 0, "start"
        elif state == "closed":
            if sign not in '"\r\n':
                break
            state = "quoted" if sign == _QUOTE else state
        elif state == "start" and sign != " ":
            state = "quoted" if sign == _QUOTE else "plain"
    return column
