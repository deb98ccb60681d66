import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sandbox_bench import Bench

from sandbox import SandboxOptions, create_sandbox
from sandbox.forms import BIKES, ENGLISH, FORMS, SPANISH


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/leads", {"form_id": "1"}, "form_id"),
        ("/leads", {"count": 0}, "count"),
        ("/leads", {"count": 1_001}, "count"),
        ("/leads", {"count": "many"}, "count"),
        ("/leads", {"repeat": -1}, "repeat"),
        ("/leads", {"shape": "round"}, "shape"),
        ("/leads", {"signing": "forged"}, "signing"),
        ("/leads", {"answers": {"nonsense": "x"}}, "answers"),
        ("/leads", {"answers": {"email": 5}}, "answers"),
        ("/leads", {"answers": {"email": [None]}}, "answers"),
        ("/leads", {"form_id": "*", "answers": {"email": "a@b.example"}}, "answers"),
        ("/leads", {"ticked": ["nonsense"]}, "ticked"),
        ("/leads", {"field_data": [{"name": "x"}]}, "field_data"),
        ("/leads", {"field_data": {}}, "field_data"),
        ("/leads", {"created_at": "yesterday"}, "created_at"),
        ("/leads", {"created_at": "2026-11-22T08:00:00"}, "created_at"),
        ("/leads", {"test": True, "count": 2}, "test"),
        ("/leads", {"unknown": 1}, "unknown"),
        ("/leads", [], "body"),
        ("/leads", None, "body"),
        ("/send", {}, "shape"),
        ("/send", {"shape": "nonsense"}, "shape"),
        ("/send", {"shape": "mention", "page_id": "1"}, "page_id"),
        ("/send", {"shape": "leadgen_update", "leadgen_id": "1"}, "leadgen_id"),
        ("/faults", {}, "where"),
        ("/faults", {"where": "moon", "kind": "slow"}, "where"),
        ("/faults", {"where": "crm", "kind": "token_expired"}, "kind"),
        ("/faults", {"where": "graph", "kind": "unauthorized"}, "kind"),
        ("/faults", {"where": "graph", "kind": "slow", "delay_ms": -1}, "delay_ms"),
        ("/faults", {"where": "graph", "kind": "slow", "times": 0}, "times"),
        ("/faults", {"where": "graph", "kind": "rate_limited", "code": 5}, "code"),
        ("/faults", {"where": "graph", "kind": "slow", "code": 4}, "code"),
        ("/faults", {"where": "graph", "kind": "slow", "operation": "nonsense"}, "operation"),
        ("/faults", {"where": "crm", "kind": "slow", "page_id": BIKES.page_id}, "page_id"),
        ("/faults", {"where": "alerts", "kind": "slow", "leadgen_id": "1"}, "leadgen_id"),
        ("/tokens", {"action": "steal"}, "action"),
        ("/tokens", {"action": "expire", "page_id": "1"}, "page_id"),
        ("/settings", {"graph_delay_ms": -1}, "graph_delay_ms"),
        ("/settings", {"graph_delay_ms": "NaN"}, "graph_delay_ms"),
        ("/settings", {"ads_error": 190}, "ads_error"),
        ("/settings", {"missing_scopes": ["x"]}, "missing_scopes"),
        ("/settings", {"page_usage": {"call_count": "x"}}, "page_usage"),
        ("/settings", {"webhook_url": "https://example.com/"}, "webhook_url"),
    ],
)
def test_bad_requests_name_the_field(bench: Bench, path: str, body: Any, field: str) -> None:
    answer = bench.http.post("/_sandbox" + path, json=body)
    assert answer.status_code == 400
    assert field in answer.get_json()["error"]
    assert bench.state()["leads"] == []
    assert bench.state()["faults"] == []


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=8,
)
NAMES = (
    "form_id",
    "answers",
    "field_data",
    "ticked",
    "count",
    "shape",
    "where",
    "kind",
    "times",
    "action",
    "page_usage",
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    path=st.sampled_from(["leads", "send", "faults", "tokens", "settings"]),
    body=st.dictionaries(st.sampled_from(NAMES), json_values, max_size=4) | json_values,
)
def test_no_input_breaks_the_controls(bench: Bench, path: str, body: Any) -> None:
    answer = bench.http.post(f"/_sandbox/{path}", data=json.dumps(body), content_type="application/json")
    assert answer.status_code in (200, 201, 400)
    bench.control("/reset")


def test_body_must_be_json(bench: Bench) -> None:
    answer = bench.http.post("/_sandbox/leads", data="count=1", content_type="application/x-www-form-urlencoded")
    assert "body" in answer.get_json()["error"]


def test_answers_and_people(bench: Bench) -> None:
    made = bench.control("/leads", {"count": 3, "send": False, "answers": {"email": "same@example.com"}})
    leads = {lead["leadgen_id"]: lead for lead in bench.state()["leads"]}
    assert list(leads) == made["leadgen_ids"][::-1]
    answered = [{row["name"]: row["values"] for row in lead["field_data"]} for lead in leads.values()]
    assert [one["email"] for one in answered] == [["same@example.com"]] * 3
    assert len({one["full_name"][0] for one in answered}) == 3
    assert len({one["phone_number"][0] for one in answered}) == 3


def test_invented_people_differ_in_their_e_mail(bench: Bench) -> None:
    bench.control("/leads", {"count": 200, "form_id": "*", "send": False})
    emails = [value for lead in bench.state()["leads"] for row in lead["field_data"] for value in row["values"]]
    emails = [value for value in emails if "@" in value]
    assert len(emails) == len(set(emails)) == 200


def test_field_data_is_kept_exactly(bench: Bench) -> None:
    given = [
        {"name": "İ\x00", "values": []},
        {"name": "", "values": "x" * 50_000},
        {"name": "a", "values": ["\ud800", ""]},
    ]
    leadgen_id = bench.lead(field_data=given)
    kept = bench.graph(leadgen_id).get_json()["field_data"]
    assert kept == [given[0], {"name": "", "values": ["x" * 50_000]}, given[2]]


def test_round_all_forms(bench: Bench) -> None:
    bench.control("/leads", {"form_id": "*", "count": 8, "send": False})
    counts = {form.form_id: len(bench.sandbox.state.list_leads(form.form_id)) for form in FORMS}
    assert set(counts.values()) == {2}


def test_ids_are_never_used_twice(bench: Bench) -> None:
    first = [bench.lead() for _ in range(50)]
    bench.control("/reset")
    second = [bench.lead() for _ in range(50)]
    assert len(set(first + second)) == 100


def test_test_leads_are_told(bench: Bench) -> None:
    made = bench.control("/leads", {"test": True})
    assert len(made["send_ids"]) == 1
    again = bench.http.post("/_sandbox/leads", json={"test": True})
    assert again.status_code == 400
    assert bench.state()["leads"][0]["is_test"] is True


def test_faults_are_listed_counted_down_and_taken_back(bench: Bench) -> None:
    first = bench.control("/faults", {"where": "graph", "kind": "temporary", "times": 2})["fault_id"]
    second = bench.control("/faults", {"where": "crm", "kind": "unavailable"})["fault_id"]
    leadgen_id = bench.lead()
    bench.graph(leadgen_id)
    assert [(fault["fault_id"], fault["times"]) for fault in bench.state()["faults"]] == [(first, 1), (second, None)]
    bench.graph(leadgen_id)
    assert [fault["fault_id"] for fault in bench.state()["faults"]] == [second]
    assert bench.control("/faults", {"fault_id": first}, "DELETE") == {"cleared": 0}
    assert bench.http.delete("/_sandbox/faults?where=crm").get_json() == {"cleared": 1}
    bench.control("/faults", {"where": "graph", "kind": "slow"})
    assert bench.control("/faults", method="DELETE") == {"cleared": 1}
    assert bench.http.delete("/_sandbox/faults?where=moon").status_code == 400


def test_tokens_are_shown_only_when_asked_for(bench: Bench) -> None:
    shown = bench.control("/tokens", {"action": "show", "page_id": BIKES.page_id})
    assert shown == {
        "page_id": BIKES.page_id,
        "access_token": bench.options.page_token(BIKES.page_id),
        "state": "valid",
    }
    assert bench.control("/tokens", {"action": "expire"})["access_token"] == bench.options.system_token
    assert bench.graph("me").get_json()["error"]["code"] == 190


def test_settings_change_only_what_is_given(bench: Bench) -> None:
    before = bench.state()["settings"]
    after = bench.control("/settings", {"page_usage": {"call_count": 80}, "crm_delay_ms": 0.5})["settings"]
    assert after["page_usage"] == before["page_usage"] | {"call_count": 80}
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"page_usage", "crm_delay_ms"}


def test_state_can_be_bounded(bench: Bench) -> None:
    bench.control("/leads", {"count": 5, "batch": True})
    bounded = bench.http.get("/_sandbox/state?limit=2").get_json()
    assert len(bounded["leads"]) == 2
    assert sorted(bounded["sends"][0]["leadgen_ids"]) == sorted(lead["leadgen_id"] for lead in bounded["leads"])
    assert len(bench.state()["sends"][0]["leadgen_ids"]) == 5
    assert bounded["counts"]["leads"] == 5
    assert bench.http.get("/_sandbox/state?limit=-1").status_code == 400


def test_reset_brings_back_the_beginning(bench: Bench) -> None:
    bench.control("/tokens", {"action": "replace", "page_id": BIKES.page_id})
    bench.control("/settings", {"ads_rights": False, "webhook_url": "http://127.0.0.1:10/x"})
    bench.control("/faults", {"where": "graph", "kind": "temporary"})
    bench.lead(form_id=SPANISH.form_id)
    bench.http.post("/alerts", json={"title": "x"})
    bench.control("/reset")
    state = bench.state()
    assert (state["leads"], state["faults"], state["alerts"], state["sends"]) == ([], [], [], [])
    assert state["settings"]["ads_rights"] is True
    assert state["subscriptions"][0]["callback_url"] == bench.options.webhook_url
    assert bench.graph(ENGLISH.form_id, token=bench.options.page_token(BIKES.page_id)).status_code == 200


# --- who is let in ----------------------------------------------------------------------------------------------------

GUARDED = ["/", "/_sandbox/state", "/crm/leads", "/crm/leads/1", "/alerts"]


@pytest.mark.parametrize("path", GUARDED)
@pytest.mark.parametrize(
    ("remote", "headers", "let_in"),
    [
        ("127.0.0.1", {}, True),
        ("::1", {"Host": "[::1]:8001"}, True),
        ("127.0.0.1", {"Host": "127.0.0.1:8001", "Origin": "http://127.0.0.1:8001"}, True),
        ("192.0.2.7", {}, False),
        ("127.0.0.1", {"Host": "rebound.example:8001"}, False),
        ("127.0.0.1", {"Origin": "https://evil.example"}, False),
        ("127.0.0.1", {"Origin": "http://localhost:9999"}, False),
        ("127.0.0.1", {"Origin": "null"}, False),
    ],
)
def test_only_this_machine_may_look(path: str, remote: str, headers: dict[str, str], let_in: bool) -> None:
    client = create_sandbox(SandboxOptions()).test_client()
    answer = client.get(path, headers=headers, environ_base={"REMOTE_ADDR": remote})
    assert (answer.status_code != 403) is let_in


def test_graph_crm_and_alerts_take_calls_from_elsewhere() -> None:
    options = SandboxOptions(crm_secret="")
    client = create_sandbox(options).test_client()
    elsewhere = {"REMOTE_ADDR": "192.0.2.7"}
    event = {"type": "lead.created", "data": {"leadgen_id": "1"}}
    assert client.get("/v26.0/me", environ_base=elsewhere).status_code == 400
    assert client.post("/crm/leads", json=event, environ_base=elsewhere).status_code == 201
    assert client.post("/alerts", json={"title": "x"}, environ_base=elsewhere).status_code == 200


def test_errors_of_http_itself_are_json(bench: Bench) -> None:
    assert "/_sandbox/" in bench.http.get("/nowhere").get_json()["error"]
    wrong = bench.http.put("/_sandbox/leads")
    assert (wrong.status_code, wrong.headers["Allow"]) == (405, "OPTIONS, POST")
    assert bench.http.post("/alerts", data=b"x" * (8 * 1024 * 1024 + 1)).status_code == 413
