"""On which line of a TOML text each table, key and array item stands. tomllib gives values, but no places.

The text has already been read by tomllib, so it is valid TOML and the scanner only has to follow it: strings and
comments are skipped, names of keys are kept. Newlines inside inline tables (TOML 1.1) are followed too.
"""

import re
import tomllib
from collections.abc import Sequence

Path = tuple[str | int, ...]

MOST_NESTED = 40

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_BASIC = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"')
_LITERAL = re.compile(r"'[^']*'")
_MULTI_BASIC = re.compile(r'"""(?:[^"\\]|\\.|"{1,2}(?!"))*"{3,5}', re.DOTALL)
_MULTI_LITERAL = re.compile(r"'''(?:[^']|'{1,2}(?!'))*'{3,5}")
_SCALAR = re.compile(r"[^,\]}#\r\n]+")


class TooDeep(ValueError):
    """Tables or arrays are nested further than any configuration needs."""

    def __init__(self, line: int) -> None:
        super().__init__(f"nested more than {MOST_NESTED} deep on line {line}")
        self.line = line


class Lines:
    """Looks up lines (counted from 1) by path: table, index, key, nested key or index."""

    def __init__(self, found: dict[Path, int]) -> None:
        self.found = found

    def at(self, path: Sequence[str | int]) -> int:
        """The line of `path`, else that of the nearest thing around it; 1 when nothing of it is in the text."""
        for length in range(len(path), 0, -1):
            line = self.found.get(tuple(path[:length]))
            if line is not None:
                return line
        return 1


def locate(text: str) -> Lines:
    """The line of everything in `text`, which tomllib has read without an error. Raises TooDeep."""
    return Lines(_Scanner(text).scan())


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.pos = 0
        self.counted_to = 0
        self.line = 1
        self.found: dict[Path, int] = {}
        self.last_item: dict[Path, int] = {}  # [[arrays of tables]] → index of the newest

    def scan(self) -> dict[Path, int]:
        table: Path = ()
        self.skip(_BLANK)
        while self.pos < len(self.text):
            table = self.header() if self.text[self.pos] == "[" else self.pair(table)
            self.skip(_BLANK)
        return self.found

    def header(self) -> Path:
        """[a.b] or [[a.b]]; returns the path that the following keys belong to."""
        line, is_array = self.line_here(), self.text.startswith("[[", self.pos)
        brackets = 2 if is_array else 1
        self.pos += brackets
        names = self.key()
        self.pos += brackets
        path: Path = ()
        for position, name in enumerate(names):
            path += (name,)
            self.note(path, line)
            if path not in self.last_item and not (is_array and position == len(names) - 1):
                continue
            if is_array and position == len(names) - 1:
                self.last_item[path] = self.last_item.get(path, -1) + 1
            path += (self.last_item[path],)
            self.note(path, line)
        return path

    def pair(self, table: Path) -> Path:
        """key = value; returns `table` for the next one."""
        line, path = self.line_here(), table
        for name in self.key():
            path += (name,)
            self.note(path, line)
        self.pos += 1  # =
        self.skip(_SPACE)
        self.value(path)
        return table

    def value(self, path: Path) -> None:
        for quotes, pattern in (
            ('"""', _MULTI_BASIC),
            ("'''", _MULTI_LITERAL),
            ('"', _BASIC),
            ("'", _LITERAL),
        ):
            if self.text.startswith(quotes, self.pos):
                return self.skip(pattern)
        if self.text[self.pos] == "[":
            return self.array(path)
        if self.text[self.pos] == "{":
            return self.inline_table(path)
        return self.skip(_SCALAR)

    def array(self, path: Path) -> None:
        index = 0
        while self.enter_or_next() != "]":
            item = (*path, index)
            self.note(item, self.line_here())
            self.value(item)
            index += 1
        self.pos += 1

    def inline_table(self, path: Path) -> None:
        while self.enter_or_next() != "}":
            self.pair(path)
        self.pos += 1

    def enter_or_next(self) -> str:
        """Step over the opening bracket or a comma, and blanks around it; the letter that comes then."""
        self.skip(_BLANK)
        if self.text[self.pos] in "[{,":
            self.pos += 1
            self.skip(_BLANK)
        return self.text[self.pos]

    def key(self) -> list[str]:
        """A bare, quoted or dotted key, with the blanks around it."""
        names = []
        while True:
            self.skip(_SPACE)
            start = self.pos
            quote = self.text[start]
            self.skip({'"': _BASIC, "'": _LITERAL}.get(quote, _BARE_KEY))
            raw = self.text[start : self.pos]
            names.append(tomllib.loads(f"k = {raw}")["k"] if quote in "\"'" else raw)
            self.skip(_SPACE)
            if self.text[self.pos] != ".":
                return names
            self.pos += 1

    def skip(self, pattern: re.Pattern[str]) -> None:
        match = pattern.match(self.text, self.pos)
        if match is None:
            raise ValueError(f"not valid TOML at character {self.pos}")
        self.pos = match.end()

    def note(self, path: Path, line: int) -> None:
        if len(path) > MOST_NESTED:
            raise TooDeep(line)
        self.found.setdefault(path, line)

    def line_here(self) -> int:
        self.line += self.text.count("\n", self.counted_to, self.pos)
        self.counted_to = self.pos
        return self.line
