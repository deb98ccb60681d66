"""A mistake in the file: the line, what it is about, what is wrong, and the mend. Never a secret."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

LONGEST_SHOWN = 60


@dataclass(frozen=True, order=True)
class Mistake:
    """One thing wrong (or, as a warning, doubtful) in a file.

    `line` counts from 1; 0 means the file as a whole. `where` names the table and key ("connection crm, settings.url"),
    `message` says what is wrong, `mend` what to write instead.
    """

    line: int
    where: str
    message: str
    mend: str

    def __str__(self) -> str:
        """One line without the file's name: "12: connection crm, settings.url: is missing. Mend: add url = …."."""
        line = f"{self.line}: " if self.line else ""
        return f"{line}{self.where}: {self.message}. Mend: {self.mend_sentence}"

    @property
    def mend_sentence(self) -> str:
        return self.mend if self.mend.endswith(("?", "!")) else self.mend + "."

    def to_json(self) -> dict[str, object]:
        return {"line": self.line, "where": self.where, "message": self.message, "mend": self.mend}


class Fault(str):
    """A message with its mend, in the shape marshmallow carries: a text."""

    mend: str

    def __new__(cls, message: str, mend: str) -> "Fault":
        fault = super().__new__(cls, message)
        fault.mend = mend
        return fault


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant, upper and lower case aside; None when nothing is near."""
    by_lower = {name.lower(): name for name in known}
    found = difflib.get_close_matches(word[:LONGEST_SHOWN].lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[found[0]] if found else None


def did_you_mean(word: str, known: Iterable[str], *, what: str) -> str:
    """A mend: the nearest known word, else all of them ("what" names them, in the plural)."""
    names = list(known)
    near = nearest(word, names)
    if near is not None:
        return f'write "{near}", if that was meant'
    if not names:
        return f"there are no {what} in this file yet: add one, or take this out"
    shown = ", ".join(names[:20]) + (", …" if len(names) > 20 else "")
    return f"use one of the {what} there are: {shown}"


def show(text: str) -> str:
    """A word of the file for a message: quoted, on one line, not too long."""
    return f'"{shorten(text)}"'


def shorten(text: str) -> str:
    """A word of the file on one line and not too long."""
    return printable(text if len(text) <= LONGEST_SHOWN else text[: LONGEST_SHOWN - 1] + "…")


def split_sentence(text: str) -> tuple[str, str]:
    """What others say in sentences ("Is too short. Copy it again.") as what is wrong and the mend, without full stops.

    The first begins in lower case, as it follows the name of a key. The mend is "" when there is one sentence only.
    """
    said, _, mend = text.strip().partition(". ")
    if said[1:2].islower() or said[1:2] == " ":
        said = said[:1].lower() + said[1:]
    return said.rstrip("."), mend.strip().rstrip(".")


def printable(text: str) -> str:
    """`text` without what could play tricks on a terminal: control characters and marks that turn the direction."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
