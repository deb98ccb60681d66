import copy
import json
import string
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leadloop.conversions.findings import is_sendable
from leadloop.conversions.lint import LARGEST_BYTES, lint_bytes, lint_event, lint_payload

CALM = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # other work may be on the machine

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
NOW_S = int(NOW.timestamp())
EM = "488ca96571b758c820ffac1386d6489ad489a3ac98fcb28e1287d4b4ffea0e4f"


def event(**changes: Any) -> dict[str, Any]:
    return {
        "event_name": "Lead",
        "event_time": NOW_S - 60,
        "event_id": "e1",
        "action_source": "other",
        "user_data": {"em": [EM]},
    } | changes


def lint(payload: Any) -> list[tuple[int | None, str]]:
    return [(index, finding.code) for index, finding in lint_payload(payload, now=NOW)]


def lint_text(text: str | bytes) -> list[tuple[int | None, str]]:
    raw = text if isinstance(text, bytes) else text.encode()
    return [(index, finding.code) for index, finding in lint_bytes(raw, now=NOW)]


def test_a_good_request() -> None:
    assert lint({"data": [event()], "partner_agent": "examplecrm_1_0"}) == []
    assert lint_text(json.dumps({"data": [event()]})) == []
    assert lint_text(b"\xef\xbb\xbf" + json.dumps({"data": [event()]}).encode()) == []


@pytest.mark.parametrize(
    ("payload", "code", "mend"),
    [
        ([event()], "payload_type", 'write {"data": [ … ]} around the list'),
        ("x", "payload_type", 'write {"data": [ … ]}'),
        (None, "payload_type", 'write {"data": [ … ]}'),
        ({}, "no_data", "add the list of events"),
        ({"data": {}}, "data_type", "write [ ] around it"),
        (
            {"data": "[]"},
            "data_type",
            "take away the quotation marks around the list: only a form field holds it as text",
        ),
        ({"data": 5}, "data_type", "write a list of events"),
        ({"data": []}, "no_events", "add one"),
    ],
)
def test_what_stands_around_the_events(payload: Any, code: str, mend: str) -> None:
    ((index, finding),) = lint_payload(payload, now=NOW)
    assert (index, finding.code, finding.mend) == (None, code, mend)


def test_an_event_without_its_request() -> None:
    codes = [code for _, code in lint(event())]
    assert codes.count("payload_key_unknown") == 5
    assert codes[-1] == "no_data"


def test_each_event_is_judged_alone() -> None:
    events = [event(event_id="1"), 5, event(event_id="2", event_time=0), event(event_id="3", user_data={})]
    assert lint({"data": events}) == [(1, "event_type"), (2, "event_too_old"), (3, "user_data_too_broad")]


def test_a_thousand_events_and_no_more() -> None:
    events = [event(event_id=str(number)) for number in range(1001)]
    assert lint({"data": events[:1000]}) == []
    assert lint({"data": events}) == [(None, "too_many_events")]


def test_the_same_event_twice() -> None:
    events = [event(), event(event_name="Purchase", custom_data={"value": 1, "currency": "TRY"}), event()]
    ((index, finding),) = lint_payload({"data": events}, now=NOW)
    assert (index, finding.code, finding.level) == (2, "event_twice", "warning")
    assert "event 0" in finding.message


@pytest.mark.parametrize(
    ("key", "value", "code", "level"),
    [
        ("test_event_code", "TEST123", "test_code", "warning"),
        ("test_event_code", "", "test_code_wrong", "refused"),
        ("test_event_code", 5, "test_code_wrong", "refused"),
        ("test_event_code", None, "test_code_wrong", "refused"),
        ("partner_agent", "x" * 22, None, ""),
        ("partner_agent", "x" * 23, "agent_wrong", "refused"),
        ("partner_agent", "1_0_a", "agent_wrong", "refused"),
        ("partner_agent", "", "agent_wrong", "refused"),
        ("partner_agent", None, "agent_wrong", "refused"),
        ("partner_agent", "woocommerce-9-3", "agent_hyphen", "warning"),
        ("access_token", "EAAsecret", "token_in_payload", "warning"),
        ("upload_tag", "nightly", None, ""),
        ("test_code", "TEST123", "payload_key_unknown", "warning"),
        ("zoe@example.com", 1, "payload_key_unknown", "warning"),
    ],
)
def test_keys_beside_data(key: str, value: Any, code: str | None, level: str) -> None:
    found = lint_payload({"data": [event()], key: value}, now=NOW)
    assert [(finding.code, finding.level) for _, finding in found] == ([(code, level)] if code else [])
    assert "EAAsecret" not in str(found)
    assert "zoe" not in str(found)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "not_json"),
        ("{", "not_json"),
        ('{"data": [}', "not_json"),
        (b"\xff\xfe", "not_json"),
        ("[" * 1_000_000, "not_json"),
        ('{"data":' * 500_000, "not_json"),
    ],
    ids=["empty", "open", "wrong", "utf-16", "deep lists", "deep objects"],
)
def test_files_that_are_no_json(text: str | bytes, code: str) -> None:
    assert lint_text(text) == [(None, code)]


def test_json_that_only_some_programs_read() -> None:
    good = json.dumps({"data": [event(custom_data={"value": 1, "currency": "TRY"})]})
    assert lint_text(good.replace('"value": 1', '"value": NaN')) == [(None, "not_json")]
    assert lint_text(good.replace('"value": 1', '"value": -Infinity')) == [(None, "not_json")]
    assert lint_text(good.replace('"value": 1', '"value": 1e999')) == [(0, "value_wrong")]
    assert lint_text(good.replace('"value": 1', f'"value": {"9" * 10_000}')) == [(None, "number_too_long")]
    assert lint_text(good.replace('"value": 1', '"value": 1, "value": 2')) == [(None, "key_twice")]
    assert lint_text(good.replace(f'{{"em": ["{EM}"]}}', '{"lead_id": 1.2345678901234567e16}')) == [
        (0, "lead_id_wrong")
    ]


def test_where_a_file_is_wrong() -> None:
    ((_, finding),) = lint_bytes(b'{"data": [\n  {"event_name": }\n]}', now=NOW)
    assert finding.message == "is not JSON (line 2, column 18)"


def test_a_file_that_is_too_large() -> None:
    assert lint_text(b" " * (LARGEST_BYTES + 1)) == [(None, "file_too_large")]


WORDS = st.sampled_from(
    str.split(
        """data event_name event_time event_id action_source user_data custom_data em ph lead_id external_id client_ip_address
    value currency contents website business_messaging messaging_channel whatsapp Purchase Lead fbc page_id LDU crm
    data_processing_options data_processing_options_state original_event_data opt_out event_source TRY partner_agent"""
    )
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | WORDS
    | st.text(max_size=20)
    | st.just(EM)
    | st.just(NOW_S)
)
HOSTILE = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(WORDS | st.text(string.printable, max_size=5), inner, max_size=8),
    max_leaves=30,
)  # fmt: skip


@CALM
@given(HOSTILE)
def test_nothing_raises_and_nothing_changes(payload: Any) -> None:
    before = copy.deepcopy(payload)
    lint_payload(payload, now=NOW, page_country="DE")
    lint_payload({"data": [payload, {"user_data": payload, "custom_data": payload}]}, now=NOW)
    assert repr(payload) == repr(before)


@CALM
@given(
    st.dictionaries(st.sampled_from(sorted({*event(), "messaging_channel", "opt_out", "original_event_data"})), HOSTILE)
)
def test_events_that_are_partly_right(changes: dict[str, Any]) -> None:
    for finding in lint_event(event(**changes), now=NOW, lead_created_at=NOW):
        assert finding.message
        assert finding.mend
        assert finding.level in ("refused", "held", "warning")


@CALM
@given(st.binary(max_size=200) | st.text(st.sampled_from('{}[]":,1eE.-data ')).map(str.encode))
def test_no_file_raises(raw: bytes) -> None:
    lint_bytes(raw, now=NOW)


def test_is_sendable() -> None:
    assert is_sendable(lint_event(event(event_id=None), now=NOW))
    assert not is_sendable(lint_event(event(user_data={}), now=NOW))


def test_a_thousand_events_take_no_time() -> None:
    events = [event(event_id=str(number)) for number in range(1000)]
    begun = time.process_time()
    lint({"data": events})
    assert time.process_time() - begun < 1
