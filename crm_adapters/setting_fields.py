"""Fields for the settings of adapters: text as people paste it becomes what a call needs, or one sentence with the mend."""

import ipaddress
import re
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import SplitResult, urlsplit

from marshmallow import ValidationError, fields

_UNPRINTABLE = re.compile(r"[^\x21-\x7e]")
_LOOPBACK_NAMES = ("localhost", "localhost.localdomain", "ip6-localhost")


class Token(fields.String):
    """A credential as text: surrounding white space (a copied line end) is dropped, anything but ASCII refused."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        text = str(super()._deserialize(value, attr, data, **kwargs)).strip()
        if not text:
            raise ValidationError("Is empty. Copy it from the CRM again.")
        if _UNPRINTABLE.search(text) or len(text) > 4096:
            raise ValidationError("Has spaces, line breaks or letters that no credential has. Copy it again.")
        return text


class TextId(fields.String):
    """An id of the CRM, as text; a TOML number is taken too (ids lose digits as floats, so those are refused)."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        text = str(super()._deserialize(value, attr, data, **kwargs)).strip()
        if not text or _UNPRINTABLE.search(text) or len(text) > 200:
            raise ValidationError("Must be an id of the CRM, without spaces.")
        return text


class HttpsUrl(fields.String):
    """An address to call. `http` says who may be called without TLS: nobody, this machine ("loopback"), or anybody."""

    def __init__(self, *, http: Literal["never", "loopback", "any"] = "loopback", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.http = http

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        text = str(super()._deserialize(value, attr, data, **kwargs)).strip()
        parts = split_url(text)
        if parts.scheme == "http" and not (self.http == "any" or (self.http == "loopback" and is_loopback(parts))):
            raise ValidationError("Must start with https://: credentials and leads never travel in the clear.")
        return text


def split_url(text: str) -> SplitResult:
    """The parts of an http(s) URL. Raises marshmallow.ValidationError with the mend."""
    if len(text) > 2000 or any(
        character.isspace() or character < " " or character in '\\\x7f"<>' for character in text
    ):
        raise ValidationError("Has spaces or characters that no address has. Copy it again.")
    try:
        parts = urlsplit(text)
        usable = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        raise ValidationError("Is not a URL; it should look like https://crm.example.com/leads.") from None
    if parts.scheme not in ("https", "http") or not usable:
        raise ValidationError("Is not a URL; it should look like https://crm.example.com/leads.")
    if parts.username is not None or parts.password is not None:
        raise ValidationError("Has a user name or password in it. Put credentials into their own setting.")
    if parts.fragment:
        raise ValidationError("Has a # part, which is never sent. Leave it out.")
    return parts


def is_loopback(parts: SplitResult) -> bool:
    """Whether a URL names this very machine, without asking DNS."""
    host = (parts.hostname or "").rstrip(".").lower()
    address = find_address(parts)
    return host in _LOOPBACK_NAMES if address is None else address.is_loopback


def find_address(parts: SplitResult) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The IP address a URL names by digits; None where it has a name."""
    try:
        return ipaddress.ip_address((parts.hostname or "").split("%", 1)[0])
    except ValueError:
        return None
