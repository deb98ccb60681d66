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
UNAUTHORIZED = ProblemKind(
    "unauthorized",
    401,
    "A valid API key is needed",
    "The request carries no key, or one that is malformed, unknown or revoked. `leadloop api-key create NAME` makes one;"
    " send it as `Authorization: Bearer ll_…`.",
)
NOT_FOUND = ProblemKind(
    "not-found", 404, "There is nothing here", "The address is not one of the API, or there is no lead of that id."
)
METHOD_NOT_ALLOWED = ProblemKind(
    "method-not-allowed", 405, "The address does not take this method", "The Allow header lists the methods it takes."
)
UNSUPPORTED_MEDIA_TYPE = ProblemKind(
    "unsupported-media-type", 415, "The body is of another type", "Bodies are JSON: `Content-Type: application/json`."
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
    UNAUTHORIZED,
    NOT_FOUND,
    METHOD_NOT_ALLOWED,
    UNSUPPORTED_MEDIA_TYPE,
    INTERNAL,
    UNAVAILABLE,
)
_BY_STATUS = {kind.status: kind for kind in KINDS if kind is not INVALID_PARAMETER}


@dataclass(eq=False)
class Problem(Exception):
    """Raised by handlers. `detail` is one sentence with the mend and holds nothing that the caller sent."""

    kind: ProblemKind
    detail: str
    errors: list[dict[str, str]] = field(default_factory=list)
    headers: Mapping[str, str] = field(default_factory=dict)


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
    return _answer(caught.kind.status, caught.kind, caught.kind.title, caught.detail, caught.errors, caught.headers)


def _from_http(caught: HTTPException) -> Response:
    status = caught.code or 500
    kind = _BY_STATUS.get(status)
    details = {
        404: f"The API has no such address; {REFERENCE} lists those there are.",
        415: "Send the body as JSON, with Content-Type: application/json.",
        500: "It has been logged. Please report it with the request_id.",
    }
    detail = details.get(status, f"The request could not be answered ({caught.name}).")
    if isinstance(caught, MethodNotAllowed) and caught.valid_methods:
        detail = f"This address takes {', '.join(sorted(caught.valid_methods))}."
    kept = {name: value for name, value in caught.get_headers() if name.lower() in ("allow", "retry-after")}
    return _answer(status, kind, kind.title if kind else caught.name, detail, [], kept)


def _from_database(caught: Exception) -> Response:
    away = isinstance(caught, OperationalError | DisconnectionError | PoolTimeout) or (
        isinstance(caught, DBAPIError) and caught.connection_invalidated
    )
    if not away:
        raise caught  # a bug of ours: 500
    log.error("api_database_away", error=type(caught).__name__)
    detail = "Try again in a few seconds; /readyz says what is wrong."
    return _answer(503, UNAVAILABLE, UNAVAILABLE.title, detail, [], {"Retry-After": "5"})


def _answer(
    status: int,
    kind: ProblemKind | None,
    title: str,
    detail: str,
    errors: list[dict[str, str]],
    headers: Mapping[str, str],
) -> Response:
    body: dict[str, Any] = {
        "type": kind.type if kind is not None else "about:blank",
        "title": title,
        "status": status,
        "detail": detail,
        "request_id": request_id(),
    }
    if errors:
        body["errors"] = errors
    response = Response(json.dumps(body, ensure_ascii=True), status, mimetype=MEDIA_TYPE)
    response.headers.update(dict(headers))
    return response


def _never_cached(response: Response) -> Response:
    if is_api(request.path):
        response.headers["Cache-Control"] = "no-store"
        response.headers["X-Content-Type-Options"] = "nosniff"
    return response
