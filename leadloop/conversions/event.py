"""One conversion becomes one server event as Meta takes it: a plain dict, ready for json.dumps.

Nothing is checked here: lint.py looks at the event as it is built. Sources: Meta conversions facts §1.3, §3, §5.2, §6.3, §12,
read 2026-11-22.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from leadloop.conversions.money import json_number
from leadloop.conversions.routes import ROUTES, Channel, Route

InstagramKey = Literal["instagram_business_account_id", "ig_account_id"]

_NOTHING: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Thread:
    """The conversation that a messaging event belongs to: the channel, the business's id on it, and the person's.

    `business_id` is the WhatsApp Business Account, the Page or the Instagram account; `person_id` the ctwa_clid of the
    first touch, the PSID or the IGSID. Texts, as Meta sent them.
    """

    channel: Channel
    business_id: str
    person_id: str


@dataclass(frozen=True, slots=True)
class Original:
    """The event through which the person was won, for a later one: Meta links the two. Facts §1.3, original_event_data."""

    event_name: str
    event_time: datetime
    event_id: str | None = None
    order_id: str | None = None


def make_event_id(dataset_id: str, subject: str, stage: str, sequence: int = 1) -> str:
    """The id of an event: 32 hex digits, the same for the same four things, whenever and however often it is built.

    `subject` is whom or what it happened to, by an id that never changes ("lead:222222222222222", "deal:501"). Nothing
    that depends on the time of sending, or on the attempt, may go into it.
    """
    told = json.dumps([dataset_id, subject, stage, sequence], ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(told.encode("ascii")).hexdigest()[:32]


def build_event(
    route: Route,
    *,
    event_name: str,
    event_time: datetime,
    event_id: str,
    user_data: Mapping[str, Any],
    lead_id: str | None = None,
    lead_event_source: str | None = None,
    thread: Thread | None = None,
    instagram_key: InstagramKey = "instagram_business_account_id",
    stage: str | None = None,
    value: Decimal | None = None,
    currency: str | None = None,
    predicted_value: Decimal | None = None,
    order_id: str | None = None,
    custom_data: Mapping[str, Any] = _NOTHING,
    original: Original | None = None,
    data_processing: Mapping[str, Any] = _NOTHING,
    opt_out: bool = False,
    event_source_url: str | None = None,
    referrer_url: str | None = None,
) -> dict[str, Any]:
    """One event for `route`.

    `event_time` (aware) is when it happened, and is written in whole seconds. `user_data` holds normalised, hashed keys
    and is copied. `lead_id` is Meta's leadgen_id; it is written as an integer with exactly these digits, on the routes that
    know it. `stage` goes into custom_data as lead_stage, for custom conversions, which cannot look at event names.
    `custom_data` has what else is told; keys of ours win. `data_processing` is what limited_data_use() gave. `opt_out`:
    for attribution only, not for optimisation.
    """
    if event_time.tzinfo is None:
        raise ValueError("event_time must be aware")
    event: dict[str, Any] = {
        "event_name": event_name,
        "event_time": int(event_time.timestamp()),
        "event_id": event_id,
        "action_source": ROUTES[route].action_source,
        "user_data": dict(user_data),
    }
    custom = dict(custom_data)
    if route == "conversion_leads":
        custom["event_source"] = "crm"
        if lead_event_source is not None:
            custom["lead_event_source"] = lead_event_source
    if route == "business_messaging":
        if thread is not None:
            event["messaging_channel"] = thread.channel
            event["user_data"] |= _thread_keys(thread, instagram_key)
    elif lead_id is not None:
        event["user_data"]["lead_id"] = _exact(lead_id)
    if stage is not None:
        custom["lead_stage"] = stage
    if value is not None:
        custom["value"] = json_number(value)
    if currency is not None:
        custom["currency"] = currency
    if predicted_value is not None:
        custom["predicted_ltv"] = json_number(predicted_value)
    if order_id is not None:
        custom["order_id"] = order_id
    if custom:
        event["custom_data"] = custom
    if original is not None:
        event["original_event_data"] = _original(original)
    if event_source_url is not None:
        event["event_source_url"] = event_source_url
    if referrer_url is not None:
        event["referrer_url"] = referrer_url
    if opt_out:
        event["opt_out"] = True
    if data_processing:
        event |= data_processing
    return event


def _exact(lead_id: str) -> int | str:
    """A Python int has all the digits, and json.dumps writes them; what is no number stays for the linter to refuse."""
    plain = lead_id.isascii() and lead_id.isdigit() and lead_id[0] != "0" and len(lead_id) <= 40
    return int(lead_id) if plain else lead_id


def _thread_keys(thread: Thread, instagram_key: InstagramKey) -> dict[str, str]:
    if thread.channel == "whatsapp":
        return {"whatsapp_business_account_id": thread.business_id, "ctwa_clid": thread.person_id}
    if thread.channel == "messenger":
        return {"page_id": thread.business_id, "page_scoped_user_id": thread.person_id}
    return {instagram_key: thread.business_id, "ig_sid": thread.person_id}


def _original(original: Original) -> dict[str, Any]:
    told: dict[str, Any] = {"event_name": original.event_name, "event_time": int(original.event_time.timestamp())}
    if original.event_id is not None:
        told["event_id"] = original.event_id
    if original.order_id is not None:
        told["order_id"] = original.order_id
    return told
