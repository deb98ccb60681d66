"""What one question of the doctor's came to."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal, TypeVar

from leadloop.errors import LeadloopError

Level = Literal["ok", "warning", "error"]
Thing = TypeVar("Thing")
ASKED_AT_ONCE = 8  # questions to Meta or CRMs


@dataclass(frozen=True)
class Finding:
    """`what` was looked at, `why` it is well or not, in sentences, and the `mend` ("": there is nothing to do).

    An "error" stops leads or events now; a "warning" may, or costs something. `code` is short and bounded, for programs.
    """

    level: Level
    code: str
    what: str
    why: str
    mend: str = ""


def from_error(what: str, caught: LeadloopError, *, level: Level = "error") -> Finding:
    """A call that was refused or not answered, in the words of the error."""
    return Finding(level, caught.code, what, caught.message, caught.action)


def ask_all(ask: Callable[[Thing], list[Finding]], things: Iterable[Thing]) -> list[Finding]:
    """`ask` of each, several at once, as each goes over the network; the findings in the order of `things`."""
    with ThreadPoolExecutor(max_workers=ASKED_AT_ONCE, thread_name_prefix="doctor") as pool:
        return [finding for found in pool.map(ask, things) for finding in found]
