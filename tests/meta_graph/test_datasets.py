"""Datasets, found, made and read: against the sandbox as Meta, and against answers that are none."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from raw_http import Talk, ok, raw_server
from sandbox_bench import APP_SECRET, post_control

from leadloop.conversions.datasets import DatasetInfo, DatasetRef
from leadloop.errors import LeadloopError, Retryable
from leadloop.http import HttpDoor, Unanswered
from leadloop.ports import EventsGraph
from meta_graph.client import GraphClient
from meta_graph.datasets import parse_dataset, parse_quality, parse_ref
from meta_graph.errors import BadRequest, DatasetNotShown, GarbageAnswer, PermissionMissing, RateLimited
from meta_graph.usage import UsageHint
from sandbox import RunningSandbox, SandboxOptions, start_in_thread
from sandbox.datasets import CRM_DATASET_ID, STRANGE_DATASET_ID
from sandbox.forms import BIKES
from sandbox.instagram_shapes import INSTAGRAM_ID
from sandbox.whatsapp_shapes import WABA_ID

DATASET, TOKEN = "900000000000001", "EAATESTTOKEN"
NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
EMAIL = sha256(b"zoe@example.com").hexdigest()


class Client:
    """A client on the real HTTP door, with what it hears at hand."""

    def __init__(self, base_url: str, token: str = TOKEN) -> None:
        self.usage: list[UsageHint] = []
        self.calls: list[tuple[str, str, str | None]] = []
        self.token = token
        self.graph: EventsGraph = GraphClient(
            base_url=base_url,
            version="v26.0",
            app_secrets=(APP_SECRET,),
            http=HttpDoor(),
            on_usage=self.usage.append,
            on_call=lambda edge, code, object_id, seconds: self.calls.append((edge, code, object_id)),
            now=lambda: NOON,
        )

    def read(self, dataset_id: str = DATASET) -> DatasetInfo:
        return self.graph.read_dataset(dataset_id, token=self.token)

    def find(self, asset_id: str = "1") -> list[DatasetRef]:
        return self.graph.find_datasets(asset_id, token=self.token)

    def create(self, asset_id: str = "1", name: str | None = None) -> str:
        return self.graph.create_dataset(asset_id, token=self.token, name=name)

    def quality(self, dataset_id: str = DATASET, **more: Any) -> dict[str, Any]:
        return self.graph.read_dataset_quality(dataset_id, token=self.token, **more)


def raised(call: Callable[[], object]) -> Any:
    with pytest.raises(LeadloopError) as caught:
        call()
    return caught.value


def answering(*bodies: Any, headers: tuple[str, ...] = (), status: str = "200 OK") -> Callable[[Talk], None]:
    def handle(talk: Talk) -> None:
        position = 0
        while talk.read() is not None:
            body = bodies[min(position, len(bodies) - 1)]
            raw = body if isinstance(body, bytes) else json.dumps(body).encode()
            talk.send(ok(raw, *headers, status=status))
            position += 1

    return handle


# --- against the sandbox ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def running() -> Iterator[RunningSandbox]:
    with start_in_thread(SandboxOptions(app_secret=APP_SECRET)) as running:
        yield running


@pytest.fixture
def meta(running: RunningSandbox) -> Client:
    """The sandbox as at the beginning."""
    post_control(running.url, "/reset", {})
    return Client(running.url, running.options.system_token)


def settings(running: RunningSandbox, **given: Any) -> None:
    post_control(running.url, "/settings", given)


def send(meta: Client, *names: str, dataset_id: str = CRM_DATASET_ID) -> None:
    now = int(datetime.now(UTC).timestamp())
    events = [
        {
            "event_name": name,
            "event_time": now,
            "event_id": f"e{place}",
            "action_source": "website",
            "event_source_url": "https://shop.example/contact",
            "user_data": {"em": [EMAIL], "client_user_agent": "Mozilla/5.0 (synthetic)"},
        }
        for place, name in enumerate(names)
    ]
    assert meta.graph.send_events(dataset_id, events, token=meta.token).events == len(names)


@pytest.mark.parametrize("asset_id", [BIKES.page_id, WABA_ID, INSTAGRAM_ID])
def test_a_dataset_is_found_once_it_was_made_and_made_once(meta: Client, asset_id: str) -> None:
    assert meta.find(asset_id) == []
    made = meta.create(asset_id, name="  Mine\u202e \n")
    assert meta.create(asset_id, name="Another") == made
    assert meta.find(asset_id) == [DatasetRef(made, "Mine")]
    assert meta.read(made).name == "Mine"
    assert [call[0] for call in meta.calls] == [
        *("linked_dataset", "create_dataset", "create_dataset", "linked_dataset", "dataset")
    ]


def test_without_a_name_meta_gives_one(meta: Client) -> None:
    made = meta.create(BIKES.page_id)
    assert meta.find(BIKES.page_id) == [DatasetRef(made, f"{BIKES.name}: events")]


@pytest.mark.parametrize(
    ("asset_id", "scope"),
    [
        (BIKES.page_id, "page_events"),
        (WABA_ID, "whatsapp_business_manage_events"),
        (INSTAGRAM_ID, "instagram_manage_events"),
    ],
)
def test_a_missing_permission_is_named_in_the_mend(
    meta: Client, running: RunningSandbox, asset_id: str, scope: str
) -> None:
    settings(running, missing_scopes=[scope])
    for call in (lambda: meta.find(asset_id), lambda: meta.create(asset_id)):
        error = raised(call)
        assert (type(error), error.scope) == (PermissionMissing, "item")
        assert scope in error.action
        assert error.details["code"] == 200


def test_what_is_no_page_of_ours(meta: Client) -> None:
    for call in (lambda: meta.find("123"), lambda: meta.create("123")):
        error = raised(call)
        assert (type(error), error.scope) == (DatasetNotShown, "item")
        assert "account 123" in error.message


def test_a_dataset_is_read(meta: Client) -> None:
    empty = meta.read(CRM_DATASET_ID)
    assert (empty.is_crm, empty.is_consolidated_container, empty.is_unavailable) == (True, True, False)
    assert (empty.last_fired_at, empty.first_event_at, empty.valid_entries) == (None, None, 0)
    send(meta, "Lead", "Schedule")
    full = meta.read(CRM_DATASET_ID)
    assert (full.valid_entries, full.duplicate_entries, full.match_rate_approx) == (2, 0, None)
    assert full.last_fired_at is not None
    assert full.first_event_at == full.last_event_at
    assert abs((full.last_fired_at - datetime.now(UTC)).total_seconds()) < 60
    assert full.owner_business_name == "leadloop sandbox business"
    assert full.owner_business_id == "150000000000001"
    assert meta.calls.count(("dataset", "ok", CRM_DATASET_ID)) == 2, "one call each: nothing was refused"


def test_a_dataset_that_is_not_assigned(meta: Client) -> None:
    for dataset_id in (STRANGE_DATASET_ID, "999"):
        error = raised(lambda dataset_id=dataset_id: meta.read(dataset_id))
        assert (type(error), error.scope) == (DatasetNotShown, "item")


def test_a_token_that_may_only_send_is_told_so(meta: Client, running: RunningSandbox) -> None:
    settings(running, missing_scopes=["ads_read"])
    error = raised(lambda: meta.read(CRM_DATASET_ID))
    assert (type(error), error.code, error.scope) == (PermissionMissing, "graph_100", "item")
    send(meta, "Lead")


def test_quality_of_web_events_and_of_nothing(meta: Client) -> None:
    assert meta.quality(CRM_DATASET_ID) == {}
    send(meta, "Lead", "Lead", "Schedule")
    found = meta.quality(CRM_DATASET_ID)
    lead, schedule = found["web"]
    assert (lead["event_name"], schedule["event_name"]) == ("Lead", "Schedule")
    keys = {row["identifier"]: row for row in lead["event_match_quality"]["match_key_feedback"]}
    assert keys["email"]["coverage"]["percentage"] == 100
    assert keys["phone"]["potential_aly_acr_increase"]["percentage"] == 10
    assert lead["dedupe_key_feedback"][0]["server_events_with_dedupe_key"]["percentage"] == 100
    assert lead["data_freshness"]["upload_frequency"] == "real_time"
    assert "offline" not in found
    assert meta.quality(CRM_DATASET_ID, agent_name="leadloop") == found
    assert meta.quality(CRM_DATASET_ID, agent_name="other") == {}
    assert meta.quality(STRANGE_DATASET_ID) == {}
    assert {call[:2] for call in meta.calls if call[0] == "dataset_quality"} == {("dataset_quality", "ok")}


# --- answers made up -------------------------------------------------------------------------------------------------

REFUSED = {"error": {"code": 100, "message": "(#100) Tried accessing nonexisting field (x) on node type (AdsPixel)"}}
NO_RIGHT = {"error": {"code": 10, "message": "(#10) no"}}


def fields_of(request: bytes) -> str:
    return request.split(b"fields=")[1].split(b"&")[0].split(b" ")[0].decode()


@pytest.mark.parametrize("refusal", [REFUSED, NO_RIGHT])
def test_what_may_not_be_seen_keeps_back_nothing_else(refusal: dict[str, Any]) -> None:
    with raw_server(answering(refusal, refusal, {"id": DATASET, "name": "Mine"})) as server:
        assert Client(server.url("")).read() == DatasetInfo(DATASET, "Mine")
        asked = [fields_of(request) for request in server.requests]
    assert "owner_business" in asked[0]
    assert "owner_business" not in asked[1]
    assert "is_crm" in asked[1]
    assert asked[2] == "name"
    with raw_server(answering(refusal)) as server:
        error = raised(Client(server.url("")).read)
        assert len(server.requests) == 3
    assert isinstance(error, PermissionMissing | BadRequest)


@pytest.mark.parametrize("refusal", [REFUSED, NO_RIGHT])
def test_quality_without_the_offline_half_rather_than_not_at_all(refusal: dict[str, Any]) -> None:
    web = {"web": [{"event_name": "Lead"}]}
    with raw_server(answering(refusal, web)) as server:
        assert Client(server.url("")).quality(agent_name="leadloop") == web
        first, second = server.requests
    assert b"offline" in first
    assert b"offline" not in second
    for request in (first, second):
        line = request.splitlines()[0].decode()
        assert line.startswith("GET /v26.0/dataset_quality?")
        assert f"dataset_id={DATASET}" in line
        assert "agent_name=leadloop" in line
        assert "dedupe_key_feedback" in line
        assert TOKEN not in line


def test_other_errors_are_not_asked_twice() -> None:
    for code in (190, 80004, 2635):
        body = {"error": {"code": code, "error_subcode": 463 if code == 190 else 0}}
        with raw_server(answering(body, status="400 Bad")) as server:
            error = raised(Client(server.url("")).read)
            assert len(server.requests) == 1
        assert error.scope == "lane"


@pytest.mark.parametrize("body", [{}, {"id": "999"}, {"id": None}, {"name": "x"}, [], b"", b"<html>", b'{"id": "9000'])
def test_an_answer_about_something_else_is_garbage(body: Any) -> None:
    with raw_server(answering(body)) as server:
        client = Client(server.url(""))
        assert type(raised(client.read)) is GarbageAnswer
        if body not in ({"id": "999"},):
            assert type(raised(client.create)) is GarbageAnswer
        assert type(raised(client.find)) is GarbageAnswer


def test_a_list_with_rows_that_are_none() -> None:
    rows = {"data": [{"id": 900000000000001, "name": "A\x00B"}, {"name": "no id"}, 5, None, {"id": "x"}, {"id": "7"}]}
    with raw_server(answering(rows)) as server:
        assert Client(server.url("")).find() == [DatasetRef("900000000000001", "AB"), DatasetRef("7", None)]


def test_making_one_may_be_tried_again_after_silence() -> None:
    """It is idempotent, so an answer that is lost costs nothing."""

    def hang_up(talk: Talk) -> None:
        talk.read()

    with raw_server(hang_up) as server:
        error = raised(Client(server.url("")).create)
    assert isinstance(error, Unanswered)
    assert isinstance(error, Retryable)


@pytest.mark.parametrize("bad", ["", "me", "../1", "1/dataset", "٢٢٢", "9" * 41])
def test_what_is_no_id_is_never_asked_for(bad: str) -> None:
    client = Client("http://127.0.0.1:9")
    for call in (client.read, client.find, client.create, client.quality):
        error = raised(lambda call=call: call(bad))
        assert (type(error), error.code) == (BadRequest, "bad_id")
    assert client.calls == []


ADS_FULL = "X-Ad-Account-Usage: " + json.dumps({"acc_id_util_pct": 100, "reset_time_duration": 240})
APP_NEAR = 'X-App-Usage: {"call_count": 96}'


def test_a_page_asked_for_its_dataset_reads_its_leads_all_the_same() -> None:
    """The Page's lane holds its leads: what an ad account has used up must not stop them."""
    with raw_server(answering({"data": []}, headers=(ADS_FULL, APP_NEAR))) as server:
        client = Client(server.url(""))
        client.find(BIKES.page_id)
    assert client.usage == [UsageHint(None, 96.0, 60.0)]
    with raw_server(answering({"error": {"code": 80004}}, headers=(ADS_FULL,), status="400 Bad")) as server:
        client = Client(server.url(""))
        error = raised(lambda: client.find(BIKES.page_id))
    assert (type(error), error.retry_after_s, client.usage) == (RateLimited, 240, [])


def test_a_dataset_that_is_read_rests_like_one_that_is_sent_to() -> None:
    with raw_server(answering({"id": DATASET}, headers=(ADS_FULL,))) as server:
        client = Client(server.url(""))
        client.read()
    assert client.usage == [UsageHint(DATASET, 100.0, 240.0)]


# --- parsing ---------------------------------------------------------------------------------------------------------


def test_a_dataset_with_values_of_any_type() -> None:
    found = parse_dataset(
        {
            "id": 900000000000001,
            "name": " My\n dataset ",
            "is_crm": "true",
            "is_unavailable": 0,
            "is_consolidated_container": "perhaps",
            "last_fired_time": "2026-11-22T08:26:30+0000",
            "event_time_min": 1_795_300_000,
            "event_time_max": "0",
            "match_rate_approx": True,
            "valid_entries": "12",
            "matched_entries": -1,
            "duplicate_entries": 1.5,
            "owner_business": "150000000000001",
        }
    )
    assert found == DatasetInfo(
        "900000000000001",
        "My dataset",
        is_crm=True,
        is_unavailable=False,
        last_fired_at=datetime(2026, 11, 22, 8, 26, 30, tzinfo=UTC),
        first_event_at=datetime.fromtimestamp(1_795_300_000, UTC),
        valid_entries=12,
        owner_business_id="150000000000001",
    )


def test_quality_keeps_counts_and_bounds_the_rest() -> None:
    row = {
        "event_name": "Lead",
        "event_match_quality": {
            "composite_score": 6.4,
            "diagnostics": [{"affected_event_count": 12_345_678, "description": "zoe@example.com " + "x" * 9_999}],
        },
        "acr": {"percentage": float("inf")},
    }
    found = parse_quality({"web": [row, {"event_name": ""}, 5, {}], "offline": {"event_name": "Purchase"}, "id": "1"})
    assert found.keys() == {"web", "offline"}
    (kept,) = found["web"]
    (trouble,) = kept["event_match_quality"]["diagnostics"]
    assert trouble["affected_event_count"] == 12_345_678
    assert len(trouble["description"]) == 500
    assert trouble["description"].startswith("[e-mail] ")
    assert kept["acr"]["percentage"] is None
    assert found["offline"] == [{"event_name": "Purchase"}]
    json.dumps(found, allow_nan=False)


KEYS = "id name is_crm last_fired_time owner_business valid_entries match_rate_approx web offline event_name event_time_min"
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS.split()), inner, max_size=4),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from(KEYS.split()), json_values, max_size=5))
def test_any_json_is_survived(answer: dict[str, Any]) -> None:
    found = parse_dataset(answer)
    assert found is None or found.dataset_id.isdigit()
    ref = parse_ref(answer)
    assert (ref is None) == (found is None)
    json.dumps(parse_quality(answer), allow_nan=False)
