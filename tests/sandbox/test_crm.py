import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from sandbox_bench import Bench
from werkzeug.test import TestResponse

from sandbox import SandboxOptions, create_sandbox
from sandbox.options import read_signing_key

EVENT = {
    "type": "lead.created",
    "timestamp": "2026-11-22T09:00:00Z",
    "data": {"leadgen_id": "222", "email": "z@x.example"},
}


def push(
    bench: Bench,
    event: Any = EVENT,
    *,
    body: bytes | None = None,
    off_s: float = 0,
    secret: str | None = None,
    signature: str | None = None,
    **headers: str,
) -> TestResponse:
    body = json.dumps(event).encode() if body is None else body
    stamp = str(int(bench.clock().timestamp() + off_s))
    key = read_signing_key(secret or bench.options.crm_secret or "")
    digest = base64.b64encode(hmac.digest(key, f"msg_1.{stamp}.".encode() + body, hashlib.sha256)).decode()
    sent = {"webhook-id": "msg_1", "webhook-timestamp": stamp, "webhook-signature": signature or f"v1,{digest}"}
    return bench.http.post("/crm/leads", data=body, headers=sent | headers, content_type="application/json")


def records(bench: Bench) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = bench.http.get("/crm/leads").get_json()["leads"]
    return found


def test_a_lead_becomes_one_record(bench: Bench) -> None:
    first = push(bench)
    bench.clock.forward(minutes=1)
    second = push(bench, EVENT | {"data": {"leadgen_id": "222", "email": "new@x.example"}})
    assert (first.status_code, first.get_json()["created"]) == (201, True)
    assert (second.status_code, second.get_json()["created"]) == (200, False)
    assert first.get_json()["id"] == second.get_json()["id"]
    (record,) = records(bench)
    assert (record["leadgen_id"], record["requests"], record["data"]["email"]) == ("222", 2, "new@x.example")
    assert (record["created_at"], record["updated_at"]) == ("2026-11-22T09:00:00+00:00", "2026-11-22T09:01:00+00:00")
    assert bench.http.get("/crm/leads").get_json()["requests"] == 2


def test_the_vector_of_the_facts_is_accepted() -> None:
    """Source: CRM facts §19."""
    secret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
    app = create_sandbox(SandboxOptions(crm_secret=secret), now=lambda: datetime.fromtimestamp(1790000000, UTC))
    headers = {
        "webhook-id": "msg_0001",
        "webhook-timestamp": "1790000000",
        "webhook-signature": "v1,35vCYlkkfhtCcx2I86PPiLvTlFUcTndWlI5P8N12HZA=",
    }
    answer = app.test_client().post("/crm/leads", data=b'{"type":"lead.created","data":{"id":"1"}}', headers=headers)
    assert (answer.status_code, answer.get_json()) == (422, {"error": "data.leadgen_id is missing"})


@pytest.mark.parametrize(
    "change",
    [
        {"secret": "whsec_" + base64.b64encode(b"x" * 32).decode()},
        {"signature": "v1,AAAA"},
        {"signature": ""},
        {"signature": "é"},
        {"signature": "v2,AAAA v1a,BBBB"},
        {"off_s": 301},
        {"off_s": -301},
        {"webhook-id": ""},
        {"webhook-id": "a.b"},
        {"webhook-id": "msg_2"},
        {"webhook-timestamp": "yesterday"},
        {"webhook-timestamp": "9" * 30},
    ],
)
def test_what_is_not_signed_well_is_refused(bench: Bench, change: dict[str, Any]) -> None:
    if change == {"signature": ""}:
        change = {"webhook-signature": ""}
    answer = push(bench, **change)
    assert answer.status_code == 401
    assert records(bench) == []


def test_one_good_signature_among_several_is_enough(bench: Bench) -> None:
    good = push(bench).request.headers["webhook-signature"]
    assert push(bench, signature=f"v1,AAAA {good}").status_code == 200


def test_without_a_secret_everybody_may_write() -> None:
    client = create_sandbox(SandboxOptions(crm_secret="")).test_client()
    assert client.post("/crm/leads", json=EVENT).status_code == 201


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"\xff", 400),
        (b"[" * 100_000, 400),
        (b"[]", 400),
        (b"{}", 422),
        (b'{"type":1}', 422),
        (b'{"type":"lead.created"}', 422),
        (b'{"type":"lead.created","data":[]}', 422),
        (b'{"type":"lead.created","data":{"leadgen_id":222}}', 422),
        (b'{"type":"lead.created","data":{"leadgen_id":""}}', 422),
        (b'{"type":"lead.created","data":{"leadgen_id":"' + b"9" * 101 + b'"}}', 422),
        (b'{"type":"ping"}', 200),
    ],
)
def test_bodies(bench: Bench, body: bytes, status: int) -> None:
    assert push(bench, body=body).status_code == status
    assert records(bench) == []


def test_strange_letters_are_kept(bench: Bench) -> None:
    strange = "İıŞ \ud800 \x00 😀 مرحبا"
    push(bench, EVENT | {"data": {"leadgen_id": "222", "full_name": strange}})
    assert records(bench)[0]["data"]["full_name"] == strange


@pytest.mark.parametrize(
    ("kind", "status", "retry_after"),
    [
        ("http_500", 500, None),
        ("unavailable", 503, "9"),
        ("rate_limited", 429, "9"),
        ("unauthorized", 401, None),
        ("forbidden", 403, None),
        ("not_found", 404, None),
        ("conflict", 409, None),
        ("gone", 410, None),
        ("unprocessable", 422, None),
    ],
)
def test_faults_are_counted_and_change_nothing(bench: Bench, kind: str, status: int, retry_after: str | None) -> None:
    bench.control("/faults", {"where": "crm", "kind": kind, "times": 1, "retry_after_s": 9})
    answer = push(bench)
    assert (answer.status_code, answer.headers.get("Retry-After")) == (status, retry_after)
    assert records(bench) == []
    assert bench.http.get("/crm/leads/222").get_json()["requests"] == 1
    assert push(bench).status_code == 201
    assert records(bench)[0]["requests"] == 2


def test_a_lost_answer_leaves_the_record(bench: Bench) -> None:
    bench.control("/faults", {"where": "crm", "kind": "unavailable", "after": True, "times": 1, "leadgen_id": "222"})
    assert push(bench, EVENT | {"data": {"leadgen_id": "111"}}).status_code == 201
    assert push(bench).status_code == 503
    assert push(bench).get_json()["created"] is False
    assert [record["requests"] for record in records(bench)] == [1, 2]


def test_the_hop_is_noted(bench: Bench) -> None:
    leadgen_id = bench.lead()
    bench.clock.forward(seconds=1)
    push(bench, EVENT | {"data": {"leadgen_id": leadgen_id}})
    lead = bench.state()["leads"][0]
    assert (lead["journey"]["hops"]["crm"]["ms"], lead["crm_requests"]) == (1000.0, 1)


def test_no_record(bench: Bench) -> None:
    assert bench.http.get("/crm/leads/1").status_code == 404
