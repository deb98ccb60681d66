"""X-Hub-Signature-256: HMAC-SHA256 of the raw body with the app secret, compared in constant time. Pure.

Source: Meta ingestion facts §1.2 (Meta Webhooks, Getting Started; read 2026-11-22).
"""

import hashlib
import hmac
import re

_HEADER = re.compile(r"sha256=([0-9a-f]{64})\Z")


class SignatureInvalid(Exception):
    """The notice is not proven to be from Meta. `reason` is one of: missing, malformed, wrong."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"signature {reason}")
        self.reason = reason


def sign(body: bytes, secret: str) -> str:
    """The header value that Meta would send: "sha256=" and 64 lower-case hex digits."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def verify_signature(body: bytes, header: str | None, secrets: tuple[str, ...]) -> None:
    """Raise SignatureInvalid unless one of `secrets` (several while rotating) signed exactly these bytes.

    X-Hub-Signature (SHA-1) is never looked at. Without a secret nothing is ever valid.
    """
    if not header:
        raise SignatureInvalid("missing")
    found = _HEADER.match(header)
    if found is None:
        raise SignatureInvalid("malformed")
    right = False
    for secret in secrets:  # all are tried, so that the time does not tell which one fits
        digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        right |= hmac.compare_digest(digest, found.group(1))
    if not right:
        raise SignatureInvalid("wrong")
