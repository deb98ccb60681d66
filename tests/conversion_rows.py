"""Outcomes and conversions as rows, of invented leads, for tests that look at them."""

from datetime import datetime, timedelta
from typing import Any

from store.conversion_models import Conversion, Outcome
from store.conversions import dataset_lane
from store.models import Lane

DATASET = "900000000000001"


def make_outcome(received_at: datetime, *, key: str, **changes: Any) -> Outcome:
    """`key` tells it from others; a lead is named by `lead_id` or by `named_value`."""
    row: dict[str, Any] = {
        "source": "api",
        "named_kind": "leadgen_id",
        "named_value": "222222222222222",
        "stage": "won",
        "occurred_at": received_at - timedelta(minutes=1),
        "received_at": received_at,
        "dedup_key": key,
        "state": "joined" if "lead_id" in changes else "waiting",
        "fields": {},
    }
    return Outcome(**row | changes)


def make_conversion(created_at: datetime, *, event_id: str | None, **changes: Any) -> Conversion:
    row: dict[str, Any] = {
        "dataset_id": DATASET,
        "connection": "crm",
        "route": "conversion_leads",
        "stage": "won",
        "event_name": "Purchase",
        "event_id": event_id,
        "event_time": created_at - timedelta(minutes=1),
        "deadline_at": created_at + timedelta(days=7),
        "state": "queued",
        "created_at": created_at,
        "payload": {
            "event_name": "Purchase",
            "user_data": {
                "em": ["0" * 64],
                "lead_id": "222222222222222",
                "client_ip_address": "203.0.113.9",
                "client_user_agent": "Browser of Zoe",
            },
        },
    }
    return Conversion(**row | changes)


def make_held_lane(since: datetime, dataset_id: str = DATASET, **changes: Any) -> Lane:
    """A dataset that waits for somebody."""
    row: dict[str, Any] = {
        "name": dataset_lane(dataset_id),
        "rest_until": since,
        "since": since,
        "hold": True,
        "code": "token_dead",
        "message": "The token is not valid any more.",
        "action": "Enter a new one.",
    }
    return Lane(**row | changes)
