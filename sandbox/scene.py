"""What a sample notice is made of, and the two small steps every builder of one shares."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sandbox.rows import Lead

Json = dict[str, Any]
AD_ID = "120210000000000001"


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
    """`value` with {n} as the scene's number and {s} as its Unix seconds, in every text."""
    if isinstance(value, dict):
        return {key: numbered(inner, scene) for key, inner in value.items()}
    if isinstance(value, list):
        return [numbered(inner, scene) for inner in value]
    if isinstance(value, str):
        return value.replace("{n}", str(scene.number)).replace("{s}", str(scene.seconds))
    return value
