"""The Idempotency-Key header: which request is the same as an earlier one."""

import hashlib
import re

from flask import g, request

from api.parameters import QueryField
from api.problems import IDEMPOTENCY_KEY_REUSED, INVALID_IDEMPOTENCY_KEY, Problem
from store.idempotency import KeptAnswer, RequestKey

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
_KEY = r"^[!-~]([ -~]{0,253}[!-~])?$"  # printable ASCII


class IdempotencyKeyField(QueryField):
    """The header as it is described."""

    openapi = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": _KEY}
    mend = "must have 1 to 255 printable ASCII characters."


def read_key(body: bytes) -> RequestKey | None:
    """What this request is known by, None without the header. After require_key(). Raises Problem (400)."""
    text = request.headers.get(HEADER)
    if text is None:
        return None
    if not re.fullmatch(_KEY[1:-1], text):
        raise Problem(INVALID_IDEMPOTENCY_KEY, f"{HEADER} {IdempotencyKeyField.mend} A random UUID does well.")
    return RequestKey(g.api_key_id, _sha256(text.encode("ascii")), _sha256(body))


def check_same(key: RequestKey, kept: KeptAnswer) -> KeptAnswer:
    """The kept answer, when it was to the same bytes. Raises Problem (422)."""
    if kept.body_sha256 != key.body_sha256:
        detail = f"Another body came under this {HEADER} before: send this one under a key of its own."
        raise Problem(IDEMPOTENCY_KEY_REUSED, detail)
    return kept


def _sha256(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()
