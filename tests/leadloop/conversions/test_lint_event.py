import copy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from leadloop.conversions.findings import Finding, is_sendable
from leadloop.conversions.lint import lint_event
from leadloop.conversions.names import MESSAGING_NAMES, STANDARD_NAMES
from leadloop.conversions.routes import RESTRICTED_COUNTRIES

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
NOW_S = int(NOW.timestamp())
DAY_S = 86_400
EM = "488ca96571b758c820ffac1386d6489ad489a3ac98fcb28e1287d4b4ffea0e4f"
US = "79adb2a2fce5c6ba215fe5f27f532d4e7edbac4b6a5e09e1ef3a08084a904621"
TR = "7817bb812e82168bd48fe1ea6783078d42be37e8db9bdaafdac5c45804aca64f"

CRM: dict[str, Any] = {
    "event_name": "Marketing Qualified Lead",
    "event_time": NOW_S - 60,
    "event_id": "e1",
    "action_source": "system_generated",
    "user_data": {"lead_id": 12345678901234567, "em": [EM]},
    "custom_data": {"event_source": "crm", "lead_event_source": "ExampleCRM", "lead_stage": "mql"},
}
WEB: dict[str, Any] = {
    "event_name": "Lead",
    "event_time": NOW_S - 60,
    "event_id": "web-lead-77",
    "action_source": "website",
    "event_source_url": "https://shop.example/contact",
    "referrer_url": "https://shop.example/",
    "opt_out": False,
    "data_processing_options": [],
    "user_data": {
        "em": [EM],
        "external_id": ["bb9edd468efd9eb23a23da18bbde007bbc1af81ca297634fdc29a616661bdb09"],
        "client_ip_address": "2001:db8::7",
        "client_user_agent": "Mozilla/5.0 (synthetic)",
        "fbc": "fb.1.1788622000123.IwARsyntheticClickId",
        "fbp": "fb.1.1788622000456.1098115397",
    },
    "custom_data": {"lead_stage": "new"},
}
THREAD_KEYS = {
    "whatsapp": {"whatsapp_business_account_id": "100000000000001", "ctwa_clid": "ARAsynthetic"},
    "messenger": {"page_id": "200000000000001", "page_scoped_user_id": "3000000000000001"},
    "instagram": {"instagram_business_account_id": "17840000000000001", "ig_sid": "4000000000000001"},
}


def messaging(channel: str, **changes: Any) -> dict[str, Any]:
    return {
        "event_name": "QualifiedLead",
        "event_time": NOW_S - 60,
        "event_id": "e1",
        "action_source": "business_messaging",
        "messaging_channel": channel,
        "user_data": dict(THREAD_KEYS[channel]),
    } | changes


def lint(event: Any, **kwargs: Any) -> list[Finding]:
    before = copy.deepcopy(event)
    found = lint_event(event, now=NOW, **kwargs)
    assert event == before
    return found


def codes(event: Any, **kwargs: Any) -> dict[str, str]:
    """field → code of what was found."""
    return {finding.field: finding.code for finding in lint(event, **kwargs)}


def only(event: Any, **kwargs: Any) -> Finding:
    (finding,) = lint(event, **kwargs)
    return finding


@pytest.mark.parametrize("event", [CRM, WEB, *map(messaging, THREAD_KEYS)])
def test_good_events(event: dict[str, Any]) -> None:
    assert lint(event, page_country="TR", lead_created_at=NOW - timedelta(days=3), consent=True) == []


@pytest.mark.parametrize("key", ["event_name", "event_time", "action_source", "user_data"])
def test_what_must_be_there(key: str) -> None:
    event = {name: value for name, value in WEB.items() if name != key}
    finding = only(event)
    assert (finding.field, finding.code, finding.level) == (key, f"{key}_missing", "refused")


@pytest.mark.parametrize("event", [None, 5, "event", [], [CRM], True])
def test_an_event_is_an_object(event: Any) -> None:
    assert only(event).code == "event_type"


@pytest.mark.parametrize(
    ("seconds", "action_source", "code"),
    [
        (0, "system_generated", None),
        (-7 * DAY_S, "system_generated", None),
        (-7 * DAY_S - 1, "system_generated", "event_too_old"),
        (-7 * DAY_S - 1, "website", "event_too_old"),
        (-7 * DAY_S - 1, "physical_store", None),
        (-62 * DAY_S, "physical_store", None),
        (-62 * DAY_S - 1, "physical_store", "event_too_old"),
        (60, "system_generated", None),
        (61, "system_generated", "event_in_future"),
        (NOW_S * 1000, "system_generated", "event_time_unit"),
        (10**30, "system_generated", "event_time_unit"),
        (-NOW_S, "system_generated", "event_too_old"),
        (-(10**30), "system_generated", "event_too_old"),
    ],
)
def test_the_age(seconds: int, action_source: str, code: str | None) -> None:
    event = WEB | {"event_time": NOW_S + seconds, "action_source": action_source}
    assert codes(event).get("event_time") == code


def test_what_is_too_old_is_told_with_metas_code_and_no_way_round() -> None:
    finding = only(CRM | {"event_time": NOW_S - 8 * DAY_S})
    assert finding.meta_code == "100/2804003"
    assert finding.message == "is more than 7 days ago, and Meta takes no older event"
    assert "do not change the time" in finding.mend


@pytest.mark.parametrize("time", ["1795300000", 1795300000.5, 1795300000.0, True, [], {}, float("nan")])
def test_a_time_is_a_whole_number(time: Any) -> None:
    assert only(CRM | {"event_time": time}).code == "event_time_type"


def test_an_event_is_not_before_its_lead() -> None:
    event = CRM | {"event_time": NOW_S - 60}
    assert lint(event, lead_created_at=NOW - timedelta(seconds=61)) == []
    for seconds in (60, 59.5):  # the lead's own second: Meta wants it later
        assert only(event, lead_created_at=NOW - timedelta(seconds=seconds)).code == "event_before_lead"
    assert only(event, lead_created_at=NOW - timedelta(seconds=59)).code == "event_before_lead"


@pytest.mark.parametrize(
    ("source", "mend"),
    [
        ("Website", 'write "website", if that was meant'),
        ("system-generated", 'write "system_generated", if that was meant'),
        ("crm", "write one of app, business_messaging, chat"),
        (5, "write one of app"),
        ([], "write one of app"),
    ],
)
def test_an_unknown_action_source(source: Any, mend: str) -> None:
    finding = next(one for one in lint(WEB | {"action_source": source}) if one.field == "action_source")
    assert finding.code == "action_source_unknown"
    assert finding.mend.startswith(mend)


def test_all_names_of_the_messaging_route_and_none_else() -> None:
    for name in MESSAGING_NAMES - {"Purchase"}:
        assert lint(messaging("whatsapp", event_name=name)) == []
    for name in (STANDARD_NAMES | {"Marketing Qualified Lead", ""}) - MESSAGING_NAMES:
        finding = only(messaging("whatsapp", event_name=name))
        assert (finding.code, finding.meta_code) == ("event_name_forbidden", "100/2804066")
    assert only(messaging("whatsapp", event_name="Lead")).mend == 'use "LeadSubmitted", the nearest of them'


@pytest.mark.parametrize("name", ["", " ", 5, [], "x" * 51, "a\nb", "won for zoe@example.com"])
def test_names_that_are_refused(name: Any) -> None:
    finding = only(CRM | {"event_name": name})
    assert (finding.field, finding.code) == ("event_name", "event_name_wrong")
    assert "zoe" not in str(finding)


def test_a_name_that_is_nearly_a_standard_one() -> None:
    finding = only(CRM | {"event_name": "complete registration"})
    assert (finding.level, finding.mend) == ("warning", 'write "CompleteRegistration", if that was meant')


@pytest.mark.parametrize("channel", THREAD_KEYS)
def test_each_channel_needs_its_ids(channel: str) -> None:
    for key in THREAD_KEYS[channel]:
        user_data = {name: value for name, value in THREAD_KEYS[channel].items() if name != key} | {"em": [EM]}
        finding = only(messaging(channel, user_data=user_data))
        assert (finding.code, finding.field) == ("channel_id_missing", f"user_data.{key}")


def test_instagram_has_two_names_for_the_account() -> None:
    user_data = {"ig_account_id": "17840000000000001", "ig_sid": "4000000000000001"}
    assert lint(messaging("instagram", user_data=user_data)) == []


@pytest.mark.parametrize("channel", [None, "sms", "WhatsApp", 5, []])
def test_the_channel(channel: Any) -> None:
    assert codes(messaging("whatsapp", messaging_channel=channel)) == {"messaging_channel": "messaging_channel_wrong"}


def test_a_channel_elsewhere_is_odd() -> None:
    finding = only(CRM | {"messaging_channel": "whatsapp"})
    assert (finding.code, finding.level) == ("messaging_channel_odd", "warning")


@pytest.mark.parametrize("country", sorted(RESTRICTED_COUNTRIES))
def test_restricted_regions_are_held(country: str) -> None:
    finding = only(messaging("messenger"), page_country=country.lower())
    assert (finding.code, finding.level) == ("region_restricted", "held")
    assert country in finding.message
    assert finding.mend == "nothing can be sent by this route"
    finding = only(messaging("instagram"), page_country=country, lead_id="12345678901234567")
    assert finding.mend == "send it by the route conversion_leads, as the lead's id is known"
    assert not is_sendable([finding])
    assert only(messaging("whatsapp"), page_country=country).level == "warning"
    assert lint(CRM, page_country=country) == []


def test_consent() -> None:
    assert lint(CRM, consent=None) == []
    assert codes(CRM, consent=False) == {"": "no_consent"}


def test_what_website_events_should_have() -> None:
    event = {name: value for name, value in WEB.items() if name != "event_source_url"} | {"user_data": {"em": [EM]}}
    found = {finding.code: finding.level for finding in lint(event)}
    assert found == {"user_agent_missing": "warning", "url_missing": "refused"}
    assert is_sendable(lint(WEB | {"user_data": {"em": [EM]}}))


@pytest.mark.parametrize("missing", ["event_source", "lead_event_source"])
def test_conversion_leads_need_both_marks(missing: str) -> None:
    custom = {name: value for name, value in CRM["custom_data"].items() if name != missing}
    finding = only(CRM | {"custom_data": custom})
    assert (finding.code, finding.field, finding.level) == ("crm_mark_missing", f"custom_data.{missing}", "warning")


def test_other_events_of_systems_need_no_marks() -> None:
    assert lint(CRM | {"user_data": {"em": [EM]}, "custom_data": {"value": 12, "currency": "TRY"}}) == []


@pytest.mark.parametrize(
    ("changes", "code", "level"),
    [
        ({"event_id": None}, "event_id_missing", "warning"),
        ({"event_id": ""}, "event_id_wrong", "refused"),
        ({"event_id": 5}, "event_id_wrong", "refused"),
        ({"opt_out": "false"}, "opt_out_type", "refused"),
        ({"opt_out": 0}, "opt_out_type", "refused"),
        ({"event_source_url": "shop.example"}, "url_wrong", "refused"),
        ({"event_source_url": 5}, "url_wrong", "refused"),
        ({"referrer_url": ""}, "url_wrong", "refused"),
        ({"app_data": []}, "event_type", "refused"),
        ({"attribution_data": "x"}, "event_type", "refused"),
        ({"customer_segmentation": "vip"}, "event_type", "refused"),
        ({"customer_segmentation": []}, "event_type", "refused"),
        ({"original_event_data": []}, "event_type", "refused"),
        ({"original_event_data": {"event_time": "1795300000"}}, "event_type", "refused"),
        ({"original_event_data": {"event_name": 5}}, "event_type", "refused"),
        ({"test_event_code": "TEST1"}, "event_key_unknown", "warning"),
        ({"partner_agent": "examplecrm_1_0"}, "event_key_unknown", "warning"),
        ({"event_names": "x"}, "event_key_unknown", "warning"),
        ({5: "x"}, "event_key_unknown", "warning"),
    ],
)
def test_the_other_keys(changes: dict[Any, Any], code: str, level: str) -> None:
    finding = only(WEB | changes)
    assert (finding.code, finding.level) == (code, level)


def test_good_values_of_the_other_keys() -> None:
    original = {"event_name": "Lead", "event_time": NOW_S - 9 * DAY_S, "order_id": "1", "event_id": "web-lead-77"}
    more = {"original_event_data": original, "customer_segmentation": "new_customer_to_business", "opt_out": True}
    assert lint(WEB | more) == []


def test_a_key_that_may_be_personal_is_not_repeated() -> None:
    assert only(CRM | {"zoe@example.com": 1}).field == "(a key)"
    assert only(CRM | {"event_tme": 1}).mend == 'write "event_time", if that was meant'


def ldu(country: Any, state: Any, /, **user_data: Any) -> dict[str, Any]:
    options = {"data_processing_options_country": country, "data_processing_options_state": state}
    given = {key: value for key, value in options.items() if value is not None}
    return CRM | given | {"data_processing_options": ["LDU"], "user_data": {"em": [EM]} | user_data}


@pytest.mark.parametrize(
    ("event", "code"),
    [
        (ldu(1, 1000), None),
        (ldu(0, 0), None),
        (ldu(1, 1013, country=[US]), None),
        (ldu(None, None, client_ip_address="198.51.100.7"), None),
        (ldu(None, None), "ldu_state_missing"),
        (ldu(1, None), "ldu_state_missing"),
        (ldu(1, None, client_ip_address="198.51.100.7"), "ldu_half"),
        (ldu(None, 1000), "ldu_half"),
        (ldu(1, 1014), "ldu_wrong"),
        (ldu(1, "1000"), "ldu_wrong"),
        (ldu(True, 1000), "ldu_wrong"),
        (ldu(2, 1000), "ldu_wrong"),
        (ldu([], {}), "ldu_wrong"),
        (ldu(1, 1000, country=[TR]), "ldu_elsewhere"),
        (ldu(1, 1000, country=TR), "ldu_elsewhere"),
        (CRM | {"data_processing_options": "LDU"}, "ldu_wrong"),
        (CRM | {"data_processing_options": ["ldu"]}, "ldu_wrong"),
        (CRM | {"data_processing_options": [[]]}, "ldu_wrong"),
        (CRM | {"data_processing_options": []}, None),
        (CRM | {"data_processing_options_state": 1000}, "ldu_wrong"),
    ],
)
def test_limited_data_use(event: dict[str, Any], code: str | None) -> None:
    found = {finding.code for finding in lint(event)} - {"crm_mark_missing"}
    assert found == ({code} if code else set())
