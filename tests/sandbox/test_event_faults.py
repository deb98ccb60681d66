"""Faults of the events edge: every code of Meta's, answers that are lost, late or half, and events that vanish."""

import json
import threading
from typing import Any

import pytest
import requests
from sandbox_bench import Bench, post_control, wait_for
from sandbox_events import received, send_events, web_event

from sandbox import SandboxOptions, start_in_thread
from sandbox.datasets import CRM_DATASET_ID
from sandbox.event_errors import LANGUAGES, SUBCODES, TEXTS
from sandbox.graph import AD_ACCOUNT_ID


@pytest.mark.parametrize(
    ("code", "subcode", "status", "answered"),
    [
        (1, None, 500, None),
        (2, None, 500, None),
        (3, None, 400, None),
        (4, None, 403, None),
        (10, None, 403, None),
        (17, None, 403, 2446079),
        (100, None, 400, None),
        (100, 33, 400, 33),
        (100, 2804001, 400, 2804001),
        (100, 2804030, 400, 2804030),
        (190, None, 401, None),
        (190, 460, 401, 460),
        (190, 463, 401, 463),
        (200, None, 403, None),
        (294, None, 403, None),
        (368, None, 400, None),
        (613, None, 400, 1487742),
        (613, 0, 400, None),  # the other 613: abuse protection
        (21009, None, 400, None),
        (80000, None, 400, 2446079),
        (80003, None, 400, 2446079),
        (80004, None, 400, 2446079),
        (80014, None, 400, None),
        (999, None, 400, None),
    ],
)
def test_any_code_can_be_had(bench: Bench, code: int, subcode: int | None, status: int, answered: int | None) -> None:
    fault = {"where": "graph", "kind": "error", "operation": "events", "code": code, "subcode": subcode, "times": 1}
    bench.control("/faults", fault)
    answer = send_events(bench, [web_event(bench)])
    error = answer.get_json()["error"]
    assert (answer.status_code, error["code"], error.get("error_subcode")) == (status, code, answered)
    assert {"message", "type", "fbtrace_id"} <= error.keys()
    assert error.get("is_transient", False) == (code in (2, 4, 21009))
    assert ("WWW-Authenticate" in answer.headers) == (code == 190)
    assert received(bench) == []
    assert send_events(bench, [web_event(bench)]).status_code == 200


@pytest.mark.parametrize("code", [17, 613, 80000, 80001, 80003, 80004, 80014])
def test_a_limit_tells_when_to_come_back(bench: Bench, code: int) -> None:
    bench.control("/faults", {"where": "graph", "kind": "error", "code": code, "regain_minutes": 7})
    headers = send_events(bench, [web_event(bench)]).headers
    app = json.loads(headers["X-App-Usage"])
    (usage,) = json.loads(headers["X-Business-Use-Case-Usage"])[AD_ACCOUNT_ID]
    if code == 17:
        assert app["call_count"] == 100
    else:
        assert usage["estimated_time_to_regain_access"] == 7
        assert usage["call_count"] == 100
        assert json.loads(headers["X-Ad-Account-Usage"]) == {
            "acc_id_util_pct": 100,
            "reset_time_duration": 420,
            "ads_api_access_tier": "standard_access",
        }


@pytest.mark.parametrize("code", [4, 80000, 80003, 80004, 80014])
def test_the_limits_of_the_lead_path_hold_here_too(bench: Bench, code: int) -> None:
    bench.control("/faults", {"where": "graph", "kind": "rate_limited", "code": code})
    assert send_events(bench, [web_event(bench)]).get_json()["error"]["code"] == code


@pytest.mark.parametrize(("reason", "subcode"), SUBCODES.items())
def test_a_refusal_can_be_had_without_its_cause(bench: Bench, reason: Any, subcode: int) -> None:
    """Such as the restricted region of a single recipient, which no sender can foresee."""
    bench.control("/faults", {"where": "graph", "kind": "error", "code": 100, "subcode": subcode})
    bench.control("/settings", {"language": "fr"})
    assert LANGUAGES[2] == "fr"
    error = send_events(bench, [web_event(bench)]).get_json()["error"]
    assert (error["error_subcode"], error["error_user_title"]) == (subcode, TEXTS[reason]["fr"][0])


@pytest.mark.parametrize(("through", "count"), [(0, 0), (2, 2), (9, 3)])
def test_fewer_events_than_were_sent(bench: Bench, through: int, count: int) -> None:
    bench.control("/faults", {"where": "graph", "kind": "fewer_events", "events_received": through, "times": 1})
    events = [web_event(bench, event_id=f"e{place}") for place in range(3)]
    answer = send_events(bench, events)
    assert (answer.status_code, answer.get_json()["events_received"]) == (200, count)
    assert [one["event_id"] for one in received(bench)] == ["e0", "e1", "e2"][:count]
    states = [one["state"] for one in bench.state()["events"]]
    assert states.count("dropped") == 3 - count
    assert send_events(bench, events).get_json()["events_received"] == 3


def test_fewer_events_leaves_other_calls_alone(bench: Bench) -> None:
    bench.control("/faults", {"where": "graph", "kind": "fewer_events", "times": 1, "after": True})
    assert bench.graph("me").status_code == 200
    assert send_events(bench, [web_event(bench)]).get_json()["events_received"] == 0


@pytest.mark.parametrize(
    ("fault", "kept"),
    [
        ({"kind": "http_500"}, 0),
        ({"kind": "http_500", "after": True}, 1),
        ({"kind": "garbage"}, 0),
        ({"kind": "empty", "after": True}, 1),
        ({"kind": "error", "code": 2, "after": True}, 1),
        ({"kind": "half_body"}, 1),
        ({"kind": "refuse", "after": True}, 1),
        ({"kind": "refuse"}, 0),
    ],
    ids=str,
)
def test_what_is_stored_when_the_answer_is_not_told(bench: Bench, fault: dict[str, Any], kept: int) -> None:
    bench.control("/faults", {"where": "graph", "operation": "events"} | fault)
    answer = send_events(bench, [web_event(bench)])
    assert "events_received" not in (answer.get_json(silent=True) or {})
    assert len(received(bench)) == kept


def test_a_time_out_after_storing() -> None:
    """The sender has gone away when the answer comes, and Meta has the event."""
    options = SandboxOptions(proof="check")
    with start_in_thread(options) as running:
        fault = {"where": "graph", "kind": "slow", "after": True, "delay_ms": 300, "operation": "events", "times": 1}
        post_control(running.url, "/faults", fault)
        events = running.sandbox.state.datasets.events
        answered = threading.Event()

        def send() -> None:
            body = {
                "data": [
                    {
                        "event_name": "Lead",
                        "event_time": int(running.sandbox.state.now().timestamp()),
                        "action_source": "email",
                        "user_data": {"external_id": "crm-1"},
                    }
                ],
                "access_token": options.system_token,
            }
            answer = requests.post(f"{running.url}/v26.0/{CRM_DATASET_ID}/events", json=body, timeout=10)
            assert answer.json()["events_received"] == 1
            answered.set()

        thread = threading.Thread(target=send)
        thread.start()
        wait_for(lambda: len(events) == 1)
        assert not answered.is_set()
        thread.join()
        assert answered.is_set()


@pytest.mark.parametrize(
    ("fault", "field"),
    [
        ({"kind": "error"}, "code"),
        ({"kind": "error", "code": 0}, "code"),
        ({"kind": "error", "code": "190"}, "code"),
        ({"kind": "slow", "subcode": 5}, "subcode"),
        ({"kind": "slow", "events_received": 5}, "events_received"),
        ({"kind": "fewer_events", "events_received": -1}, "events_received"),
    ],
    ids=str,
)
def test_a_fault_that_makes_no_sense_is_refused(bench: Bench, fault: dict[str, Any], field: str) -> None:
    answer = bench.http.post("/_sandbox/faults", json={"where": "graph"} | fault)
    assert answer.status_code == 400
    assert field in answer.get_json()["error"]
