"""Events as a sender would build them, and the way they take to the sandbox's events edge."""

from hashlib import sha256
from typing import Any

from sandbox_bench import Bench
from werkzeug.test import TestResponse

from sandbox.datasets import CRM_DATASET_ID
from sandbox.forms import BIKES
from sandbox.instagram_shapes import INSTAGRAM_ID
from sandbox.options import build_proof
from sandbox.whatsapp_shapes import WABA_ID

EMAIL = sha256(b"zoe@example.com").hexdigest()
Json = dict[str, Any]


def crm_event(bench: Bench, leadgen_id: str, **more: Any) -> Json:
    """A stage of a lead, as Conversion Leads wants it, a minute after the lead."""
    event = {
        "event_name": "Qualified Lead",
        "event_time": int(bench.clock().timestamp()),
        "event_id": f"{leadgen_id}:qualified:1",
        "action_source": "system_generated",
        "user_data": {"lead_id": int(leadgen_id), "em": [EMAIL]},
        "custom_data": {"event_source": "crm", "lead_event_source": "sandbox-crm", "lead_stage": "qualified"},
    }
    return event | more


def web_event(bench: Bench, **more: Any) -> Json:
    event = {
        "event_name": "Lead",
        "event_time": int(bench.clock().timestamp()),
        "event_id": "web-lead-77",
        "action_source": "website",
        "event_source_url": "https://shop.example/contact",
        "user_data": {"em": [EMAIL], "client_user_agent": "Mozilla/5.0 (synthetic)"},
    }
    return event | more


def chat_event(bench: Bench, channel: str, user_data: Json | None = None, **more: Any) -> Json:
    """A business-messaging event; for WhatsApp of a click that was made."""
    known: dict[str, Json] = {
        "messenger": {"page_id": BIKES.page_id, "page_scoped_user_id": "3000000000000001"},
        "instagram": {"instagram_business_account_id": INSTAGRAM_ID, "ig_sid": "4000000000000001"},
        "whatsapp": {"whatsapp_business_account_id": WABA_ID},
    }
    if channel == "whatsapp" and user_data is None:
        known["whatsapp"]["ctwa_clid"] = bench.control("/clicks", {})["ctwa_clid"]
    event = {
        "event_name": "QualifiedLead",
        "event_time": int(bench.clock().timestamp()),
        "action_source": "business_messaging",
        "messaging_channel": channel,
        "user_data": known.get(channel, {}) if user_data is None else user_data,
    }
    return event | more


def send_events(
    bench: Bench, events: Any, *, dataset_id: str = CRM_DATASET_ID, token: str | None = None, **more: Any
) -> TestResponse:
    """A call as leadloop makes it: JSON, bearer token and proof."""
    token = token or bench.options.system_token
    proof = build_proof(bench.options.app_secret, token)
    return bench.http.post(
        f"/v26.0/{dataset_id}/events",
        json={"data": events, "appsecret_proof": proof} | more,
        headers={"Authorization": f"Bearer {token}"},
    )


def received(bench: Bench) -> list[Json]:
    """The events that Meta has, oldest first."""
    return [one for one in reversed(bench.state()["events"]) if one["state"] == "received"]
