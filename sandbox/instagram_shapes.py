"""Shapes of Instagram's notices. Pure. Source: Meta ingestion facts §3, read 2026-11-22."""

from collections.abc import Callable, Mapping
from typing import Any

from sandbox.scene import AD_ID, REFERRAL, Json, Scene, change, message_event, numbered

INSTAGRAM_ID = "17841400000000001"
IGSID = "1000000000000001"
_PERSON = {"sender": {"id": IGSID}, "recipient": {"id": INSTAGRAM_ID}}
_TO_PERSON = {"sender": {"id": INSTAGRAM_ID}, "recipient": {"id": IGSID}}
_FROM = {"id": IGSID, "username": "test_user"}


def _event(**payload: Any) -> Callable[[Scene], Json]:
    """Somebody did something. Source: §3.3."""
    return message_event(INSTAGRAM_ID, _PERSON | payload, object_="instagram")


def _message(**message: Any) -> Callable[[Scene], Json]:
    return _event(message={"mid": "aWdf{n}"} | message)


def _attachment(type_: str, url: str) -> Callable[[Scene], Json]:
    return _message(attachments=[{"type": type_, "payload": {"url": url}}])


def _change(field: str, **value: Any) -> Callable[[Scene], Json]:
    """The form of Facebook Login. Source: §3.1, §3.4."""

    def build(scene: Scene) -> Json:
        entry = {"id": INSTAGRAM_ID, "time": scene.seconds, "changes": [change(field, numbered(value, scene))]}
        return {"object": "instagram", "entry": [entry]}

    return build


def _flat(field: str, **value: Any) -> Callable[[Scene], Json]:
    """The form of Instagram Login: field and value stand in the entry itself, and the id is called `id`."""

    def build(scene: Scene) -> Json:
        entry = {"id": INSTAGRAM_ID, "time": scene.seconds, "field": field, "value": numbered(value, scene)}
        return {"object": "instagram", "entry": [entry]}

    return build


_MEDIA = {"id": "17960000000000001", "media_product_type": "FEED"}
_AD_MEDIA = {"id": "17960000000000001", "ad_id": AD_ID, "ad_title": "Autumn", "media_product_type": "AD"}
_STORY = {"url": "https://lookaside.example/1", "id": "17900000000000001"}

INSTAGRAM_SAMPLES: Mapping[str, Callable[[Scene], Json]] = {
    "instagram_text": _message(text="price?"),
    "instagram_text_from_ad": _message(text="price?", referral=REFERRAL),
    "instagram_story_reply": _message(text="love it", reply_to={"story": _STORY}),
    "instagram_reply": _message(text="this one", reply_to={"mid": "aWdfOUT{n}"}),
    "instagram_story_mention": _attachment("story_mention", "https://lookaside.example/2"),
    "instagram_post": _attachment("ig_post", "https://cdn.example/x"),
    "instagram_quick_reply": _message(text="Blue", quick_reply={"payload": "COLOR_BLUE"}),
    "instagram_deleted": _message(is_deleted=True),
    "instagram_unsupported": _message(is_unsupported=True),
    "instagram_echo": message_event(
        INSTAGRAM_ID,
        _TO_PERSON | {"message": {"mid": "aWdfOUT{n}", "is_echo": True, "text": "Hi!"}},
        object_="instagram",
    ),
    "instagram_self": _message(is_self=True, text="test"),
    "instagram_postback": _event(postback={"mid": "aWdfP{n}", "title": "Opening hours", "payload": "HOURS"}),
    "instagram_referral": _event(referral={"ref": "bio_link", "source": "IGME-SOURCE-LINK", "type": "OPEN_THREAD"}),
    "instagram_read": _event(read={"mid": "aWdfOUT{n}"}),
    "instagram_react": _event(reaction={"mid": "aWdfOUT{n}", "action": "react", "reaction": "love", "emoji": "❤️"}),
    "instagram_unreact": _event(reaction={"mid": "aWdfOUT{n}", "action": "unreact"}),
    "instagram_edit": _event(message_edit={"mid": "aWdf{n}", "text": "price please?", "num_edit": "1"}),
    "instagram_comment": _change(
        "comments",
        **{"from": _FROM},
        comment_id="1795{n}",
        parent_id="17950000000000000",
        text="How much?",
        media=_AD_MEDIA,
    ),
    "instagram_comment_flat": _flat("comments", **{"from": _FROM}, id="1795{n}", text="How much?", media=_MEDIA),
    "instagram_live_comment": _change(
        "live_comments", **{"from": _FROM}, comment_id="1795{n}", text="How much?", media=_MEDIA
    ),
    "instagram_mention": _change("mentions", media_id="17960000000000001", comment_id="1795{n}"),
    "instagram_caption_mention": _change("mentions", media_id="1796{n}"),
}
