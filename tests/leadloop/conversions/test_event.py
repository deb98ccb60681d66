import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leadloop.conversions.event import Original, Thread, build_event, make_event_id
from leadloop.conversions.lint import lint_event
from leadloop.conversions.routes import Route

CALM = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # other work may be on the machine

AT = datetime.fromtimestamp(1795300000, UTC)
EM = "488ca96571b758c820ffac1386d6489ad489a3ac98fcb28e1287d4b4ffea0e4f"
PH = "7e3308159fc7cca243cef8a01acc25f18cd62d0d1ad92a6d38c3107d9aa3d8cc"


def build(route: Route, **kwargs: Any) -> dict[str, Any]:
    told = {"event_name": "Purchase", "event_time": AT, "event_id": "e1", "user_data": {"em": [EM]}} | kwargs
    return build_event(route, **told)


def test_conversion_leads() -> None:
    event = build(
        "conversion_leads",
        event_name="Marketing Qualified Lead",
        lead_id="12345678901234567",
        lead_event_source="ExampleCRM",
        stage="mql",
        user_data={"em": [EM], "ph": [PH]},
    )
    assert event == {
        "event_name": "Marketing Qualified Lead",
        "event_time": 1795300000,
        "event_id": "e1",
        "action_source": "system_generated",
        "user_data": {"em": [EM], "ph": [PH], "lead_id": 12345678901234567},
        "custom_data": {"event_source": "crm", "lead_event_source": "ExampleCRM", "lead_stage": "mql"},
    }
    assert '"lead_id": 12345678901234567}' in json.dumps(event)  # beyond 2^53, every digit


WHATSAPP = {"whatsapp_business_account_id": "100000000000001", "ctwa_clid": "ARAx"}
MESSENGER = {"page_id": "200000000000001", "page_scoped_user_id": "3000000000000001"}
INSTAGRAM = {"instagram_business_account_id": "17840000000000001", "ig_sid": "4000000000000001"}


@pytest.mark.parametrize(
    ("thread", "user_data"),
    [
        (Thread("whatsapp", "100000000000001", "ARAx"), WHATSAPP),
        (Thread("messenger", "200000000000001", "3000000000000001"), MESSENGER),
        (Thread("instagram", "17840000000000001", "4000000000000001"), INSTAGRAM),
    ],
)
def test_business_messaging(thread: Thread, user_data: dict[str, str]) -> None:
    event = build(
        "business_messaging", event_name="QualifiedLead", user_data={}, thread=thread, lead_id="12345678901234567"
    )
    assert event == {
        "event_name": "QualifiedLead",
        "event_time": 1795300000,
        "event_id": "e1",
        "action_source": "business_messaging",
        "messaging_channel": thread.channel,
        "user_data": user_data,
    }


def test_the_instagram_key_is_a_setting() -> None:
    thread = Thread("instagram", "17840000000000001", "4000000000000001")
    event = build("business_messaging", user_data={}, thread=thread, instagram_key="ig_account_id")
    assert event["user_data"] == {"ig_account_id": "17840000000000001", "ig_sid": "4000000000000001"}


def test_website() -> None:
    user_data = {"em": [EM], "client_user_agent": "Mozilla/5.0 (synthetic)", "fbc": "fb.1.1788622000123.IwARsynthetic"}
    event = build(
        "website",
        event_name="Lead",
        user_data=user_data,
        event_source_url="https://shop.example/contact",
        referrer_url="https://shop.example/",
        opt_out=True,
    )
    assert event == {
        "event_name": "Lead",
        "event_time": 1795300000,
        "event_id": "e1",
        "action_source": "website",
        "user_data": user_data,
        "event_source_url": "https://shop.example/contact",
        "referrer_url": "https://shop.example/",
        "opt_out": True,
    }


def test_physical_store() -> None:
    event = build(
        "physical_store",
        event_id="deal-42:won:1",
        user_data={"ph": [PH]},
        value=Decimal("12500.00"),
        currency="TRY",
        order_id="DEAL-42",
        custom_data={"item_number": "1", "order_id": "other"},
        original=Original("Lead", datetime.fromtimestamp(1792000000, UTC), "web-lead-77"),
    )
    assert event == {
        "event_name": "Purchase",
        "event_time": 1795300000,
        "event_id": "deal-42:won:1",
        "action_source": "physical_store",
        "user_data": {"ph": [PH]},
        "custom_data": {"currency": "TRY", "value": 12500, "order_id": "DEAL-42", "item_number": "1"},
        "original_event_data": {"event_name": "Lead", "event_time": 1792000000, "event_id": "web-lead-77"},
    }


@pytest.mark.parametrize("route", ["phone_call", "email", "chat", "other"])
def test_the_plain_routes(route: Route) -> None:
    event = build(
        route,
        value=Decimal("250.5"),
        currency="EUR",
        predicted_value=Decimal("900"),
        original=Original("Lead", AT, order_id="O-1"),
    )
    assert event["action_source"] == route
    assert event["custom_data"] == {"value": 250.5, "currency": "EUR", "predicted_ltv": 900}
    assert event["original_event_data"] == {"event_name": "Lead", "event_time": 1795300000, "order_id": "O-1"}
    assert lint_event(event, now=AT) == []


def test_what_is_handed_in_is_not_changed() -> None:
    user_data, custom_data = {"em": [EM]}, {"pipeline": "b2b"}
    build("conversion_leads", user_data=user_data, custom_data=custom_data, lead_id="12345678901234567", order_id="1")
    assert (user_data, custom_data) == ({"em": [EM]}, {"pipeline": "b2b"})


def test_limited_data_use_is_merged_in() -> None:
    options = {
        "data_processing_options": ["LDU"],
        "data_processing_options_country": 1,
        "data_processing_options_state": 1000,
    }
    assert options.items() <= build("website", data_processing=options).items()


@pytest.mark.parametrize("lead_id", ["", "lead-id-3", "0123456789012345", "١٢٣٤٥٦٧٨٩٠١٢٣٤٥", "1" * 50])
def test_a_lead_id_that_is_none_stays_for_the_linter(lead_id: str) -> None:
    event = build("conversion_leads", lead_id=lead_id)
    assert event["user_data"]["lead_id"] == lead_id
    assert "lead_id_wrong" in {finding.code for finding in lint_event(event, now=AT)}


def test_times_are_whole_seconds_of_any_zone() -> None:
    istanbul = AT.astimezone(timezone(timedelta(hours=3))) + timedelta(microseconds=999_999)
    assert build("other", event_time=istanbul)["event_time"] == 1795300000
    with pytest.raises(ValueError, match="aware"):
        build("other", event_time=datetime(2026, 11, 22))  # noqa: DTZ001 (that is the mistake)


def test_an_event_id_is_for_ever() -> None:
    assert make_event_id("900000000000001", "lead:222222222222222", "won") == "ad84a41142407b6a6296dba32cb1200a"


@CALM
@given(st.lists(st.tuples(*[st.text(max_size=5)] * 3, st.integers(0, 9)), min_size=2, max_size=2, unique=True))
def test_other_things_have_other_event_ids(two: list[tuple[str, str, str, int]]) -> None:
    first, second = (make_event_id(*one) for one in two)
    assert first != second
    assert first == make_event_id(*two[0])
    assert len(first) == 32


@CALM
@given(
    st.decimals(min_value=0, max_value=9_999_999_999_999, places=2), st.from_regex(r"[1-9][0-9]{14,16}", fullmatch=True)
)
def test_numbers_keep_their_digits(value: Decimal, lead_id: str) -> None:
    event = json.loads(
        json.dumps(build("conversion_leads", value=value, currency="TRY", lead_id=lead_id)),
        parse_float=Decimal,
        parse_int=Decimal,
    )
    assert event["custom_data"]["value"] == value
    assert str(event["user_data"]["lead_id"]) == lead_id
