"""Meta's notices read: every shape of the facts, and whatever an enemy could sign."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leadloop.meta_events import MOST_UPDATES, read_event, sniff_object

PAGE, FORM, LEAD = "111111111111111", "333333333333333", "222222222222222"


def event(*values: Any, field: str = "leadgen", entry_id: Any = PAGE) -> bytes:
    changes = [{"field": field, "value": value} for value in values]
    return json.dumps({"object": "page", "entry": [{"id": entry_id, "time": 1763800000, "changes": changes}]}).encode()


def test_the_documented_leadgen_notice() -> None:
    content = read_event(
        event({"leadgen_id": LEAD, "page_id": PAGE, "form_id": FORM, "ad_id": "12", "created_time": 1763799990})
    )
    (lead,) = content.leads
    assert (lead.leadgen_id, lead.page_id, lead.form_id, lead.ad_id) == (LEAD, PAGE, FORM, "12")
    assert lead.created_at == datetime(2025, 11, 22, 8, 26, 30, tzinfo=UTC)
    assert (content.verdict, content.reason) == ("read", None)


@pytest.mark.parametrize("leadgen_id", [int(LEAD), 9007199254740993, 123456789012345678901234567890])
def test_ids_may_be_numbers_beyond_what_a_float_holds(leadgen_id: int) -> None:
    (lead,) = read_event(event({"leadgen_id": leadgen_id, "page_id": int(PAGE)})).leads
    assert (lead.leadgen_id, lead.page_id) == (str(leadgen_id), PAGE)


@pytest.mark.parametrize(
    "bad", [None, "", True, 1.5, -1, [], {}, "abc", "1 2", "١٢٣", "1" * 41, "12\x00", int("1" * 60)]
)
def test_a_change_without_a_usable_id_costs_only_itself(bad: Any) -> None:
    content = read_event(event({"leadgen_id": bad, "page_id": PAGE}, {"leadgen_id": LEAD, "page_id": PAGE}))
    assert [lead.leadgen_id for lead in content.leads] == [LEAD]
    assert content.verdict == "partly"
    assert "entry[0].changes[0].value.leadgen_id" in (content.reason or "")


@pytest.mark.parametrize("bad", [None, [], {}, True, "soon", -5, 1e400, "1e999", 10**30])
def test_an_unusable_time_or_form_does_not_cost_the_lead(bad: Any) -> None:
    body = event({"leadgen_id": LEAD, "page_id": PAGE, "created_time": bad, "form_id": bad, "area": bad})
    (lead,) = read_event(body).leads
    assert lead.created_at is None or lead.created_at.year < 5200


def test_the_page_comes_from_the_entry_when_the_value_has_none() -> None:
    (lead,) = read_event(event({"leadgen_id": LEAD})).leads
    assert lead.page_id == PAGE
    assert read_event(event({"leadgen_id": LEAD}, entry_id=0)).verdict == "unreadable"


def test_updates_carry_text_times_and_zero_entries() -> None:
    content = read_event(
        event(
            {
                "leadgen_id": 987654321,
                "page_id": 111111111,
                "form_id": 222222222,
                "updated_time": "1704067200",
                "area": "ai_agent_updates",
                "event": "qualification_status_change",
                "updated_fields": ["qualification_details"],
            },
            field="leadgen_update",
            entry_id=0,
        )
    )
    (update,) = content.updates
    assert (update.leadgen_id, update.page_id, update.updated_fields) == (
        "987654321",
        "111111111",
        ("qualification_details",),
    )
    assert update.updated_at == datetime(2024, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({"object": "page", "entry": [{"id": PAGE, "messaging": [{"message": {"mid": "m"}}]}]}, "page.messaging"),
        ({"object": "instagram", "entry": [{"id": "1", "field": "comments", "value": {}}]}, "instagram.comments"),
        ({"object": "page", "entry": [{"id": PAGE, "changed_fields": ["feed"]}]}, "Include Values"),
        (
            {"object": "whatsapp_business_account", "entry": [{"changes": [{"field": "messages", "value": {}}]}]},
            "whatsapp_business_account.messages",
        ),
        ({"object": "page", "entry": []}, None),
    ],
)
def test_what_is_not_used_yet_is_kept_and_named(body: Any, word: str | None) -> None:
    content = read_event(json.dumps(body).encode())
    assert content.verdict == "kept"
    assert word is None or word in (content.reason or "")


@pytest.mark.parametrize(
    ("entry", "sent_at"),
    [
        ({"time": 1763800000}, datetime(2025, 11, 22, 8, 26, 40, tzinfo=UTC)),
        ({"time": "1763800000", "changes": []}, datetime(2025, 11, 22, 8, 26, 40, tzinfo=UTC)),
        ({"time": "soon"}, None),
        ({}, None),
    ],
)
def test_a_notice_without_values_names_its_page_and_is_told(entry: dict[str, Any], sent_at: datetime | None) -> None:
    named = {"id": PAGE, "changed_fields": ["feed", "leadgen", 7]}
    content = read_event(json.dumps({"object": "page", "entry": [named | entry]}).encode())
    assert [(blank.page_id, blank.sent_at) for blank in content.blanks] == [(PAGE, sent_at)]
    assert content.verdict == "partly"
    assert "switch Include Values on" in (content.reason or "")


def test_a_notice_without_values_or_page_cannot_be_read() -> None:
    body = {"object": "page", "entry": [{"id": 0, "changed_fields": ["leadgen"]}]}
    content = read_event(json.dumps(body).encode())
    assert (content.verdict, content.blanks, content.reason) == ("unreadable", [], "entry[0] names no Page")


def test_a_flat_leadgen_is_a_lead() -> None:
    flat = {"id": PAGE, "time": 1763800000, "field": "leadgen", "value": {"leadgen_id": LEAD}}
    content = read_event(json.dumps({"object": "page", "entry": [flat]}).encode())
    assert [(lead.leadgen_id, lead.page_id) for lead in content.leads] == [(LEAD, PAGE)]
    assert content.verdict == "read"


@pytest.mark.parametrize(("entry_id", "zero"), [(0, True), ("0", True), (PAGE, False), (False, False), (None, False)])
def test_the_entry_of_a_sample_is_zero(entry_id: Any, zero: bool) -> None:
    (lead,) = read_event(event({"leadgen_id": LEAD, "page_id": PAGE}, entry_id=entry_id)).leads
    (update,) = read_event(
        event({"leadgen_id": LEAD, "page_id": PAGE}, field="leadgen_update", entry_id=entry_id)
    ).updates
    assert (lead.entry_is_zero, update.entry_is_zero) == (zero, zero)


def test_messages_of_the_wrong_type_are_a_problem() -> None:
    content = read_event(b'{"object":"page","entry":[{"id":"1","messaging":"x","standby":{}}]}')
    assert content.verdict == "unreadable"
    assert content.reason == "entry[0].messaging is not a list; entry[0].standby is not a list"


@pytest.mark.parametrize(
    ("body", "leads", "word"),
    [
        ('{"entry":[%s],"entry":[%s]}', 2, "entry"),
        ('{"entry":[{"id":"1","changes":[]},%s],"object":"a","object":"page","x":[%s]}', 1, "object"),
    ],
)
def test_a_key_that_stands_twice_is_told_and_hides_no_lead(body: str, leads: int, word: str) -> None:
    entries = [json.dumps(json.loads(event({"leadgen_id": number, "page_id": PAGE}))["entry"][0]) for number in (5, 6)]
    content = read_event((body % tuple(entries)).encode())
    assert len(content.leads) == leads
    assert (content.verdict, content.reason) == ("partly", f"the key {word} stands twice in one object")


def test_keys_without_end_are_read_in_time() -> None:
    content = read_event(b"{" + b'"entry":[7],' * 300_000 + b'"entry":[]}')
    assert content.verdict == "unreadable"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"\xff\xfe",
        b"{'object':'page'}",
        b'{"object":"page","entry":{}}',
        b'{"entry":[null,1,"x"]}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"entry":' + b"1" * 10_000 + b"}",
        b'{"entry":[{"changes":7}]}',
        b'{"entry":[{"changes":[null,[],{"field":3}]}]}',
    ],
)
def test_what_cannot_be_read_is_unreadable_and_nothing_else(body: bytes) -> None:
    content = read_event(body)
    assert (content.verdict, content.leads) == ("unreadable", [])
    assert content.reason


def test_a_number_of_thousands_of_digits_costs_only_its_change() -> None:
    body = event({"leadgen_id": LEAD}, {"leadgen_id": "X"}).replace(b'"X"', b"9" * 6000)
    content = read_event(body)
    assert len(content.leads) == 1
    assert content.verdict == "partly"


def test_a_thousand_changes_over_many_entries() -> None:
    entries = [
        {
            "id": str(1000 + page),
            "changes": [{"field": "leadgen", "value": {"leadgen_id": str(page * 1000 + n)}} for n in range(100)],
        }
        for page in range(1, 11)
    ]
    content = read_event(json.dumps({"object": "page", "entry": entries}).encode())
    assert len({lead.leadgen_id for lead in content.leads}) == 1000


def test_a_body_beyond_all_measure_is_read_up_to_a_bound() -> None:
    entry = {"id": PAGE, "changes": [{"field": "leadgen", "value": {"leadgen_id": 5}}] * 1000}
    content = read_event(json.dumps({"object": "page", "entry": [entry] * 40}).encode())
    assert len(content.leads) == MOST_UPDATES
    assert content.verdict == "partly"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"object":"page"}', "page"),
        (b'{"object":"a\\u0000b"}', None),
        (b'{"object":7}', None),
        (b"{", None),
        (b"[1]", None),
    ],
)
def test_the_object_is_sniffed_without_ever_raising(body: bytes, expected: str | None) -> None:
    assert sniff_object(body) == expected


def test_words_that_no_database_takes_are_made_plain() -> None:
    value = {"leadgen_id": LEAD, "page_id": PAGE, "area": "a\x00b", "event": "x\ud800y", "updated_fields": ["\x00"]}
    body = json.loads(event(value, field="leadgen_update")) | {"object": "pa\x00ge\udfff"}
    body["entry"].append({"id": PAGE, "messaging": [{}]})
    content = read_event(json.dumps(body).encode())
    (update,) = content.updates
    words = [update.area, update.event, *update.updated_fields, content.reason]
    assert all(word and "\x00" not in word and word.encode() for word in words)


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(ANY, ANY, ANY, ANY)
def test_wrong_types_at_every_position_never_raise(top: Any, entry: Any, change: Any, value: Any) -> None:
    bodies = [
        top,
        {"object": top, "entry": entry},
        {"object": "page", "entry": [entry, {"id": top, "changes": change}]},
        {"object": "page", "entry": [{"id": PAGE, "changes": [change, {"field": "leadgen", "value": value}]}]},
        {
            "entry": [
                {"changes": [{"field": "leadgen", "value": {"leadgen_id": LEAD, "page_id": PAGE, "form_id": value}}]}
            ]
        },
    ]
    for body in bodies:
        content = read_event(json.dumps(body).encode("utf-8", "surrogatepass"))
        assert content.verdict in ("read", "kept", "partly", "unreadable")
    assert [lead.leadgen_id for lead in content.leads] == [LEAD]


@given(st.binary(max_size=200))
def test_arbitrary_bytes_never_raise(body: bytes) -> None:
    read_event(body)
    sniff_object(body)
