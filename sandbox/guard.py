"""Who may look and turn the knobs: a browser or program on this machine, and no page of another site."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

from flask import Response, jsonify, request

from sandbox.loopback import is_loopback, is_loopback_host

P = ParamSpec("P")


def find_stranger() -> str | None:
    """Why the caller in hand is not let in; None when it is.

    The Host header stops DNS rebinding, the Origin header a form on another site.
    """
    if not is_loopback(request.remote_addr):
        return "this part of the sandbox answers only callers on the same machine"
    if not is_loopback_host(request.host):
        return "this part of the sandbox answers only to 127.0.0.1, [::1] or localhost"
    origin = request.headers.get("Origin")
    if origin is not None and origin != f"http://{request.host}":
        return "this part of the sandbox takes no requests from pages of other sites"
    return None


def refuse(reason: str) -> Response:
    response = jsonify({"error": reason})
    response.status_code = 403
    return response


def check_caller() -> Response | None:
    """For Blueprint.before_request: None lets the request through."""
    reason = find_stranger()
    return refuse(reason) if reason else None


def only_this_machine(view: Callable[P, Response]) -> Callable[P, Response]:
    """For single views."""

    @wraps(view)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> Response:
        return check_caller() or view(*args, **kwargs)

    return guarded
