"""An id for each request: in its log lines, in its answer, in what an error tells. WSGI, around the application."""

import contextvars
import os
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import structlog

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

ENVIRON_KEY = "leadloop.request_id"
HEADER = "X-Request-Id"
_ACCEPTABLE = re.compile(r"[A-Za-z0-9_.\-]{8,64}\Z")


class RequestIds:
    """Takes the caller's X-Request-Id when it is an acceptable one, else makes one; log lines carry it as `request_id`.

    Each request runs in a copy of the thread's context, so that nothing bound for one is left for the next.
    """

    def __init__(self, app: "WSGIApplication") -> None:
        self._app = app

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        return contextvars.copy_context().run(self._answer, environ, start_response)

    def _answer(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        request_id = id_of(environ)
        structlog.contextvars.bind_contextvars(request_id=request_id)

        def start(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            return start_response(status, [*headers, (HEADER, request_id)], *more)

        return self._app(environ, start)


def id_of(environ: "WSGIEnvironment") -> str:
    """The id of the request of this `environ`."""
    request_id: str | None = environ.get(ENVIRON_KEY)
    if request_id is None:
        given = environ.get("HTTP_X_REQUEST_ID", "")
        request_id = given if _ACCEPTABLE.match(given) else os.urandom(16).hex()
        environ[ENVIRON_KEY] = request_id
    return request_id
