import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import pytest

from sandbox.forms import ATELIER, BIKES, PAGES
from sandbox.rows import Lead
from sandbox.scene import Scene
from sandbox.sender import build_body
from sandbox.shapes import SAMPLES, build_leadgen, build_sample
from sandbox.state import page_ads

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


def lead(number: int, page_id: str = BIKES.page_id, *, organic: bool = False) -> Lead:
    ad = None if organic else page_ads(page_id)[0]
    return Lead(str(2**53 + number), page_id, "301000000000001", NOW, ad, "fb", False, ())


def test_ids_as_text_with_the_documented_keys() -> None:
    notice = build_leadgen([lead(1)], style="strings", now=NOW)
    (entry,) = notice["entry"]
    (change,) = entry["changes"]
    assert (notice["object"], entry["id"], entry["time"]) == ("page", BIKES.page_id, 1795338000)
    assert change["field"] == "leadgen"
    assert change["value"] == {
        "leadgen_id": "9007199254740993",
        "page_id": BIKES.page_id,
        "form_id": "301000000000001",
        "created_time": 1795338000,
        "adgroup_id": "120210000000000001",
        "ad_id": "120210000000000001",
    }


def test_ids_as_numbers_lose_no_digit() -> None:
    body = build_body(build_leadgen([lead(1)], style="integers", now=NOW))
    assert b'"leadgen_id":9007199254740993,' in body
    assert b'"id":101000000000001,' in body


def test_only_the_keys_of_meta_s_sample() -> None:
    notice = build_leadgen([lead(1)], style="minimal", now=NOW)
    assert notice["entry"][0]["changes"][0]["value"].keys() == {"leadgen_id", "page_id", "form_id", "created_time"}


def test_an_organic_lead_names_no_ad() -> None:
    value = build_leadgen([lead(1, organic=True)], style="strings", now=NOW)["entry"][0]["changes"][0]["value"]
    assert not {"ad_id", "adgroup_id"} & value.keys()


def test_a_batch_goes_over_several_entries_one_page_each() -> None:
    leads = [lead(1), lead(2), lead(3), lead(4, ATELIER.page_id), lead(5)]
    notice = build_leadgen(leads, style="strings", now=NOW)
    told = [[(entry["id"], change["value"]["leadgen_id"]) for change in entry["changes"]] for entry in notice["entry"]]
    assert [pair for entry in told for pair in entry] == [(one.page_id, one.leadgen_id) for one in leads]
    assert len(told) == 3
    assert all(len({page_id for page_id, _ in entry}) == 1 for entry in told)
    assert len(build_leadgen(leads[:2], style="strings", now=NOW)["entry"]) == 2


def test_a_thousand_changes_in_one_notice() -> None:
    notice = build_leadgen([lead(number) for number in range(1_000)], style="strings", now=NOW)
    assert sum(len(entry["changes"]) for entry in notice["entry"]) == 1_000


@pytest.mark.parametrize("shape", SAMPLES)
def test_every_sample_has_the_envelope_of_its_object(shape: str) -> None:
    one = build_sample(shape, Scene(BIKES.page_id, NOW, 41))
    other = build_sample(shape, Scene(BIKES.page_id, NOW, 42))
    assert one["object"] in ("page", "instagram", "whatsapp_business_account")
    assert shape.startswith(one["object"][:4]) or one["object"] == "page"
    (entry,) = one["entry"]
    kinds = {"changes", "messaging", "standby", "changed_fields", "field"} & entry.keys()
    assert len(kinds) == 1
    assert "{n}" not in json.dumps(one)
    assert "{s}" not in json.dumps(one)
    same = {"dashboard_test", "leadgen_update", "changed_fields", "feed_reaction", "mention", "messenger_delivery"}
    same |= {"messenger_read", "messenger_optin", "messenger_handover", "messenger_policy", "messenger_referral"}
    same |= {"whatsapp_user_id_update", "whatsapp_user_preferences", "whatsapp_template_status"}
    same |= {"whatsapp_account_update", "whatsapp_template_quality", "whatsapp_template_category", "inbox_labels"}
    same |= {"whatsapp_phone_quality", "messenger_referral_shortlink", "messenger_take_control"}
    same |= {"messenger_request_control", "messenger_app_roles", "instagram_referral"}
    assert (one == other) is (shape in same)  # what Meta gives an id of its own has one of its own here


def entries(object_: str) -> list[dict[str, Any]]:
    scene = Scene(BIKES.page_id, NOW, 1, lead(7))
    built = [build_sample(shape, scene) for shape in SAMPLES]
    return [entry for notice in built if notice["object"] == object_ for entry in notice["entry"]]


def elements(object_: str, list_: str = "messaging") -> list[dict[str, Any]]:
    return [element for entry in entries(object_) for element in entry.get(list_, ())]


def values(object_: str, field: str) -> list[dict[str, Any]]:
    changes = [change for entry in entries(object_) for change in entry.get("changes", ())]
    return [change["value"] for change in changes if change["field"] == field]


# What §2 to §4 of the Meta ingestion facts name, written down here a second time.
PAGE_FIELDS = {"leadgen", "leadgen_update", "feed", "mention", "inbox_labels", "messaging_postbacks"}
MESSENGER_PAYLOADS = {
    *("message", "postback", "referral", "optin", "reaction", "read", "delivery", "message_edit", "account_linking"),
    *("policy_enforcement", "pass_thread_control", "take_thread_control", "request_thread_control", "app_roles"),
    "response_feedback",
}
MESSENGER_MESSAGES = {"text", "referral", "quick_reply", "reply_to", "attachments", "is_echo", "app_id"}
INSTAGRAM_PAYLOADS = {"message", "postback", "referral", "read", "reaction", "message_edit"}
INSTAGRAM_MESSAGES = {
    *("text", "referral", "reply_to", "attachments", "quick_reply", "is_deleted", "is_unsupported", "is_echo"),
    "is_self",
}
INSTAGRAM_FIELDS = {"comments", "live_comments", "mentions"}
WHATSAPP_FIELDS = {
    *("messages", "smb_message_echoes", "user_id_update", "user_preferences", "message_template_status_update"),
    *("message_template_quality_update", "template_category_update", "phone_number_quality_update", "account_update"),
}
WHATSAPP_TYPES = {
    *("text", "image", "audio", "document", "video", "sticker", "location", "contacts", "interactive", "button"),
    *("reaction", "order", "unsupported", "system", "edit", "revoke"),
}
WHATSAPP_REPLIES = {"button_reply", "list_reply", "nfm_reply"}


def keys(rows: Iterable[dict[str, Any]]) -> set[str]:
    return {key for row in rows for key in row}


def fields_of(object_: str) -> set[str]:
    return {change["field"] for entry in entries(object_) for change in entry.get("changes", ())}


def test_every_shape_of_a_page_is_there() -> None:
    assert fields_of("page") == PAGE_FIELDS
    assert any("changed_fields" in entry for entry in entries("page"))
    assert {value["item"] for value in values("page", "feed")} >= {"comment", "reaction"}


def test_every_shape_of_messenger_is_there() -> None:
    around = {"sender", "recipient", "timestamp"}
    assert keys(elements("page")) - around == MESSENGER_PAYLOADS
    assert all(len(element.keys() - around) == 1 for element in elements("page"))
    assert keys(element["message"] for element in elements("page") if "message" in element) >= MESSENGER_MESSAGES
    assert keys(elements("page", "standby")) - around == {"message", "postback"}
    without_sender = [element for element in elements("page") if "sender" not in element]
    assert keys(without_sender) - around == {"policy_enforcement", "app_roles"}
    assert any("timestamp" not in element for element in elements("page"))
    assert any(isinstance(element.get("timestamp"), str) for element in elements("page"))
    assert "payload" not in elements("page", "standby")[1]["postback"]


def test_every_shape_of_instagram_is_there() -> None:
    assert keys(elements("instagram")) - {"sender", "recipient", "timestamp"} == INSTAGRAM_PAYLOADS
    messages = [element["message"] for element in elements("instagram") if "message" in element]
    assert keys(messages) >= INSTAGRAM_MESSAGES
    attached = {one["type"] for message in messages for one in message.get("attachments", ())}
    assert attached >= {"story_mention", "ig_post"}
    assert keys(message["reply_to"] for message in messages if "reply_to" in message) == {"story", "mid"}
    assert fields_of("instagram") == INSTAGRAM_FIELDS
    assert [entry["field"] for entry in entries("instagram") if "field" in entry] == ["comments"]
    assert {"comment_id" in value for value in values("instagram", "mentions")} == {True, False}
    reactions = [element["reaction"] for element in elements("instagram") if "reaction" in element]
    assert {reaction["action"]: "emoji" in reaction for reaction in reactions} == {"react": True, "unreact": False}


def test_every_shape_of_whatsapp_is_there() -> None:
    assert fields_of("whatsapp_business_account") == WHATSAPP_FIELDS
    told = values("whatsapp_business_account", "messages")
    messages = [message for value in told for message in value.get("messages", ())]
    assert {message["type"] for message in messages} == WHATSAPP_TYPES
    assert all(message["type"] in message for message in messages)
    replies = [message["interactive"] for message in messages if message["type"] == "interactive"]
    assert {reply["type"] for reply in replies} == WHATSAPP_REPLIES
    statuses = [status for value in told for status in value.get("statuses", ())]
    assert {status["status"] for status in statuses} == {"delivered", "read", "failed"}
    assert any(status.get("recipient_type") == "group" for status in statuses)
    system = next(value for value in told if value.get("messages", [{}])[0].get("type") == "system")
    assert "contacts" not in system
    assert any("errors" in value for value in told)
    account = WHATSAPP_FIELDS - {"messages", "smb_message_echoes", "user_id_update", "user_preferences"}
    assert not any("metadata" in value for field in account for value in values("whatsapp_business_account", field))


def test_samples_with_the_surprises_of_the_facts() -> None:
    scene = Scene(BIKES.page_id, NOW, 1, lead(7))
    update = build_sample("leadgen_update", scene)["entry"][0]
    assert update["id"] == 0
    assert update["changes"][0]["value"]["leadgen_id"] == 2**53 + 7
    assert update["changes"][0]["value"]["updated_time"] == "1795338000"
    assert build_sample("dashboard_test", scene)["entry"][0]["id"] == "0"
    assert build_sample("messenger_text", scene)["entry"][0]["time"] == 1795338000000
    flat = build_sample("instagram_comment_flat", scene)["entry"][0]
    assert flat["field"] == "comments"
    username_only = build_sample("whatsapp_username_only", scene)["entry"][0]["changes"][0]["value"]
    assert "from" not in username_only["messages"][0]
    assert "wa_id" not in username_only["contacts"][0]


def test_pages_of_the_demo_have_ads() -> None:
    assert all(page_ads(page.page_id) for page in PAGES)
