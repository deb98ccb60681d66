"""What a sample notice is made of, and the small steps that the builders of samples share."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sandbox.rows import Lead

Json = dict[str, Any]
AD_ID = "120210000000000001"
REFERRAL: Json = {
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


@dataclass(frozen=True)
class Scene:
    """What a sample is made of. `number` makes message ids of their own; `lead` is a real one where there is one."""

    page_id: str
    now: datetime
    number: int
    lead: Lead | None = None

    @property
    def seconds(self) -> int:
        return int(self.now.timestamp())

    @property
    def millis(self) -> int:
        return int(self.now.timestamp() * 1000)


def change(field: str, value: Json) -> Json:
    """One element of entry[].changes."""
    return {"field": field, "value": value}


def numbered(value: Any, scene: Scene) -> Any:
    """`value` with {n} as the scene's number, {page} as its Page, {s} and {ms} as its Unix time, in every text."""
    if isinstance(value, dict):
        return {key: numbered(inner, scene) for key, inner in value.items()}
    if isinstance(value, list):
        return [numbered(inner, scene) for inner in value]
    if isinstance(value, str):
        value = value.replace("{page}", scene.page_id).replace("{s}", str(scene.seconds))
        return value.replace("{ms}", str(scene.millis)).replace("{n}", str(scene.number))
    return value


def message_event(
    entry_id: str | None, element: Json, *, object_: str, list_: str = "messaging"
) -> Callable[[Scene], Json]:
    """A notice with one element of a message channel. `entry_id` None: the Page's own; {page} in the element stands for it."""

    def build(scene: Scene) -> Json:
        filled = numbered({"timestamp": scene.millis} | element, scene)
        if filled["timestamp"] is None:
            del filled["timestamp"]
        entry = {"id": entry_id or scene.page_id, "time": scene.millis, list_: [filled]}
        return {"object": object_, "entry": [entry]}

    return build
