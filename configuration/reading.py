"""A file or text becomes TOML data with the line of everything in it, or the mistake that keeps it from being read."""

import re
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path as FilePath
from typing import Any

from configuration.locate import MOST_NESTED, Lines, TooDeep, locate
from configuration.mistakes import Mistake

MOST_BYTES = 1024 * 1024
STDIN = "-"

_AT = re.compile(r"\(at line (\d+), column (\d+)\)\Z")
# tomllib needs quadratic time for a key of many dotted parts, so that such a text is refused before.
_MANY_DOTS = re.compile(rf"(?<![\w-])(?:[\w-]+[ \t]*\.[ \t]*){{{MOST_NESTED}}}")

# What tomllib says (its start, or a word of it) → what we say, and the mend. tomllib's own words may quote the file.
_SYNTAX = (
    (
        "Invalid value",
        "the value is not valid TOML",
        'put text in quotes ("…"); lists are ["a", "b"], tables { a = "b" }',
    ),
    ("Invalid statement", "neither a key, a table nor a comment", 'write key = "value", [[table]] or # comment'),
    ("Cannot overwrite a value", "this key or table is there already", "keep one of the two"),
    ("Duplicate inline table key", "this key is there already", "keep one of the two"),
    ("twice", "this table is there already", "write two brackets ([[pages]]) for each of several, or keep one"),
    ("namespace", "this table was closed before and cannot be added to", "put all its keys into one place"),
    ("Expected '='", "a key without a value", 'write key = "value"; a key with blanks or dots needs quotes'),
    ("Expected newline", "more than one thing on a line", "close the quotes, or begin a new line"),
    ("Expected ']", "the brackets of the table's name do not close", "write [[pages]] or [connections.settings]"),
    ("Unclosed array", "a list is not closed, or a comma is missing in it", 'write ["a", "b"]'),
    ("Unclosed inline table", "a { … } is not closed, or a comma is missing in it", 'write { a = "b", c = "d" }'),
    ('Expected "', "a text is not closed", "add the quote at its end"),
    ("Unterminated string", "a text is not closed", "add the quote at its end"),
    ("Illegal character '\\n'", "a text goes on over the end of the line", 'add the quote at its end, or use """…"""'),
    ("Illegal character", "a control character in a text", "take it out, or write it as \\u001b"),
    ("Unescaped", "a \\ in a text in double quotes", "write \\\\, or put the text into single quotes"),
    ("Invalid hex value", "a \\u or \\U in a text without its hex digits", "write \\u0041, or double the \\"),
    ("Escaped character", "a \\u or \\U that names no letter", "write the letter itself"),
    (
        "Found invalid character '\\n'",
        "a text goes on over the end of the line",
        "add the quote at its end, or use '''…'''",
    ),
    ("Found invalid character", "a control character", "take it out"),
    (
        "Invalid initial character",
        "a key is missing or begins with a letter that needs quotes",
        'write "the key" = "value"',
    ),
    ("Invalid date", "not a date there is", 'put it in quotes: "…"'),
)
_INLINE = "a { … } goes on over the end of the line, which TOML does not allow"
_INLINE_MEND = "put it on one line, or write its keys below a header such as [connections.settings]"


@dataclass(frozen=True)
class Source:
    """What was read: the data (which may hold secrets), and where everything stands."""

    data: Mapping[str, Any] = field(repr=False)
    lines: Lines = field(repr=False)


def read_file(name: str) -> str | Mistake:
    """The text of a file ("-" is standard input), or why it cannot be read. Reads at most MOST_BYTES."""
    try:
        if name == STDIN:
            raw = sys.stdin.buffer.read(MOST_BYTES + 1)
        else:
            with FilePath(name).open("rb") as file:
                raw = file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        return Mistake(0, "file", "there is no such file", "check the path; it starts from the working folder")
    except IsADirectoryError:
        return Mistake(0, "file", "this is a folder", "name the file in it, such as leadloop.toml")
    except PermissionError:
        return Mistake(0, "file", "leadloop may not read this file", "give its user the right to read it")
    except (OSError, ValueError) as caught:
        return Mistake(0, "file", f"this file cannot be read ({type(caught).__name__})", "check the path and the disk")
    if len(raw) > MOST_BYTES:
        return Mistake(0, "file", "this file is larger than 1 MiB", "is it the configuration? Take out what is not")
    return _decode(raw)


def _decode(raw: bytes) -> str | Mistake:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as caught:
        line = raw.count(b"\n", 0, caught.start) + 1
        return Mistake(line, "file", "not UTF-8 text from here on", "save the file as UTF-8 in your editor")


def read_text(text: str) -> Source | Mistake:
    """The data of a TOML text and its lines, or the mistake that tomllib stopped at. A BOM and CRLF are fine.

    Numbers with a point are Decimals, digit by digit as they are written: 12.10 is no 12.0999….
    """
    text = text.removeprefix("\N{BYTE ORDER MARK}")
    refused = _refuse(text)
    if refused is not None:
        return refused
    try:
        data = tomllib.loads(text, parse_float=_read_number)
        return Source(data, locate(text))
    except tomllib.TOMLDecodeError as caught:
        return _syntax_mistake(str(caught), text)
    except TooDeep as caught:
        return _too_deep(caught.line)
    except RecursionError:
        return _too_deep(0)
    except ValueError:  # int() refuses a number of thousands of digits
        return Mistake(0, "TOML", "a number has more digits than can be read", "put it in quotes, if it is an id")


def _read_number(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:  # an exponent beyond all bounds
        return Decimal("NaN")


def _refuse(text: str) -> Mistake | None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as caught:
        line = text.count("\n", 0, caught.start) + 1
        return Mistake(line, "TOML", "half a character (a lone surrogate)", "type the character again")
    dotted = _MANY_DOTS.search(text)
    return _too_deep(text.count("\n", 0, dotted.start()) + 1) if dotted else None


def _too_deep(line: int) -> Mistake:
    return Mistake(
        line, "TOML", f"nested more than {MOST_NESTED} deep", "nothing in this file needs that: make it flat"
    )


def _syntax_mistake(said: str, text: str) -> Mistake:
    place = _AT.search(said)
    rows = text.split("\n")
    line, column = (int(place[1]), int(place[2])) if place else (len(rows), len(rows[-1]) + 1)
    message, mend = next(
        ((ours, mend) for theirs, ours, mend in _SYNTAX if theirs in said),
        ("this is not valid TOML", "compare it with the examples in docs/configuration.md"),
    )
    row = rows[line - 1].rstrip("\r") if line <= len(rows) else ""
    if said.startswith(("Invalid initial", "Unclosed inline")):
        if column > len(row):
            message, mend = _INLINE, _INLINE_MEND
        elif row[column - 1] == "}":
            message, mend = "a comma before the } that closes a table", "take out the comma"
    return Mistake(line, f"TOML, column {column}", message, mend)
