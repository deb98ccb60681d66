"""The keys of user_data that Meta wants as they are: ids, the IP address, the browser. Nothing here is hashed or lower-cased.

Each function gives the value as text, or None when it cannot be one. Source: Meta, "Customer Information Parameters".
"""

import ipaddress
import re

from leadloop.graph_values import id_text
from leadloop.texts import drop_invisible, tidy

_LARGEST_LEAD_ID = 2**63 - 1
_LONGEST = 1000
_OPAQUE = re.compile(r"[!-~]+")
_HEX_HASH = re.compile(r"[0-9A-Fa-f]{64}|[0-9A-Fa-f]{32}")
_LABEL = re.compile(r"l:\s*(?=[0-9])")  # "l:" stands before the id in Meta's CSV exports
_APPENDIX = re.compile(r"\.[A-Za-z0-9_-]{8}$")
_NOT_PUBLIC = tuple(
    map(
        ipaddress.ip_network,
        ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7", "0.0.0.0/8"),
    )
)


def normal_lead_id(text: str) -> str | None:
    """Meta's leadgen id: digits, exactly as sent. As text, since 17 digits are more than a float holds."""
    digits = id_text(_LABEL.sub("", drop_invisible(text).strip(), count=1))
    return digits if digits and digits[0] != "0" and int(digits) <= _LARGEST_LEAD_ID else None


def normal_id(text: str) -> str | None:
    """The id of a Page, an account or a person at a Page: digits."""
    digits = id_text(drop_invisible(text))
    return digits if digits and digits.strip("0") else None


def normal_opaque(text: str) -> str | None:
    """An id that only Meta can read (ctwa_clid): ASCII without blanks. A hash of one is none."""
    text = drop_invisible(text).strip()
    return text if len(text) <= _LONGEST and _OPAQUE.fullmatch(text) and not _HEX_HASH.fullmatch(text) else None


def normal_subscription_id(text: str) -> str | None:
    """The advertiser's id of a subscription or transaction, in one line."""
    line = tidy(text[: _LONGEST + 1])
    return line if line and len(line) <= _LONGEST and "\ufffd" not in line else None


def normal_user_agent(text: str) -> str | None:
    """The browser's User-Agent header, in one line."""
    line = normal_subscription_id(text)
    return line if line and not _HEX_HASH.fullmatch(line) else None


def normal_ip_address(text: str) -> str | None:
    """A public IPv4 or IPv6 address as written; an IPv4 in IPv6 clothes ("::ffff:203.0.113.7") without them.

    Addresses inside a network (10.0.0.1, fe80::1) say nothing about the person. The appendix of Meta's Parameter Builder
    is cut off.
    """
    text = drop_invisible(text).strip()
    if len(text) > 60:
        return None
    address = _address(text) or _address(_APPENDIX.sub("", text))
    if address is None or getattr(address, "scope_id", None):
        return None
    plain = getattr(address, "ipv4_mapped", None)
    inside = plain or address
    if inside.is_loopback or inside.is_link_local or inside.is_multicast or inside.is_unspecified:
        return None
    if any(inside.version == network.version and inside in network for network in _NOT_PUBLIC):
        return None
    return str(plain) if plain else text if _address(text) else _APPENDIX.sub("", text)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
