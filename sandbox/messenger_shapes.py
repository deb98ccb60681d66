"""Shapes of Messenger's notices. Pure. Source: Meta ingestion facts §2.5, read 2026-11-22; what account_linking, app_roles and
response_feedback hold is not in them and follows Meta's reference as recalled."""

from collections.abc import Callable, Mapping
from typing import Any

from sandbox.scene import REFERRAL, Json, Scene, change, message_event

PSID = "4444444444444444"
OUR_APP, LEADGEN_APP = "777000111222333", "413038776280800"
_PERSON = {"sender": {"id": PSID}, "recipient": {"id": "{page}"}}
_TO_PERSON = {"sender": {"id": "{page}"}, "recipient": {"id": PSID}}


def _event(**payload: Any) -> Callable[[Scene], Json]:
    """Somebody did something: exactly one payload key in the element."""
    return message_event(None, _PERSON | payload, object_="page")


def _message(**message: Any) -> Callable[[Scene], Json]:
    return _event(message={"mid": "m_{n}"} | message)


def _without_sender(**payload: Any) -> Callable[[Scene], Json]:
    return message_event(None, {"recipient": {"id": "{page}"}} | payload, object_="page")


def _standby(**payload: Any) -> Callable[[Scene], Json]:
    """Another app has the thread."""
    return message_event(None, _PERSON | payload, object_="page", list_="standby")


def _postback_wrapped(scene: Scene) -> Json:
    """The form of Meta's own example: in changes, a user_ref, the time as text."""
    value = {
        "sender": {"user_ref": f"ref-{scene.number}"},
        "recipient": {"id": scene.page_id},
        "timestamp": str(scene.seconds),
        "postback": {"mid": f"m_{scene.number}", "title": "Get Started", "payload": "GET_STARTED"},
    }
    entry = {"id": scene.page_id, "time": scene.seconds, "changes": [change("messaging_postbacks", value)]}
    return {"object": "page", "entry": [entry]}


_IMAGE = {"type": "image", "payload": {"url": "https://scontent.example/i.jpg"}}
_STICKER = {"type": "sticker", "payload": {"url": "https://scontent.example/s.png", "sticker_id": 369239263222822}}
_LINK = {"type": "fallback", "title": "A shared link"}

MESSENGER_SAMPLES: Mapping[str, Callable[[Scene], Json]] = {
    "messenger_text": _message(text="äöå 😀 https://example.com/a"),
    "messenger_text_from_ad": _message(text="Is this available?", referral=REFERRAL),
    "messenger_text_from_shop": _message(text="Is this available?", referral={"product": {"id": "70001"}}),
    "messenger_quick_reply": _message(text="Blue", quick_reply={"payload": "COLOR_BLUE"}),
    "messenger_reply": _message(text="This one", reply_to={"mid": "m_echo{n}", "is_self_reply": False}),
    "messenger_attachment": _message(attachments=[_IMAGE]),
    "messenger_sticker": _message(attachments=[_STICKER]),
    "messenger_link": _message(text="https://example.com/a", attachments=[_LINK]),
    "messenger_referral": _event(referral=REFERRAL),
    "messenger_referral_shortlink": _event(
        referral={
            "ref": "promo_nov",
            "source": "SHORTLINK",
            "type": "OPEN_THREAD",
            "referer_uri": "https://example.com/",
        }
    ),
    "messenger_postback": _event(
        postback={"mid": "m_{n}", "title": "Get Started", "payload": "GET_STARTED", "referral": REFERRAL}
    ),
    "messenger_postback_wrapped": _postback_wrapped,
    "messenger_echo": message_event(
        None,
        _TO_PERSON | {"message": {"is_echo": True, "app_id": int(OUR_APP), "mid": "m_echo{n}", "text": "Yes, it is."}},
        object_="page",
    ),
    "messenger_delivery": message_event(
        None, _PERSON | {"timestamp": None, "delivery": {"watermark": 1763803000000}}, object_="page"
    ),
    "messenger_read": _event(read={"watermark": 1763803500000}),
    "messenger_reaction": _event(reaction={"reaction": "love", "emoji": "❤️", "action": "react", "mid": "m_echo{n}"}),
    "messenger_unreact": _event(reaction={"action": "unreact", "mid": "m_echo{n}"}),
    "messenger_edit": _event(message_edit={"mid": "m_{n}", "text": "Is it still available?", "num_edit": 1}),
    "messenger_optin": _event(
        timestamp="{ms}",
        optin={
            "type": "notification_messages",
            "payload": "x",
            "notification_messages_token": "tok",
            "notification_messages_timezone": "Europe/Madrid",
            "token_expiry_timestamp": "1779352000",
            "user_token_status": "NOT_REFRESHED",
            "title": "News",
        },
    ),
    "messenger_account_linking": _event(account_linking={"status": "linked", "authorization_code": "PASS_{n}"}),
    "messenger_handover": _event(
        pass_thread_control={"previous_owner_app_id": LEADGEN_APP, "new_owner_app_id": OUR_APP, "metadata": "lead done"}
    ),
    "messenger_take_control": _event(
        take_thread_control={"previous_owner_app_id": OUR_APP, "new_owner_app_id": LEADGEN_APP, "metadata": "a form"}
    ),
    "messenger_request_control": _event(
        request_thread_control={"requested_owner_app_id": LEADGEN_APP, "metadata": "a form"}
    ),
    "messenger_app_roles": _without_sender(app_roles={OUR_APP: ["primary_receiver"]}),
    "messenger_feedback": _event(response_feedback={"feedback": "Good response", "mid": "m_echo{n}"}),
    "messenger_standby": _standby(message={"mid": "m_standby{n}", "text": "hello?"}),
    "messenger_standby_postback": _standby(postback={"mid": "m_standby{n}", "title": "Get Started"}),
    "messenger_policy": _without_sender(policy_enforcement={"action": "warning", "reason": "A made-up reason"}),
}
