"""The shapes in which a mistake is told: what is wrong, what it means, and the mend. They never hold what was sent."""

import re
from dataclasses import dataclass
from typing import Literal

Level = Literal["refused", "held", "warning"]

_SHOWN = re.compile(r"[A-Za-z_][A-Za-z0-9_.\-]{0,59}")


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong. Both are sentences without an ending full stop; `message` follows the name of what it is about."""

    message: str
    mend: str

    def __str__(self) -> str:
        return f"{self.message}: {self.mend}." if self.mend else f"{self.message}."


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that the linter found in an event.

    `code` is ours: short, constant, counted in figures. `field` is the path within the event ("user_data.em[0]"), "" for
    the event as a whole. `level`: "refused" would be refused by Meta (and all events sent with it), or does harm;
    "held" cannot go now; "warning" is accepted and worth a look. `meta_code` is Meta's code/subcode where it is known.
    """

    code: str
    field: str
    message: str
    mend: str
    level: Level = "refused"
    meta_code: str = ""


def is_sendable(findings: list[Finding]) -> bool:
    """Whether nothing worse than a warning was found."""
    return all(finding.level == "warning" for finding in findings)


def shown_key(key: object) -> str:
    """A key of somebody's JSON for the path of a finding. What may be personal, or plays tricks, is not repeated."""
    return key if isinstance(key, str) and _SHOWN.fullmatch(key) else "(a key)"
