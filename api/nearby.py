"""Whether a request comes from near: from this machine or a private network, and meant for this server. Pure."""

import ipaddress
import socket
from collections.abc import Mapping
from functools import cache
from typing import Any
from urllib.parse import urlsplit

# What proxies, tunnels and CDNs add. A caller cannot take away what the proxy puts there.
_PROXY_HEADERS = (
    "Forwarded",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "X-Real-IP",
    "Via",
    "CF-Connecting-IP",
    "True-Client-IP",
    "Fly-Client-IP",
)
_NEAR = tuple(
    ipaddress.ip_network(network)
    for network in (
        "127.0.0.0/8",
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "169.254.0.0/16",
        "::1/128",
        "fc00::/7",
        "fe80::/10",
    )
)
# Ends of names that no public DNS answers for (RFC 6761, 6762, 8375; ICANN's .internal), so that no stranger can point
# one here.
_PRIVATE_NAMES = ("localhost", "local", "internal", "home.arpa")


def is_near(environ: Mapping[str, Any]) -> bool:
    """`environ` is WSGI's. Not near is what came through a proxy, from a public address, or under a public name.

    The name (Host) matters since a page of a stranger can have a browser inside the network ask this server, under the
    stranger's own name (DNS rebinding); an address or a name without a dot can only be meant for us.
    """
    if any("HTTP_" + name.upper().replace("-", "_") in environ for name in _PROXY_HEADERS):
        return False
    caller = environ.get("REMOTE_ADDR")
    comes_from_near = caller == "" or is_near_address(str(caller))  # "": through a unix socket
    return comes_from_near and is_near_name(environ.get("HTTP_HOST", ""))


def is_near_address(text: str) -> bool:
    """Whether an IP address is of this machine or of a private network."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    inner = getattr(address, "ipv4_mapped", None) or address
    return any(inner in network for network in _NEAR)


def is_near_name(host: str) -> bool:
    """Whether a Host header can only be meant for this server. None at all, which no browser sends, can."""
    try:
        name = (urlsplit("//" + host).hostname or "").rstrip(".")
    except ValueError:
        return False
    if set("@/?#") & set(host):
        return False
    if "." not in name and ":" not in name:
        return True
    return is_near_address(name) or name.endswith(tuple("." + end for end in _PRIVATE_NAMES)) or name == _own_name()


@cache
def _own_name() -> str:
    return socket.gethostname().lower()
