"""The events edge: who may send, in which form, what is kept, and that one bad event refuses its batch."""

import json
from typing import Any

import pytest
from sandbox_bench import Bench
from sandbox_events import EMAIL, chat_event, crm_event, received, send_events, web_event

from sandbox.datasets import CRM_DATASET_ID, STRANGE_DATASET_ID
from sandbox.event_errors import LANGUAGES, SUBCODES, TEXTS
from sandbox.forms import ATELIER, BIKES
from sandbox.options import build_proof
from sandbox.whatsapp_shapes import WABA_ID


@pytest.fixture
def lead(bench: Bench) -> str:
    """A lead that came a minute ago."""
    leadgen_id = bench.lead()
    bench.clock.forward(minutes=1)
    return leadgen_id


def codes_of(answer: Any) -> tuple[int, int, int | None]:
    error = answer.get_json()["error"]
    return answer.status_code, error["code"], error.get("error_subcode")


def test_a_stage_of_a_lead_is_received_and_shown(bench: Bench, lead: str) -> None:
    answer = send_events(bench, [crm_event(bench, lead)], partner_agent="leadloop_1_0")
    assert answer.status_code == 200
    content = answer.get_json()
    assert content == {"events_received": 1, "messages": [], "fbtrace_id": answer.headers["x-fb-trace-id"]}
    (event,) = received(bench)
    shown = {name: event[name] for name in ("dataset_id", "event_name", "stage", "leadgen_id", "is_crm", "agent")}
    assert shown == {
        "dataset_id": CRM_DATASET_ID,
        "event_name": "Qualified Lead",
        "stage": "qualified",
        "leadgen_id": lead,
        "is_crm": True,
        "agent": "leadloop_1_0",
    }
    assert event["notes"] == []
    assert event["fbtrace_id"] == content["fbtrace_id"]
    assert event["at"] == bench.clock().isoformat()
    assert f'"lead_id":{lead}' in event["payload"]  # 17 digits: JavaScript would round them
    assert json.loads(event["payload"])["user_data"]["lead_id"] == int(lead)


@pytest.mark.parametrize("how", ["query", "body", "bearer"])
def test_the_token_may_come_in_three_ways(bench: Bench, lead: str, how: str) -> None:
    token = bench.options.system_token
    proof = build_proof(bench.options.app_secret, token)
    body = {"data": [crm_event(bench, lead)], "appsecret_proof": proof}
    answer = bench.http.post(
        f"/v26.0/{CRM_DATASET_ID}/events",
        json=body | ({"access_token": token} if how == "body" else {}),
        query_string={"access_token": token} if how == "query" else {},
        headers={"Authorization": f"Bearer {token}"} if how == "bearer" else {},
    )
    assert answer.get_json()["events_received"] == 1


def test_a_form_with_data_as_text_is_taken(bench: Bench, lead: str) -> None:
    token = bench.options.system_token
    form = {
        "data": json.dumps([crm_event(bench, lead)]),
        "access_token": token,
        "appsecret_proof": build_proof(bench.options.app_secret, token),
        "test_event_code": "TEST123",
    }
    assert bench.http.post(f"/v26.0/{CRM_DATASET_ID}/events", data=form).get_json()["events_received"] == 1
    assert received(bench)[0]["test_event_code"] == "TEST123"


def test_the_proof_is_checked(bench: Bench, lead: str) -> None:
    events = [crm_event(bench, lead)]
    assert codes_of(send_events(bench, events, appsecret_proof="0" * 64)) == (400, 104, None)
    assert codes_of(send_events(bench, events, appsecret_proof=None)) == (400, 100, None)
    assert received(bench) == []


@pytest.mark.parametrize("dataset_id", ["900000000000009", STRANGE_DATASET_ID, WABA_ID, BIKES.page_id])
def test_a_dataset_that_is_not_ours_does_not_exist(bench: Bench, lead: str, dataset_id: str) -> None:
    answer = send_events(bench, [crm_event(bench, lead)], dataset_id=dataset_id)
    assert codes_of(answer) == (400, 100, 33)
    assert answer.get_json()["error"]["message"].startswith(f"Unsupported post request. Object with ID '{dataset_id}'")


def test_rights_on_a_dataset(bench: Bench, lead: str) -> None:
    """UPLOAD is needed to send; a Page's token opens only the dataset of its Page."""
    events = [crm_event(bench, lead)]
    bench.control("/datasets", {"dataset_id": CRM_DATASET_ID, "tasks": ["ANALYZE"]})
    assert codes_of(send_events(bench, events)) == (400, 100, 33)
    bench.control("/datasets", {"dataset_id": CRM_DATASET_ID, "tasks": ["UPLOAD"], "page_id": BIKES.page_id})
    assert send_events(bench, events).status_code == 200
    assert send_events(bench, events, token=bench.options.page_token(BIKES.page_id)).status_code == 200
    for token in (bench.options.page_token(ATELIER.page_id), bench.options.app_token):
        assert codes_of(send_events(bench, events, token=token)) == (400, 100, 33)


def test_there_is_no_way_to_read_events_back(bench: Bench) -> None:
    assert codes_of(bench.graph(f"{CRM_DATASET_ID}/events")) == (400, 100, 33)


@pytest.mark.parametrize(
    "data", [None, [], {}, "", "nonsense", "{}", 5, [1] * 1_001], ids=lambda one: str(one)[:12] or "empty"
)
def test_data_must_be_a_list_of_1_to_1000(bench: Bench, data: Any) -> None:
    assert codes_of(send_events(bench, data)) == (400, 100, None)


def test_a_thousand_at_once(bench: Bench, lead: str) -> None:
    events = [crm_event(bench, lead, event_id=f"e{place}") for place in range(1_000)]
    assert send_events(bench, events).get_json()["events_received"] == 1_000


@pytest.mark.parametrize(
    "more", [{"partner_agent": "x" * 23}, {"partner_agent": "1_0"}, {"partner_agent": 5}, {"test_event_code": 5}]
)
def test_what_stands_beside_data_is_checked(bench: Bench, lead: str, more: dict[str, Any]) -> None:
    assert codes_of(send_events(bench, [crm_event(bench, lead)], **more)) == (400, 100, None)


def test_one_bad_event_refuses_the_whole_batch(bench: Bench, lead: str) -> None:
    old = int(bench.clock().timestamp()) - 8 * 86_400
    events = [crm_event(bench, lead), crm_event(bench, lead, event_time=old, event_id="bad"), web_event(bench)]
    answer = send_events(bench, events)
    error = answer.get_json()["error"]
    assert codes_of(answer) == (400, 100, 2804003)
    assert error["message"] == "Invalid parameter"
    assert error["error_user_title"] == "Event Timestamp Too Old"
    assert error["error_user_msg"]
    assert error["error_data"] == {"blame_field_specs": [["data"]]}
    assert error["is_transient"] is False
    assert error["fbtrace_id"] == answer.headers["x-fb-trace-id"]
    assert "bad" not in answer.get_data(as_text=True)  # Meta does not tell which event it was
    state = bench.state()
    assert state["events"] == []
    (refused,) = state["refused_batches"]
    assert (refused["size"], refused["index"], refused["event_id"], refused["subcode"]) == (3, 1, "bad", 2804003)
    assert state["counts"]["events_refused"] == 3


def test_the_language_of_a_refusal_is_a_setting(bench: Bench) -> None:
    """Titles and texts differ, codes never: nobody may match on words."""
    bad = [web_event(bench, event_time=1)]

    def titles(count: int) -> list[str]:
        answers = [send_events(bench, bad) for _ in range(count)]
        assert {codes_of(answer) for answer in answers} == {(400, 100, 2804003)}
        return [answer.get_json()["error"]["error_user_title"] for answer in answers]

    expected = {language: TEXTS["too_old"][language][0] for language in LANGUAGES}
    assert titles(1) == [expected["en"]]
    bench.control("/settings", {"language": "tr"})
    assert titles(2) == [expected["tr"]] * 2
    bench.control("/settings", {"language": "rotate"})
    assert set(titles(3)) == set(expected.values())


def test_every_refusal_speaks_three_languages() -> None:
    assert TEXTS.keys() == SUBCODES.keys()
    assert len(set(SUBCODES.values())) == len(SUBCODES)
    for texts in TEXTS.values():
        assert set(texts) == set(LANGUAGES)
        assert len({title for title, _message in texts.values()}) == 3
        assert all(message for _title, message in texts.values())


def test_an_event_before_its_lead_is_dropped_without_a_word(bench: Bench) -> None:
    leadgen_id = bench.lead()
    at_once = crm_event(bench, leadgen_id)
    bench.clock.forward(seconds=1)
    events = [at_once, crm_event(bench, leadgen_id)]
    assert send_events(bench, events).get_json()["events_received"] == 1
    assert len(received(bench)) == 1
    (dropped,) = [one for one in bench.state()["events"] if one["state"] == "dropped"]
    assert "lead's creation" in dropped["why"]
    assert bench.state()["counts"]["events_dropped"] == 1


def test_test_events_are_kept_like_others(bench: Bench, lead: str) -> None:
    send_events(bench, [crm_event(bench, lead)], test_event_code="TEST123")
    assert received(bench)[0]["test_event_code"] == "TEST123"
    (count,) = bench.state()["event_counts"]
    assert (count["received"], count["test"]) == (1, 1)
    node = bench.graph(CRM_DATASET_ID, fields="valid_entries").get_json()
    assert node["valid_entries"] == 1


def test_copies_are_counted_as_meta_does_not_drop_them(bench: Bench, lead: str) -> None:
    for _ in range(2):
        assert send_events(bench, [crm_event(bench, lead)]).get_json()["events_received"] == 1
    assert send_events(bench, [crm_event(bench, lead, event_id="other")]).status_code == 200
    assert send_events(bench, [crm_event(bench, lead, event_id=None)] * 2).status_code == 200
    assert [one["times"] for one in received(bench)] == [1, 2, 1, 1, 1]
    assert bench.state()["counts"]["events_repeated"] == 1


def test_a_lead_event_without_its_marks_is_taken_and_noted(bench: Bench, lead: str) -> None:
    """As at Meta: accepted, shown, and of no use to Conversion Leads."""
    send_events(bench, [crm_event(bench, lead, custom_data={})])
    (event,) = received(bench)
    assert event["is_crm"] is False
    assert "Conversion Leads" in event["notes"][0]
    bench.control("/datasets", {"dataset_id": "900000000000007"})
    send_events(bench, [crm_event(bench, lead)], dataset_id="900000000000007")
    assert received(bench)[-1]["is_crm"] is False  # not a CRM dataset


@pytest.mark.parametrize("channel", ["messenger", "instagram", "whatsapp"])
def test_the_three_channels(bench: Bench, channel: str) -> None:
    assert send_events(bench, [chat_event(bench, channel)]).get_json()["events_received"] == 1
    assert received(bench)[0]["channel"] == channel


@pytest.mark.parametrize(
    ("channel", "scope"),
    [
        ("messenger", "page_events"),
        ("instagram", "instagram_manage_events"),
        ("whatsapp", "whatsapp_business_manage_events"),
    ],
)
def test_a_channel_needs_its_permission(bench: Bench, channel: str, scope: str) -> None:
    bench.control("/settings", {"missing_scopes": [scope]})
    answer = send_events(bench, [chat_event(bench, channel)])
    assert codes_of(answer) == (403, 200, None)
    assert scope in answer.get_json()["error"]["message"]


def test_sending_needs_ads_or_business_management(bench: Bench, lead: str) -> None:
    bench.control("/settings", {"missing_scopes": ["ads_management"]})
    assert send_events(bench, [crm_event(bench, lead)]).status_code == 200
    bench.control("/settings", {"missing_scopes": ["ads_management", "business_management"]})
    assert codes_of(send_events(bench, [crm_event(bench, lead)])) == (403, 200, None)


def test_the_click_of_a_whatsapp_notice_is_known(bench: Bench) -> None:
    bench.control("/send", {"shape": "whatsapp_text_from_ad"})
    (ctwa_clid,) = bench.sandbox.state.datasets.clicks
    user_data = {"whatsapp_business_account_id": WABA_ID, "ctwa_clid": ctwa_clid}
    assert send_events(bench, [chat_event(bench, "whatsapp", user_data)]).status_code == 200
    assert received(bench)[-1]["notes"] == []
    bench.clock.forward(days=8)
    assert send_events(bench, [chat_event(bench, "whatsapp", user_data)]).status_code == 200
    assert "credited to no ad" in received(bench)[-1]["notes"][0]


def test_what_is_taken_but_useless_is_noted(bench: Bench) -> None:
    nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    send_events(bench, [web_event(bench, user_data={"em": [EMAIL, nothing], "fbc": "IwARonlyTheClickId"})])
    (event,) = received(bench)
    assert [note.split()[0] for note in event["notes"]] == ["user_data.em", "user_data.fbc"]


def test_usage_headers_are_those_of_ads(bench: Bench, lead: str) -> None:
    headers = send_events(bench, [crm_event(bench, lead)]).headers
    ((usage,),) = json.loads(headers["X-Business-Use-Case-Usage"]).values()
    assert usage["type"] == "ads_management"
    assert json.loads(headers["X-Ad-Account-Usage"])["reset_time_duration"] == 0


def test_memory_is_bounded(bench: Bench, lead: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sandbox.datasets.MOST_EVENTS", 10)
    for start in range(0, 30, 15):
        send_events(bench, [crm_event(bench, lead, event_id=f"e{place}") for place in range(start, start + 15)])
    assert [one["event_id"] for one in received(bench)] == [f"e{place}" for place in range(20, 30)]
    assert bench.state()["counts"]["events_received"] == 30
    monkeypatch.setattr("sandbox.datasets.MOST_EVENT_BYTES", 3_000)
    send_events(bench, [crm_event(bench, lead, event_id="big", custom_data={"text": "x" * 2_900})])
    assert [one["event_id"] for one in received(bench)] == ["big"]


def test_reset_forgets_events_and_datasets(bench: Bench, lead: str) -> None:
    send_events(bench, [crm_event(bench, lead)])
    bench.control("/datasets", {"dataset_id": "900000000000007"})
    bench.control("/reset")
    state = bench.state()
    assert (state["events"], state["event_counts"], state["counts"]["events_received"]) == ([], [], 0)
    assert [one["dataset_id"] for one in state["datasets"]] == [CRM_DATASET_ID, STRANGE_DATASET_ID]
