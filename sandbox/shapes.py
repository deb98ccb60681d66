"""Every shape of notice that Meta sends, as payloads. Pure. Source: Meta ingestion facts §1.5, §2 (read 2026-11-22).

The shapes of messages are in messenger_shapes.py, instagram_shapes.py and whatsapp_shapes.py.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Literal

from sandbox.instagram_shapes import INSTAGRAM_SAMPLES
from sandbox.messenger_shapes import MESSENGER_SAMPLES, PSID
from sandbox.rows import Lead
from sandbox.scene import Json, Scene, change
from sandbox.whatsapp_shapes import WHATSAPP_SAMPLES

LeadStyle = Literal["strings", "integers", "minimal", "changed_fields"]
LEAD_STYLES: tuple[LeadStyle, ...] = ("strings", "integers", "minimal", "changed_fields")
MOST_CHANGES = 1_000  # in one POST. Source: Meta ingestion facts §1.5


def build_leadgen(leads: Sequence[Lead], *, style: LeadStyle, now: datetime) -> Json:
    """One notice of these leads, in the order given: at least two entries for two leads, one Page in each entry."""
    entries: list[Json] = []
    for page_id, chunk in _chunks(leads):
        entry: Json = {"id": _id(page_id, style), "time": int(now.timestamp())}
        if style == "changed_fields":
            entry["changed_fields"] = ["leadgen"]
        else:
            entry["changes"] = [{"field": "leadgen", "value": _leadgen_value(lead, style)} for lead in chunk]
        entries.append(entry)
    return {"object": "page", "entry": entries}


def _chunks(leads: Sequence[Lead]) -> list[tuple[str, list[Lead]]]:
    most = max(1, (len(leads) + 1) // 2)
    chunks: list[tuple[str, list[Lead]]] = []
    for lead in leads:
        if not chunks or chunks[-1][0] != lead.page_id or len(chunks[-1][1]) >= most:
            chunks.append((lead.page_id, []))
        chunks[-1][1].append(lead)
    return chunks


def _leadgen_value(lead: Lead, style: LeadStyle) -> Json:
    """The documented keys, or only those of Meta's sample app; "adgroup" is Meta's old word for the ad."""
    value: Json = {
        "leadgen_id": _id(lead.leadgen_id, style),
        "page_id": _id(lead.page_id, style),
        "form_id": _id(lead.form_id, style),
        "created_time": int(lead.created_at.timestamp()),
    }
    if lead.ad and style != "minimal":
        value |= {"adgroup_id": _id(lead.ad.ad_id, style), "ad_id": _id(lead.ad.ad_id, style)}
    return value


def _id(text: str, style: LeadStyle) -> str | int:
    return int(text) if style == "integers" else text


def build_sample(shape: str, scene: Scene) -> Json:
    """The payload of a named sample (SAMPLES). Raises KeyError for a name that there is not."""
    return SAMPLES[shape](scene)


def _dashboard_test(scene: Scene) -> Json:
    """The Test button of the app dashboard: ids that belong to nobody, entry id "0", a time as text. Source: §1.8."""
    value = {
        "ad_id": "444444444",
        "form_id": "444444444444",
        "leadgen_id": "444444444444",
        "created_time": scene.seconds,
        "page_id": "444444444444",
        "adgroup_id": "44444444444",
    }
    return {"object": "page", "entry": [{"id": "0", "time": str(scene.seconds), "changes": [change("leadgen", value)]}]}


def _leadgen_update(scene: Scene) -> Json:
    """Ids as integers, the time as text, entry id 0: as captured. Source: §2.2."""
    lead = scene.lead
    value: Json = {
        "adgroup_id": int(lead.ad.ad_id) if lead and lead.ad else 123456789,
        "ad_id": int(lead.ad.ad_id) if lead and lead.ad else 123456789,
        "leadgen_id": int(lead.leadgen_id) if lead else 987654321,
        "page_id": int(scene.page_id),
        "form_id": int(lead.form_id) if lead else 222222222,
        "updated_time": str(scene.seconds),
        "area": "ai_agent_updates",
        "event": "qualification_status_change",
        "updated_fields": ["qualification_details", "qualification_status"],
    }
    entry = {"id": 0, "time": scene.seconds, "changes": [change("leadgen_update", value)]}
    return {"object": "page", "entry": [entry]}


def _feed_comment(scene: Scene) -> Json:
    post = f"{scene.page_id}_900001"
    value: Json = {
        "from": {"id": "666666666666666", "name": "Test Person"},
        "item": "comment",
        "verb": "add",
        "post_id": post,
        "comment_id": f"900001_{scene.number}",
        "parent_id": post,
        "created_time": scene.seconds,
        "message": "How much is it? Çok güzel 😊",
        "post": {
            "status_type": "added_photos",
            "is_published": True,
            "permalink_url": "https://www.facebook.com/x/posts/900001",
            "promotion_status": "inactive",
        },
    }
    return _page_change(scene, "feed", value)


def _feed_reaction(scene: Scene) -> Json:
    value = {
        "from": {"id": "666666666666666", "name": "Test Person"},
        "item": "reaction",
        "reaction_type": "love",
        "verb": "add",
        "post_id": f"{scene.page_id}_900001",
        "parent_id": f"{scene.page_id}_900001",
        "created_time": scene.seconds,
    }
    return _page_change(scene, "feed", value)


def _mention(scene: Scene) -> Json:
    value = {
        "item": "post",
        "verb": "add",
        "post_id": "555_777",
        "sender_id": "666666666666666",
        "sender_name": "Test Person",
        "created_time": scene.seconds,
        "message": "thanks @Test Page",
    }
    return _page_change(scene, "mention", value)


def _inbox_labels(scene: Scene) -> Json:
    """What Meta's lead ads in Messenger tell of a form in the chat. Source: §2.6."""
    label = {"id": "1", "page_label_name": "Lead Complete"}
    return _page_change(scene, "inbox_labels", {"user": {"id": PSID}, "action": "add", "label": label})


def _changed_fields(scene: Scene) -> Json:
    entry = {"id": scene.page_id, "time": scene.seconds, "changed_fields": ["leadgen"]}
    return {"object": "page", "entry": [entry]}


def _page_change(scene: Scene, field: str, value: Json) -> Json:
    entry = {"id": scene.page_id, "time": scene.seconds, "changes": [change(field, value)]}
    return {"object": "page", "entry": [entry]}


SAMPLES: Mapping[str, Callable[[Scene], Json]] = {
    "dashboard_test": _dashboard_test,
    "leadgen_update": _leadgen_update,
    "changed_fields": _changed_fields,
    "feed_comment": _feed_comment,
    "feed_reaction": _feed_reaction,
    "mention": _mention,
    "inbox_labels": _inbox_labels,
    **MESSENGER_SAMPLES,
    **INSTAGRAM_SAMPLES,
    **WHATSAPP_SAMPLES,
}
