"""The ways an event may go to Meta, as data: where it is said to come from, how old it may be, what it must hold, and
whether sending it twice counts twice.

Sources: Meta conversions facts §1.3, §1.4, §1.8, §4.2, §5, §6, §7, §12, read 2026-11-22.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Literal, get_args

from leadloop.conversions.names import MESSAGING_NAMES

Route = Literal[
    "conversion_leads", "business_messaging", "website", "physical_store", "phone_call", "email", "chat", "other"
]
Channel = Literal["whatsapp", "messenger", "instagram"]

DAY_S = 86_400
SKEW_S = 60  # how far ahead another clock may be; beyond that a time is in the future
MARGIN_S = 600  # an event must leave that long before its age limit, so that it does not grow too old on the way
MOST_EVENTS = 1_000  # in one request


@dataclass(frozen=True)
class RouteRules:
    """What holds on one route.

    `names`: the only event names it takes; None where they are free. `user_data` and `custom_data`: keys that Meta's
    documentation demands (those of a messaging channel: CHANNEL_KEYS). `resend_within_s`: for so long after the first
    try Meta drops an event that it has already, so that one whose fate is unknown may be sent again; 0: a second copy
    may count twice, so it is never sent again. `dedup` says what Meta removes, in words.
    """

    action_source: str
    age_limit_s: int = 7 * DAY_S
    names: frozenset[str] | None = None
    user_data: tuple[str, ...] = ()
    custom_data: tuple[str, ...] = ()
    resend_within_s: int = 0
    dedup: str = "Nothing is documented: a repeated event counts again."


ROUTES: Mapping[Route, RouteRules] = MappingProxyType(
    {
        "conversion_leads": RouteRules(
            "system_generated",
            custom_data=("event_source", "lead_event_source"),
            dedup="Nothing: several events of one lead are normal, and a repeated stage is a repeated event.",
        ),
        "business_messaging": RouteRules(
            "business_messaging",
            names=MESSAGING_NAMES,
            dedup="Nothing: Meta leaves it to the sender.",
        ),
        "website": RouteRules(
            "website",
            user_data=("client_user_agent",),
            dedup="A server event against the browser's copy with the same event_id and event_name, for 48 hours."
            " Two server events are not compared.",
        ),
        "physical_store": RouteRules(
            "physical_store",
            age_limit_s=62 * DAY_S,
            resend_within_s=7 * DAY_S,
            dedup="Offline events of a dataset with the same event_time, event_name, order_id and item_number (without"
            " order_id: the same user_data) within 7 days; the first counts.",
        ),
        "phone_call": RouteRules("phone_call"),
        "email": RouteRules("email"),
        "chat": RouteRules("chat"),
        "other": RouteRules("other"),
    }
)
ACTION_SOURCES = frozenset(rules.action_source for rules in ROUTES.values()) | {"app"}

# One key of each group must be there.
CHANNEL_KEYS: Mapping[str, tuple[tuple[str, ...], ...]] = MappingProxyType(
    {
        "whatsapp": (("whatsapp_business_account_id",), ("ctwa_clid",)),
        "messenger": (("page_id",), ("page_scoped_user_id",)),
        "instagram": (("instagram_business_account_id", "ig_account_id"), ("ig_sid",)),
    }
)
CHANNELS: tuple[Channel, ...] = get_args(Channel)

# Where Pages and Instagram accounts may not use business messaging events (ePrivacy). Facts §6.6.
RESTRICTED_COUNTRIES = frozenset(
    str.split("AT BE BG HR CY CZ DK EE FI FR DE GR HU IE IT LV LT LU MT NL PL PT RO SK SI ES SE NO IS LI GB JP")
)


def age_limit_s(action_source: str) -> int:
    """How old an event may be when Meta receives it, in seconds. 7 days where nothing else is documented."""
    return ROUTES["physical_store"].age_limit_s if action_source == "physical_store" else 7 * DAY_S


def deadline_of(route: Route, event_time: datetime) -> datetime:
    """The last moment to send an event: its age limit, less a margin for the way."""
    return event_time + timedelta(seconds=ROUTES[route].age_limit_s - MARGIN_S)


def may_resend(route: Route, *, first_sent_at: datetime, now: datetime) -> bool:
    """Whether an event that may have arrived (time-out after sending) can go again without counting twice.

    It must go exactly as it went before.
    """
    within_s = ROUTES[route].resend_within_s
    return within_s > 0 and now - first_sent_at < timedelta(seconds=within_s - MARGIN_S)
