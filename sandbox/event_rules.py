"""What Meta refuses in one server event, and what it drops without a word. Pure. Source: Meta conversions facts §1, §3–§6.

Written from the facts alone, so that it can judge leadloop: where a page of Meta's and what was seen live disagree,
what was seen counts (a website event without client_user_agent is taken).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sandbox.event_errors import Problem
from sandbox.user_data_rules import find_user_data_problem, list_notes

DAY_S = 86_400
MOST_AGE_S = 7 * DAY_S
MOST_AGE_STORE_S = 62 * DAY_S
CLOCK_SKEW_S = 5  # how much Meta allows is not known
LONGEST_NAME = 50
CLICK_WINDOW_S = 7 * DAY_S
LARGEST_AMOUNT = 10**18
ACTION_SOURCES = frozenset(
    [
        *("email", "website", "app", "phone_call", "chat", "physical_store", "system_generated"),
        *("business_messaging", "other"),
    ]
)
CHANNELS = ("whatsapp", "messenger", "instagram")
MESSAGING_EVENTS = frozenset(
    [
        *("Purchase", "LeadSubmitted", "InitiateCheckout", "AddToCart", "ViewContent", "OrderCreated", "OrderShipped"),
        *("OrderDelivered", "OrderCanceled", "OrderReturned", "CartAbandoned", "QualifiedLead", "RatingProvided"),
        "ReviewProvided",
    ]
)
_EUROPE_AND_JAPAN = "AT BE BG HR CY CZ DK EE FI FR DE GR HU IE IT LV LT LU MT NL PL PT RO SK SI ES SE NO IS LI GB JP"
RESTRICTED_COUNTRIES = frozenset(_EUROPE_AND_JAPAN.split())
_IN_USE = (  # ISO 4217, without the codes of metals, funds and tests
    "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CLP"
    " CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG"
    " HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL"
    " MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR"
    " RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD"
    " TZS UAH UGX USD UYU UZS VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG"
)
CURRENCIES = frozenset(_IN_USE.split())
STATES = frozenset((0, *range(1000, 1014)))
NUMBER = re.compile(r"[0-9]{1,18}(\.[0-9]{1,9})?")


@dataclass(frozen=True)
class World:
    """What Meta knows beside the event: its clock, leads, clicks on ads, and where a Page or account is registered."""

    now: datetime
    find_lead_time: Callable[[str], datetime | None]
    find_click_time: Callable[[str], datetime | None]
    find_country: Callable[[str], str | None]

    @property
    def seconds(self) -> float:
        return self.now.timestamp()


def find_problem(event: object, world: World) -> Problem | None:
    """Why Meta refuses this event, and with it the batch; None when it is taken."""
    if not isinstance(event, dict):
        return Problem("wrong_parameter", "an element of data must be an object")
    return (
        _find_frame_problem(event)
        or _find_time_problem(event, world)
        or _find_messaging_problem(event)
        or find_user_data_problem(event.get("user_data"), find_channel(event))
        or _find_custom_data_problem(event)
        or _find_privacy_problem(event)
        or _find_unknown(event, world)
    )


def is_dropped(event: Mapping[str, Any], world: World) -> bool:
    """Whether Meta takes the event and then drops it: it must be later than the lead it tells of. Source: §1.4."""
    created = world.find_lead_time(text_of(event["user_data"].get("lead_id")))
    return created is not None and read_time(event) <= created.timestamp()


def list_event_notes(event: Mapping[str, Any], world: World) -> list[str]:
    """What is wrong with an event that Meta takes."""
    notes = list_notes(event["user_data"])
    clicked = world.find_click_time(text_of(event["user_data"].get("ctwa_clid")))
    if clicked and read_time(event) - clicked.timestamp() > CLICK_WINDOW_S:
        notes.append("more than 7 days after the click: taken, but credited to no ad")
    if event["action_source"] == "system_generated" and event["user_data"].get("lead_id") and not is_crm_event(event):
        notes.append("without event_source and lead_event_source it does not count as a Conversion Leads event")
    return notes


def is_crm_event(event: Mapping[str, Any]) -> bool:
    """Whether it counts as a Conversion Leads event. Source: §5.2, §5.3."""
    custom_data = event.get("custom_data") or {}
    return (
        event["action_source"] == "system_generated"
        and custom_data.get("event_source") == "crm"
        and bool(custom_data.get("lead_event_source"))
    )


def find_channel(event: Mapping[str, Any]) -> str | None:
    """The messaging channel of an event that came from an ad that clicks to a chat."""
    return str(event.get("messaging_channel")) if event.get("action_source") == "business_messaging" else None


def read_time(event: Mapping[str, Any]) -> int:
    """event_time in Unix seconds. Raises ValueError for anything but a whole number."""
    value = event["event_time"]
    if isinstance(value, bool) or not isinstance(value, int | str) or not re.fullmatch(r"[0-9]{1,15}", str(value)):
        raise ValueError("event_time")
    return int(value)


def text_of(value: object) -> str:
    """An id as text, however it was written; empty for none."""
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def _find_frame_problem(event: Mapping[str, Any]) -> Problem | None:
    for name in ("event_name", "event_time"):
        if event.get(name) in (None, ""):
            return Problem("missing_parameter", f"{name} is missing")
    if not isinstance(event["event_name"], str) or len(event["event_name"]) > LONGEST_NAME:
        return Problem("wrong_parameter", f"event_name must be a text of at most {LONGEST_NAME} characters")
    source = event.get("action_source")
    if not isinstance(source, str) or source not in ACTION_SOURCES:
        return Problem("action_source", f"action_source must be one of {', '.join(sorted(ACTION_SOURCES))}")
    if source == "website" and not event.get("event_source_url"):
        return Problem("missing_parameter", "event_source_url is needed for website")
    for name, kind in (("event_id", str), ("event_source_url", str), ("custom_data", dict), ("opt_out", bool)):
        if event.get(name) is not None and not isinstance(event[name], kind):
            return Problem("wrong_parameter", f"{name} must be of the type {kind.__name__}")
    return None


def _find_time_problem(event: Mapping[str, Any], world: World) -> Problem | None:
    try:
        age_s = world.seconds - read_time(event)
    except ValueError:
        return Problem("wrong_parameter", "event_time must be whole Unix seconds")
    if age_s < -CLOCK_SKEW_S:
        return Problem("in_the_future", "event_time lies in the future")
    store = event["action_source"] == "physical_store"
    if age_s > (MOST_AGE_STORE_S if store else MOST_AGE_S):
        return Problem("too_old", f"event_time is more than {62 if store else 7} days ago")
    return None


def _find_messaging_problem(event: Mapping[str, Any]) -> Problem | None:
    channel = find_channel(event)
    if channel is None:
        return None
    if event["event_name"] not in MESSAGING_EVENTS:
        return Problem("messaging_event_name", "event_name is not one of the 14 for business_messaging")
    if channel not in CHANNELS:
        return Problem("missing_parameter", f"messaging_channel must be one of {', '.join(CHANNELS)}")
    return None


def _find_custom_data_problem(event: Mapping[str, Any]) -> Problem | None:
    custom_data = event.get("custom_data") or {}
    value, currency = custom_data.get("value"), custom_data.get("currency")
    purchase = event["event_name"] == "Purchase"
    if value in (None, ""):
        if purchase:
            return Problem("purchase_without_value", "custom_data.value is needed for Purchase")
    elif not _is_amount(value):
        return Problem("wrong_parameter", "custom_data.value must be a number of 0 or more, with a point")
    if currency in (None, ""):
        return Problem("currency", "custom_data.currency is needed for Purchase") if purchase else None
    if not isinstance(currency, str) or currency.upper() not in CURRENCIES:
        return Problem("currency", "custom_data.currency must be a code of ISO 4217 in use today")
    return None


def _is_amount(value: object) -> bool:
    if isinstance(value, str):
        return NUMBER.fullmatch(value) is not None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return 0 <= value < LARGEST_AMOUNT  # NaN is neither


def _find_privacy_problem(event: Mapping[str, Any]) -> Problem | None:
    """data_processing_options. Source: §1.3, §11."""
    options = event.get("data_processing_options")
    if options is None:
        return None
    if not isinstance(options, list) or not all(one in ("LDU", "AMO") for one in options):
        return Problem("wrong_parameter", 'data_processing_options must be [] or ["LDU"]')
    country, region = (event.get(f"data_processing_options_{name}") for name in ("country", "state"))
    if country not in (None, 0, 1) or not (region is None or (isinstance(region, int) and region in STATES)):
        return Problem("wrong_parameter", "data_processing_options_country and _state must be codes of Meta's list")
    no_address = not event["user_data"].get("client_ip_address")
    if "LDU" in options and no_address and (country is None or region is None):
        return Problem("missing_parameter", "LDU without client_ip_address needs country and state")
    return None


def _find_unknown(event: Mapping[str, Any], world: World) -> Problem | None:
    """What only Meta can know: whether the click and the lead were, and where the account is registered."""
    user_data, channel = event["user_data"], find_channel(event)
    if channel in ("messenger", "instagram"):
        keys = ("page_id",) if channel == "messenger" else ("instagram_business_account_id", "ig_account_id")
        for key in keys:
            if world.find_country(text_of(user_data.get(key))) in RESTRICTED_COUNTRIES:
                return Problem("restricted_region", f"user_data.{key} is registered where messaging events are barred")
    if channel == "whatsapp" and world.find_click_time(text_of(user_data.get("ctwa_clid"))) is None:
        return Problem("unknown_ctwa_clid", "user_data.ctwa_clid is no click that the sandbox made")
    lead_id = user_data.get("lead_id")
    if lead_id not in (None, "") and world.find_lead_time(text_of(lead_id)) is None:
        return Problem("unknown_lead", "user_data.lead_id is no lead of the sandbox's Pages")
    return None
