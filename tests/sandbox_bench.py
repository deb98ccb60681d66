"""A sandbox to call in process, and a stand-in for leadloop that keeps what it is sent."""

import http.client
import json
import threading
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from sandbox import Sandbox, SandboxOptions
from sandbox.options import build_proof

Found = TypeVar("Found")
APP_SECRET = "0123456789abcdef0123456789abcdef"


@dataclass
class Bench:
    """One sandbox in this process, called without a network."""

    http: FlaskClient
    sandbox: Sandbox
    options: SandboxOptions
    clock: Any  # the shared fixture's

    def control(self, path: str, body: Any = None, method: str = "POST") -> Any:
        answer = self.http.open("/_sandbox" + path, method=method, json=body)
        assert answer.status_code < 300, answer.get_data(as_text=True)
        return answer.get_json()

    def lead(self, **given: Any) -> str:
        """The id of one new lead that nobody is told of."""
        leadgen_id: str = self.control("/leads", {"send": False} | given)["leadgen_ids"][0]
        return leadgen_id

    def graph(
        self, path: str, *, token: str | None = None, method: str = "GET", version: str = "v26.0", **params: Any
    ) -> TestResponse:
        """A call as leadloop makes it: bearer token and proof. Default: the system user's token."""
        token = token or self.options.system_token
        params.setdefault("appsecret_proof", build_proof(self.options.app_secret, token))
        headers = {"Authorization": f"Bearer {token}"}
        query = {name: value for name, value in params.items() if value is not None}
        return self.http.open(f"/{version}/{path}", method=method, query_string=query, headers=headers)

    def state(self) -> Any:
        return self.http.get("/_sandbox/state").get_json()


@dataclass
class Received:
    """One request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Receiver:
    """Stands for leadloop: keeps what it is sent, answers as it is told, 200 when nothing is left to tell."""

    url: str
    received: list[Received] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    answer: Callable[[Received], bytes] = lambda received: b""
    _arrived: threading.Condition = field(default_factory=threading.Condition)

    def keep(self, received: Received) -> tuple[int, bytes]:
        with self._arrived:
            self.received.append(received)
            self._arrived.notify_all()
            status = self.statuses.pop(0) if self.statuses else 200
        return status, self.answer(received)

    def wait_for(self, count: int) -> list[Received]:
        with self._arrived:
            assert self._arrived.wait_for(lambda: len(self.received) >= count, timeout=20), len(self.received)
            return list(self.received)


def wait_for(find: Callable[[], Found | None]) -> Found:
    """What `find` gives as soon as it gives something: for what other threads and processes do."""
    deadline = time.monotonic() + 20
    while (found := find()) is None or found is False:
        assert time.monotonic() < deadline, "waited for 20 seconds"
        time.sleep(0.005)
    return found


# --- over real connections ---------------------------------------------------------------------------------------------


def post_control(url: str, path: str, body: Any, method: str = "POST") -> Any:
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url + "/_sandbox" + path, json.dumps(body).encode(), headers, method=method)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def connect(url: str) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(url.removeprefix("http://"), timeout=10)


def read_me(connection: http.client.HTTPConnection, options: SandboxOptions) -> bytes:
    token = options.system_token
    proof = build_proof(options.app_secret, token)
    connection.request("GET", f"/v26.0/me?appsecret_proof={proof}", headers={"Authorization": f"Bearer {token}"})
    return connection.getresponse().read()
