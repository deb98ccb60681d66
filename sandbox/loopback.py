"""Loopback and nothing else: where webhooks may go, and who may see the page and the controls."""

import ipaddress
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit


class NotLoopback(ValueError):
    """An address outside this machine, or one that cannot be understood. The message says what to give instead."""


@dataclass(frozen=True)
class Target:
    """A URL taken apart for http.client: `host` goes into the Host header, `address` is what is connected to."""

    host: str
    port: int
    path: str

    @property
    def host_header(self) -> str:
        shown = f"[{self.host}]" if ":" in self.host else self.host
        return shown if self.port == 80 else f"{shown}:{self.port}"


def is_loopback(address: str | None) -> bool:
    """Whether a literal IP address is a loopback one (127.0.0.0/8, ::1, and ::ffff:127.x)."""
    if not address:
        return False
    try:
        ip = ipaddress.ip_address(address.split("%", 1)[0])
    except ValueError:
        return False
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return (mapped or ip).is_loopback


def is_loopback_host(host: str | None) -> bool:
    """Whether a Host header names this machine: localhost or a loopback literal, with or without a port.

    A page of another site can make a browser call 127.0.0.1 (DNS rebinding), but cannot change this header.
    """
    try:
        name = urlsplit(f"//{host or ''}").hostname
    except ValueError:
        return False
    return name == "localhost" or is_loopback(name)


def parse_target(url: str) -> Target:
    """The parts of a http:// URL on this machine. Raises NotLoopback; names are not looked up here."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or 80
    except ValueError as caught:
        raise NotLoopback("must be a URL such as http://127.0.0.1:8000/webhooks/meta") from caught
    if any(ord(character) <= 32 or ord(character) >= 127 for character in url):
        raise NotLoopback("must not hold spaces, control characters or letters outside ASCII")
    if parts.scheme != "http" or not host:
        raise NotLoopback("must start with http:// and name this machine, such as http://127.0.0.1:8000/webhooks/meta")
    if parts.username is not None or parts.password is not None:
        raise NotLoopback("must not hold a user name or password")
    if host != "localhost" and not is_loopback(host):
        raise NotLoopback(
            "must be on this machine (127.0.0.1, ::1 or localhost): the sandbox never sends anything over the network"
        )
    return Target(host, port, (parts.path or "/") + (f"?{parts.query}" if parts.query else ""))


Lookup = Callable[..., list[tuple[Any, ...]]]


def resolve(target: Target, lookup: Lookup = socket.getaddrinfo) -> list[str]:
    """The addresses to try, each checked to be a loopback one: "localhost" may lead elsewhere in a hosts file.

    Raises NotLoopback or OSError.
    """
    found = [str(row[4][0]) for row in lookup(target.host, target.port, type=socket.SOCK_STREAM)]
    for address in found:
        if not is_loopback(address):
            raise NotLoopback("leads outside this machine, which the sandbox refuses")
    return list(dict.fromkeys(found))
