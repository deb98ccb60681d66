"""What one alert met on the wire, noted for the thread that sends it."""

import contextlib
import contextvars
import functools
import time
from collections.abc import Iterator
from dataclasses import dataclass

import requests

from leadloop.errors import LeadloopError
from leadloop.http import HttpAnswer, HttpDoor, Unanswered

SEND_S = 30.0  # one alert, all its calls together


@dataclass
class Call:
    """What one send met on the wire. `deadline` is time.monotonic(); the rest tells of the last exchange.

    `status` is of HTTP, `smtp` a refusal in SMTP, `error` what kept us from an answer. The last two are of all exchanges:
    `unanswered`: something was sent that may have been the alert, and no whole answer came; `taken`: a mail server
    accepted the text, for one of its recipients at least.
    """

    deadline: float
    door: HttpDoor
    status: int | None = None
    retry_after_s: float | None = None
    smtp: int | None = None
    error: LeadloopError | None = None
    unanswered: bool = False
    taken: bool = False

    def left_s(self) -> float:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise requests.Timeout("the time for this alert is over")
        return left

    def note_error(self, error: LeadloopError) -> None:
        self.status, self.error = None, error
        self.unanswered = self.unanswered or isinstance(error, Unanswered)

    def note_answer(self, answer: HttpAnswer) -> None:
        self.status, self.error = answer.status, None
        self.retry_after_s = answer.retry_after_s
        if answer.status == 429 and self.retry_after_s is None:
            self.retry_after_s = _asked_in_body(answer)

    def note_reply(self, code: int) -> None:
        if code >= 400 and code not in (500, 502):  # those answer an EHLO that an old server does not know
            self.smtp = code


_CALL: contextvars.ContextVar[Call] = contextvars.ContextVar("leadloop_alert_call")


@contextlib.contextmanager
def call(door: HttpDoor | None = None, *, total_s: float = SEND_S) -> Iterator[Call]:
    """Within it, everything this thread sends through a plugin is noted on the Call, and ends in time."""
    made = Call(time.monotonic() + total_s, door or shared_door())
    token = _CALL.set(made)
    try:
        yield made
    finally:
        _CALL.reset(token)


def current_call() -> Call:
    """The Call of this thread; one that nobody reads where a plugin is used outside of call()."""
    return _CALL.get(None) or Call(time.monotonic() + SEND_S, shared_door())


def _asked_in_body(answer: HttpAnswer) -> float | None:
    """Telegram and Discord say in the JSON how many seconds to wait (`parameters.retry_after`, `retry_after`)."""
    try:
        body = answer.json()
        asked = body.get("retry_after", (body.get("parameters") or {}).get("retry_after"))
        return float(asked) if 0 <= float(asked) < 86_400 else None
    except (AttributeError, TypeError, ValueError):
        return None


@functools.cache
def shared_door() -> HttpDoor:
    """One pool of kept-alive connections for all alerts of this process."""
    return HttpDoor()
