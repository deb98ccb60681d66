"""What may be shown of an address. Apprise's own url(privacy=True) is not used as it is.

It leaves readable what is a secret in practice: the path, headers and parameters of json://, an ntfy topic (whoever
knows it reads along), and phone numbers and e-mail addresses of colleagues. So a label names the service, and of the
rest only a host that is one, and a channel's name. Source: Apprise 2.2.0, url.py, plugins/*.py, read 2026-11-22.
"""

import ipaddress
import re
from typing import Any
from urllib.parse import unquote, urlsplit

from notifiers.addresses import Plugin

_CHANNEL = re.compile(r"[#+]?[A-Za-z0-9][\w.-]{0,60}")
_HOST = re.compile(r"(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.)+[A-Za-z][A-Za-z0-9-]{1,62}")


def label_of(plugin: Plugin) -> str:
    """For example "Slack, slack://…/#sales", "ntfy, ntfy://ntfy.example.com/…", "E-Mail, mailto://example.com/…"."""
    shown = _host(plugin.apprise) or "…"
    channel = _channel(plugin.apprise)
    rest = f"/{channel}" if channel else "" if shown == "…" else "/…"
    return f"{plugin.apprise.service_name}, {plugin.scheme}://{shown}{rest}"


def _host(plugin: Any) -> str | None:
    """The host and port, where the service's addresses have one and this is one: others have a token in its place."""
    host = plugin.host
    if not host or not any("{host}" in shape or "{domain}" in shape for shape in plugin.templates):
        return None
    if not (_HOST.fullmatch(host) or host == "localhost" or _is_ip(host)):
        return None
    return f"{host}:{plugin.port}" if plugin.port else str(host)


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def _channel(plugin: Any) -> str | None:
    """The channel, when the service writes channels with "#"."""
    path = unquote(urlsplit(plugin.url(privacy=True)).path)
    for part in path.split("/"):
        if part.startswith("#") and _CHANNEL.fullmatch(part):
            return part
    return None
