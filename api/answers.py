"""Answers as JSON."""

import json
from typing import Any

from flask import Response


def json_answer(body: Any, status: int = 200) -> Response:
    """In ASCII, so that a lone surrogate somebody typed comes through as the escape it is stored as."""
    return Response(json.dumps(body, ensure_ascii=True, separators=(",", ":")), status, mimetype="application/json")
