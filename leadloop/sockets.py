"""Connections that keep to one deadline and one budget of bytes, and that refuse addresses which are not public.

urllib3's time-outs count anew with each read, so a server that trickles a byte now and then could hold a caller for
ever, in the headers as well as in the body. Here every read asks the Call in hand how long it may still wait.
"""

import http.client
import ipaddress
import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.response import HTTPResponse

Address = tuple[int, Any]  # address family and socket address, as getaddrinfo() gives them
Lookup = Callable[[str, int], list[Address]]

HEADERS_MAX_BYTES = 256 * 1024
MOST_INTERIM = 16
LOOKUPS_AT_ONCE = 32  # getaddrinfo() cannot be called off: so many threads at most hang in a dead resolver


class AddressRefused(OSError):
    """The name led to an address that is not on the public internet."""


class ConnectFailed(OSError):
    """No address of the name could be connected to; the cause is the last one's."""


class TooLarge(OSError):
    """More bytes came than the caller was ready to read."""


class OddAnswer(OSError):
    """What came is no answer to the request: interim ones (1xx) without an end, or one that leaves HTTP (101)."""


@dataclass(slots=True)
class Call:
    """One request under way: what it may use, and what has happened. Times are time.monotonic(), in seconds."""

    deadline: float
    connect_s: float
    read_s: float
    bytes_left: int
    public_only: bool
    lookup: Lookup
    fresh: bool = False  # use no kept-alive connection
    reused: bool = False  # it went out on a kept-alive connection
    sent: bool = False  # at least a part of it went out: the other side may act on it
    answered: bool = False  # at least one byte came back
    ended: bool = False  # the other side said that no more will come

    def wait_s(self, most_s: float) -> float:
        """How long the next step may take. Raises TimeoutError when the time is over."""
        left_s = self.deadline - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        return min(left_s, most_s)


CALL: ContextVar[Call | None] = ContextVar("leadloop_http_call", default=None)


def current_call() -> Call:
    call = CALL.get()
    if call is None:
        raise RuntimeError("a connection of leadloop.http was used outside HttpDoor.request()")
    return call


class GuardedSocket(socket.socket):
    """A socket whose every step is bounded by the Call in hand."""

    def recv_into(self, *args: Any) -> int:
        call = current_call()
        self.settimeout(call.wait_s(call.read_s))
        size = super().recv_into(*args)
        call.answered = call.answered or size > 0
        call.ended = size == 0
        call.bytes_left -= size
        if call.bytes_left < 0:
            raise TooLarge
        return size

    def send(self, *args: Any) -> int:  # TLS sends record by record
        call = current_call()
        self.settimeout(call.wait_s(call.read_s))
        call.sent = True
        return super().send(*args)

    def sendall(self, *args: Any) -> None:
        call = current_call()
        self.settimeout(call.wait_s(call.read_s))
        call.sent = True
        super().sendall(*args)


class GuardedTlsSocket(GuardedSocket, ssl.SSLSocket):
    """The same, inside TLS."""


class FinalResponse(http.client.HTTPResponse):
    """Reads over interim answers (RFC 9110 §15.2). http.client does so for 100 alone: it takes a 103 for the answer, and
    whoever is next on the kept-alive connection is then handed the real one."""

    def begin(self) -> None:
        for _ in range(MOST_INTERIM):
            super().begin()
            if not 100 <= self.status < 200:
                return
            if self.status == http.client.SWITCHING_PROTOCOLS:
                break
            vars(self).update(headers=None, msg=None)  # so that begin() reads on
        raise OddAnswer


class GuardedConnection(HTTPConnection):
    """A connection to an address that was looked at before it was connected to; knows when it is too old to be used."""

    response_class = FinalResponse
    _answers = 0
    _good_until = float("inf")

    def _new_conn(self) -> socket.socket:
        return connect(self._dns_host, self.port or self.default_port, current_call())

    def request(self, *args: Any, **kwargs: Any) -> None:
        call = current_call()
        call.reused, call.ended = self._answers > 0, False
        super().request(*args, **kwargs)

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # urllib3 hands out its own response
        response = super().getresponse()
        if current_call().ended:  # http.client takes the end of the connection for the end of the headers
            response.close()
            raise ConnectionResetError("the headers broke off")
        self._answers += 1
        self._good_until = time.monotonic() + keep_alive_s(response.headers.get("Keep-Alive"))
        return response

    @property
    def is_connected(self) -> bool:
        if current_call().fresh or time.monotonic() >= self._good_until:
            return False
        return super().is_connected

    def close(self) -> None:
        self._answers, self._good_until = 0, float("inf")
        super().close()


class GuardedTlsConnection(GuardedConnection, HTTPSConnection):
    """The same, with TLS."""


def keep_alive_s(header: str | None) -> float:
    """Seconds an idle connection may still be used, from the server's "Keep-Alive: timeout=5", less a second of margin.

    Servers that close after a few idle seconds (Node: 5) would otherwise now and then close just as we send a POST, and
    then nobody knows whether it was processed.
    """
    for part in (header or "").split(","):
        name, _, value = part.strip().partition("=")
        if name.lower() == "timeout" and value.isascii() and value.isdigit():
            return max(0.0, float(value[:9]) - 1.0)
    return float("inf")


def connect(host: str, port: int, call: Call) -> socket.socket:
    """A connected socket: the name looked up, every address judged, and only then called, one after the other.

    With `public_only` an address that is not public is never sent a packet, so that no delay and no error tells anybody
    which ports are open inside. Raises AddressRefused, socket.gaierror, TimeoutError, ConnectFailed.
    """
    started = time.monotonic()
    addresses = find_addresses(host.strip("[]"), port, call.lookup, call.wait_s(call.connect_s))
    if call.public_only:
        addresses = [address for address in addresses if is_public(address[1][0])]
        if not addresses:
            raise AddressRefused
    failure: OSError = OSError("the name has no address")
    for position, (family, address) in enumerate(addresses):
        left_s = max(0.1, call.connect_s - (time.monotonic() - started))
        try:
            return _connect_to(family, address, call, left_s / (len(addresses) - position))
        except AddressRefused:
            raise
        except OSError as caught:
            failure = caught
    raise ConnectFailed from failure  # not as it is: urllib3 swallows ECONNRESET, since it may come while sending


def _connect_to(family: int, address: Any, call: Call, most_s: float) -> socket.socket:
    sock = GuardedSocket(family, socket.SOCK_STREAM)
    try:
        for level, option, value in _socket_options():
            sock.setsockopt(level, option, value)
        sock.settimeout(call.wait_s(most_s))
        sock.connect(address)
        if call.public_only and not is_public(sock.getpeername()[0]):
            raise AddressRefused
        sock.settimeout(call.wait_s(call.connect_s))  # for the TLS handshake
    except BaseException:
        sock.close()
        raise
    return sock


def _socket_options() -> list[tuple[int, int, int]]:
    """No delay for small requests; probes of idle connections, to notice in time that a router forgot them."""
    options = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1), (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    wanted = (("TCP_KEEPIDLE", 45), ("TCP_KEEPALIVE", 45), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 3))
    return options + [
        (socket.IPPROTO_TCP, getattr(socket, name), value) for name, value in wanted if hasattr(socket, name)
    ]


def lookup_addresses(host: str, port: int) -> list[Address]:
    """All addresses of a name, by the system's resolver. Raises socket.gaierror, UnicodeError."""
    return [(found[0], found[4]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


_LOOKUP_PLACES = threading.BoundedSemaphore(LOOKUPS_AT_ONCE)


def find_addresses(host: str, port: int, lookup: Lookup, most_s: float) -> list[Address]:
    """The addresses of `host` within `most_s` seconds; numbers in any spelling (127.1, 0x7f000001) need no resolver."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
        return [(family, address) for family, _, _, _, address in found]
    except socket.gaierror:
        pass
    until = time.monotonic() + most_s
    if not _LOOKUP_PLACES.acquire(timeout=most_s):
        raise TimeoutError
    answers: queue.SimpleQueue[list[Address] | Exception] = queue.SimpleQueue()

    def run() -> None:
        try:
            answers.put(lookup(host, port))
        except Exception as caught:
            answers.put(caught)
        finally:
            _LOOKUP_PLACES.release()

    threading.Thread(target=run, name="leadloop-lookup", daemon=True).start()
    try:
        answer = answers.get(timeout=max(0.0, until - time.monotonic()))
    except queue.Empty:
        raise TimeoutError from None
    if isinstance(answer, Exception):
        raise answer
    return answer


_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
_NOT_PUBLIC_4 = (ipaddress.IPv4Network("192.0.0.0/24"), ipaddress.IPv4Network("192.88.99.0/24"))
_NOT_PUBLIC_6 = (
    ipaddress.IPv6Network("2001::/32"),  # Teredo and 6to4, retired tunnels that may end inside
    ipaddress.IPv6Network("2002::/16"),
    ipaddress.IPv6Network("3fff::/20"),  # documentation
)


def is_public(address: str) -> bool:
    """Whether an IP address is on the public internet. IPv4 inside IPv6 (mapped, NAT64) counts as what is inside.

    Source: IANA special-purpose address registries, by the `ipaddress` module and the lists above.
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv4Address):
        return ip.is_global and not ip.is_multicast and not any(ip in network for network in _NOT_PUBLIC_4)
    inner = ip.ipv4_mapped or (ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF) if ip in _NAT64 else None)
    if inner is not None:
        return is_public(str(inner))
    return ip in _GLOBAL_UNICAST and ip.is_global and not any(ip in network for network in _NOT_PUBLIC_6)
