"""Each thing that Meta refuses in an event, by subcode, and what stands just inside the line."""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sandbox_bench import Bench
from sandbox_events import EMAIL, chat_event, crm_event, received, send_events, web_event

from sandbox.datasets import CRM_DATASET_ID
from sandbox.event_errors import SUBCODES, Reason
from sandbox.event_rules import (
    ACTION_SOURCES,
    MESSAGING_EVENTS,
    RESTRICTED_COUNTRIES,
    World,
    find_problem,
)
from sandbox.forms import ATELIER, BIKES
from sandbox.options import build_proof
from sandbox.whatsapp_shapes import WABA_ID

DAY = 86_400
UPPER = EMAIL.upper()
HASHED = {key: [EMAIL] for key in ("ct", "country", "st", "zp", "ge", "db", "fn", "ln", "ph")}


def subcode_of(bench: Bench, event: Any) -> int | None:
    """The subcode of the refusal, None when the event is received."""
    answer = send_events(bench, [event])
    if answer.status_code == 200:
        assert answer.get_json()["events_received"] == 1
        return None
    error = answer.get_json()["error"]
    assert (answer.status_code, error["code"]) == (400, 100)
    assert received(bench) == []
    subcode: int = error["error_subcode"]
    return subcode


def test_meta_s_own_subcodes() -> None:
    known = {
        "too_old": 2804003,
        "purchase_without_value": 2804009,
        "customer_information": 2804050,
        "messaging_event_name": 2804066,
        "unknown_ctwa_clid": 2804087,
    }
    assert known.items() <= SUBCODES.items()
    assert all(number > 2804900 for reason, number in SUBCODES.items() if reason not in known)


@pytest.mark.parametrize(
    ("age_s", "source", "reason"),
    [
        (7 * DAY, "website", None),
        (7 * DAY + 1, "website", "too_old"),
        (7 * DAY + 1, "phone_call", "too_old"),
        (7 * DAY + 1, "physical_store", None),
        (62 * DAY, "physical_store", None),
        (62 * DAY + 1, "physical_store", "too_old"),
        (-5, "email", None),
        (-6, "email", "in_the_future"),
        (-6, "physical_store", "in_the_future"),
    ],
)
def test_age(bench: Bench, age_s: int, source: str, reason: Reason | None) -> None:
    event_time = int(bench.clock().timestamp()) - age_s
    event = web_event(bench, event_time=event_time, action_source=source)
    assert subcode_of(bench, event) == (SUBCODES[reason] if reason else None)


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"event_name": None}, "missing_parameter"),
        ({"event_name": ""}, "missing_parameter"),
        ({"event_name": 5}, "wrong_parameter"),
        ({"event_name": "x" * 50}, None),
        ({"event_name": "x" * 51}, "wrong_parameter"),
        ({"event_time": None}, "missing_parameter"),
        ({"event_time": "2026-11-22T08:00:00Z"}, "wrong_parameter"),
        ({"event_time": 1.5}, "wrong_parameter"),
        ({"event_time": True}, "wrong_parameter"),
        ({"event_time": -1}, "wrong_parameter"),
        ({"event_time": 10**30}, "wrong_parameter"),
        ({"event_time": 1795300000000}, "in_the_future"),  # milliseconds
        ({"action_source": None}, "action_source"),
        ({"action_source": "crm"}, "action_source"),
        ({"action_source": ["website"]}, "action_source"),
        ({"event_source_url": None}, "missing_parameter"),
        ({"event_id": 5}, "wrong_parameter"),
        ({"custom_data": []}, "wrong_parameter"),
        ({"custom_data": [1]}, "wrong_parameter"),
        ({"opt_out": True}, None),
        ({"opt_out": "yes"}, "wrong_parameter"),
        ({"data_processing_options": []}, None),
        ({"data_processing_options": ["LDU"]}, "missing_parameter"),
        (
            {
                "data_processing_options": ["LDU"],
                "data_processing_options_country": 0,
                "data_processing_options_state": 0,
            },
            None,
        ),
        (
            {
                "data_processing_options": ["LDU"],
                "data_processing_options_country": 1,
                "data_processing_options_state": 99,
            },
            "wrong_parameter",
        ),
        ({"data_processing_options": ["GDPR"]}, "wrong_parameter"),
        ({"data_processing_options": "LDU"}, "wrong_parameter"),
    ],
    ids=str,
)
def test_the_frame(bench: Bench, more: dict[str, Any], reason: Reason | None) -> None:
    assert subcode_of(bench, web_event(bench, **more)) == (SUBCODES[reason] if reason else None)


@pytest.mark.parametrize("event", [None, 5, "x", [], [[]]])
def test_an_event_is_an_object(bench: Bench, event: Any) -> None:
    assert subcode_of(bench, event) == SUBCODES["wrong_parameter"]


@pytest.mark.parametrize("source", sorted(ACTION_SOURCES - {"business_messaging"}))
def test_every_action_source_is_taken(bench: Bench, source: str) -> None:
    assert subcode_of(bench, web_event(bench, action_source=source)) is None


@pytest.mark.parametrize(
    ("user_data", "reason"),
    [
        (None, "customer_information"),
        ({}, "customer_information"),
        ([], "wrong_parameter"),
        ("em", "wrong_parameter"),
        ({"em": []}, "customer_information"),
        ({"em": [""]}, "customer_information"),
        ({"em": None}, "customer_information"),
        ({"email": "zoe@example.com"}, "customer_information"),  # Meta knows no such key
        ({"page_id": BIKES.page_id}, "customer_information"),
        ({"client_user_agent": "Mozilla/5.0"}, "customer_information"),
        ({key: HASHED[key] for key in ("ct", "country", "st", "zp", "ge")}, "customer_information"),
        ({"country": [EMAIL]}, "customer_information"),
        ({"ct": [EMAIL], "client_user_agent": "Mozilla/5.0"}, "customer_information"),
        ({"db": [EMAIL], "client_user_agent": "Mozilla/5.0"}, "customer_information"),
        ({"fn": [EMAIL], "ge": [EMAIL]}, "customer_information"),
        ({"ln": [EMAIL]}, "customer_information"),
        ({"fn": [EMAIL], "ln": [EMAIL]}, None),
        ({"fn": [EMAIL], "country": [EMAIL]}, None),
        ({"db": [EMAIL], "zp": [EMAIL]}, None),
        ({"em": EMAIL}, None),
        ({"external_id": ["crm-000123"]}, None),
        ({"client_ip_address": "2001:db8::7", "country": [EMAIL]}, None),
        ({"client_ip_address": "192.0.2.7.AQQCAQIB", "fbp": "fb.1.1788622000456.1098115397"}, None),
        ({"client_ip_address": "somewhere", "em": [EMAIL]}, "wrong_parameter"),
        ({"em": ["zoe@example.com"]}, "hash_form"),
        ({"em": [UPPER]}, "hash_form"),
        ({"em": ["5d41402abc4b2a76b9719d911017c592"]}, "hash_form"),  # MD5
        ({"em": [EMAIL + " "]}, "hash_form"),
        ({"em": [EMAIL, "zoe@example.com"]}, "hash_form"),
        ({"ph": "+905321234567"}, "hash_form"),
        ({"em": [EMAIL + ".AQQCAQIB"]}, None),
        ({"em": [EMAIL + ".AQ"]}, None),
        ({"em": [EMAIL + ".AQQ"]}, "hash_form"),
        ({"em": {"hash": EMAIL}}, "wrong_parameter"),
        ({"em": [1.5]}, "wrong_parameter"),
        ({"em": [True]}, "wrong_parameter"),
        ({"em": [EMAIL], "fbc": ["fb.1.1.x"]}, "wrong_parameter"),
    ],
    ids=str,
)
def test_user_data(bench: Bench, user_data: Any, reason: Reason | None) -> None:
    assert subcode_of(bench, web_event(bench, user_data=user_data)) == (SUBCODES[reason] if reason else None)


@pytest.mark.parametrize(
    ("custom_data", "reason"),
    [
        (None, "purchase_without_value"),
        ({}, "purchase_without_value"),
        ({"currency": "TRY"}, "purchase_without_value"),
        ({"value": None, "currency": "TRY"}, "purchase_without_value"),
        ({"value": 12500.0, "currency": "TRY"}, None),
        ({"value": "12500.00", "currency": "TRY"}, None),
        ({"value": 0, "currency": "TRY"}, None),
        ({"value": 1, "currency": "try"}, None),
        ({"value": 1}, "currency"),
        ({"value": 1, "currency": "TL"}, "currency"),
        ({"value": 1, "currency": "TRL"}, "currency"),  # the old lira
        ({"value": 1, "currency": "DEM"}, "currency"),
        ({"value": 1, "currency": 949}, "currency"),
        ({"value": "12.500,00", "currency": "TRY"}, "wrong_parameter"),
        ({"value": "NaN", "currency": "TRY"}, "wrong_parameter"),
        ({"value": float("nan"), "currency": "TRY"}, "wrong_parameter"),
        ({"value": float("inf"), "currency": "TRY"}, "wrong_parameter"),
        ({"value": 10**400, "currency": "TRY"}, "wrong_parameter"),
        ({"value": -1, "currency": "TRY"}, "wrong_parameter"),
        ({"value": True, "currency": "TRY"}, "wrong_parameter"),
        ({"value": {}, "currency": "TRY"}, "wrong_parameter"),
    ],
    ids=str,
)
def test_a_purchase_needs_value_and_currency(bench: Bench, custom_data: Any, reason: Reason | None) -> None:
    event = web_event(bench, event_name="Purchase", custom_data=custom_data)
    assert subcode_of(bench, event) == (SUBCODES[reason] if reason else None)


def test_other_events_need_no_value(bench: Bench) -> None:
    assert subcode_of(bench, web_event(bench, custom_data={"lead_stage": "qualified"})) is None
    assert subcode_of(bench, web_event(bench, custom_data={"value": 5})) is None


@pytest.mark.parametrize("name", sorted(MESSAGING_EVENTS))
def test_the_fourteen_messaging_names(bench: Bench, name: str) -> None:
    assert len(MESSAGING_EVENTS) == 14
    money = {"custom_data": {"value": 1, "currency": "TRY"}}
    assert subcode_of(bench, chat_event(bench, "messenger", event_name=name, **money)) is None


@pytest.mark.parametrize(
    "name",
    [
        *("Lead", "CompleteRegistration", "Subscribe", "Schedule", "Contact", "StartTrial", "AddPaymentInfo"),
        *("Search", "SubmitApplication", "Qualified Lead", "qualifiedlead", "purchase"),
    ],
)
def test_every_other_name_is_refused_for_messaging(bench: Bench, name: str) -> None:
    assert subcode_of(bench, chat_event(bench, "whatsapp", event_name=name)) == 2804066


@pytest.mark.parametrize(
    ("channel", "user_data", "reason"),
    [
        ("sms", {"em": [EMAIL]}, "missing_parameter"),
        (None, {"em": [EMAIL]}, "missing_parameter"),
        ("messenger", {"page_id": BIKES.page_id}, "customer_information"),
        ("messenger", {"page_scoped_user_id": "3000000000000001"}, "customer_information"),
        ("messenger", {"page_id": ATELIER.page_id, "page_scoped_user_id": "3000000000000001"}, "restricted_region"),
        ("instagram", {"ig_sid": "4000000000000001"}, "customer_information"),
        ("instagram", {"ig_account_id": "17841400000000001", "ig_sid": "4000000000000001"}, None),
        ("instagram", {"ig_account_id": "17841400000000002", "ig_sid": "4000000000000001"}, "restricted_region"),
        ("whatsapp", {"whatsapp_business_account_id": WABA_ID}, "customer_information"),
        ("whatsapp", {"ctwa_clid": "x"}, "customer_information"),
        ("whatsapp", {"whatsapp_business_account_id": WABA_ID, "ctwa_clid": "TEST"}, "unknown_ctwa_clid"),
        ("whatsapp", {"whatsapp_business_account_id": WABA_ID, "em": [EMAIL]}, "customer_information"),
    ],
    ids=str,
)
def test_what_a_channel_needs(bench: Bench, channel: Any, user_data: dict[str, Any], reason: Reason | None) -> None:
    assert subcode_of(bench, chat_event(bench, channel, user_data)) == (SUBCODES[reason] if reason else None)


def test_a_ctwa_clid_is_taken_exactly(bench: Bench) -> None:
    ctwa_clid = bench.control("/clicks", {"ctwa_clid": "ARAsyntheticClick"})["ctwa_clid"]
    for given_id, expected in ((ctwa_clid, None), (ctwa_clid.lower(), 2804087)):
        user_data = {"whatsapp_business_account_id": WABA_ID, "ctwa_clid": given_id}
        bench.sandbox.state.datasets.events.clear()
        assert subcode_of(bench, chat_event(bench, "whatsapp", user_data)) == expected


@pytest.mark.parametrize("write", [int, str])
def test_a_lead_id_is_text_or_an_integer(bench: Bench, write: Any) -> None:
    leadgen_id = bench.lead()
    bench.clock.forward(minutes=1)
    assert subcode_of(bench, crm_event(bench, leadgen_id, user_data={"lead_id": write(leadgen_id)})) is None
    assert received(bench)[0]["leadgen_id"] == leadgen_id


@pytest.mark.parametrize(
    ("lead_id", "reason"),
    [
        (444444444444, "unknown_lead"),
        ("lead-id-3", "unknown_lead"),
        ("l:12345678901234567", "unknown_lead"),
        (1.2345678901234568e16, "wrong_parameter"),
        (True, "wrong_parameter"),
        ([444444444444], "wrong_parameter"),
    ],
)
def test_a_lead_id_that_meta_does_not_know(bench: Bench, lead_id: Any, reason: Reason) -> None:
    event = crm_event(bench, "1", user_data={"lead_id": lead_id, "em": [EMAIL]})
    assert subcode_of(bench, event) == SUBCODES[reason]


def test_a_deleted_lead_is_not_known(bench: Bench) -> None:
    leadgen_id = bench.lead()
    bench.clock.forward(minutes=1)
    bench.sandbox.state.delete_lead(leadgen_id)
    assert subcode_of(bench, crm_event(bench, leadgen_id)) == SUBCODES["unknown_lead"]


def test_the_restricted_countries() -> None:
    assert len(RESTRICTED_COUNTRIES) == 32
    assert "TR" not in RESTRICTED_COUNTRIES
    assert {"DE", "ES", "GB", "JP", "NO", "IS", "LI"} <= RESTRICTED_COUNTRIES


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from([EMAIL, BIKES.page_id, "website", "business_messaging", "messenger", "Purchase", "TRY", "LDU"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["em", "lead_id", "ctwa_clid", "page_id", "value", "currency"]), inner, max_size=4
        )
    ),
    max_leaves=8,
)
names = st.sampled_from(
    [
        *(
            "event_name",
            "event_time",
            "event_id",
            "action_source",
            "event_source_url",
            "messaging_channel",
            "user_data",
        ),
        *("custom_data", "opt_out", "data_processing_options", "data_processing_options_country"),
    ]
)


@given(changes=st.dictionaries(names, values, max_size=5))
def test_no_event_breaks_the_rules(changes: dict[str, Any]) -> None:
    now = datetime.fromisoformat("2026-11-22T08:00:00+00:00")
    world = World(now, lambda _: now - timedelta(days=1), lambda _: None, {BIKES.page_id: "TR"}.get)
    event = {"event_name": "Lead", "event_time": int(now.timestamp()), "action_source": "email", "user_data": {}}
    problem = find_problem(event | changes, world)
    assert problem is None or problem.reason in SUBCODES


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(changes=st.dictionaries(names, values, max_size=5), data=values)
def test_no_input_breaks_the_edge(bench: Bench, changes: dict[str, Any], data: Any) -> None:
    for events in ([web_event(bench) | changes], data):
        answer = send_events(bench, events)
        assert answer.status_code in (200, 400)
        state = bench.http.get("/_sandbox/state").get_data(as_text=True)
        json.loads(state, parse_constant=pytest.fail)  # NaN would break the page


def test_a_body_that_nests_too_deeply_is_refused(bench: Bench) -> None:
    proof = build_proof(bench.options.app_secret, bench.options.system_token)
    text = json.dumps({"data": [web_event(bench, custom_data={"deep": "DEEP"})], "appsecret_proof": proof})
    for depth in (500, 900, 100_000):
        answer = bench.http.post(
            f"/v26.0/{CRM_DATASET_ID}/events",
            data=text.replace('"DEEP"', "[" * depth + "]" * depth),
            content_type="application/json",
            headers={"Authorization": f"Bearer {bench.options.system_token}"},
        )
        assert answer.status_code in (200, 400)
