"""Shapes of message notices: Messenger, Instagram, WhatsApp. Pure. Source: Meta ingestion facts §2.5, §3, §4."""

from collections.abc import Callable, Mapping
from typing import Any

from sandbox.scene import AD_ID, Json, Scene, change, numbered

INSTAGRAM_ID = "17841400000000001"
WABA_ID = "100000000000001"
PSID = "4444444444444444"
IGSID = "1000000000000001"


def _messenger(**payload: Any) -> Callable[[Scene], Json]:
    """A Messenger event: exactly one payload key in the element. Source: §2.5."""

    def build(scene: Scene) -> Json:
        element = {"sender": {"id": PSID}, "recipient": {"id": scene.page_id}, "timestamp": scene.millis}
        entry = {"id": scene.page_id, "time": scene.millis, "messaging": [element | numbered(payload, scene)]}
        return {"object": "page", "entry": [entry]}

    return build


def _messenger_echo(scene: Scene) -> Json:
    """What the business wrote: sender and recipient are swapped."""
    message = {"is_echo": True, "app_id": 777000111222333, "mid": f"m_echo{scene.number}", "text": "Yes, it is."}
    element = {
        "sender": {"id": scene.page_id},
        "recipient": {"id": PSID},
        "timestamp": scene.millis,
        "message": message,
    }
    return {"object": "page", "entry": [{"id": scene.page_id, "time": scene.millis, "messaging": [element]}]}


def _messenger_postback_wrapped(scene: Scene) -> Json:
    """The form of Meta's own example: in changes, a user_ref, the time as text."""
    value = {
        "sender": {"user_ref": f"ref-{scene.number}"},
        "recipient": {"id": scene.page_id},
        "timestamp": str(scene.seconds),
        "postback": {"mid": f"m_{scene.number}", "title": "Get Started", "payload": "GET_STARTED"},
    }
    entry = {"id": scene.page_id, "time": scene.seconds, "changes": [change("messaging_postbacks", value)]}
    return {"object": "page", "entry": [entry]}


def _messenger_delivery(scene: Scene) -> Json:
    element = {"sender": {"id": PSID}, "recipient": {"id": scene.page_id}, "delivery": {"watermark": scene.millis}}
    return {"object": "page", "entry": [{"id": scene.page_id, "time": scene.millis, "messaging": [element]}]}


def _messenger_standby(scene: Scene) -> Json:
    message = {"mid": f"m_standby{scene.number}", "text": "hello?"}
    element = {
        "sender": {"id": PSID},
        "recipient": {"id": scene.page_id},
        "timestamp": scene.millis,
        "message": message,
    }
    return {"object": "page", "entry": [{"id": scene.page_id, "time": scene.millis, "standby": [element]}]}


def _policy(scene: Scene) -> Json:
    element = {
        "recipient": {"id": scene.page_id},
        "timestamp": scene.millis,
        "policy_enforcement": {"action": "warning", "reason": "A made-up reason"},
    }
    return {"object": "page", "entry": [{"id": scene.page_id, "time": scene.millis, "messaging": [element]}]}


def _instagram(**payload: Any) -> Callable[[Scene], Json]:
    """An Instagram message event. Source: §3.3."""

    def build(scene: Scene) -> Json:
        element = {"sender": {"id": IGSID}, "recipient": {"id": INSTAGRAM_ID}, "timestamp": scene.millis}
        entry = {"id": INSTAGRAM_ID, "time": scene.millis, "messaging": [element | numbered(payload, scene)]}
        return {"object": "instagram", "entry": [entry]}

    return build


def _instagram_comment(scene: Scene) -> Json:
    value = {
        "from": {"id": IGSID, "username": "test_user"},
        "comment_id": f"1795{scene.number:013d}",
        "text": "How much?",
        "media": {"id": "17960000000000001", "ad_id": AD_ID, "ad_title": "Autumn", "media_product_type": "AD"},
    }
    entry = {"id": INSTAGRAM_ID, "time": scene.seconds, "changes": [change("comments", value)]}
    return {"object": "instagram", "entry": [entry]}


def _instagram_comment_flat(scene: Scene) -> Json:
    """Instagram Login: field and value stand in the entry itself. Source: §3.1, §3.4."""
    value = {
        "id": f"1795{scene.number:013d}",
        "from": {"id": IGSID, "username": "test_user"},
        "text": "How much?",
        "media": {"id": "17960000000000001", "media_product_type": "FEED"},
    }
    entry = {"id": INSTAGRAM_ID, "time": scene.seconds, "field": "comments", "value": value}
    return {"object": "instagram", "entry": [entry]}


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


_REFERRAL = {
    "ref": "promo_nov",
    "ad_id": AD_ID,
    "source": "ADS",
    "type": "OPEN_THREAD",
    "ads_context_data": {
        "ad_title": "November offer",
        "photo_url": "https://scontent.example/p.jpg",
        "post_id": "900001",
    },
}
_CONTACT = {"profile": {"name": "Test Person"}, "wa_id": "15550002222", "user_id": "US.10000000000000000002"}
_FROM = {"from": "15550002222", "from_user_id": "US.10000000000000000002", "timestamp": "{s}"}
_ANSWERED = {"from": "15550001111", "id": "wamid.OUT1"}


def _whatsapp_message(**message: Any) -> Callable[[Scene], Json]:
    return _whatsapp(contacts=[_CONTACT], messages=[{**_FROM, "id": "wamid.{n}", **message}])


MESSAGE_SAMPLES: Mapping[str, Callable[[Scene], Json]] = {
    "messenger_text": _messenger(message={"mid": "m_{n}", "text": "äöå 😀 https://example.com/a"}),
    "messenger_text_from_ad": _messenger(message={"mid": "m_{n}", "text": "Is this available?", "referral": _REFERRAL}),
    "messenger_attachment": _messenger(
        message={
            "mid": "m_{n}",
            "attachments": [{"type": "image", "payload": {"url": "https://scontent.example/i.jpg"}}],
        }
    ),
    "messenger_referral": _messenger(referral=_REFERRAL),
    "messenger_postback": _messenger(
        postback={"mid": "m_{n}", "title": "Get Started", "payload": "GET_STARTED", "referral": _REFERRAL}
    ),
    "messenger_postback_wrapped": _messenger_postback_wrapped,
    "messenger_echo": _messenger_echo,
    "messenger_delivery": _messenger_delivery,
    "messenger_read": _messenger(read={"watermark": 1763803500000}),
    "messenger_reaction": _messenger(
        reaction={"reaction": "love", "emoji": "❤️", "action": "react", "mid": "m_echo{n}"}
    ),
    "messenger_edit": _messenger(message_edit={"mid": "m_{n}", "text": "Is it still available?", "num_edit": 1}),
    "messenger_optin": _messenger(
        optin={
            "type": "notification_messages",
            "payload": "x",
            "notification_messages_token": "tok",
            "token_expiry_timestamp": "1779352000",
            "user_token_status": "NOT_REFRESHED",
            "title": "News",
        }
    ),
    "messenger_handover": _messenger(
        pass_thread_control={
            "previous_owner_app_id": "413038776280800",
            "new_owner_app_id": "777000111222333",
            "metadata": "lead done",
        }
    ),
    "messenger_standby": _messenger_standby,
    "messenger_policy": _policy,
    "instagram_text": _instagram(message={"mid": "aWdf{n}", "text": "price?"}),
    "instagram_text_from_ad": _instagram(message={"mid": "aWdf{n}", "text": "price?", "referral": _REFERRAL}),
    "instagram_story_reply": _instagram(
        message={
            "mid": "aWdf{n}",
            "text": "love it",
            "reply_to": {"story": {"url": "https://lookaside.example/1", "id": "17900000000000001"}},
        }
    ),
    "instagram_deleted": _instagram(message={"mid": "aWdf{n}", "is_deleted": True}),
    "instagram_unreact": _instagram(reaction={"mid": "aWdf{n}", "action": "unreact"}),
    "instagram_comment": _instagram_comment,
    "instagram_comment_flat": _instagram_comment_flat,
    "whatsapp_text": _whatsapp_message(type="text", text={"body": "Hello 👋"}),
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
        },
    ),
    "whatsapp_image": _whatsapp_message(
        type="image", image={"caption": "x", "mime_type": "image/jpeg", "sha256": "b64=", "id": "1003"}
    ),
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
    "whatsapp_account_update": _whatsapp_account(
        "account_update",
        event="ACCOUNT_RESTRICTION",
        restriction_info=[{"restriction_type": "RESTRICTED_BIZ_INITIATED_MESSAGING", "expiration": 1766000000}],
    ),
}
