import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from sandbox_bench import APP_SECRET, Received, Receiver, wait_for

from sandbox import Sandbox, SandboxOptions, create_sandbox
from sandbox.forms import ENGLISH, SPANISH
from sandbox.rows import Send
from sandbox.sender import build_body, build_headers


class Meta:
    """A sandbox that sends to the receiver, with short waits between its tries."""

    def __init__(self, receiver: Receiver, **given: Any) -> None:
        options = SandboxOptions(
            app_secret=APP_SECRET, webhook_url=receiver.url, **({"retry_delays_s": (0, 0)} | given)
        )
        self.app = create_sandbox(options)
        self.http = self.app.test_client()
        self.sandbox: Sandbox = self.app.extensions["sandbox"]

    def control(self, path: str, body: Any) -> Any:
        answer = self.http.post("/_sandbox" + path, json=body)
        assert answer.status_code in (200, 201), answer.get_data(as_text=True)
        return answer.get_json()

    def settled(self, send_id: int) -> Send:
        """The send once it is no longer waiting."""

        def find() -> Send | None:
            send = self.sandbox.state.sends[send_id]
            return None if send.state == "waiting" else send

        return wait_for(find)


@pytest.fixture
def meta(receiver: Receiver) -> Iterator[Meta]:
    made = Meta(receiver)
    yield made
    made.sandbox.sender.close()


def digest_of(received: Received, algorithm: str = "sha256", secret: str = APP_SECRET) -> str:
    return f"{algorithm}=" + hmac.new(secret.encode(), received.body, algorithm).hexdigest()


def test_signature_vector() -> None:
    """Source: Meta ingestion facts §1.2."""
    body = (
        b'{"object":"page","entry":[{"id":"111111111111111","time":1763800000123,"messaging":[{"sender":{"id":'
        b'"444444444444444"},"recipient":{"id":"111111111111111"},"timestamp":1763799999876,"message":{"mid":'
        b'"m_TESTMID1","text":"\\u00e4\\u00f6\\u00e5 \\ud83d\\ude00 https:\\/\\/example.com\\/a"}}]}]}'
    )
    assert len(body) == 283
    assert build_body(json.loads(body)) == body
    good = build_headers(body, APP_SECRET)["X-Hub-Signature-256"]
    assert good == "sha256=27e452abf5edd74fe2f55261869122a26ee6af3d15344c2d7d931f0b6184c7ac"


def test_a_webhook_arrives_signed(meta: Meta, receiver: Receiver) -> None:
    made = meta.control("/leads", {"answers": {"full_name": "Zoë"}})
    (received,) = receiver.wait_for(1)
    assert (received.method, received.path) == ("POST", "/webhooks/meta")
    assert received.headers["content-type"] == "application/json"
    assert received.headers["x-hub-signature-256"] == digest_of(received)
    assert received.headers["x-hub-signature"] == digest_of(received, "sha1")
    assert received.json()["entry"][0]["changes"][0]["value"]["leadgen_id"] == made["leadgen_ids"][0]
    send = meta.settled(made["send_ids"][0])
    assert (send.state, send.attempts[0].status) == ("delivered", 200)
    hops = meta.http.get("/_sandbox/state").get_json()["leads"][0]["journey"]["hops"]
    assert (hops["sent"]["count"], hops["acked"]["count"]) == (1, 1)
    assert hops["acked"]["ms"] >= 0


@pytest.mark.parametrize(
    ("signing", "expected"),
    [
        ("missing", None),
        ("malformed", "sha256=not-a-digest"),
        ("sha1_only", None),
        ("wrong_secret", "another digest"),
        ("reencoded", "another digest"),
    ],
)
def test_signatures_that_must_be_refused(meta: Meta, receiver: Receiver, signing: str, expected: str | None) -> None:
    meta.control("/send", {"shape": "messenger_text", "signing": signing})
    (received,) = receiver.wait_for(1)
    found = received.headers.get("x-hub-signature-256")
    if expected == "another digest":
        assert found is not None
        assert found.startswith("sha256=")
        assert found != digest_of(received)
    else:
        assert found == expected
    assert ("x-hub-signature" in received.headers) is (signing != "missing")
    assert len(received.body) > 0


def test_a_reencoded_signature_fits_the_decoded_text(meta: Meta, receiver: Receiver) -> None:
    meta.control("/send", {"shape": "messenger_text", "signing": "reencoded"})
    (received,) = receiver.wait_for(1)
    text = json.dumps(received.json(), ensure_ascii=False).encode()
    assert (
        received.headers["x-hub-signature-256"]
        == "sha256=" + hmac.new(APP_SECRET.encode(), text, hashlib.sha256).hexdigest()
    )


@pytest.mark.parametrize("status", [201, 202, 204, 301, 403, 413, 500, 503])
def test_anything_but_200_is_tried_again_with_the_same_bytes(meta: Meta, receiver: Receiver, status: int) -> None:
    receiver.statuses = [status]
    send_id = meta.control("/leads", {})["send_ids"][0]
    send = meta.settled(send_id)
    first, second = receiver.wait_for(2)
    assert first.body == second.body
    assert first.headers["x-hub-signature-256"] == second.headers["x-hub-signature-256"]
    assert [attempt.status for attempt in send.attempts] == [status, 200]
    assert send.state == "delivered"


def test_tries_are_bounded(meta: Meta, receiver: Receiver) -> None:
    receiver.statuses = [503] * 10
    send = meta.settled(meta.control("/leads", {})["send_ids"][0])
    assert (send.state, len(send.attempts)) == ("given_up", 3)
    assert len(receiver.received) == 3


def test_nobody_listens(receiver: Receiver) -> None:
    meta = Meta(receiver, retry_delays_s=())
    meta.control("/settings", {"webhook_url": "http://127.0.0.1:1/"})
    send = meta.settled(meta.control("/leads", {})["send_ids"][0])
    assert (send.state, send.attempts[0].problem) == ("given_up", "refused")
    meta.sandbox.sender.close()


def test_a_receiver_that_is_too_slow_counts_as_no_answer(receiver: Receiver) -> None:
    go_on = threading.Event()

    def stall(received: Received) -> bytes:
        go_on.wait(20)
        return b""

    receiver.answer = stall
    meta = Meta(receiver, retry_delays_s=(), send_timeout_s=0.05)
    send = meta.settled(meta.control("/leads", {})["send_ids"][0])
    go_on.set()
    assert (send.state, send.attempts[0].problem) == ("given_up", "timeout")
    meta.sandbox.sender.close()


def test_identical_repeats(meta: Meta, receiver: Receiver) -> None:
    meta.control("/leads", {"repeat": 2})
    meta.control("/send", {"shape": "leadgen_update", "repeat": 1})
    bodies = sorted(received.body for received in receiver.wait_for(5))
    assert sorted(bodies.count(body) for body in set(bodies)) == [2, 3]


def test_one_notice_of_many_leads_in_reverse(meta: Meta, receiver: Receiver) -> None:
    made = meta.control("/leads", {"count": 6, "form_id": "*", "batch": True, "reorder": True, "shape": "integers"})
    (received,) = receiver.wait_for(1)
    entries = received.json()["entry"]
    told = [str(change["value"]["leadgen_id"]) for entry in entries for change in entry["changes"]]
    assert told == made["leadgen_ids"][::-1]
    assert len({entry["id"] for entry in entries}) == 2
    assert len(made["send_ids"]) == 1


def test_each_lead_in_a_notice_of_its_own(meta: Meta, receiver: Receiver) -> None:
    made = meta.control("/leads", {"count": 40, "form_id": SPANISH.form_id})
    told = [one.json()["entry"][0]["changes"][0]["value"]["leadgen_id"] for one in receiver.wait_for(40)]
    assert sorted(told) == sorted(made["leadgen_ids"])
    assert len(set(told)) == 40


def test_notices_are_handed_over_side_by_side(receiver: Receiver) -> None:
    """Sixteen notices meet at a barrier that opens only when all of them are there at once."""
    barrier = threading.Barrier(16, timeout=20)

    def meet(received: Received) -> bytes:
        barrier.wait()
        return b""

    receiver.answer = meet
    meta = Meta(receiver, send_threads=16)
    made = meta.control("/leads", {"count": 16})
    assert {meta.settled(send_id).state for send_id in made["send_ids"]} == {"delivered"}
    meta.sandbox.sender.close()


def test_reset_forgets_what_was_still_to_be_tried(receiver: Receiver) -> None:
    meta = Meta(receiver, retry_delays_s=(3600,))
    receiver.statuses = [500]
    meta.control("/leads", {})
    receiver.wait_for(1)
    meta.control("/reset", {})
    assert meta.http.get("/_sandbox/state").get_json()["sends"] == []
    meta.control("/leads", {"form_id": ENGLISH.form_id})
    assert len(receiver.wait_for(2)) == 2
    meta.sandbox.sender.close()
