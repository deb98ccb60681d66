"""JSON that came from outside: an object, or nothing, however hostile the bytes are."""

import json
from typing import Any


def read_object(body: bytes) -> dict[str, Any] | None:
    """The JSON object in a body; None when it is anything else, broken, or nested too deeply to read."""
    content = read_any(body)
    return content if isinstance(content, dict) else None


def read_any(text: bytes | str) -> Any:
    """The JSON in a text; None when there is none to read (and for null)."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
