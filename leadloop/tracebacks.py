"""An exception for the log: where it was raised and what it was, without what it says.

Messages of exceptions that are not ours quote what they stumbled over: `int()` the text it was given, PostgreSQL's DETAIL
a whole row. So frames and types are shown, and the message of a LeadloopError, which holds codes and ids.
"""

import traceback
from collections.abc import Iterator

from leadloop.errors import LeadloopError

MOST_LINKS = 20  # of a chain, or members of a group
MOST_FRAMES = 60

_CAUSED = "\nThe above exception was the direct cause of the following exception:\n"
_MEANWHILE = "\nDuring handling of the above exception, another exception occurred:\n"


def describe_error(error: BaseException) -> str:
    """The traceback with its chain of causes and its groups, as Python prints it; texts of strangers are left out."""
    return "\n".join(_lines(error, set()))


def _lines(error: BaseException, seen: set[int]) -> Iterator[str]:
    seen.add(id(error))
    earlier, words = _earlier(error)
    if earlier is not None and id(earlier) not in seen and len(seen) < MOST_LINKS:
        yield from _lines(earlier, seen)
        yield words
    if error.__traceback__ is not None:
        yield "Traceback (most recent call last):"
        for frame in traceback.format_tb(error.__traceback__, limit=-MOST_FRAMES):
            yield frame.rstrip("\n")
    yield _named(error)
    if isinstance(error, BaseExceptionGroup):
        for number, member in enumerate(error.exceptions[:MOST_LINKS], 1):
            yield f"  --- {number} of {len(error.exceptions)} ---"
            if id(member) not in seen and len(seen) < 10 * MOST_LINKS:
                yield from ("  " + line.replace("\n", "\n  ") for line in _lines(member, seen))


def _earlier(error: BaseException) -> tuple[BaseException | None, str]:
    if error.__cause__ is not None:
        return error.__cause__, _CAUSED
    return (None if error.__suppress_context__ else error.__context__), _MEANWHILE


def _named(error: BaseException) -> str:
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return f"{name}: {error.message}" if isinstance(error, LeadloopError) else name
