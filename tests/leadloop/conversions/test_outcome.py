import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leadloop.conversions.money import MoneyInvalid, parse_value
from leadloop.conversions.outcome import OutcomeInput, OutcomeInvalid, read_outcome

CALM = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # other work may be on the machine

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
LEAD = {"leadgen_id": "222222222222222"}
SMALL: dict[str, Any] = {"lead": LEAD, "stage": "won", "occurred_at": "2026-11-22T10:15:00Z"}


def read(**changes: Any) -> OutcomeInput:
    return read_outcome(SMALL | changes, now=NOW)


def errors(data: Any) -> dict[str, str]:
    with pytest.raises(OutcomeInvalid) as caught:
        read_outcome(data, now=NOW)
    assert len(dict(caught.value.errors)) == len(caught.value.errors)
    return dict(caught.value.errors)


def try_reading(data: Any) -> tuple[OutcomeInput | None, OutcomeInvalid | None]:
    try:
        return read_outcome(data, now=NOW), None
    except OutcomeInvalid as refused:
        return None, refused


def test_the_outcome_of_the_design() -> None:
    sent = """{"lead": {"leadgen_id": "222222222222222"}, "stage": "won", "occurred_at": "2026-11-22T10:15:00Z",
     "value": "12500.00", "currency": "TRY", "order_id": "DEAL-42", "connection": "crm", "fields": {"pipeline": "b2b"}}"""
    assert read_outcome(json.loads(sent), now=NOW) == OutcomeInput(
        lead_key="leadgen_id",
        lead_value="222222222222222",
        stage="won",
        occurred_at=datetime(2026, 11, 22, 10, 15, tzinfo=UTC),
        value=Decimal("12500.00"),
        currency="TRY",
        order_id="DEAL-42",
        connection="crm",
        fields={"pipeline": "b2b"},
    )


def test_three_keys_are_enough() -> None:
    outcome = read()
    assert (outcome.value, outcome.currency, outcome.order_id, outcome.connection, outcome.fields) == (None,) * 4 + (
        {},
    )
    nothing = dict.fromkeys(("value", "currency", "order_id", "connection", "fields"))
    assert read(**nothing) == outcome


@pytest.mark.parametrize(
    ("lead", "key", "value"),
    [
        ({"leadgen_id": 12345678901234567}, "leadgen_id", "12345678901234567"),
        ({"leadgen_id": " 222 ", "email": None}, "leadgen_id", "222"),
        ({"crm_id": "501"}, "crm_id", "501"),
        ({"crm_id": 501}, "crm_id", "501"),
        ({"email": "Zoë@EXÄMPLE.com"}, "email", "Zoë@xn--exmple-cua.com"),
        ({"phone": "+90 (532) 123 45 67"}, "phone", "+905321234567"),
        ({"phone": "00905321234567"}, "phone", "+905321234567"),
    ],
)
def test_ways_to_name_the_lead(lead: dict[str, Any], key: str, value: str) -> None:
    outcome = read(lead=lead, connection="crm")
    assert (outcome.lead_key, outcome.lead_value) == (key, value)
    assert value not in repr(outcome)


ONE_WAY = "Must name the lead in exactly one way: one of leadgen_id, crm_id, email, phone."
NO_ID = "Is not one of Meta's ids: send the digits as text."
NO_EMAIL = "Is not a whole e-mail address: write it like zoe@example.com."
NO_PHONE = "Is not a phone number with its country code: write it like +905321234567."
NO_CRM_ID = "Is not an id: send the CRM's id of the record as text of at most 200 characters."


@pytest.mark.parametrize(
    ("lead", "field", "message"),
    [
        (None, "lead", 'Is null: name the lead, as {"leadgen_id": "222222222222222"}.'),
        ({}, "lead", ONE_WAY),
        ({"email": None}, "lead", ONE_WAY),
        (LEAD | {"email": "zoe@example.com"}, "lead", ONE_WAY),
        (LEAD | {"name": "Zoe"}, "lead", "Has a key that names no lead: use one of leadgen_id, crm_id, email, phone."),
        ({"leadgen_id": 2.2e14}, "lead.leadgen_id", NO_ID),
        ({"leadgen_id": "l:222"}, "lead.leadgen_id", NO_ID),
        ({"leadgen_id": True}, "lead.leadgen_id", NO_ID),
        ({"email": "zoe@"}, "lead.email", NO_EMAIL),
        ({"email": 5}, "lead.email", NO_EMAIL),
        ({"phone": "0532 123 45 67"}, "lead.phone", NO_PHONE),
        ({"phone": 905321234567}, "lead.phone", NO_PHONE),
        ({"crm_id": " "}, "lead.crm_id", NO_CRM_ID),
        ({"crm_id": "x" * 201}, "lead.crm_id", NO_CRM_ID),
        ({"crm_id": []}, "lead.crm_id", NO_CRM_ID),
    ],
)
def test_leads_that_are_not_named(lead: Any, field: str, message: str) -> None:
    assert errors(SMALL | {"lead": lead, "connection": "crm"}) == {field: message}


@pytest.mark.parametrize("lead", ["222222222222222", 222222222222222, []])
def test_a_lead_is_named_by_an_object(lead: Any) -> None:
    assert errors(SMALL | {"lead": lead})["lead"].startswith("Must be an object with one of leadgen_id, crm_id,")


def test_a_crm_id_needs_its_connection() -> None:
    message = "Is missing: a crm_id is only known together with the connection that it is from."
    assert errors(SMALL | {"lead": {"crm_id": "501"}}) == {"connection": message}
    bad_name = errors(SMALL | {"lead": {"crm_id": "501"}, "connection": "a b"})
    assert bad_name == {"connection": 'Must be the name of a connection, as the configuration has it, such as "crm".'}


@pytest.mark.parametrize(
    ("text", "when"),
    [
        ("2026-11-22T10:15:00Z", datetime(2026, 11, 22, 10, 15, tzinfo=UTC)),
        ("2026-11-22t13:15:00.123456789+03:00", datetime(2026, 11, 22, 10, 15, 0, 123456, tzinfo=UTC)),
        ("2026-11-22 10:15:00.5z", datetime(2026, 11, 22, 10, 15, 0, 500000, tzinfo=UTC)),
        ("2026-11-22T10:15:00+0000", datetime(2026, 11, 22, 10, 15, tzinfo=UTC)),
        ("2026-06-30T23:59:60Z", datetime(2026, 7, 1, tzinfo=UTC)),
        ("2026-11-22T12:01:00Z", NOW),
        (datetime(2026, 11, 22, 10, 15, tzinfo=UTC), datetime(2026, 11, 22, 10, 15, tzinfo=UTC)),
    ],
)
def test_times(text: Any, when: datetime) -> None:
    outcome = read(occurred_at=text)
    assert outcome.occurred_at == when
    assert outcome.occurred_at.tzinfo is UTC


WRITE = "write it like 2026-11-22T10:15:00Z or 2026-11-22T13:15:00+03:00."


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("2026-11-22T10:15:00", f"Has no offset, so that it may mean any hour of a day: {WRITE}"),
        (datetime(2026, 11, 22, 10, 15), f"Has no offset, so that it may mean any hour of a day: {WRITE}"),  # noqa: DTZ001
        ("2026-11-22T12:01:01Z", "Is in the future: correct the clock, or send it when it has happened."),
        ("9999-12-31T23:59:60-14:00", f"Is no time that can be: {WRITE}"),
        ("9999-12-31T23:59:59-14:00", f"Is no time that can be: {WRITE}"),
        ("0001-01-01T00:00:00+14:00", f"Is no time that can be: {WRITE}"),
        ("2026-02-30T10:15:00Z", f"Is no time that can be: {WRITE}"),
        ("2026-11-22T25:15:00Z", f"Is no time that can be: {WRITE}"),
        ("2026-11-22T10:15:00+99:00", f"Is no time that can be: {WRITE}"),
        ("1970-01-01T00:00:00Z", f"Is before the year 2000: {WRITE}"),
        ("22.11.2026 10:15", f"Is not a time as RFC 3339 writes it: {WRITE}"),
        ("2026-11-22", f"Is not a time as RFC 3339 writes it: {WRITE}"),
        ("٢٠٢٦-11-22T10:15:00Z", f"Is not a time as RFC 3339 writes it: {WRITE}"),
        ("", f"Is not a time as RFC 3339 writes it: {WRITE}"),
        (1795300000, f"Must be a time as text (RFC 3339): {WRITE}"),
        (None, f"Is null: add when it happened, and {WRITE}"),
    ],
)
def test_times_that_are_refused(value: Any, message: str) -> None:
    assert errors(SMALL | {"occurred_at": value}) == {"occurred_at": message}


@pytest.mark.parametrize(
    ("changes", "field", "message"),
    [
        ({"value": "-5"}, "value", "Is negative: leave the value out, or send what was paid."),
        ({"value": "9" * 14}, "value", "Has more than 13 digits before the point: check the amount."),
        ({"value": 12500.5}, "value", 'Is a binary number that may have lost digits: write it as text, such as "12500.00".'),
        ({"value": "5.55", "currency": "JPY"}, "value", "Has more decimals than JPY has: round it to a whole number."),
        ({"currency": "TRL"}, "currency", "Is not in use any more: give the amount in TRY instead."),
        ({"currency": 949}, "currency", 'Must be text: write an ISO 4217 code such as "TRY".'),
        ({"stage": " "}, "stage", 'Must be text that is not blank, such as "won".'),
        ({"stage": 1.5}, "stage", 'Must be text that is not blank, such as "won".'),
        ({"stage": True}, "stage", 'Must be text that is not blank, such as "won".'),
        ({"stage": "x" * 201}, "stage", "Is longer than 200 characters: shorten it."),
        ({"stage": None}, "stage", 'Is null: add the stage, such as "won".'),
        ({"order_id": "x" * 201}, "order_id", "Is longer than 200 characters: shorten it."),
        ({"order_id": []}, "order_id", 'Must be text that is not blank, such as "won".'),
        ({"connection": 5}, "connection", 'Must be the name of a connection, as the configuration has it, such as "crm".'),
        ({"occured_at": "x"}, "occured_at", "Is not a field of an outcome: occurred_at, perhaps?"),
        ({"pipeline": "b2b"}, "pipeline", "Is not a field of an outcome: put it into fields."),
        ({"zoe@example.com": "b2b"}, "(a key)", "Is not a field of an outcome: put it into fields."),
    ],
)  # fmt: skip
def test_other_mistakes(changes: dict[str, Any], field: str, message: str) -> None:
    assert errors(SMALL | changes) == {field: message}


def test_amounts_are_refused_in_moneys_words() -> None:
    with pytest.raises(MoneyInvalid) as caught:
        parse_value("12.500,00")
    assert errors(SMALL | {"value": "12.500,00"}) == {"value": "I" + str(caught.value)[1:]}
    assert errors(SMALL | {"value": "NaN"})["value"].startswith("Is not a number: write digits with a point")


def test_all_mistakes_at_once() -> None:
    assert set(errors({"value": "x", "currency": "x", "fields": 5})) == {
        "lead",
        "stage",
        "occurred_at",
        "value",
        "currency",
        "fields",
    }


def test_mistakes_that_only_show_together() -> None:
    """The time, the decimals and the connection are looked at after each field by itself."""
    later = {
        "lead": {"crm_id": "501"},
        "occurred_at": "2026-11-23T00:00:00Z",
        "value": "5.55",
        "currency": "JPY",
        "x": 1,
    }
    assert set(errors(SMALL | later)) == {"connection", "occurred_at", "value", "x"}


@pytest.mark.parametrize("data", [None, [], [SMALL], "x", 5])
def test_an_outcome_is_an_object(data: Any) -> None:
    assert errors(data) == {"": 'Must be an object, such as {"lead": …, "stage": …, "occurred_at": …}.'}


def test_numbers_as_words() -> None:
    outcome = read(stage=142, order_id=501, value=12500, currency="try")
    assert (outcome.stage, outcome.order_id, outcome.value, outcome.currency) == ("142", "501", Decimal(12500), "TRY")


def test_free_fields() -> None:
    fields = {
        "pipeline": "b2b",
        "score": 5,
        "share": 0.5,
        "vip": True,
        "none": None,
        "tags": ["a", 1],
        "exact": Decimal("1.10"),
    }
    assert read(fields=fields).fields == fields | {"exact": "1.10"}
    assert read(fields={" a\n b ": "x\0"}).fields == {"a b": "x"}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ([], 'Must be an object, such as {"pipeline": "b2b"}.'),
        ({str(number): 1 for number in range(51)}, "Has more than 50 fields: send those that conditions need."),
        ({"": 1}, "Has a field without a name of at most 100 characters."),
        ({5: 1}, "Has a field without a name of at most 100 characters."),
        ({"x" * 101: 1}, "Has a field without a name of at most 100 characters."),
        ({"x": [1] * 51}, "Has a field with more than 50 values: send fewer."),
        (
            {str(number): "x" * 1000 for number in range(11)},
            "Holds more than 10,000 characters: send what conditions need.",
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_free_fields_have_bounds(fields: Any, message: str) -> None:
    assert errors(SMALL | {"fields": fields}) == {"fields": message}


@pytest.mark.parametrize(
    "value",
    [{"a": 1}, [["a"]], "x" * 1001, float("nan"), float("inf"), 10**19, -(10**4000), Decimal("NaN")],
    ids=lambda value: type(value).__name__,
)
def test_free_fields_are_plain(value: Any) -> None:
    message = "Has a value that is not plain: texts of at most 1,000 characters, numbers, true or false."
    assert errors(SMALL | {"fields": {"x": value}}) == {"fields": message}


@pytest.mark.parametrize(
    "key", ["lead", "stage", "occurred_at", "value", "currency", "order_id", "connection", "fields"]
)
def test_no_message_repeats_what_was_sent(key: str) -> None:
    for value in ("zoe@example", {"email": "zoe@example"}, {"zoe@example": 1}, {"x": {"zoe@example": 1}}):
        _, refused = try_reading(SMALL | {key: value})
        said = str(refused)
        assert "zoe@example" not in said.replace("zoe@example.com", "")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@CALM
@given(st.dictionaries(st.sampled_from([*SMALL, "value", "currency", "order_id", "connection", "fields", "x"]), JSON))
def test_an_outcome_or_a_refusal(changes: dict[str, Any]) -> None:
    outcome, refused = try_reading(SMALL | changes)
    if outcome is None:
        assert refused is not None
        assert all(message for _, message in refused.errors)
    else:
        json.dumps(outcome.fields, allow_nan=False)
        assert outcome.occurred_at <= NOW


@CALM
@given(st.integers(0, 27 * 365), st.integers(0, 86_399_999), st.integers(-14 * 60, 14 * 60))
def test_a_time_in_any_zone_is_the_same_moment(days: int, milliseconds: int, minutes: int) -> None:
    moment = datetime(2000, 1, 2, tzinfo=UTC) + timedelta(days, milliseconds=milliseconds)
    local = moment.replace(tzinfo=None)
    offset = f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
    expected = (local - timedelta(minutes=minutes)).replace(tzinfo=UTC)
    outcome, _ = try_reading(SMALL | {"occurred_at": f"{local.isoformat()}{offset}"})
    if outcome is None:
        assert expected > NOW or expected.year < 2000
    else:
        assert outcome.occurred_at == min(expected, NOW)


def test_an_object_of_hundreds_of_keys_is_refused_at_once() -> None:
    given = SMALL | {f"vaule{number}": "zoe@example.com" for number in range(100_000)}
    assert list(errors(given)) == [""]
    assert "vaule1" in errors(SMALL | {"vaule1": 1})
