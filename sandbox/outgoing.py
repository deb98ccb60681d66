"""The only way out of the sandbox: one HTTP request to an address on this machine, on a connection of its own.

No redirects, no proxies, no cookies; the address that was checked is the one that is connected to.
"""

import http.client
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass

from sandbox.loopback import NotLoopback, parse_target, resolve

MOST_BYTES = 65_536


@dataclass(frozen=True)
class Answer:
    """What came back. `status` is None when nothing did; `problem` then says why in one word."""

    status: int | None
    reason: str
    body: bytes
    problem: str | None
    took_ms: float


def exchange(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    timeout_s: float = 5.0,
) -> Answer:
    """Send one request to a loopback URL. Raises NotLoopback for any other; every failure is an Answer."""
    target = parse_target(url)
    started = time.perf_counter()

    def took_ms() -> float:
        return (time.perf_counter() - started) * 1000

    problem = "unknown_host"
    try:
        addresses = resolve(target)
    except NotLoopback:
        raise
    except OSError:
        addresses = []
    for address in addresses:  # "localhost" is both ::1 and 127.0.0.1, and only one may be listened on
        try:
            connection = socket.create_connection((address, target.port), timeout=timeout_s)
        except OSError as caught:
            problem = _problem_of(caught)
            continue
        with connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                status, reason, content = _talk(connection, target.host_header, method, target.path, headers, body)
                return Answer(status, reason, content, None, took_ms())
            except (OSError, http.client.HTTPException, ValueError) as caught:
                return Answer(None, "", b"", _problem_of(caught), took_ms())
    return Answer(None, "", b"", problem, took_ms())


def _talk(
    connection: socket.socket, host: str, method: str, path: str, headers: Mapping[str, str] | None, body: bytes | None
) -> tuple[int, str, bytes]:
    client = http.client.HTTPConnection("loopback")
    client.sock = connection
    sent = {"Host": host, "Connection": "close", "Accept": "*/*", **(headers or {})}
    client.request(method, path, body=body, headers=sent)
    with client.getresponse() as response:
        return response.status, response.reason, response.read(MOST_BYTES)


def _problem_of(caught: Exception) -> str:
    if isinstance(caught, TimeoutError):
        return "timeout"
    if isinstance(caught, ConnectionRefusedError):
        return "refused"
    return "broken"
