"""Meta's error answers become our three kinds, by code and subcode; what each means and which click mends it is in rules.py.

The HTTP status decides nothing where the body has a code: limits, missing permissions and dead tokens arrive as 400, 401,
403 or 500 alike. Meta's own text is never passed on (it may quote what the person typed, a token or a URL); our messages
hold the code, the subcode and the fbtrace_id, which Meta's support asks for.
Source: Meta ingestion facts §6.3 (Graph "Handling Errors"), §5.6, §6.2, read 2026-11-22.
"""

import re
from dataclasses import dataclass
from typing import Any

from leadloop.errors import LeadloopError, NeedsHuman, Permanent, Retryable, Scope
from leadloop.http import HttpAnswer

GIVE_UP_UNREADABLE_S = 6 * 3600.0  # a lead that stays unreadable parks after that, with the way to give access
GIVE_UP_UNKNOWN_S = 24 * 3600.0


class GraphUnavailable(Retryable):
    """Graph as a whole is ill: unknown or temporary errors, 5xx."""


class GarbageAnswer(Retryable):
    """Not an answer of Graph: HTML, empty, half, or not of the shape that was asked for."""


class TooMuchData(Retryable):
    """The page of the list is too large for Graph to put together: ask for fewer rows."""


class RateLimited(Retryable):
    """A limit is used up. `app_wide`: the whole app's, not only this Page's. `of_ads`: an ad account's, which keeps the
    names of ads back, and not the leads."""

    app_wide = False
    of_ads = False


class NotReadable(Retryable):
    """Graph shows no such object to this token: missing, or not allowed to be seen; Graph does not tell which."""


class LeadNotReadable(NotReadable):
    """The same for a lead. Right after its notice that is no proof of absence: facts §5.6."""


class UnknownGraphError(Retryable):
    """A code that Meta's pages do not list. Tried for a day, so that no lead is lost for a new code, then parked."""


class TokenRejected(NeedsHuman):
    """The access token no longer works. `once_more`: Graph gave no reason, so that one more try is worth it."""

    once_more = False


class TokenExpired(TokenRejected):
    """The access token's time is over."""


class ProofRejected(NeedsHuman):
    """appsecret_proof is missing or does not fit: the app secret is not that of the token's app."""


class PermissionMissing(NeedsHuman):
    """The token or the app may not do this."""


class Blocked(NeedsHuman):
    """Meta has restricted the Page, the app or the person behind the token."""


class BadRequest(NeedsHuman):
    """Graph does not accept what was asked: a wrong id or field, or an API version that is gone."""


class DatasetNotShown(NeedsHuman):
    """Graph shows no such dataset, Page or account to this token: a wrong id, or not assigned; Graph does not tell which."""


class ObjectGone(Permanent):
    """Graph says that the object does not exist."""


class Refused(Permanent):
    """Graph will not take this message, ever: a closed window, a recipient who cannot be reached, a repetition."""


@dataclass(frozen=True)
class ErrorBody:
    """What counts in Meta's error envelope. `code` 0: there was none."""

    code: int
    subcode: int = 0
    is_transient: bool = False
    too_much_data: bool = False
    about_proof: bool = False
    trace: str | None = None


_TRACE = re.compile(r"[A-Za-z0-9_-]{1,64}")


def parse_error(body: Any) -> ErrorBody | None:
    """The error in an answer's JSON, None when it is none. Whatever is of the wrong type counts as absent."""
    error = body.get("error") if isinstance(body, dict) else None
    if error is None:
        return None
    if not isinstance(error, dict):
        return ErrorBody(0)
    text = error.get("message")
    text = text.lower() if isinstance(text, str) else ""
    return ErrorBody(
        code=_whole(error.get("code")),
        subcode=_whole(error.get("error_subcode")),
        is_transient=error.get("is_transient") is True,
        too_much_data="reduce the amount of data" in text,
        about_proof="appsecret_proof" in text,
        trace=parse_trace(error.get("fbtrace_id")),
    )


def parse_trace(value: Any) -> str | None:
    """An fbtrace_id, None for what cannot be one."""
    return value if isinstance(value, str) and _TRACE.fullmatch(value) else None


def _whole(value: Any) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value[:12])
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**12 else 0


def no_token(about: str) -> TokenRejected:
    """There is nothing to call Graph with."""
    return TokenRejected(
        f"There is no access token{_of(about)}.",
        code="no_token",
        action="Put access_token of this Page into the configuration file and apply it, or set META_ACCESS_TOKEN to a"
        " system user's token.",
        scope="lane",
    )


def bad_id(name: str) -> BadRequest:
    """What was given as an id of Meta's is none, so that it cannot be asked for."""
    return BadRequest(
        f"The {name} is not an id of Meta's: an id is up to 40 digits.",
        code="bad_id",
        action="Look at the notice or the command it came from, and correct the id.",
    )


def garbage(answer: HttpAnswer, what: str, *, about: str = "") -> LeadloopError:
    """The answer cannot be used: `what` says in a few words what is wrong with it."""
    if answer.status == 429:
        return limited(answer, about=about)
    return GarbageAnswer(
        f"Graph answered {answer.status} with {what}{_of(about)}.",
        code="graph_garbage",
        action="If this goes on: check META_GRAPH_URL, and that no proxy or login page stands between this machine and"
        " Meta; metastatus.com shows Meta's own outages.",
        outage=True,
    )


def limited(answer: HttpAnswer, *, about: str = "") -> RateLimited:
    """A 429 without a code in its body."""
    return RateLimited(
        f"Graph asks for fewer calls (429){_of(about)}.",
        code="http_429",
        action="Nothing: leadloop waits as long as it was asked to and goes on by itself.",
        scope="lane",
        retry_after_s=answer.retry_after_s or 60.0,
    )


def of_page(page_id: str | None) -> str:
    """What an error is about, as its message names it; "" for nothing in particular."""
    return f"Page {page_id}" if page_id else ""


def _of(about: str) -> str:
    return f" ({about})" if about else ""


def describe(says: str, error: ErrorBody, about: str) -> str:
    """Our sentence with the ids that Meta's support asks for. `about` is what the call was about: "Page 111"."""
    facts = [about] if about else []
    facts.append(f"Graph error {error.code}" + (f", subcode {error.subcode}" if error.subcode else ""))
    facts += [f"fbtrace_id {error.trace}"] if error.trace else []
    return f"{says} ({', '.join(facts)})."


def build(
    kind: type[LeadloopError],
    message: str,
    *,
    code: str,
    action: str,
    scope: Scope,
    rest_s: float | None = None,
    give_up_s: float | None = None,
    outage: bool = False,
    answered: bool = False,
) -> LeadloopError:
    """One of our errors; what a kind has no use for is left out."""
    if issubclass(kind, Retryable):
        return kind(
            message,
            code=code,
            action=action,
            scope=scope,
            retry_after_s=rest_s,
            give_up_after_s=give_up_s,
            outage=outage,
            answered=answered,
        )
    return kind(message, code=code, action=action, scope=scope)
