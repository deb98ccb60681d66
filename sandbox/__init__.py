"""A pretend Meta, a pretend CRM and a pretend alert inbox, on this machine only.

To try leadloop without a Meta account, to write an adapter against, and for our own tests. See docs/sandbox.md.
"""

from collections.abc import Callable
from datetime import datetime

from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException

from sandbox import control, crm, graph, inbox, page
from sandbox.context import Sandbox
from sandbox.demo import demo_config, demo_environ
from sandbox.faults import FaultBoard
from sandbox.options import OptionsError, SandboxOptions
from sandbox.sender import Sender
from sandbox.server import PortTaken, RunningSandbox, serve, start_in_thread
from sandbox.state import SandboxState, utc_now

__all__ = [
    "OptionsError",
    "PortTaken",
    "RunningSandbox",
    "Sandbox",
    "SandboxOptions",
    "create_sandbox",
    "demo_config",
    "demo_environ",
    "serve",
    "start_in_thread",
]

LARGEST_BODY = 8 * 1024 * 1024


def create_sandbox(options: SandboxOptions | None = None, *, now: Callable[[], datetime] = utc_now) -> Flask:
    """One sandbox as a WSGI application. `now` gives aware UTC times.

    All of its state is in this process's memory: serve it with one process and many threads.
    """
    app = Flask("sandbox")
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_BODY
    app.json.sort_keys = False  # type: ignore[attr-defined]  # the default provider's; keeps our order
    state = SandboxState(options or SandboxOptions(), now)
    app.extensions["sandbox"] = Sandbox(state, FaultBoard(), Sender(state))
    for blueprint in (page.bp, control.bp, graph.bp, crm.bp, inbox.bp):
        app.register_blueprint(blueprint)
    app.register_error_handler(HTTPException, _answer_error)
    return app


def _answer_error(caught: HTTPException) -> Response:
    """Errors of HTTP itself, as JSON with a hint: most often the Graph version was left out of the path."""
    hint = {
        404: "Nothing is here. Graph paths begin with a version, such as /v26.0/; the controls are under /_sandbox/.",
        405: f"{request.method} is not allowed here.",
        413: "The body is larger than the sandbox reads.",
    }
    response = jsonify({"error": hint.get(caught.code or 500, caught.name)})
    response.status_code = caught.code or 500
    if isinstance(allow := getattr(caught, "valid_methods", None), list | set | tuple):
        response.headers["Allow"] = ", ".join(sorted(allow))
    return response
