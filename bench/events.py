"""What one conversion event costs to build and check, beside Meta's own library building the same one (which checks nothing)."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from statistics import median

from facebook_business.adobjects.serverside.action_source import ActionSource
from facebook_business.adobjects.serverside.custom_data import CustomData
from facebook_business.adobjects.serverside.event import Event
from facebook_business.adobjects.serverside.user_data import UserData

from leadloop.conversions.funnel import Funnel, Happened, StageRule, decide
from leadloop.conversions.people import MatchKeys, build_match_keys
from leadloop.conversions.telling import Person, tell
from leadloop.leads import LeadCard

EVENTS, SLICES = 2000, 9
NOW = datetime(2026, 11, 22, 10, 15, tzinfo=UTC)
LEAD_ID = "222222222222222"
CARD = LeadCard(
    leadgen_id=LEAD_ID,
    page_id="111111111111111",
    created_at=datetime(2026, 11, 22, 8, 26, 30, tzinfo=UTC),
    received_at=datetime(2026, 11, 22, 8, 26, 33, tzinfo=UTC),
    first_name="Zoë",
    last_name="Test",
    email="zoe@example.com",
    phone="+905321234567",
    city="Istanbul",
    country="TR",
)
FUNNEL = Funnel("900000000000001", (StageRule("qualified", "Lead"), StageRule("won", "Purchase", "required")))


def event_cost(_mode: str) -> dict[str, float]:
    """Microseconds of processor time for one event, ours and theirs in turns of short slices."""
    keys = build_match_keys(CARD, default_country="TR", external_ids=[LEAD_ID])
    stored = keys.to_json()
    ours, theirs, both = [], [], []
    for warm in (True, *[False] * SLICES):
        mine, whole, meta = _time(lambda: _ours(stored)), _time(lambda: _decide(stored)), _time(_theirs)
        if not warm:
            ours.append(mine)
            both.append(whole)
            theirs.append(meta)
    return {
        "event_us": median(ours),
        "event_sdk_us": median(theirs),
        "event_ratio": median(mine / meta for mine, meta in zip(ours, theirs, strict=True)),
        "event_decided_us": median(both),
        "keys_us": _time(lambda: build_match_keys(CARD, default_country="TR", external_ids=[LEAD_ID])),
    }


def _time(once: Callable[[], object]) -> float:
    began = time.process_time()
    for _ in range(EVENTS):
        once()
    return (time.process_time() - began) / EVENTS * 1e6


def _happened() -> Happened:
    return Happened(f"lead:{LEAD_ID}", NOW, Decimal("12500.00"), "TRY", "DEAL-42")


def _person(stored: dict[str, object]) -> Person:
    keys = MatchKeys.from_json(stored)
    return Person(f"lead:{LEAD_ID}", keys, lead_id=LEAD_ID, lead_created_at=CARD.created_at, page_country="TR")


def _decide(stored: dict[str, object]) -> object:
    (decision,) = decide(FUNNEL, "won", (), _happened())
    return tell(FUNNEL, decision, _person(stored), order_id="DEAL-42", source_name="ExampleCRM", now=NOW).payload


_DECISION = decide(FUNNEL, "won", (), _happened())[0]


def _ours(stored: dict[str, object]) -> object:
    """From the keys as they are stored to the event, linted."""
    return tell(FUNNEL, _DECISION, _person(stored), order_id="DEAL-42", source_name="ExampleCRM", now=NOW).payload


def _theirs() -> object:
    user_data = UserData(
        lead_id=LEAD_ID,
        emails=["zoe@example.com"],
        phones=["905321234567"],
        first_names=["zoë"],
        last_names=["test"],
        cities=["istanbul"],
        country_codes=["tr"],
        external_ids=[LEAD_ID],
    )
    custom_data = CustomData(
        value=12500.0,
        currency="TRY",
        order_id="DEAL-42",
        custom_properties={"event_source": "crm", "lead_event_source": "ExampleCRM", "lead_stage": "won"},
    )
    event = Event(
        event_name="Purchase",
        event_time=int(NOW.timestamp()),
        event_id="deal-42-won",
        action_source=ActionSource.SYSTEM_GENERATED,
        user_data=user_data,
        custom_data=custom_data,
    )
    return event.normalize()


if __name__ == "__main__":
    print(json.dumps(_theirs(), indent=1, default=str))
    print({name: round(value, 2) for name, value in event_cost("").items()})
