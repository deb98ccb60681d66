"""What the sandbox was told to do wrong, and doing it: late, refused, half, empty or garbled answers.

A fault names where ("graph", "crm", "alerts") and a kind, and may be narrowed to a Page, a lead or an operation, and
bounded in `times`. Slowness adds up; of several faults that answer in place of the real thing, the first set wins.
"""

import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from flask import Response, request

Where = Literal["graph", "crm", "alerts"]
WHERE: tuple[Where, ...] = ("graph", "crm", "alerts")

TRANSPORT_KINDS = ("http_500", "slow", "html", "half_body", "empty", "garbage", "refuse")
GRAPH_KINDS = (
    *("rate_limited", "token_expired", "password_changed", "token_rejected", "no_lead_access", "permission"),
    *("bad_proof", "blocked", "no_such_object", "unknown_error", "temporary", "too_much_data"),
    *("error", "fewer_events"),
)
WORKING = ("half_body", "fewer_events")  # the work is done all the same
HTTP_KINDS = {
    "unauthorized": 401,
    "forbidden": 403,
    "not_found": 404,
    "conflict": 409,
    "gone": 410,
    "unprocessable": 422,
    "rate_limited": 429,
    "unavailable": 503,
}
KINDS: dict[Where, tuple[str, ...]] = {
    "graph": (*TRANSPORT_KINDS, *GRAPH_KINDS),
    "crm": (*TRANSPORT_KINDS, *HTTP_KINDS),
    "alerts": (*TRANSPORT_KINDS, *HTTP_KINDS),
}
TOKEN_KINDS = ("token_expired", "password_changed", "token_rejected")
CODES = {
    "rate_limited": (4, 17, 32, 341, 613, *range(80000, 80015)),
    "permission": (3, 10, 200),
    "token_rejected": (458, 459, 460, 463, 464, 467, 492),  # the subcode: the code is 190
}
ADS_LIMITS = (80000, 80003, 80004)  # an ad account's: it refuses the ad fields and nothing else
LEAD_OPERATIONS = ("lead", "form_leads")


@dataclass(frozen=True)
class Fault:
    """One thing to do wrong. `times` counts down, None is until it is taken back. `after`: do the work first, then fail,
    as when an answer is lost on its way. `code` chooses Meta's code, or its subcode, where a kind has several; kind
    "error" takes any, and a `subcode`. `events_received` is what kind "fewer_events" lets through."""

    fault_id: int
    where: Where
    kind: str
    times: int | None = None
    delay_ms: int = 2_000
    page_id: str | None = None
    leadgen_id: str | None = None
    operation: str | None = None
    code: int | None = None
    retry_after_s: int = 5
    regain_minutes: int = 1
    after: bool = False
    subcode: int | None = None
    events_received: int = 0

    def hits(self, page_id: str | None, leadgen_id: str | None, operation: str | None, *, asks_ads: bool) -> bool:
        if self.kind == "rate_limited" and self.code in ADS_LIMITS and not asks_ads:
            return False
        if self.kind == "no_lead_access" and operation not in LEAD_OPERATIONS:
            return False
        if self.kind == "fewer_events" and operation != "events":
            return False
        if self.kind in TOKEN_KINDS and operation == "debug_token":
            return False  # that call carries the app's token; it answers that the other one is dead
        return (
            self.page_id in (None, page_id)
            and self.leadgen_id in (None, leadgen_id)
            and self.operation in (None, operation)
        )


class FaultBoard:
    """The faults now set, in the order they were set. Safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: dict[int, Fault] = {}

    def add(self, fault: Fault) -> None:
        with self._lock:
            self._faults[fault.fault_id] = fault

    def list(self) -> list[Fault]:
        with self._lock:
            return list(self._faults.values())

    def clear(self, where: str | None = None, kind: str | None = None, fault_id: int | None = None) -> int:
        """Take back the faults that match all that is given; how many there were."""
        with self._lock:
            gone = [
                fault
                for fault in self._faults.values()
                if where in (None, fault.where) and kind in (None, fault.kind) and fault_id in (None, fault.fault_id)
            ]
            for fault in gone:
                del self._faults[fault.fault_id]
            return len(gone)

    def find(self, where: Where, kinds: tuple[str, ...], page_id: str | None) -> Fault | None:
        """The first fault of one of these kinds that stands for a Page, without using it up."""
        for fault in self.list():
            if fault.where == where and fault.kind in kinds and fault.page_id in (None, page_id):
                return fault
        return None

    def take(
        self,
        where: Where,
        *,
        page_id: str | None = None,
        leadgen_id: str | None = None,
        operation: str | None = None,
        asks_ads: bool = False,
    ) -> "Trouble":
        """What shall go wrong with this one call; counts down the faults that hit."""
        delay_ms, late_ms, answering = 0, 0, None
        with self._lock:
            for fault in list(self._faults.values()):
                if fault.where != where or not fault.hits(page_id, leadgen_id, operation, asks_ads=asks_ads):
                    continue
                if fault.kind == "slow" and fault.after:
                    late_ms += fault.delay_ms
                elif fault.kind == "slow":
                    delay_ms += fault.delay_ms
                elif answering is None:
                    answering = fault
                else:
                    continue
                self._count_down(fault)
        return Trouble(delay_ms, answering, late_ms)

    def _count_down(self, fault: Fault) -> None:
        if fault.times is None:
            return
        if fault.times <= 1:
            del self._faults[fault.fault_id]
        else:
            self._faults[fault.fault_id] = replace(fault, times=fault.times - 1)


@dataclass(frozen=True)
class Trouble:
    """What hits one call: milliseconds of delay before and after the work, and the fault that answers in place of the
    real thing."""

    delay_ms: int
    fault: Fault | None
    late_ms: int = 0

    @property
    def kind(self) -> str | None:
        return self.fault.kind if self.fault else ("slow" if self.delay_ms or self.late_ms else None)


HTML = (
    b"<!DOCTYPE html><html><head><title>Error</title></head><body><h1>Sorry, something went wrong.</h1></body></html>"
)


def spoil(kind: str, good: Response | None = None) -> Response:
    """The answer of a transport fault. `good` is the real answer where there is one to cut short."""
    if kind == "http_500":
        return Response(HTML, 500, mimetype="text/html")
    if kind == "html":
        return Response(HTML, 200, mimetype="text/html")
    if kind == "empty":
        return Response(b"", 200, mimetype="application/json")
    if kind == "garbage":
        return Response(b'{"data": \xff\xfe\x00 [[[', 200, mimetype="application/json")
    body = (good.get_data() if good else b"") or b'{"id": "1", "data": []}'
    if kind == "half_body":
        return _broken_off(body[: max(1, len(body) // 2)], len(body))
    return _broken_off(b"", None)  # refuse


def answer_http(fault: Fault) -> Response:
    """The answer of a fault that is an HTTP status, as plain CRMs give it."""
    status = HTTP_KINDS[fault.kind]
    response = Response(f'{{"error": "{fault.kind}", "sandbox_fault": {fault.fault_id}}}', status)
    response.mimetype = "application/json"
    if status in (429, 503):
        response.headers["Retry-After"] = str(fault.retry_after_s)
    return response


def _broken_off(part: bytes, announced: int | None) -> Response:
    """Send `part` of `announced` bytes, then cut the connection; nothing at all when `announced` is None."""
    connection = request.environ.get("werkzeug.socket") or request.environ.get("gunicorn.socket")

    def pieces() -> Iterator[bytes]:
        if announced is not None:
            yield part
        _cut(connection)
        yield b""

    if announced is None:
        _cut(connection)
    response = Response(pieces(), 200, mimetype="application/json", direct_passthrough=True)
    if announced is not None:
        response.headers["Content-Length"] = str(announced)
    return response


def _cut(connection: socket.socket | None) -> None:
    if connection is not None:
        try:
            connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # the other side was faster
