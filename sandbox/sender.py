"""Signs webhooks and hands them over as Meta does: again on anything but 200, ever more rarely, in the end not at all.

Threads start with the first webhook, so that a server may fork before. Source: Meta ingestion facts §1.2, §1.4, §1.6.
"""

import hashlib
import heapq
import hmac
import json
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sandbox.loopback import NotLoopback
from sandbox.outgoing import exchange
from sandbox.rows import Attempt, Send
from sandbox.state import SandboxState

Signing = Literal["good", "missing", "wrong_secret", "sha1_only", "malformed", "reencoded"]
SIGNINGS: tuple[Signing, ...] = ("good", "missing", "wrong_secret", "sha1_only", "malformed", "reencoded")


def build_body(payload: Any) -> bytes:
    """The bytes Meta sends: non-ASCII as lower-case escapes, slashes escaped. Source: Meta ingestion facts §1.2."""
    return json.dumps(payload, separators=(",", ":")).replace("/", "\\/").encode("ascii")


def build_headers(body: bytes, app_secret: str, signing: Signing = "good") -> dict[str, str]:
    """Headers of a webhook, signed well or in one of the ways that must be refused."""
    headers = {"Content-Type": "application/json", "User-Agent": "facebookexternalua"}
    if signing == "missing":
        return headers
    key = app_secret.encode()
    if signing == "wrong_secret":
        key = hashlib.sha256(key).hexdigest()[:32].encode()
    signed = (
        json.dumps(json.loads(body), ensure_ascii=False).encode("utf-8", "replace") if signing == "reencoded" else body
    )
    headers["X-Hub-Signature"] = "sha1=" + hmac.new(key, signed, hashlib.sha1).hexdigest()
    if signing == "malformed":
        headers["X-Hub-Signature-256"] = "sha256=not-a-digest"
    elif signing != "sha1_only":
        headers["X-Hub-Signature-256"] = "sha256=" + hmac.new(key, signed, hashlib.sha256).hexdigest()
    return headers


@dataclass(order=True)
class _Job:
    due: float
    number: int
    send_id: int = field(compare=False)
    url: str = field(compare=False)
    body: bytes = field(compare=False, repr=False)
    headers: dict[str, str] = field(compare=False, repr=False)
    leadgen_ids: tuple[str, ...] = field(compare=False)
    tries: int = field(default=0, compare=False)


class Sender:
    """A queue of webhooks and the threads that hand them over. Safe to use from any thread."""

    def __init__(self, state: SandboxState) -> None:
        self._state = state
        self._jobs: list[_Job] = []
        self._wake = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._idle = 0
        self._closed = False

    def send(
        self, shape: str, payload: dict[str, Any], *, leadgen_ids: Sequence[str] = (), signing: Signing = "good"
    ) -> int | None:
        """Queue one webhook; its send id, or None when the app is not subscribed to this object: then Meta is silent."""
        if payload.get("object") == "whatsapp_business_account":
            self._state.datasets.note_clicks_in(payload, self._state.now())
        subscription = self._state.subscriptions.get(str(payload.get("object")))
        if subscription is None:
            return None
        body = build_body(payload)
        send = Send(self._state.new_number(), shape, len(body), tuple(leadgen_ids), self._state.now())
        self._state.add_send(send)
        headers = build_headers(body, self._state.options.app_secret, signing)
        url = subscription.callback_url
        self._push(_Job(time.monotonic(), send.send_id, send.send_id, url, body, headers, send.leadgen_ids))
        return send.send_id

    def clear(self) -> None:
        """Forget what is queued."""
        with self._wake:
            self._jobs.clear()

    def close(self) -> None:
        """Forget what is queued and let the threads end."""
        with self._wake:
            self._closed = True
            self._jobs.clear()
            self._wake.notify_all()
        for thread in self._threads:
            thread.join(timeout=self._state.options.send_timeout_s + 1)

    def _push(self, job: _Job) -> None:
        with self._wake:
            if self._closed:
                return
            heapq.heappush(self._jobs, job)
            if len(self._jobs) > self._idle and len(self._threads) < self._state.options.send_threads:
                name = f"sandbox-sender-{len(self._threads)}"
                thread = threading.Thread(target=self._run, name=name, daemon=True)
                self._threads.append(thread)
                thread.start()
            self._wake.notify()

    def _run(self) -> None:
        while job := self._next():
            self._try(job)

    def _next(self) -> _Job | None:
        with self._wake:
            while not self._closed:
                wait_s = self._jobs[0].due - time.monotonic() if self._jobs else None
                if wait_s is not None and wait_s <= 0:
                    return heapq.heappop(self._jobs)
                self._idle += 1
                try:
                    self._wake.wait(wait_s)
                finally:
                    self._idle -= 1
            return None

    def _try(self, job: _Job) -> None:
        state, at = self._state, self._state.now()
        state.note("sent", job.leadgen_ids, at)
        try:
            answer = exchange(
                "POST", job.url, headers=job.headers, body=job.body, timeout_s=state.options.send_timeout_s
            )
        except NotLoopback:
            state.settle_send(job.send_id, "refused", Attempt(at, None, "not_loopback", 0))
            return
        attempt = Attempt(at, answer.status, answer.problem, answer.took_ms)
        if answer.status == 200:  # and nothing else: Meta tries again after 201, 202 and 204 too
            state.note("acked", job.leadgen_ids)
            state.settle_send(job.send_id, "delivered", attempt)
        elif job.tries >= len(state.options.retry_delays_s):
            state.settle_send(job.send_id, "given_up", attempt)
        elif state.settle_send(job.send_id, "waiting", attempt):
            job.due = time.monotonic() + state.options.retry_delays_s[job.tries]
            job.tries += 1
            self._push(job)
