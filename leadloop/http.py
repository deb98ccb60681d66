"""One HTTP door for everything we call: bounded time, bounded size, no surprises; errors in our three kinds.

The Graph client and every CRM adapter go through it, so that a slow, huge, half or lying answer is handled once.
"""

import ipaddress
import json
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from leadloop.errors import NeedsHuman, Permanent, Retryable

CONNECT_S = 5.0
READ_S = 15.0
TOTAL_S = 30.0
MAX_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True)
class HttpAnswer:
    """One complete answer. `body` may hold personal data: it never goes into a log, an error or repr()."""

    status: int
    headers: Mapping[str, str] = field(repr=False)  # names in lower case
    body: bytes = field(repr=False)

    def json(self) -> Any:
        """The body as JSON; ValueError when it is not JSON (or is nested too deeply to read)."""
        try:
            return json.loads(self.body)
        except RecursionError as caught:
            raise ValueError("JSON nested too deeply") from caught

    @property
    def retry_after_s(self) -> float | None:
        """Seconds from Retry-After (RFC 9110 §10.2.3: a number of seconds or a date); None when absent or absurd."""
        return parse_retry_after(self.headers.get("retry-after"), now=datetime.now(UTC))


def parse_retry_after(text: str | None, *, now: datetime) -> float | None:
    """Seconds to wait, or None. A date in the past is 0; nonsense is None."""
    if not text:
        return None
    text = text.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        when = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return max(0.0, (when - now).total_seconds())


class HttpDoor:
    """A pool of kept-alive connections with one rule for all: no cookies, no proxies from the environment, no redirects.

    Safe to share between threads. `public_only` refuses addresses that are not on the public internet, checked on the
    connected socket itself, so that neither DNS tricks nor a redirect get around it.
    """

    def __init__(self, *, pool_size: int = 64, public_only: bool = False, user_agent: str = "leadloop/0.1") -> None:
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._session.headers["User-Agent"] = user_agent
        adapter = _PublicOnlyAdapter(pool_size) if public_only else _Adapter(pool_size)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        body: bytes | str | None = None,
        json_body: Any = None,
        form: Mapping[str, str] | None = None,
        connect_s: float = CONNECT_S,
        read_s: float = READ_S,
        total_s: float = TOTAL_S,
        max_bytes: int = MAX_BYTES,
    ) -> HttpAnswer:
        """Send one request and read the whole answer within `total_s` seconds and `max_bytes`.

        Raises Retryable (time-out, refused, broken or half an answer, too large), NeedsHuman (refused address, TLS)
        or Permanent (malformed URL). Any status code is an answer, not an error.
        """
        sent_headers = dict(headers or {})
        if json_body is not None:
            body = json.dumps(json_body, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
            sent_headers.setdefault("Content-Type", "application/json")
        started = time.monotonic()
        try:
            with self._session.request(
                method,
                url,
                headers=sent_headers,
                params=dict(params) if params else None,
                data=dict(form) if form is not None else body,
                timeout=(connect_s, read_s),
                allow_redirects=False,
                stream=True,
            ) as response:
                content = _read_all(response, deadline=started + total_s, max_bytes=max_bytes)
                names = {name.lower(): value for name, value in response.headers.items()}
                return HttpAnswer(response.status_code, names, content)
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as caught:
            raise translate(caught, url) from caught

    def close(self) -> None:
        self._session.close()


def host_of(url: str) -> str:
    """The host of a URL, for messages: no path, no query, no password."""
    try:
        return urllib3.util.parse_url(url).host or "?"
    except urllib3.exceptions.LocationParseError:
        return "?"


class AddressRefused(OSError):
    """The name led to an address that is not on the public internet."""


def translate(caught: Exception, url: str) -> Retryable | NeedsHuman | Permanent:
    """What the transport raised, as one of our kinds. The message names the host and nothing else."""
    host = host_of(url)
    chain = _chain(caught)
    for link in chain:
        if isinstance(link, AddressRefused):
            return NeedsHuman(
                f"{host} leads to a private or local address, which is refused.",
                code="address_refused",
                action="Use a public https:// address, or set allow_private = true in the connection's settings.",
                scope="lane",
            )
        if isinstance(link, _TooLarge):
            return Retryable(f"{host} sent an answer larger than leadloop reads.", code="answer_too_large")
    if isinstance(caught, requests.exceptions.SSLError):
        return Retryable(
            f"{host} has no certificate that this machine trusts, or does not speak TLS.",
            code="tls_failed",
            action="Check the certificate of that server (validity, chain, name).",
            outage=True,
        )
    if isinstance(caught, requests.exceptions.InvalidURL | requests.exceptions.MissingSchema | UnicodeError):
        return Permanent(f"The address of {host} is not a valid URL.", code="bad_url", action="Correct the URL.")
    if any(isinstance(link, requests.Timeout | urllib3.exceptions.TimeoutError | TimeoutError) for link in chain):
        return Retryable(f"{host} did not answer in time.", code="timeout", outage=True)
    if any(isinstance(link, socket.gaierror | urllib3.exceptions.NameResolutionError) for link in chain):
        return Retryable(f"The name {host} could not be resolved.", code="dns_failed", outage=True)
    if any(isinstance(link, ConnectionRefusedError) for link in chain):
        return Retryable(f"{host} refused the connection.", code="connection_refused", outage=True)
    return Retryable(f"The connection to {host} broke off.", code="connection_broken", outage=True)


class _TooLarge(OSError):
    pass


def _chain(caught: BaseException) -> list[BaseException]:
    found: list[BaseException] = []
    todo: list[object] = [caught]
    while todo and len(found) < 20:
        link = todo.pop()
        if isinstance(link, BaseException) and link not in found:
            found.append(link)
            todo += [link.__cause__, link.__context__, getattr(link, "reason", None), *link.args]
    return found


def _read_all(response: requests.Response, *, deadline: float, max_bytes: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while chunk := response.raw.read1(65_536, decode_content=True):  # returns what is there: a trickle is noticed
        size += len(chunk)
        if size > max_bytes:
            raise _TooLarge
        if time.monotonic() > deadline:
            raise TimeoutError
        chunks.append(chunk)
    return b"".join(chunks)


class _Adapter(HTTPAdapter):
    def __init__(self, pool_size: int) -> None:
        super().__init__(pool_connections=16, pool_maxsize=pool_size, max_retries=0)


def is_public(address: str) -> bool:
    """Whether an IP address is on the public internet (IPv4-mapped and 6to4/NAT64 IPv6 are looked through)."""
    ip = ipaddress.ip_address(address.split("%", 1)[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if inner is None and ip in ipaddress.ip_network("64:ff9b::/96"):
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    return ip.is_global and not ip.is_multicast


def _refuse_private(sock: socket.socket) -> socket.socket:
    if not is_public(sock.getpeername()[0]):
        sock.close()
        raise AddressRefused
    return sock


class _PublicHttp(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        return _refuse_private(super()._new_conn())


class _PublicHttps(HTTPSConnection):
    def _new_conn(self) -> socket.socket:
        return _refuse_private(super()._new_conn())


class _PublicHttpPool(HTTPConnectionPool):
    ConnectionCls = _PublicHttp


class _PublicHttpsPool(HTTPSConnectionPool):
    ConnectionCls = _PublicHttps


class _PublicOnlyAdapter(_Adapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)  # type: ignore[no-untyped-call]
        self.poolmanager.pool_classes_by_scheme = {"http": _PublicHttpPool, "https": _PublicHttpsPool}
