"""Shapes of WhatsApp's notices. Pure. Source: Meta ingestion facts §4, read 2026-11-22."""

from collections.abc import Callable, Mapping
from typing import Any

from sandbox.scene import Json, Scene, change, numbered

WABA_ID = "100000000000001"


def _whatsapp(field: str = "messages", **value: Any) -> Callable[[Scene], Json]:
    """A WhatsApp change with the metadata of its number. Source: §4."""

    def build(scene: Scene) -> Json:
        metadata = {"display_phone_number": "15550001111", "phone_number_id": "100000000000002"}
        content = {"messaging_product": "whatsapp", "metadata": metadata} | numbered(value, scene)
        return {"object": "whatsapp_business_account", "entry": [{"id": WABA_ID, "changes": [change(field, content)]}]}

    return build


def _whatsapp_account(field: str, **value: Any) -> Callable[[Scene], Json]:
    """An account-level change: no metadata. Source: §4.5."""

    def build(scene: Scene) -> Json:
        return {
            "object": "whatsapp_business_account",
            "entry": [{"id": WABA_ID, "changes": [change(field, numbered(value, scene))]}],
        }

    return build


_CONTACT = {"profile": {"name": "Test Person"}, "wa_id": "15550002222", "user_id": "US.10000000000000000002"}
_FROM = {"from": "15550002222", "from_user_id": "US.10000000000000000002", "timestamp": "{s}"}
_ANSWERED = {"from": "15550001111", "id": "wamid.OUT1"}
_FILE = {"sha256": "b64=", "id": "1003"}


def _whatsapp_message(**message: Any) -> Callable[[Scene], Json]:
    return _whatsapp(contacts=[_CONTACT], messages=[{**_FROM, "id": "wamid.{n}", **message}])


def _interactive(type_: str, **reply: Any) -> Callable[[Scene], Json]:
    return _whatsapp_message(type="interactive", context=_ANSWERED, interactive={"type": type_, type_: reply})


_MESSAGES: Mapping[str, Callable[[Scene], Json]] = {
    "whatsapp_text": _whatsapp_message(type="text", text={"body": "Hello 👋"}),
    "whatsapp_forwarded": _whatsapp_message(type="text", text={"body": "Hello"}, context={"forwarded": True}),
    "whatsapp_reply": _whatsapp_message(type="text", text={"body": "Yes"}, context=_ANSWERED),
    "whatsapp_username_only": _whatsapp(
        contacts=[
            {"profile": {"name": "Test Person", "username": "test.person"}, "user_id": "US.10000000000000000001"}
        ],
        messages=[
            {
                "from_user_id": "US.10000000000000000001",
                "id": "wamid.{n}",
                "timestamp": "{s}",
                "type": "text",
                "text": {"body": "Hello"},
            }
        ],
    ),
    "whatsapp_text_from_ad": _whatsapp_message(
        type="text",
        text={"body": "Hi, I saw your ad"},
        referral={
            "source_url": "https://fb.me/abc123",
            "source_id": "120210000000000003",
            "source_type": "ad",
            "headline": "Chat with us",
            "body": "Autumn offer",
            "media_type": "image",
            "image_url": "https://scontent.example/i.jpg",
            "ctwa_clid": "AffTESTCLID",
            "welcome_message": {"text": "Hi! How can we help?"},
        },
    ),
    "whatsapp_image": _whatsapp_message(
        type="image", image={"caption": "x", "mime_type": "image/jpeg", "sha256": "b64=", "id": "1003"}
    ),
    "whatsapp_audio": _whatsapp_message(
        type="audio", audio={"mime_type": "audio/ogg; codecs=opus", "voice": True, **_FILE}
    ),
    "whatsapp_document": _whatsapp_message(
        type="document", document={"filename": "a.pdf", "caption": "x", "mime_type": "application/pdf", **_FILE}
    ),
    "whatsapp_video": _whatsapp_message(type="video", video={"caption": "x", "mime_type": "video/mp4", **_FILE}),
    "whatsapp_sticker": _whatsapp_message(
        type="sticker", sticker={"mime_type": "image/webp", "animated": False, **_FILE}
    ),
    "whatsapp_location": _whatsapp_message(
        type="location",
        location={
            "latitude": 37.46,
            "longitude": -122.21,
            "name": "HQ",
            "address": "1 Road",
            "url": "https://example.com",
        },
    ),
    "whatsapp_contacts": _whatsapp_message(
        type="contacts",
        contacts=[
            {
                "name": {"formatted_name": "Ana Test", "first_name": "Ana"},
                "phones": [{"phone": "+1 555-000-3333", "wa_id": "15550003333", "type": "CELL"}],
            }
        ],
    ),
    "whatsapp_button_reply": _interactive("button_reply", id="yes", title="Yes"),
    "whatsapp_list_reply": _interactive("list_reply", id="r1", title="Row 1", description="d"),
    "whatsapp_flow_reply": _whatsapp_message(
        type="interactive",
        context=_ANSWERED,
        interactive={
            "type": "nfm_reply",
            "nfm_reply": {
                "name": "flow",
                "body": "Sent",
                "response_json": '{"flow_token":"t","email":"person.{n}@example.com"}',
            },
        },
    ),
    "whatsapp_button": _whatsapp_message(type="button", context=_ANSWERED, button={"payload": "STOP", "text": "Stop"}),
    "whatsapp_reaction": _whatsapp_message(type="reaction", reaction={"message_id": "wamid.OUT1", "emoji": "👍"}),
    "whatsapp_unreact": _whatsapp_message(type="reaction", reaction={"message_id": "wamid.OUT1", "emoji": ""}),
    "whatsapp_order": _whatsapp_message(
        type="order",
        order={
            "catalog_id": "1",
            "text": "",
            "product_items": [{"product_retailer_id": "SKU1", "quantity": 2, "item_price": 30, "currency": "USD"}],
        },
    ),
    "whatsapp_unsupported": _whatsapp_message(
        type="unsupported",
        errors=[
            {
                "code": 131051,
                "title": "Message type unknown",
                "message": "Message type unknown",
                "error_data": {"details": "Message type is currently not supported."},
            }
        ],
        unsupported={"type": "poll"},
    ),
    "whatsapp_system": _whatsapp(  # without contacts
        messages=[
            {
                **_FROM,
                "id": "wamid.{n}",
                "type": "system",
                "system": {
                    "type": "user_changed_number",
                    "body": "User A changed from 15550002222 to 15550004444",
                    "wa_id": "15550004444",
                },
            }
        ],
    ),
    "whatsapp_edit": _whatsapp_message(
        type="edit",
        edit={"original_message_id": "wamid.IN{n}", "message": {"type": "text", "text": {"body": "fixed"}}},
    ),
    "whatsapp_revoke": _whatsapp_message(type="revoke", revoke={"original_message_id": "wamid.IN{n}"}),
    "whatsapp_with_error": _whatsapp(
        contacts=[_CONTACT],
        messages=[{**_FROM, "id": "wamid.{n}", "type": "text", "text": {"body": "Hello"}}],
        errors=[{"code": 131000, "title": "Something went wrong"}],
    ),
    "whatsapp_message_echo": _whatsapp(
        "smb_message_echoes",
        message_echoes=[
            {
                "from": "15550001111",
                "to": "15550002222",
                "to_user_id": "US.10000000000000000002",
                "id": "wamid.{n}",
                "timestamp": "{s}",
                "type": "text",
                "text": {"body": "Sent from the phone"},
            }
        ],
    ),
}

_STATUSES: Mapping[str, Callable[[Scene], Json]] = {
    "whatsapp_status": _whatsapp(
        contacts=[_CONTACT],
        statuses=[
            {
                "id": "wamid.OUT{n}",
                "status": "delivered",
                "timestamp": "{s}",
                "recipient_id": "15550002222",
                "recipient_user_id": "US.10000000000000000002",
                "pricing": {"billable": False, "pricing_model": "PMP", "type": "free_entry_point"},
            }
        ],
    ),
    "whatsapp_status_failed": _whatsapp(
        statuses=[
            {
                "id": "wamid.OUT{n}",
                "status": "failed",
                "timestamp": "{s}",
                "recipient_id": "15550002222",
                "errors": [{"code": 131047, "title": "Re-engagement message"}],
            }
        ]
    ),
    "whatsapp_status_group": _whatsapp(
        statuses=[
            {
                "id": "wamid.OUT{n}",
                "status": "read",
                "timestamp": "{s}",
                "recipient_type": "group",
                "recipient_id": "g1",
                "recipient_participant_id": "15550002222",
                "recipient_participant_user_id": "US.10000000000000000002",
            }
        ]
    ),
}

_ACCOUNT: Mapping[str, Callable[[Scene], Json]] = {
    "whatsapp_user_id_update": _whatsapp(
        "user_id_update",
        contacts=[_CONTACT],
        user_id_update=[
            {
                "wa_id": "15550002222",
                "detail": "User id for Test Person has been updated.",
                "user_id": {"previous": "US.10000000000000000002", "current": "US.10000000000000000009"},
                "timestamp": "{s}",
            }
        ],
    ),
    "whatsapp_user_preferences": _whatsapp(
        "user_preferences",
        contacts=[_CONTACT],
        user_preferences=[{"wa_id": "15550002222", "category": "marketing_messages", "value": "stop"}],
    ),
    "whatsapp_template_status": _whatsapp_account(
        "message_template_status_update",
        event="REJECTED",
        message_template_id=1689550000000001,
        message_template_name="promo",
        message_template_language="en_US",
        reason="INVALID_FORMAT",
    ),
    "whatsapp_template_quality": _whatsapp_account(
        "message_template_quality_update",
        previous_quality_score="GREEN",
        new_quality_score="YELLOW",
        message_template_id=806310000000001,
        message_template_name="promo",
        message_template_language="en_US",
    ),
    "whatsapp_template_category": _whatsapp_account(
        "template_category_update",
        message_template_id=1,
        message_template_name="promo",
        message_template_language="en",
        new_category="MARKETING",
    ),
    "whatsapp_phone_quality": _whatsapp_account(
        "phone_number_quality_update",
        display_phone_number="15550001111",
        event="THROUGHPUT_UPGRADE",
        max_daily_conversations_per_business="TIER_100K",
    ),
    "whatsapp_account_update": _whatsapp_account(
        "account_update",
        event="ACCOUNT_RESTRICTION",
        restriction_info=[{"restriction_type": "RESTRICTED_BIZ_INITIATED_MESSAGING", "expiration": 1766000000}],
    ),
}

WHATSAPP_SAMPLES = {**_MESSAGES, **_STATUSES, **_ACCOUNT}
