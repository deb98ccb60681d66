"""Events on their way to Meta: what is sent, what an answer tells, and whether Meta may have them when none comes."""

import json
import socket
import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs

import pytest
from raw_http import Talk, ok, raw_server
from sandbox_bench import APP_SECRET, post_control, wait_for
from structlog.testing import capture_logs

from leadloop import __version__
from leadloop.conversions.answers import EventRefused, EventsUnanswered, Received
from leadloop.conversions.event import build_event
from leadloop.errors import LeadloopError, NeedsHuman, Retryable, RetryPolicy, judge
from leadloop.http import HttpDoor
from leadloop.ports import EventsGraph
from leadloop.sockets import Address
from meta_graph.client import GraphClient
from meta_graph.conversions import MOST_EVENTS, PARTNER_AGENT, TIMES, build_form, parse_received, send_events
from meta_graph.door import GraphDoor
from meta_graph.errors import (
    BadRequest,
    Blocked,
    DatasetNotShown,
    GraphUnavailable,
    PermissionMissing,
    ProofRejected,
    RateLimited,
    TokenExpired,
    TokenRejected,
)
from meta_graph.usage import UsageHint
from sandbox import RunningSandbox, SandboxOptions, start_in_thread
from sandbox.datasets import STRANGE_DATASET_ID
from sandbox.event_errors import SUBCODES, TEXTS

DATASET, TOKEN = "900000000000001", "EAATESTTOKEN"
NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
QUICK = (1.0, 0.3, 2.0)
POLICY = RetryPolicy()


class Client:
    """A client on the real HTTP door, with what it hears at hand."""

    def __init__(
        self, base_url: str, *, secrets: tuple[str, ...] = (APP_SECRET,), http: HttpDoor | None = None
    ) -> None:
        self.usage: list[UsageHint] = []
        self.calls: list[tuple[str, str, str | None]] = []
        made: dict[str, Any] = {
            "base_url": base_url,
            "version": "v26.0",
            "app_secrets": secrets,
            "http": http or HttpDoor(),
            "on_usage": self.usage.append,
            "on_call": lambda edge, code, object_id, seconds: self.calls.append((edge, code, object_id)),
        }
        self.graph = GraphClient(**made, now=lambda: NOON)
        self.door = GraphDoor(**made)

    def send(self, events: Any = None, *, token: str = TOKEN, dataset_id: str = DATASET, **more: Any) -> Received:
        return self.graph.send_events(dataset_id, events or [web_event()], token=token, **more)

    def quickly(self, events: Any = None, *, token: str = TOKEN) -> Received:
        return send_events(self.door, DATASET, events or [web_event()], token=token, times=QUICK)


def web_event(**more: Any) -> dict[str, Any]:
    event = {
        "event_name": "Lead",
        "event_time": int(datetime.now(UTC).timestamp()),
        "event_id": "web-lead-77",
        "action_source": "email",
        "user_data": {"em": [sha256(b"zoe@example.com").hexdigest()], "external_id": "crm-1"},
    }
    return event | more


def raised(call: Callable[[], object]) -> Any:
    with pytest.raises(LeadloopError) as caught:
        call()
    assert TOKEN not in caught.value.message + caught.value.action + repr(caught.value)
    return caught.value


def form_of(request: bytes) -> dict[str, str]:
    found = parse_qs(request.partition(b"\r\n\r\n")[2].decode(), strict_parsing=True)
    assert all(len(values) == 1 for values in found.values())
    return {name: values[0] for name, values in found.items()}


def answering(body: Any, *headers: str, status: str = "200 OK") -> Callable[[Talk], None]:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()

    def handle(talk: Talk) -> None:
        while talk.read() is not None:
            talk.send(ok(raw, "facebook-api-version: v26.0", *headers, status=status))

    return handle


GOOD = {"events_received": 1, "messages": [], "fbtrace_id": "AbCdEf1234567890_synthetic"}


# --- what is sent ----------------------------------------------------------------------------------------------------


def test_over_the_wire() -> None:
    with raw_server(answering(GOOD)) as server:
        client = Client(server.url(""))
        graph: EventsGraph = client.graph
        received = graph.send_events(DATASET, [web_event()], token=f" {TOKEN}\n", test_event_code=" TEST123 ")
        assert received == Received(1, "AbCdEf1234567890_synthetic", (), GOOD)
        client.send()
        first, second = server.requests
        assert server.accepted == 1
    head = first.partition(b"\r\n\r\n")[0].decode()
    assert head.splitlines()[0] == f"POST /v26.0/{DATASET}/events HTTP/1.1"
    assert f"Authorization: Bearer {TOKEN}\r\n" in head
    form = form_of(first)
    assert set(form) == {"data", "partner_agent", "test_event_code", "appsecret_proof"}
    assert form["test_event_code"] == "TEST123"
    assert json.loads(form["data"])[0]["event_id"] == "web-lead-77"
    assert len(form["appsecret_proof"]) == 64
    assert "test_event_code" not in form_of(second)
    assert client.calls == [("events", "ok", DATASET)] * 2
    assert TOKEN not in repr(received)
    assert received.remarks == ()


def test_the_name_of_the_platform_is_one_that_meta_takes() -> None:
    """Fewer than 23 characters, at least two letters, name_major_minor. Source: Meta conversions facts §9."""
    major, minor = __version__.split(".")[:2]
    assert f"leadloop_{major}_{minor}" == PARTNER_AGENT
    assert len(PARTNER_AGENT) < 23


@pytest.mark.parametrize(
    "lead_id", ["9007199254740993", "12345678901234567", "100000000000000000000000000000000000001"]
)
def test_a_lead_id_keeps_each_of_its_digits(lead_id: str) -> None:
    event = build_event(
        "conversion_leads", event_name="Raw Lead", event_time=NOON, event_id="1", user_data={}, lead_id=lead_id
    )
    with raw_server(answering(GOOD)) as server:
        Client(server.url("")).send([event])
        data = form_of(server.requests[0])["data"]
    assert f'"lead_id":{lead_id}' in data
    assert ": " not in data


def test_letters_of_every_language_arrive_and_half_ones_break_nothing() -> None:
    event = web_event(event_name="Görüşme İptal 定金", custom_data={"note": "a\ud800b & c=d +%00"})
    with raw_server(answering(GOOD)) as server:
        Client(server.url("")).send([event])
        (sent,) = json.loads(form_of(server.requests[0])["data"])
    assert sent["event_name"] == "Görüşme İptal 定金"
    assert sent["custom_data"]["note"] == "a\ufffdb & c=d +%00"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), Decimal("1.5"), {1, 2}, b"x", NOON])
def test_what_json_cannot_tell_is_the_events_own_fault(value: object) -> None:
    error = raised(lambda: Client("http://127.0.0.1:9").send([web_event(), web_event(custom_data={"value": value})]))
    assert (type(error), error.code) == (EventRefused, "event_not_json")


def test_nesting_without_an_end_is_no_event() -> None:
    event: dict[str, Any] = {}
    event["event"] = event
    assert raised(lambda: build_form([event])).code == "event_not_json"


@pytest.mark.parametrize("count", [0, MOST_EVENTS + 1])
def test_a_request_of_no_events_or_too_many_is_a_mistake_of_the_caller(count: int) -> None:
    with pytest.raises(ValueError, match=str(count)):
        Client("http://127.0.0.1:9").graph.send_events(DATASET, [{}] * count, token=TOKEN)


@pytest.mark.parametrize("dataset_id", ["", "me", "../1", "1/events", "1?x", "٢٢٢", "9" * 41])
def test_what_is_no_dataset_is_never_called(dataset_id: str) -> None:
    error = raised(lambda: Client("http://127.0.0.1:9").send(dataset_id=dataset_id))
    assert (type(error), error.code) == (BadRequest, "bad_id")


def test_without_a_token_nothing_is_sent() -> None:
    error = raised(lambda: Client("http://127.0.0.1:9").send(token=" "))
    assert (type(error), error.code, error.scope) == (TokenRejected, "no_token", "lane")
    assert f"dataset {DATASET}" in error.message


# --- a good answer ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("told", "events"), [(0, 0), (1, 1), (999, 999), ("7", 7)])
def test_the_count_is_metas(told: Any, events: int) -> None:
    assert parse_received({"events_received": told}).events == events


@pytest.mark.parametrize("told", [None, -1, 1.0, True, False, "", "one", "-1", "1.0", [], {}, 10**9, "9" * 5_000, "٣"])
def test_without_a_count_nobody_knows(told: Any) -> None:
    with raw_server(answering({"events_received": told, "fbtrace_id": "A"})) as server:
        client = Client(server.url(""))
        error = raised(client.quickly)
    assert (type(error), error.code, error.maybe_stored, error.outage) == (
        EventsUnanswered,
        "graph_garbage",
        True,
        True,
    )
    assert "Events Manager" in error.action
    assert client.calls == [("events", "graph_garbage", DATASET)]


def test_remarks_are_kept_without_what_may_be_of_a_person() -> None:
    answer = {
        "events_received": 1,
        "messages": ["em zoe@example.com is odd", {"text": "+90 532 123 45 67"}, None, "", 5, "x" * 10_000],
        "fbtrace_id": "not a trace!",
        "more": {"zoe@example.com": [905321234567, 1e400, {"deep": {"deep": {"deep": {"deep": {"deep": 1}}}}}]},
    }
    received = parse_received(answer)
    assert received.fbtrace_id is None
    assert received.remarks[0] == "em [e-mail] is odd"
    kept = json.dumps([received.remarks, received.answer])
    for secret in ("zoe@", "123 45 67", "905321234567", "x" * 501):
        assert secret not in kept
        assert secret not in repr(received)


DEEP: Any = []
for _ in range(900):
    DEEP = [DEEP]


@pytest.mark.parametrize("messages", [[DEEP], {"a": DEEP}, "a word", {"a": 1}, 7, True, None, [["x"] * 10] * 1_000])
def test_remarks_of_any_shape(messages: Any) -> None:
    received = parse_received({"events_received": 1, "messages": messages})
    assert len(received.remarks) <= 50
    assert all(len(one) <= 500 for one in received.remarks)


def test_a_huge_answer_is_not_kept_whole() -> None:
    received = parse_received({"events_received": 1, "x": [["y" * 500] * 50] * 50, "fbtrace_id": "A1"})
    assert received.answer == {"events_received": 1, "fbtrace_id": "A1"}


# --- no answer -------------------------------------------------------------------------------------------------------


def refuse_names(host: str, port: int) -> list[Address]:
    raise socket.gaierror(-2, "Name or service not known")


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def speak_no_tls(talk: Talk) -> None:
    talk.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")


def test_what_never_went_out_is_surely_not_stored() -> None:
    with raw_server(speak_no_tls) as server:
        tls = raised(Client(f"https://127.0.0.1:{server.port}").quickly)
    refused = raised(Client(f"http://127.0.0.1:{closed_port()}").quickly)
    unnamed = raised(Client("http://graph.example", http=HttpDoor(lookup=refuse_names)).quickly)
    assert [error.code for error in (tls, refused, unnamed)] == ["tls_failed", "connection_refused", "dns_failed"]
    for error in (tls, refused, unnamed):
        assert (type(error), error.maybe_stored, error.outage) == (EventsUnanswered, False, True)


def test_a_certificate_that_nobody_trusts_is_told_nothing() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with raw_server(answering(GOOD), tls=context) as server:
        error = raised(Client(server.url("")).quickly)
        assert server.requests == []
    assert (error.code, error.maybe_stored) == ("tls_failed", False)


def hang(talk: Talk) -> None:
    talk.read()
    talk.hang()


def hang_up(talk: Talk) -> None:
    talk.read()


def hang_up_half_way(talk: Talk) -> None:
    talk.sock.recv(20)


def half_an_answer(talk: Talk) -> None:
    talk.read()
    talk.send(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n" + b'{"events_received": 1')


def trickle(talk: Talk) -> None:
    talk.read()
    talk.trickle(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n" + b" " * 9_999, every_s=0.05)


def no_http(talk: Talk) -> None:
    talk.read()
    talk.send(b"220 smtp.example ESMTP\r\n")


def endless_headers(talk: Talk) -> None:
    talk.read()
    talk.send(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 50)


@pytest.mark.parametrize(
    ("handle", "code"),
    [
        (hang, "timeout"),
        (trickle, "timeout"),
        (hang_up, "connection_broken"),
        (hang_up_half_way, "connection_broken"),
        (half_an_answer, "connection_broken"),
        (endless_headers, "connection_broken"),
        (no_http, "connection_broken"),
        (answering(b"<html>Sorry</html>"), "graph_garbage"),
        (answering(b"<html>Bad gateway</html>", status="502 Bad Gateway"), "graph_garbage"),
        (answering(b'{"events_received": 1, "mess'), "graph_garbage"),
        (answering(b""), "graph_garbage"),
        (answering({}), "graph_garbage"),
        (answering({"id": "1"}), "graph_garbage"),
    ],
)
def test_what_went_out_without_an_answer_may_be_stored(handle: Callable[[Talk], None], code: str) -> None:
    with raw_server(handle) as server:
        client = Client(server.url(""))
        error = raised(client.quickly)
        assert len(server.requests) <= 1
        assert server.accepted == 1, "a request that may be stored is never sent a second time by itself"
    assert (type(error), error.code, error.maybe_stored) == (EventsUnanswered, code, True)
    assert isinstance(error, Retryable)
    assert error.outage
    assert "Events Manager" in error.action
    verdict = judge(error, attempts=1, added_at=NOON, now=NOON, policy=POLICY)
    assert (verdict.state, verdict.outage) == ("open", True)


@pytest.mark.parametrize(("code", "status"), [(1, "500 Oops"), (2, "503 Oops")])
def test_an_error_in_metas_own_words_is_no_received(code: int, status: str) -> None:
    with raw_server(answering({"error": {"code": code, "is_transient": True}}, status=status)) as server:
        error = raised(Client(server.url("")).quickly)
        assert server.accepted == 1
    assert (type(error), error.code, error.outage) == (GraphUnavailable, f"graph_{code}", True)


def test_what_a_proxy_turns_away_is_not_stored() -> None:
    for status in ("302 Found", "403 Forbidden", "407 Proxy Authentication Required", "413 Too Large"):
        with raw_server(answering(b"<html>Company proxy</html>", status=status)) as server:
            error = raised(Client(server.url("")).quickly)
        assert (type(error), error.code, error.maybe_stored) == (EventsUnanswered, "graph_garbage", False)


def test_patience_is_longer_than_metas_slowest_answers() -> None:
    connect_s, read_s, total_s = TIMES
    assert connect_s == 3
    assert read_s == 10
    assert total_s >= connect_s + read_s


def test_a_token_rejected_without_a_reason_is_tried_once_more_and_no_more() -> None:
    with raw_server(answering({"error": {"code": 190, "message": "Invalid OAuth access token"}})) as server:
        client = Client(server.url(""))
        assert type(raised(client.send)) is TokenRejected
        assert len(server.requests) == 2
    assert client.calls == [("events", "graph_190", DATASET)] * 2


def test_refusals_that_nobody_has_seen_are_counted_together() -> None:
    for subcode, label in ((2804003, "graph_100_2804003"), (2804777, "graph_100_other")):
        with raw_server(answering({"error": {"code": 100, "error_subcode": subcode}}, status="400 Bad")) as server:
            client = Client(server.url(""))
            assert raised(client.send).code == f"graph_100_{subcode}"
        assert client.calls == [("events", label, DATASET)]


def test_nothing_of_an_answer_reaches_the_log() -> None:
    told = {"code": 100, "error_subcode": 2804050, "message": "zoe@example.com", "error_user_msg": "+90 532 123 45 67"}
    with raw_server(answering({"error": told}, status="400 Bad")) as server, capture_logs() as lines:
        raised(Client(server.url("")).send)
    assert "zoe@" not in repr(lines)
    assert "532" not in repr(lines)


# --- usage -----------------------------------------------------------------------------------------------------------


def ads(percent: float, minutes: float = 0) -> str:
    rows = {"120000000000001": [{"type": "ads_management", "call_count": percent, "total_time": 1, "total_cputime": 1}]}
    rows["120000000000001"][0]["estimated_time_to_regain_access"] = minutes
    return "X-Business-Use-Case-Usage: " + json.dumps(rows)


def account(percent: float, seconds: float = 300) -> str:
    return "X-Ad-Account-Usage: " + json.dumps({"acc_id_util_pct": percent, "reset_time_duration": seconds})


@pytest.mark.parametrize(
    ("headers", "hints"),
    [
        ([], []),
        ([ads(28)], [UsageHint(DATASET, 28.0, None)]),
        ([ads(96)], [UsageHint(DATASET, 96.0, 60.0)]),
        ([ads(100, 19)], [UsageHint(DATASET, 100.0, 1_140.0)]),
        ([account(50)], [UsageHint(DATASET, 50.0, None)]),
        ([account(97)], [UsageHint(DATASET, 97.0, 60.0)]),
        ([account(100, 240)], [UsageHint(DATASET, 100.0, 240.0)]),
        ([account(100, -1)], [UsageHint(DATASET, 100.0, 300.0)]),
        ([account(100, 10**9), ads(10)], [UsageHint(DATASET, 100.0, 86_400.0)]),
        (['X-App-Usage: {"call_count": 98}', ads(5)], [UsageHint(None, 98.0, 60.0), UsageHint(DATASET, 5.0, None)]),
        (['X-Page-Usage: {"call_count": 98}'], []),
        (["X-Ad-Account-Usage: [1]", "X-Business-Use-Case-Usage: nonsense"], []),
    ],
)
def test_what_is_used_up_rests_the_dataset(headers: list[str], hints: list[UsageHint]) -> None:
    with raw_server(answering(GOOD, *headers)) as server:
        client = Client(server.url(""))
        client.send()
    assert client.usage == hints


def test_a_limit_of_the_account_rests_the_dataset_and_the_apps_rests_everything() -> None:
    for code, about in ((80004, DATASET), (613, DATASET), (4, None)):
        with raw_server(answering({"error": {"code": code}}, status="400 Bad")) as server:
            client = Client(server.url(""))
            error = raised(client.send)
        assert client.usage == [UsageHint(about, 100.0, error.retry_after_s)]


# --- against the sandbox ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def running() -> Iterator[RunningSandbox]:
    with start_in_thread(SandboxOptions(app_secret=APP_SECRET)) as running:
        yield running


class Meta:
    """The sandbox as Meta, with nothing wrong and nothing received."""

    def __init__(self, running: RunningSandbox) -> None:
        self.url, self.token = running.url, running.options.system_token
        self.client = Client(running.url)
        self.datasets = running.sandbox.state.datasets
        self.before = len(self.datasets.events)
        post_control(self.url, "/faults", {}, method="DELETE")

    def fault(self, **given: Any) -> None:
        post_control(self.url, "/faults", {"where": "graph", "operation": "events", "times": 1} | given)

    def send(self, *events: dict[str, Any], **more: Any) -> Received:
        return self.client.send(list(events) or [web_event()], **({"token": self.token} | more))

    @property
    def stored(self) -> int:
        return len(self.datasets.events) - self.before


@pytest.fixture
def meta(running: RunningSandbox) -> Meta:
    return Meta(running)


def test_the_sandbox_takes_what_we_send(meta: Meta) -> None:
    received = meta.send(web_event(), web_event(event_id="b"), test_event_code="TEST123")
    assert (received.events, received.remarks) == (2, ())
    assert received.fbtrace_id
    kept = list(meta.datasets.events)[-1]
    assert (kept.test_event_code, kept.agent, kept.state) == ("TEST123", PARTNER_AGENT, "received")


@pytest.mark.parametrize(
    ("code", "subcode", "kind"),
    [
        (3, None, PermissionMissing),
        (10, None, PermissionMissing),
        (200, None, PermissionMissing),
        (294, None, PermissionMissing),
        (100, 33, DatasetNotShown),
        (190, None, TokenRejected),
        (190, 460, TokenRejected),
        (190, 463, TokenExpired),
        (368, None, Blocked),
        (4, None, RateLimited),
        (17, None, RateLimited),
        (613, None, RateLimited),
        (613, 0, RateLimited),
        (80000, None, RateLimited),
        (80003, None, RateLimited),
        (80004, None, RateLimited),
        (80014, None, RateLimited),
        (21009, None, GraphUnavailable),
        (2500, None, BadRequest),
        (100, 2804001, EventRefused),
        (100, 2804030, EventRefused),
        (100, None, EventRefused),
    ],
)
def test_every_refusal_of_the_sandbox_is_understood(meta: Meta, code: int, subcode: int | None, kind: type) -> None:
    meta.fault(kind="error", code=code, subcode=subcode, times=2)
    error = raised(meta.send)
    assert type(error) is kind
    assert meta.stored == 0
    assert not getattr(error, "maybe_stored", False)
    assert error.details["code"] == code
    if isinstance(error, NeedsHuman):
        assert error.scope == "lane"


@pytest.mark.parametrize("language", ["en", "tr", "fr"])
@pytest.mark.parametrize(("reason", "subcode"), SUBCODES.items())
def test_a_refusal_in_any_language_is_told_by_its_number(meta: Meta, reason: Any, subcode: int, language: Any) -> None:
    post_control(meta.url, "/settings", {"language": language})
    meta.fault(kind="error", code=100, subcode=subcode)
    error = raised(meta.send)
    assert (type(error), error.meta_code) == (EventRefused, f"100/{subcode}")
    title, text = TEXTS[reason][language]
    assert (error.details["title"], error.details["msg"]) == (title, text)
    assert error.details["blame"] == ["data"]


def test_one_bad_event_and_none_is_stored(meta: Meta) -> None:
    error = raised(lambda: meta.send(web_event(), web_event(event_time=1_600_000_000), web_event()))
    assert (error.code, meta.stored) == ("graph_100_2804003", 0)


def test_a_dataset_that_is_not_assigned_waits_for_a_person(meta: Meta) -> None:
    for dataset_id in (STRANGE_DATASET_ID, "999"):
        error = raised(lambda dataset_id=dataset_id: meta.send(dataset_id=dataset_id))
        assert (type(error), error.scope) == (DatasetNotShown, "lane")
        assert "UPLOAD" in error.action
        assert dataset_id in error.message


def test_a_proof_of_the_wrong_app(meta: Meta) -> None:
    wrong = Client(meta.url, secrets=("f" * 32,))
    assert type(raised(lambda: wrong.send(token=meta.token))) is ProofRejected
    both = Client(meta.url, secrets=("f" * 32, APP_SECRET))
    assert both.send(token=meta.token).events == 1


@pytest.mark.parametrize(("through", "count"), [(0, 0), (2, 2)])
def test_fewer_than_were_sent_is_told(meta: Meta, through: int, count: int) -> None:
    meta.fault(kind="fewer_events", events_received=through)
    assert meta.send(web_event(), web_event(event_id="b"), web_event(event_id="c")).events == count


@pytest.mark.parametrize(
    ("fault", "kept"),
    [
        ({"kind": "http_500"}, 0),
        ({"kind": "http_500", "after": True}, 1),
        ({"kind": "html", "after": True}, 1),
        ({"kind": "garbage"}, 0),
        ({"kind": "empty", "after": True}, 1),
        ({"kind": "half_body"}, 1),
        ({"kind": "refuse", "after": True}, 1),
        ({"kind": "refuse"}, 0),
    ],
    ids=str,
)
def test_stored_or_not_the_sender_is_told_perhaps(meta: Meta, fault: dict[str, Any], kept: int) -> None:
    meta.fault(**fault)
    error = raised(meta.send)
    assert (type(error), error.maybe_stored) == (EventsUnanswered, True)
    assert meta.stored == kept, "sent once, and once only"


def test_an_answer_that_comes_too_late(meta: Meta) -> None:
    meta.fault(kind="slow", delay_ms=600, after=True)
    error = raised(lambda: meta.client.quickly(token=meta.token))
    assert (type(error), error.code, error.maybe_stored) == (EventsUnanswered, "timeout", True)
    wait_for(lambda: meta.stored == 1)
