"""The page at /: a form to fill in, the way of each lead, and the switches for what shall go wrong."""

import secrets

from flask import Blueprint, Response, make_response, render_template

from sandbox.context import current_sandbox
from sandbox.guard import check_caller
from sandbox.shapes import SAMPLES

bp = Blueprint("page", __name__, template_folder=".")
bp.before_request(check_caller)


@bp.get("/")
def show() -> Response:
    """The page holds no data of its own: it asks /_sandbox/state, and writes what comes as text, never as HTML."""
    nonce = secrets.token_urlsafe(16)
    subscription = current_sandbox().state.subscriptions.get("page")
    response = make_response(
        render_template(
            "page.html",
            nonce=nonce,
            samples=list(SAMPLES),
            webhook_url=subscription.callback_url if subscription else "",
        )
    )
    response.headers["Content-Security-Policy"] = (
        f"default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; connect-src 'self';"
        " img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Cache-Control"] = "no-store"
    return response
