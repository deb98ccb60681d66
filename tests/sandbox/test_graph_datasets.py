"""Datasets through Graph: found, made, read and assigned, and the quality Meta sees in them."""

from typing import Any

import pytest
from sandbox_bench import Bench
from sandbox_events import EMAIL, crm_event, received, send_events, web_event

from sandbox.datasets import ACCOUNTS, CRM_DATASET_ID, STRANGE_DATASET_ID
from sandbox.forms import ATELIER, BIKES
from sandbox.instagram_shapes import INSTAGRAM_ID
from sandbox.options import SYSTEM_USER_ID
from sandbox.whatsapp_shapes import WABA_ID

FULL = (
    "web{event_name,event_match_quality{composite_score,match_key_feedback{identifier,coverage{percentage},"
    "potential_aly_acr_increase{percentage,description}},"
    "diagnostics{name,description,solution,percentage,affected_event_count,total_event_count}},"
    "event_coverage{percentage,goal_percentage,description,potential_aly_acr_increase{percentage,description}},"
    "dedupe_key_feedback{dedupe_key,"
    "browser_events_with_dedupe_key{percentage,description},server_events_with_dedupe_key{percentage,description},"
    "overall_browser_coverage_from_dedupe_key{percentage,description}},data_freshness{upload_frequency,description},"
    "acr{percentage,description},event_potential_aly_acr_increase{percentage,description}}"
)


def error_of(answer: Any) -> tuple[int, int | None]:
    error = answer.get_json()["error"]
    return error["code"], error.get("error_subcode")


@pytest.mark.parametrize("owner_id", [BIKES.page_id, ATELIER.page_id, WABA_ID, INSTAGRAM_ID])
def test_a_dataset_is_made_once(bench: Bench, owner_id: str) -> None:
    assert bench.graph(f"{owner_id}/dataset").get_json() == {"data": []}
    made = bench.graph(f"{owner_id}/dataset", method="POST", dataset_name="Mine").get_json()
    again = bench.graph(f"{owner_id}/dataset", method="POST", dataset_name="Other").get_json()
    assert made == again
    assert bench.graph(f"{owner_id}/dataset").get_json() == {"data": [{"id": made["id"], "name": "Mine"}]}
    event = web_event(bench)
    assert send_events(bench, [event], dataset_id=made["id"]).get_json()["events_received"] == 1


def test_every_owner_has_a_dataset_of_its_own(bench: Bench) -> None:
    owners = [BIKES.page_id, ATELIER.page_id, *ACCOUNTS]
    made = {bench.graph(f"{owner_id}/dataset", method="POST").get_json()["id"] for owner_id in owners}
    assert len(made) == len(owners)
    assert not made & {CRM_DATASET_ID, STRANGE_DATASET_ID, *owners}


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_has_no_dataset(bench: Bench, method: str) -> None:
    for object_id in ("999000000000001", CRM_DATASET_ID):
        assert error_of(bench.graph(f"{object_id}/dataset", method=method)) == (100, 33)
    other = bench.options.page_token(ATELIER.page_id)
    for object_id in (BIKES.page_id, WABA_ID):
        assert error_of(bench.graph(f"{object_id}/dataset", method=method, token=other)) == (100, 33)


@pytest.mark.parametrize(
    ("owner_id", "scope"),
    [
        (BIKES.page_id, "page_events"),
        (WABA_ID, "whatsapp_business_manage_events"),
        (INSTAGRAM_ID, "instagram_manage_events"),
    ],
)
def test_each_kind_of_owner_needs_its_permission(bench: Bench, owner_id: str, scope: str) -> None:
    bench.control("/settings", {"missing_scopes": [scope]})
    answer = bench.graph(f"{owner_id}/dataset")
    assert error_of(answer) == (200, None)
    assert scope in answer.get_json()["error"]["message"]


def test_a_dataset_is_read(bench: Bench) -> None:
    fields = (
        "name,last_fired_time,is_crm,is_consolidated_container,is_unavailable,match_rate_approx,valid_entries,"
        "matched_entries,duplicate_entries,event_time_min,event_time_max,owner_business"
    )
    assert bench.graph(CRM_DATASET_ID).get_json().keys() == {"id", "name"}
    before = bench.graph(CRM_DATASET_ID, fields=fields).get_json()
    assert (before["is_crm"], before["valid_entries"]) == (True, 0)
    assert "last_fired_time" not in before
    leadgen_id = bench.lead()
    bench.clock.forward(minutes=1)
    send_events(bench, [crm_event(bench, leadgen_id)] * 2)
    after = bench.graph(CRM_DATASET_ID, fields=fields).get_json()
    seconds = int(bench.clock().timestamp())
    assert after["last_fired_time"].endswith("+0000")
    assert (after["valid_entries"], after["matched_entries"], after["duplicate_entries"]) == (2, 2, 1)
    assert (after["event_time_min"], after["event_time_max"]) == (seconds, seconds)
    assert error_of(bench.graph(CRM_DATASET_ID, fields="nonsense")) == (100, None)


def test_reading_needs_rights(bench: Bench) -> None:
    assert error_of(bench.graph(STRANGE_DATASET_ID)) == (100, 33)
    bench.control("/settings", {"missing_scopes": ["ads_read"]})
    answer = bench.graph(CRM_DATASET_ID)
    assert error_of(answer) == (100, None)
    assert answer.get_json()["error"]["message"] == "(#100) Missing Permission"


@pytest.mark.parametrize("tasks", ['["UPLOAD","ANALYZE"]', "UPLOAD,ANALYZE"])
def test_the_system_user_is_assigned(bench: Bench, tasks: str) -> None:
    event = web_event(bench)
    assert error_of(send_events(bench, [event], dataset_id=STRANGE_DATASET_ID)) == (100, 33)
    path = f"{STRANGE_DATASET_ID}/assigned_users"
    assert bench.graph(path, method="POST", user=SYSTEM_USER_ID, tasks=tasks).get_json() == {"success": True}
    assert send_events(bench, [event], dataset_id=STRANGE_DATASET_ID).status_code == 200
    dataset = bench.state()["datasets"][1]
    assert dataset["tasks"] == ["UPLOAD", "ANALYZE"]


@pytest.mark.parametrize(
    "given",
    [
        {"tasks": "UPLOAD"},
        {"user": "1", "tasks": "UPLOAD"},
        {"user": SYSTEM_USER_ID},
        {"user": SYSTEM_USER_ID, "tasks": "EVERYTHING"},
        {"user": SYSTEM_USER_ID, "tasks": "{}"},
        {"user": SYSTEM_USER_ID, "tasks": "[[]]"},
    ],
)
def test_a_wrong_assignment_is_refused(bench: Bench, given: dict[str, str]) -> None:
    assert error_of(bench.graph(f"{STRANGE_DATASET_ID}/assigned_users", method="POST", **given)) == (100, None)


def test_only_the_system_user_assigns(bench: Bench) -> None:
    path, token = f"{STRANGE_DATASET_ID}/assigned_users", bench.options.page_token(BIKES.page_id)
    given = {"user": SYSTEM_USER_ID, "tasks": "UPLOAD"}
    assert error_of(bench.graph(path, method="POST", token=token, **given)) == (100, 33)
    assert error_of(bench.graph("999000000000001/assigned_users", method="POST", **given)) == (100, 33)


# --- quality ----------------------------------------------------------------------------------------------------------


def quality(bench: Bench, **params: Any) -> Any:
    return bench.graph("dataset_quality", **({"dataset_id": CRM_DATASET_ID, "fields": FULL} | params)).get_json()


def test_quality_is_empty_without_web_events(bench: Bench) -> None:
    leadgen_id = bench.lead()
    bench.clock.forward(minutes=1)
    send_events(bench, [crm_event(bench, leadgen_id)])
    assert len(received(bench)) == 1
    assert quality(bench) == {}


def test_quality_of_web_events(bench: Bench) -> None:
    poor = web_event(bench, event_id=None, user_data={"em": [EMAIL]})
    rich = web_event(bench, user_data={"em": [EMAIL], "ph": [EMAIL], "fbc": "fb.1.1788622000123.IwAR"})
    send_events(bench, [poor, rich, web_event(bench, event_name="Schedule")], partner_agent="Leadloop_1_0")
    lead, schedule = quality(bench)["web"]
    assert (lead["event_name"], schedule["event_name"]) == ("Lead", "Schedule")
    matching = lead["event_match_quality"]
    coverage = {row["identifier"]: row["coverage"]["percentage"] for row in matching["match_key_feedback"]}
    assert (coverage["email"], coverage["phone"], coverage["external_id"]) == (100.0, 50.0, 0.0)
    assert 0 <= matching["composite_score"] <= 10
    assert lead["event_coverage"]["goal_percentage"] == 75
    dedupe = {
        row["dedupe_key"]: row["server_events_with_dedupe_key"]["percentage"] for row in lead["dedupe_key_feedback"]
    }
    assert dedupe["event_id"] == 50.0
    assert lead["data_freshness"]["upload_frequency"] == "real_time"
    assert lead.keys() == {
        *("event_name", "event_match_quality", "event_coverage", "dedupe_key_feedback", "data_freshness", "acr"),
        "event_potential_aly_acr_increase",
    }
    assert quality(bench, agent_name="leadloop")["web"]
    assert quality(bench, agent_name="other") == {}
    assert quality(bench, fields="web{event_name}") == {"web": [{"event_name": "Lead"}, {"event_name": "Schedule"}]}


def test_quality_needs_rights(bench: Bench) -> None:
    send_events(bench, [web_event(bench)])
    assert quality(bench)
    assert quality(bench, dataset_id=STRANGE_DATASET_ID) == quality(bench, dataset_id="1") == {}
    bench.control("/settings", {"missing_scopes": ["ads_read"]})
    assert quality(bench) == {}


def test_quality_set_by_hand(bench: Bench) -> None:
    mine = {"web": [{"event_name": "Lead", "event_match_quality": {"composite_score": 3.1}}]}
    bench.control("/datasets", {"dataset_id": CRM_DATASET_ID, "quality": mine})
    assert quality(bench) == mine


def test_quality_asked_wrongly(bench: Bench) -> None:
    """It is a question to the top level; Meta's table spells dedupe_key_feedback wrongly."""
    assert error_of(bench.graph(f"{CRM_DATASET_ID}/dataset_quality")) == (2500, None)
    assert error_of(bench.graph("dataset_quality")) == (100, None)
    send_events(bench, [web_event(bench)])
    wrong = bench.graph("dataset_quality", dataset_id=CRM_DATASET_ID, fields="web{dedup_key_feedback}")
    assert error_of(wrong) == (100, None)
    assert error_of(bench.graph("dataset_quality", dataset_id=CRM_DATASET_ID, fields="web{")) == (2500, None)


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/datasets", {}, "dataset_id"),
        ("/datasets", {"dataset_id": "mine"}, "dataset_id"),
        ("/datasets", {"dataset_id": CRM_DATASET_ID, "tasks": ["X"]}, "tasks"),
        ("/datasets", {"dataset_id": CRM_DATASET_ID, "page_id": "1"}, "page_id"),
        ("/datasets", {"dataset_id": CRM_DATASET_ID, "quality": []}, "quality"),
        ("/clicks", {"ctwa_clid": ""}, "ctwa_clid"),
        ("/clicks", {"clicked_at": "yesterday"}, "clicked_at"),
        ("/settings", {"language": "de"}, "language"),
        ("/settings", {"api_url": "https://leadloop.example"}, "api_url"),
        ("/settings", {"api_key": "a\nb"}, "api_key"),
    ],
)
def test_bad_controls_name_the_field(bench: Bench, path: str, body: dict[str, Any], field: str) -> None:
    answer = bench.http.post("/_sandbox" + path, json=body)
    assert answer.status_code == 400
    assert field in answer.get_json()["error"]


def test_there_is_an_end_to_datasets(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sandbox.datasets.MOST_DATASETS", 2)
    answer = bench.http.post("/_sandbox/datasets", json={"dataset_id": "900000000000008"})
    assert answer.status_code == 400
    bench.control("/datasets", {"dataset_id": CRM_DATASET_ID, "name": "Renamed"})
