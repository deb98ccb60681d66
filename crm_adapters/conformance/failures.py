"""The ways a CRM fails, and what each must become. The bodies echo the lead, as CRMs like to do."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

from crm_adapters.conformance.server import Received, Reply
from crm_adapters.conformance.subject import Kind

MORE_THAN_READ = 5 * 1024 * 1024


@dataclass(frozen=True)
class Failure:
    """One way to fail. `kind` is what it must become; `rest_s` the least and most rest a Retry-After must lead to.

    `everywhere`: it means the same whichever request of a push meets it. Others (a 404 may be the answer "there is none
    yet") are held to their kind on the last request only, the one that writes; before that anything orderly will do.
    `times`: how often in a row it happens (a GET on a connection that breaks is sent again at once by the door).
    """

    name: str
    kind: Kind
    reply: Callable[[Received], Reply] | None
    everywhere: bool = True
    rest_s: tuple[float, float] | None = None
    outage: bool = False
    times: int = 1


def echo(request: Received) -> Any:
    """An error body that repeats what was sent at every place where CRMs put names, codes and messages."""
    said = f"Refused: {request.body.decode(errors='replace')} {request.headers}"
    keys = ("message", "error", "detail", "title", "category", "subCategory", "errorCode", "code", "name", "policyName")
    one = dict.fromkeys((*keys, "error_description", "exception", "debug", "id"), said)
    context = {"propertyName": [said], "missingScopes": [said], "name": said}
    return {**one, "status": "error", "errors": [{**one, "context": context, "fields": [said]}], "context": context}


def _status(
    status: int,
    kind: Kind,
    *,
    name: str = "",
    retry_after: Callable[[], str] | None = None,
    rest_s: tuple[float, float] | None = None,
) -> Failure:
    def reply(request: Received) -> Reply:
        return Reply(status, echo(request), {"Retry-After": retry_after()} if retry_after else {})

    everywhere = status in (401, 403, 429) or status >= 500
    return Failure(name or str(status), kind, reply, everywhere=everywhere, rest_s=rest_s, outage=status >= 500)


def _page(request: Received) -> Reply:
    text = b"<!doctype html><title>Sign in</title><form>" + request.body + b"</form>"
    return Reply(200, text, {"Content-Type": "text/html"})


def _redirect(request: Received) -> Reply:
    return Reply(302, b"", {"Location": "/elsewhere"})


def _in_90_s() -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)


FAILURES: dict[str, Failure] = {
    failure.name: failure
    for failure in (
        _status(400, "permanent"),
        _status(401, "held"),
        _status(402, "held"),
        _status(403, "held"),
        _status(404, "permanent"),
        _status(409, "permanent"),
        _status(422, "permanent"),
        _status(429, "retryable", rest_s=(0.001, 3600)),
        _status(429, "retryable", name="429_seconds", retry_after=lambda: "7", rest_s=(7, 7)),
        _status(429, "retryable", name="429_date", retry_after=_in_90_s, rest_s=(60, 91)),
        _status(500, "retryable"),
        _status(502, "retryable"),
        _status(503, "retryable"),
        _status(503, "retryable", name="503_seconds", retry_after=lambda: "11", rest_s=(11, 11)),
        Failure("redirect", "held", _redirect),
        Failure("timeout", "retryable", lambda _: Reply(manner="hang"), outage=True),
        Failure("refused", "retryable", None, outage=True),
        Failure("dropped", "retryable", lambda _: Reply(manner="drop"), outage=True, times=2),
        Failure("garbage", "retryable", lambda _: Reply(200, b"\x00\xff{]" * 50)),
        Failure("half", "retryable", lambda request: Reply(200, echo(request), manner="half")),
        Failure("empty", "retryable", lambda _: Reply(200, b"")),
        Failure("login_page", "retryable", _page),
        Failure("huge", "retryable", lambda _: Reply(200, b'{"x": "' + b"y" * MORE_THAN_READ + b'"}')),
    )
}

# JSON, but not as any CRM says it: no adapter may stumble over it, whatever it takes it for.
ODD_BODIES: dict[str, bytes] = {
    "null": b"null",
    "text": b'"text"',
    "number": b"17",
    "list": b"[]",
    "object": b"{}",
    "list_of_null": b"[null, 1, []]",
    "results_of_wrong_type": b'{"results": {}, "data": 3, "result": null, "id": {}, "errors": "x"}',
    "nested_wrong": b'{"results": [null], "data": [[]], "result": [{"id": null}], "id": null, "errors": [7], "items": {}}',
    "deep": b"[" * 100_000 + b"]" * 100_000,
    "big_number": b'{"id": ' + b"9" * 5000 + b"}",
    "nan": b'{"id": NaN}',
    "surrogate": b'{"id": "\\ud83d", "results": [{"id": "\\ud83d", "properties": {}}]}',
    "wrong_encoding": '{"id": "é"}'.encode("utf-16"),
}
