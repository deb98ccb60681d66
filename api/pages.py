"""Self-contained pages: one template, one style sheet inside it, nothing loaded from anywhere."""

import base64
import hashlib
import re
from functools import cache
from importlib.resources import files
from typing import Any

from flask import Response, render_template
from markupsafe import Markup, escape

from leadloop import __version__

_CODE = re.compile(r"`([^`]+)`")


def prose(text: str) -> Markup:
    """Plain text for a page: escaped, with what stands between backticks set as code."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704  escaped before


@cache
def read_style() -> str:
    """The style sheet that every page carries."""
    return (files("api") / "templates" / "api" / "page.css").read_text(encoding="utf-8")


@cache
def _policy() -> str:
    digest = base64.b64encode(hashlib.sha256(read_style().encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none';"
        " frame-ancestors 'none'"
    )


def render_page(template: str, **values: Any) -> Response:
    """The page, escaped, with headers that let it do nothing but be read."""
    style = Markup(read_style())  # noqa: S704  our own file
    html = render_template(template, version=__version__, style=style, prose=prose, **values)
    response = Response(html, mimetype="text/html")
    response.headers["Content-Security-Policy"] = _policy()
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    return response
