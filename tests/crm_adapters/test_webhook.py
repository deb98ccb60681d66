"""The webhook adapter: what it signs, where it refuses to send, and the conformance kit over all of it."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fake_crms.receiver import SECRET, Receiver
from marshmallow import ValidationError

from crm_adapters.base import Earlier, load_settings
from crm_adapters.conformance import NOW, ConformanceTests, Override, Reply, Subject, make_lead
from crm_adapters.webhook import Webhook, build_signature, make_secret
from leadloop.errors import LeadloopError, NeedsHuman, Permanent, Retryable
from leadloop.http import HttpDoor

OTHER = "whsec_" + "QUJD" * 8
_ANY_2XX = "Standard Webhooks: any 2xx is a success, the body does not matter"
_WRONG_PLACE = "a receiver has one address: 404 means that the address is wrong, not this lead"


class TestConformance(ConformanceTests):
    subject = Subject(
        Webhook,
        Receiver,
        lambda receiver: {"url": f"{receiver.url}/leads", "secret": SECRET, "allow_private": True},
        overrides={
            "404": Override("held", _WRONG_PLACE),
            "garbage": Override("delivered", _ANY_2XX),
            "empty": Override("delivered", _ANY_2XX),
            "login_page": Override("delivered", _ANY_2XX),
        },
    )


def connect(**settings: Any) -> Webhook:
    raw = {"url": "https://crm.example/leads", "secret": SECRET} | settings
    return Webhook(load_settings(Webhook, raw), http=HttpDoor(), now=lambda: NOW)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    made.start()
    yield made
    made.stop()


@pytest.fixture
def adapter(receiver: Receiver) -> Iterator[Webhook]:
    made = connect(url=f"{receiver.url}/leads", allow_private=True)
    yield made
    made.close()


def refusal(**settings: Any) -> dict[str, list[str]]:
    with pytest.raises(ValidationError) as caught:
        load_settings(Webhook, {"url": "https://crm.example/leads", "secret": SECRET} | settings)
    return caught.value.messages


def error_of(adapter: Webhook, receiver: Receiver, reply: Reply) -> LeadloopError:
    receiver.fail(reply)
    with pytest.raises(LeadloopError) as caught:
        adapter.push_lead(make_lead(), Earlier())
    return caught.value


def test_signature_is_that_of_the_published_vector() -> None:
    body = b'{"type":"lead.created","data":{"id":"1"}}'
    signature = build_signature([SECRET], "msg_0001", 1790000000, body)
    assert signature == "v1,35vCYlkkfhtCcx2I86PPiLvTlFUcTndWlI5P8N12HZA="


def test_body_is_the_lead_and_nothing_else(adapter: Webhook, receiver: Receiver) -> None:
    lead = make_lead(full_name="İpek Işık", created_at=datetime(2026, 11, 22, 8, 26, 30, tzinfo=UTC))
    adapter.push_lead(lead, Earlier())
    body = receiver.received[0].body
    assert body.startswith(b'{"type":"lead.created","timestamp":"2026-11-22T08:26:30Z","data":{"leadgen_id":"')
    assert "İpek Işık".encode() in body
    assert json.loads(body)["data"] == lead.to_json()
    assert receiver.received[0].headers["content-type"] == "application/json"


def test_mapped_fields_are_added_when_there_is_a_mapping(adapter: Webhook, receiver: Receiver) -> None:
    lead = make_lead().with_mapped({"budget__c": "9000", "tags": ["seo", "ads"], "vip": True, "none": None})
    adapter.push_lead(lead, Earlier())
    data = receiver.received[0].json()["data"]
    assert data["mapped"] == {"budget__c": "9000", "tags": ["seo", "ads"], "vip": True, "none": None}


def test_timestamp_falls_back_to_when_the_notice_came_and_then_to_now(adapter: Webhook, receiver: Receiver) -> None:
    received_at = datetime(2026, 11, 22, 8, 26, 33, 120_000, tzinfo=UTC)
    adapter.push_lead(make_lead(1, created_at=None, received_at=received_at), Earlier())
    adapter.push_lead(make_lead(2, created_at=None, received_at=None), Earlier())
    stamps = [request.json()["timestamp"] for request in receiver.received]
    assert stamps == ["2026-11-22T08:26:33.120Z", "2026-11-22T09:00:00Z"]


def test_webhook_id_is_the_same_for_every_attempt_and_timestamp_is_of_the_attempt(receiver: Receiver) -> None:
    times = iter([NOW, NOW + timedelta(seconds=60)])
    raw = {"url": f"{receiver.url}/leads", "secret": SECRET, "allow_private": True}
    adapter = Webhook(load_settings(Webhook, raw), http=HttpDoor(), now=lambda: next(times))
    for _ in range(2):
        adapter.push_lead(make_lead(), Earlier(maybe_pushed=True))
    adapter.close()
    first, second = (request.headers for request in receiver.received)
    assert first["webhook-id"] == second["webhook-id"] == "msg_9007199254740001"
    assert int(second["webhook-timestamp"]) - int(first["webhook-timestamp"]) == 60
    assert first["webhook-signature"] != second["webhook-signature"]


@pytest.mark.parametrize("leadgen_id", ["1.5", "a b", "x\r\nwebhook-id: y", "", "é\ud83d", "9" * 100])
def test_an_odd_lead_id_still_makes_a_safe_webhook_id(leadgen_id: str, adapter: Webhook, receiver: Receiver) -> None:
    adapter.push_lead(make_lead(leadgen_id=leadgen_id), Earlier())
    made = receiver.received[0].headers["webhook-id"]
    assert re.fullmatch(r"msg_[0-9a-f]{32}", made)


def test_while_rotating_both_secrets_sign(receiver: Receiver) -> None:
    new, old = make_secret(), make_secret()
    for theirs in (new, old):
        receiver.secrets = [theirs]
        adapter = connect(url=f"{receiver.url}/leads", allow_private=True, secret=[new, old])
        adapter.push_lead(make_lead(), Earlier())
        adapter.close()
    assert len(receiver.received[0].headers["webhook-signature"].split(" ")) == 2
    assert len(receiver.kept) == 1


def test_a_wrong_secret_holds_the_connection(receiver: Receiver, adapter: Webhook) -> None:
    receiver.secrets = [make_secret()]
    with pytest.raises(NeedsHuman) as caught:
        adapter.push_lead(make_lead(), Earlier())
    assert caught.value.scope == "lane"
    assert not receiver.kept


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (b'{"id": "501"}', "501"),
        (b'{"id": 501}', "501"),
        (b'{"id": "a-B_c.d:e/f+g="}', "a-B_c.d:e/f+g="),
        (b'{"id": true}', None),
        (b'{"id": 5.5}', None),
        (b'{"id": ""}', None),
        (b'{"id": "two words"}', None),
        (b'{"id": "quillon1@personal.example"}', None),
        (b'{"id": "' + b"9" * 201 + b'"}', None),
        (b'{"id": ["501"]}', None),
        (b'["501"]', None),
        (b"ok", None),
        (b"", None),
    ],
)
def test_the_record_is_the_id_of_the_answer_or_the_webhook_id(
    body: bytes, wanted: str | None, adapter: Webhook, receiver: Receiver
) -> None:
    receiver.fail(Reply(202, body))
    ref = adapter.push_lead(make_lead(), Earlier())
    assert ref.id == (wanted or "msg_9007199254740001")


def test_extra_headers_are_sent_and_masked(receiver: Receiver) -> None:
    extra = {"Authorization": "Bearer t-123456", "X-Tenant": "acme-1"}
    adapter = connect(url=f"{receiver.url}/leads?key=k-987654", allow_private=True, headers=extra)
    adapter.push_lead(make_lead(), Earlier())
    shown = adapter.preview(make_lead())[0]
    adapter.close()
    assert receiver.received[0].headers["authorization"] == "Bearer t-123456"
    assert receiver.received[0].query == {"key": "k-987654"}
    assert not any(secret in f"{shown.url}{shown.headers}" for secret in ("t-123456", "acme-1", "k-987654"))
    assert set(extra) <= set(shown.headers)


def test_a_key_in_the_path_of_a_public_address_is_not_shown() -> None:
    adapter = connect(url="https://hooks.example/hooks/catch/123/k-987654/?x=k-2", allow_private=False)
    (shown,) = adapter.preview(make_lead())
    adapter.close()
    assert shown.url == "https://hooks.example/•••?•••"
    bare = connect(url="https://hooks.example/", allow_private=False)
    assert bare.preview(make_lead())[0].url == "https://hooks.example/"
    bare.close()


def test_gone_holds_the_connection_with_its_own_words(adapter: Webhook, receiver: Receiver) -> None:
    error = error_of(adapter, receiver, Reply(410))
    assert isinstance(error, NeedsHuman)
    assert (error.code, error.scope) == ("http_410", "lane")
    assert "switched off" in error.message


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_retry_after_is_honoured(status: int, adapter: Webhook, receiver: Receiver) -> None:
    error = error_of(adapter, receiver, Reply(status, b"", {"Retry-After": "120"}))
    assert isinstance(error, Retryable)
    assert error.retry_after_s == 120


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(status: int, adapter: Webhook, receiver: Receiver) -> None:
    error = error_of(adapter, receiver, Reply(status, b"", {"Location": f"{receiver.url}/leads"}))
    assert (error.code, error.scope) == (f"http_{status}", "lane")
    assert len(receiver.received) == 1


def test_a_private_address_is_refused_when_connecting_too(receiver: Receiver) -> None:
    """The schema sees names only; what a name leads to is seen by the door, which the adapter opens accordingly."""
    settings = {"url": f"{receiver.url}/leads", "secret": [SECRET], "headers": {}, "allow_private": False}
    adapter = Webhook(settings, now=lambda: NOW)
    with pytest.raises(NeedsHuman) as caught:
        adapter.push_lead(make_lead(), Earlier())
    found = adapter.check()
    adapter.close()
    assert caught.value.code == "address_refused"
    assert not found[0].ok
    assert not receiver.received


@pytest.mark.parametrize(
    "url",
    [
        "http://crm.example/leads",
        "https://127.0.0.1/leads",
        "https://[::1]/leads",
        "https://10.1.2.3/leads",
        "https://169.254.169.254/latest/meta-data",
        "https://localhost/leads",
        "https://localhost./leads",
        "https://user:pass@crm.example/leads",
        "https://crm.example/leads#part",
        "https://crm.example:99999/leads",
        "https://crm.example:0/leads",
        "https:///leads",
        "https://crm.exa mple/leads",
        "https://crm.example\\@evil.example/leads",
        "https://[::1/leads",
        "ftp://crm.example/leads",
        "crm.example/leads",
        "",
        "https://crm.example/" + "x" * 2000,
    ],
)
def test_an_address_that_cannot_be_used_is_refused_under_its_name(url: str) -> None:
    found = refusal(url=url)
    assert list(found) == ["url"]
    assert found["url"][0].endswith((".", ").", ".com/leads."))


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/leads", "http://10.0.0.1/x", "https://localhost:8443/"])
def test_private_addresses_may_be_allowed(url: str) -> None:
    assert connect(url=url, allow_private=True).settings["url"] == url


@pytest.mark.parametrize(
    "secret",
    [
        "swordfish",
        "whsec_",
        "whsec_short",
        "whsec_" + "A" * 31,
        "whsec_!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!",
        [],
        [SECRET, 5],
        [SECRET, "swordfish"],
        {"a": SECRET},
        17,
        "",
        "whsec_é" + "A" * 32,
        [make_secret() for _ in range(5)],
    ],
)
def test_a_secret_that_is_none_is_refused_and_says_how_to_make_one(secret: Any) -> None:
    message = refusal(secret=secret)["secret"][0]
    assert "swordfish" not in message
    assert "make_secret()" in message or "more than 4" in message


def test_a_missing_secret_says_how_to_make_one() -> None:
    with pytest.raises(ValidationError) as caught:
        load_settings(Webhook, {"url": "https://crm.example/leads"})
    assert "make_secret()" in caught.value.messages["secret"][0]
    assert connect(secret=make_secret()).settings["secret"] != connect(secret=make_secret()).settings["secret"]


@pytest.mark.parametrize("text", [f"{SECRET},{OTHER}", f" {SECRET}  {OTHER} ", f"{SECRET}\n{SECRET}"])
def test_several_secrets_may_stand_in_one_variable(text: str) -> None:
    found = connect(secret=text).settings["secret"]
    assert found[0] == SECRET
    assert load_settings(Webhook, connect(secret=found).settings)["secret"] == found


@pytest.mark.parametrize(
    "headers",
    [
        {"webhook-id": "x"},
        {"Content-Type": "text/plain"},
        {"Host": "evil.example"},
        {"bad name": "x"},
        {"X-A": "two\r\nlines"},
        {"X-A": " spaces "},
        {"X-A": "ünï"},
        {"X-A": ""},
        {"X-A": 5},
        {"": "x"},
        ["X-A"],
    ],
)
def test_headers_that_would_do_harm_are_refused(headers: Any) -> None:
    assert list(refusal(headers=headers)) == ["headers"]


def test_check_reaches_the_address_without_a_post(adapter: Webhook, receiver: Receiver) -> None:
    assert [item.ok for item in adapter.check()] == [True, True]
    assert [request.method for request in receiver.received] == ["OPTIONS"]


@pytest.mark.parametrize(
    ("status", "ok"), [(200, True), (204, True), (403, True), (404, True), (405, True), (410, False)]
)
def test_check_minds_only_answers_that_say_something(
    status: int, ok: bool, adapter: Webhook, receiver: Receiver
) -> None:
    receiver.fail(Reply(status))
    assert adapter.check()[0].ok is ok


def test_permanent_refusals_say_where_to_look(adapter: Webhook, receiver: Receiver) -> None:
    error = error_of(adapter, receiver, Reply(422, {"error": "quillon1@personal.example is wrong"}))
    assert isinstance(error, Permanent)
    assert "webhook-id" in error.action
