"""The pretend CRM tells leadloop outcomes: to a small receiver that stands for leadloop's API."""

from typing import Any

import pytest
from sandbox_bench import Bench, Receiver

from sandbox.rows import CrmRecord

KEY = "ll_" + "k" * 43


@pytest.fixture
def lead(bench: Bench) -> str:
    """A lead that the CRM has."""
    leadgen_id = bench.lead()
    add_record(bench, leadgen_id, {"email": "zoe@example.com", "phone": "+905321234567"})
    return leadgen_id


def add_record(bench: Bench, leadgen_id: str, data: dict[str, Any]) -> None:
    bench.sandbox.state.crm[leadgen_id] = CrmRecord(f"crm-{leadgen_id[-3:]}", leadgen_id, 1, data=data)


def connect(bench: Bench, receiver: Receiver) -> None:
    url = receiver.url.removesuffix("/webhooks/meta")
    bench.control("/settings", {"api_url": url + "/", "api_key": KEY})


def test_an_outcome_is_told(bench: Bench, receiver: Receiver, lead: str) -> None:
    connect(bench, receiver)
    receiver.statuses, receiver.answer = [202], lambda _: b'{"accepted": 1}'
    given = {"leadgen_id": lead, "stage": "won", "value": "12500.00", "currency": "TRY", "order_id": "DEAL-42"}
    (told,) = bench.control("/outcomes", given)["outcomes"]
    assert (told["status"], told["answer"], told["problem"]) == (202, '{"accepted": 1}', None)
    (request,) = receiver.wait_for(1)
    assert (request.method, request.path) == ("POST", "/api/v1/outcomes")
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["idempotency-key"].startswith(f"sandbox-{lead}-")
    assert request.json() == {
        "lead": {"leadgen_id": lead},
        "stage": "won",
        "occurred_at": bench.clock().isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "value": "12500.00",
        "currency": "TRY",
        "order_id": "DEAL-42",
        "connection": "sandbox-crm",
    }
    (shown,) = bench.state()["outcomes"]
    assert (shown["leadgen_id"], shown["stage"], shown["status"]) == (lead, "won", 202)
    assert bench.state()["counts"]["outcomes"] == 1


@pytest.mark.parametrize(
    ("named_by", "name"), [("crm_id", None), ("email", "zoe@example.com"), ("phone", "+905321234567")]
)
def test_a_lead_may_be_named_in_other_ways(
    bench: Bench, receiver: Receiver, lead: str, named_by: str, name: str | None
) -> None:
    connect(bench, receiver)
    bench.control("/outcomes", {"leadgen_id": lead, "stage": "qualified", "named_by": named_by})
    (request,) = receiver.wait_for(1)
    assert request.json()["lead"] == {named_by: name or f"crm-{lead[-3:]}"}


def test_texts_go_out_as_they_are_given(bench: Bench, receiver: Receiver, lead: str) -> None:
    """So that a bad value, time or stage can be tried."""
    connect(bench, receiver)
    bench.control("/settings", {"api_connection": ""})
    given = {"stage": "kazanıldı", "value": "12.500,00", "currency": "tl", "occurred_at": "yesterday"}
    bench.control("/outcomes", {"leadgen_id": lead, "fields": {"pipeline": "b2b"}} | given)
    (request,) = receiver.wait_for(1)
    expected: dict[str, Any] = {"lead": {"leadgen_id": lead}, "fields": {"pipeline": "b2b"}}
    assert request.json() == expected | given


def test_a_repeat_has_the_same_key_and_another_outcome_its_own(bench: Bench, receiver: Receiver, lead: str) -> None:
    connect(bench, receiver)
    for repeat in (1, 0):
        bench.control("/outcomes", {"leadgen_id": lead, "stage": "demo", "repeat": repeat})
    first, again, other = receiver.wait_for(3)
    assert (first.headers["idempotency-key"], first.body) == (again.headers["idempotency-key"], again.body)
    assert first.headers["idempotency-key"] != other.headers["idempotency-key"]


def test_a_refusal_and_silence_are_shown(bench: Bench, receiver: Receiver, lead: str) -> None:
    connect(bench, receiver)
    receiver.statuses = [422]
    bench.control("/outcomes", {"leadgen_id": lead, "stage": "demo"})
    bench.control("/settings", {"api_url": "http://127.0.0.1:1"})
    bench.control("/outcomes", {"leadgen_id": lead, "stage": "demo"})
    silent, refused = bench.state()["outcomes"]
    assert (refused["status"], refused["problem"]) == (422, None)
    assert (silent["status"], silent["problem"]) == (None, "refused")


def test_without_a_key_it_says_what_to_do(bench: Bench, lead: str) -> None:
    answer = bench.http.post("/_sandbox/outcomes", json={"leadgen_id": lead, "stage": "won"})
    assert answer.status_code == 400
    assert "leadloop api-key create" in answer.get_json()["error"]["api_key"][0]
    api = bench.state()["api"]
    assert (api["ready"], api["url"], api["connection"]) == (False, "http://127.0.0.1:9", "sandbox-crm")
    assert "leadloop api-key create" in api["how_to"]


def test_the_key_is_shown_to_nobody(bench: Bench, receiver: Receiver, lead: str) -> None:
    connect(bench, receiver)
    assert bench.state()["api"]["ready"] is True
    assert KEY not in bench.http.get("/_sandbox/state").get_data(as_text=True)
    assert KEY not in bench.http.get("/").get_data(as_text=True)
    assert KEY not in repr(bench.sandbox.state.api)
    bench.control("/reset")
    assert bench.state()["api"]["ready"] is False


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"leadgen_id": "1"}, "leadgen_id"),
        ({"stage": None}, "stage"),
        ({"value": 5}, "value"),
        ({"named_by": "name"}, "named_by"),
        ({"repeat": -1}, "repeat"),
        ({"fields": []}, "fields"),
    ],
)
def test_bad_orders_name_the_field(bench: Bench, receiver: Receiver, lead: str, given: Any, field: str) -> None:
    connect(bench, receiver)
    answer = bench.http.post("/_sandbox/outcomes", json={"leadgen_id": lead, "stage": "won"} | given)
    assert answer.status_code == 400
    assert field in answer.get_json()["error"]
    assert receiver.received == []


def test_a_record_without_what_names_it(bench: Bench, receiver: Receiver) -> None:
    connect(bench, receiver)
    leadgen_id = bench.lead()
    answer = bench.http.post("/_sandbox/outcomes", json={"leadgen_id": leadgen_id, "stage": "won"})
    assert "leadgen_id" in answer.get_json()["error"]  # the CRM does not have it
    add_record(bench, leadgen_id, {"email": None})
    answer = bench.http.post("/_sandbox/outcomes", json={"leadgen_id": leadgen_id, "stage": "won", "named_by": "email"})
    assert "named_by" in answer.get_json()["error"]
