"""What becomes of a request with events: taken, refused for an event in it, or nobody knows.

In words of ours, so that workers need not know Graph; meta_graph/conversions.py makes them. Source: Meta conversions facts
§1.6, §1.7, §1.8, read 2026-11-26.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from leadloop.errors import Permanent, Retryable, Scope


@dataclass(frozen=True)
class Received:
    """Meta's good answer. `events` is how many it says it has received: fewer than were sent, or none, is no success.

    `remarks` are its messages beside that, bounded and without addresses and numbers; `answer` is all of it, likewise.
    """

    events: int
    fbtrace_id: str | None
    remarks: tuple[str, ...] = field(repr=False)
    answer: Mapping[str, Any] = field(repr=False)


class EventRefused(Permanent):
    """An event of the request is at fault, and with it the whole request was refused: none of it is stored.

    Meta does not tell which event it is. `meta_code` is its code and subcode ("100/2804003"); `known` says that it is one
    that Meta documents or that was seen, so that its number may become a label.
    """

    def __init__(self, message: str, *, code: str, action: str, meta_code: str = "", known: bool = True) -> None:
        super().__init__(message, code=code, action=action)
        self.meta_code = meta_code
        self.known = known


class EventsUnanswered(Retryable):
    """There is no answer that tells what became of the events.

    `maybe_stored` False: they have surely not been taken (no connection, or turned away before Graph), and may go again
    as they are. True: Meta may have them, and whether they may go again depends on the route. See decision 0052.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str,
        maybe_stored: bool,
        action: str = "",
        scope: Scope = "item",
        answered: bool = False,
    ) -> None:
        super().__init__(message, code=code, action=action, scope=scope, outage=True, answered=answered)
        self.maybe_stored = maybe_stored
