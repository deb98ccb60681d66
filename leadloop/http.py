"""One HTTP door for everything we call: bounded time, bounded size, no surprises; errors in our three kinds.

The Graph client and every CRM adapter go through it, so that a slow, huge, half or lying answer is handled once. The
connections themselves are in sockets.py.

What it does not do: no cookies, no redirects, no proxies and no .netrc from the environment. A call is sent once, with
one exception: a GET, HEAD or OPTIONS that met a kept-alive connection which the server had just closed, before a single
byte of an answer came, is sent again on a new connection (RFC 9110 §9.2.2). A POST is not, since nobody knows whether it
was processed.
"""

import functools
import json
import logging
import re
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import certifi
import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util.ssl_ import create_urllib3_context

from leadloop.errors import NeedsHuman, Retryable
from leadloop.sockets import (
    CALL,
    HEADERS_MAX_BYTES,
    AddressRefused,
    Call,
    GuardedConnection,
    GuardedTlsConnection,
    GuardedTlsSocket,
    Lookup,
    OddAnswer,
    TooLarge,
    is_public,
    lookup_addresses,
)

__all__ = [
    "AddressRefused",
    "HttpAnswer",
    "HttpDoor",
    "Unanswered",
    "build_json",
    "host_of",
    "is_public",
    "parse_retry_after",
    "translate",
]

CONNECT_S = 5.0
READ_S = 15.0
TOTAL_S = 30.0
MAX_BYTES = 4 * 1024 * 1024
SAFE_METHODS = frozenset(["GET", "HEAD", "OPTIONS"])


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


class Unanswered(Retryable):
    """The request went out, at least in part, and no whole answer came back: it may have been acted on."""


def parse_retry_after(text: str | None, *, now: datetime) -> float | None:
    """Seconds to wait, or None. A date in the past is 0; nonsense is None."""
    if not text:
        return None
    text = text.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        when = parsedate_to_datetime(text)
    except (TypeError, ValueError, OverflowError):
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return max(0.0, (when - now).total_seconds())


class HttpDoor:
    """A pool of kept-alive connections with one rule for all. Safe to share between threads; made once, kept long.

    `public_only` refuses addresses that are not on the public internet before anything is sent to them, and however the
    name was spelt. `ca_file` is a PEM file of certificate authorities trusted besides this machine's and certifi's.
    `lookup` turns a name into addresses (tests hand in their own resolver). OSError when `ca_file` cannot be read.
    """

    def __init__(
        self,
        *,
        pool_size: int = 64,
        public_only: bool = False,
        user_agent: str = "leadloop/0.1",
        ca_file: str | None = None,
        lookup: Lookup = lookup_addresses,
    ) -> None:
        self._public_only = public_only
        self._lookup = lookup
        self._headers = {"User-Agent": user_agent, "Accept": "*/*", "Accept-Encoding": "gzip, deflate"}
        self._adapter = _Adapter(pool_size, ca_file)
        if ca_file is not None:
            tls_context(ca_file)  # a file that cannot be read is a mistake in the settings: say so now
        _silence_urllib3()

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
        """Send one request and read the whole answer within `total_s` seconds and `max_bytes` (after decompression).

        `connect_s` bounds the look-up and connecting, and again the TLS handshake; `read_s` each wait for more bytes;
        `total_s` everything together. Any status code is an answer, not an error. Raises Retryable (time-out, refused,
        TLS, broken or half an answer, too large), as Unanswered once anything was sent; NeedsHuman (malformed URL or
        header, refused address). No message says more of the URL than its host. ValueError: `json_body` has a number
        that JSON does not know.
        """
        sent_headers = dict(headers or {})
        if json_body is not None:
            body = build_json(json_body)
            if not any(name.lower() == "content-type" for name in sent_headers):
                sent_headers["Content-Type"] = "application/json"
        prepared = _prepare(method, url, self._headers | sent_headers, params, dict(form) if form is not None else body)
        call = Call(
            deadline=time.monotonic() + total_s,
            connect_s=connect_s,
            read_s=read_s,
            bytes_left=max_bytes + HEADERS_MAX_BYTES,
            public_only=self._public_only,
            lookup=self._lookup,
        )
        token = CALL.set(call)
        try:
            return self._exchange(prepared, call, max_bytes)
        except _TRANSPORT_ERRORS as caught:
            # What the libraries raise quotes the URL with its query: it is kept out of every traceback.
            raise translate(caught, url, sent=call.sent) from None
        finally:
            CALL.reset(token)

    def _exchange(self, prepared: requests.PreparedRequest, call: Call, max_bytes: int) -> HttpAnswer:
        try:
            return self._send(prepared, call, max_bytes)
        except _TRANSPORT_ERRORS as caught:
            if not (call.reused and not call.answered and prepared.method in SAFE_METHODS and _was_closed(caught)):
                raise
            call.fresh = True
            return self._send(prepared, call, max_bytes)

    def _send(self, prepared: requests.PreparedRequest, call: Call, max_bytes: int) -> HttpAnswer:
        # Not Session.send(): for a redirect it would read a body of any size, and it would mind cookies.
        timeout = (call.wait_s(call.connect_s), call.wait_s(call.read_s))
        with self._adapter.send(prepared, stream=True, timeout=timeout, proxies={}) as response:
            content = _read_all(response, max_bytes=max_bytes)
            names = {name.lower(): value for name, value in response.headers.items()}
            return HttpAnswer(response.status_code, names, content)

    def close(self) -> None:
        """Close the idle connections; those in use close when their answer is read."""
        self._adapter.close()


def host_of(url: str) -> str:
    """The host of a URL, for messages: no path, no query, no password."""
    try:
        return urllib3.util.parse_url(url).host or "?"
    except urllib3.exceptions.LocationParseError:
        return "?"


def translate(caught: Exception, url: str, *, sent: bool = False) -> Retryable | NeedsHuman:
    """What the transport raised, as one of our kinds. The message names the host and nothing else.

    `sent`: what was asked may have been done by then, so that a Retryable becomes an Unanswered.
    """
    error = _translate(caught, url)
    if sent and isinstance(error, Retryable):
        return Unanswered(error.message, code=error.code, action=error.action, outage=error.outage)
    return error


def _translate(caught: Exception, url: str) -> Retryable | NeedsHuman:
    host, chain = host_of(url), _chain(caught)
    if _has(chain, AddressRefused):
        return NeedsHuman(
            f"{host} leads to a private or local address, which is refused.",
            code="address_refused",
            action="Use a public https:// address, or set allow_private = true in the connection's settings.",
            scope="lane",
        )
    if _has(chain, TooLarge):
        return Retryable(f"{host} sent an answer larger than leadloop reads.", code="answer_too_large")
    if _has(chain, requests.exceptions.InvalidURL, urllib3.exceptions.LocationValueError, UnicodeError):
        return bad_url(host)
    if _has(chain, requests.Timeout, urllib3.exceptions.TimeoutError, TimeoutError):
        return Retryable(f"{host} did not answer in time.", code="timeout", outage=True)
    if _has(chain, requests.exceptions.SSLError, urllib3.exceptions.SSLError, ssl.SSLError):
        return Retryable(
            f"{host} has no certificate that this machine trusts, or does not speak TLS.",
            code="tls_failed",
            action="Check the certificate of that server (validity, chain, name), and that its address begins"
            " as it should (https:// or http://).",
            outage=True,
        )
    if _has(chain, socket.gaierror):
        return Retryable(
            f"The name {host} could not be resolved.",
            code="dns_failed",
            action="Check the spelling of the address, and that this machine can resolve names.",
            outage=True,
        )
    if _has(chain, ConnectionRefusedError):
        return Retryable(f"{host} refused the connection.", code="connection_refused", outage=True)
    if _has(chain, OddAnswer):
        return Retryable(f"{host} sent no answer that HTTP/1.1 knows.", code="garbage_answer", outage=True)
    if _has(chain, urllib3.exceptions.DecodeError):
        return Retryable(f"{host} sent an answer that cannot be unpacked.", code="garbage_answer", outage=True)
    return Retryable(f"The connection to {host} broke off.", code="connection_broken", outage=True)


def bad_url(host: str) -> NeedsHuman:
    """A malformed address comes from the settings, so nothing is lost: it waits until somebody corrects it."""
    return NeedsHuman(
        f"The address of {host} is not a valid URL.",
        code="bad_url",
        action="Correct the URL in the settings: https://, a host, and no control characters.",
        scope="lane",
    )


def build_json(value: Any) -> bytes:
    """Compact UTF-8 JSON. Lone surrogates, which UTF-8 cannot hold, become U+FFFD. ValueError for NaN and infinity."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return _whole(text).encode()


def _whole(text: str) -> str:
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace") if _has_surrogate(text) else text


def _has_surrogate(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _prepare(
    method: str,
    url: str,
    headers: Mapping[str, str],
    params: Mapping[str, str] | None,
    data: dict[str, str] | bytes | str | None,
) -> requests.PreparedRequest:
    if _CONTROLS.search(url) or _has_surrogate(url):
        raise bad_url(host_of(url))
    if isinstance(data, str):
        data = _whole(data).encode()
    elif isinstance(data, dict):
        data = {name: _whole(value) for name, value in data.items()}
    whole_params = {name: _whole(value) for name, value in params.items()} if params else None
    try:
        prepared = requests.Request(method, url, headers=headers, params=whole_params, data=data).prepare()
        for value in headers.values():
            value.encode("latin-1")
            if _CONTROLS.search(value):
                raise requests.exceptions.InvalidHeader
    except (requests.exceptions.InvalidHeader, UnicodeError):
        raise NeedsHuman(
            f"A header for {host_of(url)} holds characters that HTTP does not allow.",
            code="bad_header",
            action="Correct the credentials or headers in the settings: no line breaks, no spaces around them.",
            scope="lane",
        ) from None
    except ValueError:
        raise bad_url(host_of(url)) from None
    if not (prepared.url or "").lower().startswith(("http://", "https://")):
        raise bad_url(host_of(url))
    return prepared


_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")
_TRANSPORT_ERRORS = (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError)


def _chain(caught: BaseException) -> list[BaseException]:
    found: list[BaseException] = []
    todo: list[object] = [caught]
    while todo and len(found) < 20:
        link = todo.pop()
        if isinstance(link, BaseException) and link not in found:
            found.append(link)
            todo += [link.__cause__, link.__context__, getattr(link, "reason", None), *link.args]
    return found


def _has(chain: list[BaseException], *kinds: type[BaseException]) -> bool:
    return any(isinstance(link, kinds) for link in chain)


def _was_closed(caught: Exception) -> bool:
    return _has(_chain(caught), ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError)


def _read_all(response: requests.Response, *, max_bytes: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while chunk := response.raw.read1(65_536, decode_content=True):
        size += len(chunk)
        if size > max_bytes:
            raise TooLarge
        chunks.append(chunk)
    return b"".join(chunks)


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = GuardedConnection


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = GuardedTlsConnection


class _Adapter(HTTPAdapter):
    """requests' adapter on guarded connections, with one TLS context for all of them."""

    def __init__(self, pool_size: int, ca_file: str | None) -> None:
        self._ca_file = ca_file
        super().__init__(pool_connections=32, pool_maxsize=pool_size, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}

    def build_connection_pool_key_attributes(self, request: Any, verify: Any, cert: Any = None) -> Any:
        host, pool = super().build_connection_pool_key_attributes(request, verify, cert)
        if host["scheme"] == "https":
            pool["ssl_context"] = tls_context(self._ca_file)
        return host, pool

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """The TLS context knows the authorities; loading them anew for each connection would take 15 ms."""


@functools.cache
def tls_context(ca_file: str | None) -> ssl.SSLContext:
    """What we demand of a server's certificate: one context for the process. OSError when `ca_file` cannot be read.

    Trusted are certifi's authorities and this machine's own (SSL_CERT_FILE too), for CRMs with a company's CA.
    """
    context = create_urllib3_context()
    context.load_default_certs()
    context.load_verify_locations(certifi.where())
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    context.sslsocket_class = GuardedTlsSocket
    return context


def _silence_urllib3() -> None:
    """Two of urllib3's loggers quote URLs with their query, the first even in a warning."""
    for name in ("urllib3.connection", "urllib3.connectionpool"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
