"""Every error under /api/ as problem details (RFC 9457), with the request's id and never a stack trace."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from flask import Flask, Response, request
from sqlalchemy.exc import DBAPIError, DisconnectionError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from leadloop.logs import get_logger
from leadloop.request_ids import id_of

log = get_logger(__name__)
MEDIA_TYPE = "application/problem+json"
REFERENCE = "/api/v1/docs"


@dataclass(frozen=True)
class ProblemKind:
    """One kind of problem. Its `type` is an address in the reference, where `meaning` stands."""

    slug: str
    status: int
    title: str
    meaning: str

    @property
    def type(self) -> str:
        return f"{REFERENCE}#problem-{self.slug}"


INVALID_PARAMETER = ProblemKind(
    "invalid-parameter",
    400,
    "A parameter is not right",
    "A query parameter is unknown, malformed or given twice. `errors` names each of them and how to mend it.",
)
MALFORMED_BODY = ProblemKind(
    "malformed-body",
    400,
    "The body is not JSON",
    "Bodies are JSON in UTF-8 (RFC 8259): no NaN, no Infinity, nothing nested hundreds deep. `detail` says where it ends.",
)
INVALID_IDEMPOTENCY_KEY = ProblemKind(
    "invalid-idempotency-key",
    400,
    "The Idempotency-Key cannot be one",
    "An Idempotency-Key has 1 to 255 printable ASCII characters; a random UUID does well.",
)
UNAUTHORIZED = ProblemKind(
    "unauthorized",
    401,
    "A valid API key is needed",
    "The request carries no key, or one that is malformed, unknown or revoked. `leadloop api-key create NAME` makes one;"
    " send it as `Authorization: Bearer ll_…`.",
)
NOT_FOUND = ProblemKind(
    "not-found", 404, "There is nothing here", "The address is not one of the API, or there is nothing of that id."
)
METHOD_NOT_ALLOWED = ProblemKind(
    "method-not-allowed", 405, "The address does not take this method", "The Allow header lists the methods it takes."
)
CONTENT_TOO_LARGE = ProblemKind(
    "content-too-large",
    413,
    "The body holds too much",
    "A body has at most 4 MiB and 1,000 outcomes. Send the rest in further requests.",
)
UNSUPPORTED_MEDIA_TYPE = ProblemKind(
    "unsupported-media-type",
    415,
    "The body is of another type",
    "Bodies are JSON, not compressed: `Content-Type: application/json`.",
)
INVALID_OUTCOMES = ProblemKind(
    "invalid-outcomes",
    422,
    "No outcome could be kept",
    "The body is neither an outcome nor a list of them, or none of them can be kept as it is. `outcomes` says of each what"
    " is wrong, field by field, and how to mend it. Nothing of this request was kept.",
)
INVALID_TEST_EVENT = ProblemKind(
    "invalid-test-event",
    422,
    "No test event was sent",
    "What is asked for is not right, or there is nobody whom an event could be about, no token, or leadloop's own check"
    " refuses the event. `detail` says which, and how to mend it; `errors` names the field. Meta was not asked.",
)
IDEMPOTENCY_KEY_REUSED = ProblemKind(
    "idempotency-key-reused",
    422,
    "The Idempotency-Key was used for another body",
    "The same key came with other bytes before, so that it is not clear what is meant. Nothing of this request was kept:"
    " send it under a key of its own.",
)
TOO_MANY_REQUESTS = ProblemKind(
    "too-many-requests", 429, "Too much at the same moment", "Send it again after the seconds in Retry-After."
)
INTERNAL = ProblemKind(
    "internal", 500, "An error of leadloop itself", "It has been logged. Please report it with the `request_id`."
)
UNAVAILABLE = ProblemKind(
    "unavailable",
    503,
    "The database does not answer",
    "Try again after the seconds in Retry-After. `/readyz` says what is wrong.",
)
KINDS = (
    INVALID_PARAMETER,
    MALFORMED_BODY,
    INVALID_IDEMPOTENCY_KEY,
    UNAUTHORIZED,
    NOT_FOUND,
    METHOD_NOT_ALLOWED,
    CONTENT_TOO_LARGE,
    UNSUPPORTED_MEDIA_TYPE,
    INVALID_OUTCOMES,
    INVALID_TEST_EVENT,
    IDEMPOTENCY_KEY_REUSED,
    TOO_MANY_REQUESTS,
    INTERNAL,
    UNAVAILABLE,
)
_BY_STATUS = {kind.status: kind for kind in KINDS if kind.status not in (400, 422)}  # of these there are several
_TRY_AGAIN = "Try again in a few seconds; /readyz says what is wrong."
_SOON = {"Retry-After": "5"}


@dataclass(eq=False)
class Problem(Exception):
    """Raised by handlers. `detail` is one sentence with the mend and holds nothing that the caller sent."""

    kind: ProblemKind
    detail: str
    errors: list[dict[str, str]] = field(default_factory=list)
    headers: Mapping[str, str] = field(default_factory=dict)
    more: Mapping[str, Any] = field(default_factory=dict)  # further members of the answer, which its kind tells of


def request_id() -> str:
    """The id of this request, as in the X-Request-Id header and the log lines."""
    return id_of(request.environ)


def is_api(path: str) -> bool:
    return path == "/api" or path.startswith("/api/")


def register_problems(app: Flask) -> None:
    """Answer every error under /api/ with problem details; what is elsewhere stays with the handler there was."""
    earlier = app.error_handler_spec[None][None].get(HTTPException)

    def http_error(caught: HTTPException) -> Any:
        if is_api(request.path):
            return _from_http(caught)
        return app.ensure_sync(earlier)(caught) if earlier is not None else caught

    app.register_error_handler(Problem, _from_problem)
    app.register_error_handler(HTTPException, http_error)
    app.after_request(_never_cached)


def answer_database_errors(register: Callable[[type[Exception], Callable[[Any], Any]], None]) -> None:
    """Let a blueprint answer 503 while the database is away (`register` is its register_error_handler)."""
    for kind in (OperationalError, DisconnectionError, PoolTimeout, DBAPIError):
        register(kind, _from_database)


def _from_problem(caught: Problem) -> Response:
    more = ({"errors": caught.errors} if caught.errors else {}) | dict(caught.more)
    return _answer(caught.kind.status, caught.kind, caught.kind.title, caught.detail, more, caught.headers)


def unavailable() -> Problem:
    """The database does not answer: try again."""
    return Problem(UNAVAILABLE, _TRY_AGAIN, headers=_SOON)


def _from_http(caught: HTTPException) -> Response:
    status = caught.code or 500
    kind = _BY_STATUS.get(status)
    details = {
        413: "Send at most 4 MiB at once.",
        404: f"The API has no such address; {REFERENCE} lists those there are.",
        415: "Send the body as JSON, with Content-Type: application/json.",
        500: "It has been logged. Please report it with the request_id.",
    }
    detail = details.get(status, f"The request could not be answered ({caught.name}).")
    if isinstance(caught, MethodNotAllowed) and caught.valid_methods:
        detail = f"This address takes {', '.join(sorted(caught.valid_methods))}."
    kept = {name: value for name, value in caught.get_headers() if name.lower() in ("allow", "retry-after")}
    return _answer(status, kind, kind.title if kind else caught.name, detail, {}, kept)


def _from_database(caught: Exception) -> Response:
    away = isinstance(caught, OperationalError | DisconnectionError | PoolTimeout) or (
        isinstance(caught, DBAPIError) and caught.connection_invalidated
    )
    if not away:
        raise caught  # a bug of ours: 500
    log.error("api_database_away", error=type(caught).__name__)
    return _from_problem(unavailable())


def _answer(
    status: int,
    kind: ProblemKind | None,
    title: str,
    detail: str,
    more: Mapping[str, Any],
    headers: Mapping[str, str],
) -> Response:
    body: dict[str, Any] = {
        "type": kind.type if kind is not None else "about:blank",
        "title": title,
        "status": status,
        "detail": detail,
        "request_id": request_id(),
    }
    response = Response(json.dumps(body | dict(more), ensure_ascii=True), status, mimetype=MEDIA_TYPE)
    response.headers.update(dict(headers))
    return response


def _never_cached(response: Response) -> Response:
    if is_api(request.path):
        response.headers["Cache-Control"] = "no-store"
        response.headers["X-Content-Type-Options"] = "nosniff"
    return response
