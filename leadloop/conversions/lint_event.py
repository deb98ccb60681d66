"""The linter for one event: everything Meta would refuse is refused here first, for that one event, with the reason and the mend.

One bad event makes Meta refuse all that were sent with it (facts §1.5). Nothing here raises or changes what it is given,
whatever that is. Sources: Meta conversions facts §1.2 to §1.8, §4 to §6, §9, §11, read 2026-11-22.
"""

from collections.abc import Mapping
from datetime import datetime
from difflib import get_close_matches
from typing import Any

from leadloop.conversions.findings import Finding, shown_key
from leadloop.conversions.limited_data_use import STATE_CODES
from leadloop.conversions.lint_custom_data import check_segment, lint_custom_data
from leadloop.conversions.lint_user_data import lint_channel_keys, lint_user_data
from leadloop.conversions.names import MESSAGING_NAMES, STANDARD_NAMES, check_name, find_misspelt_standard
from leadloop.conversions.routes import (
    ACTION_SOURCES,
    CHANNELS,
    DAY_S,
    RESTRICTED_COUNTRIES,
    SKEW_S,
    age_limit_s,
)

_KEYS = frozenset(
    str.split("""event_name event_time user_data action_source custom_data event_id event_source_url referrer_url opt_out
    data_processing_options data_processing_options_country data_processing_options_state app_data original_event_data
    customer_segmentation messaging_channel attribution_data advanced_measurement_table advertiser_tracking_enabled""")
)
_BESIDE_DATA = frozenset(
    {"test_event_code", "partner_agent", "upload_tag", "upload_id", "upload_source", "namespace_id"}
)
_PROCESSING = frozenset(f"data_processing_options{of}" for of in ("", "_country", "_state"))
_STATES = frozenset(STATE_CODES.values()) | {0}
_HASH_OF_US = "79adb2a2fce5c6ba215fe5f27f532d4e7edbac4b6a5e09e1ef3a08084a904621"
_MILLISECONDS_FROM = 10**11
_TOO_OLD = "100/2804003"


def lint_event(
    event: object,
    *,
    now: datetime,
    page_country: str | None = None,
    lead_created_at: datetime | None = None,
    lead_id: str | None = None,
    consent: bool | None = None,
) -> list[Finding]:
    """What is wrong with one event, worst and first things not sorted: see Finding.level.

    `page_country`: where the Page or Instagram account is registered (ISO 3166-1 alpha-2). `lead_created_at`: when the form
    was sent. `lead_id`: Meta's id of the person's lead, if there is one, for the proposal to send the event by that route.
    `consent`: False when the person has refused it or taken it back. Times are aware.
    """
    if not isinstance(event, Mapping):
        return [Finding("event_type", "", "is not an object", 'write {"event_name": …, "event_time": …, …}')]
    found: list[Finding] = []
    source = event.get("action_source")
    _lint_source(source, found)
    _lint_name(event.get("event_name"), source, found)
    _lint_time(event.get("event_time"), source, now, lead_created_at, found)
    lint_user_data(event.get("user_data"), found)
    lint_custom_data(event.get("custom_data"), event.get("event_name"), found)
    _lint_id(event.get("event_id"), found)
    if source == "business_messaging":
        _lint_messaging(event, page_country, lead_id, found)
    elif source == "website":
        _lint_website(event, found)
    elif source == "system_generated":
        _lint_crm(event, found)
    if not event.keys() <= _ALWAYS:
        _lint_the_rest(event, source, found)
    if consent is False:
        message = "is about a person who has not consented, or no longer does"
        found.append(Finding("no_consent", "", message, "do not send it; there is no field for it at Meta"))
    return found


_ALWAYS = frozenset({"event_name", "event_time", "event_id", "action_source", "user_data", "custom_data"})


def _lint_source(source: object, found: list[Finding]) -> None:
    if isinstance(source, str) and source in ACTION_SOURCES:
        return
    names = ", ".join(sorted(ACTION_SOURCES))
    if source is None:
        found.append(Finding("action_source_missing", "action_source", "is missing", f"write one of {names}"))
        return
    near = get_close_matches(source[:40].lower(), ACTION_SOURCES, n=1) if isinstance(source, str) else []
    mend = f'write "{near[0]}", if that was meant' if near else f"write one of {names}"
    found.append(Finding("action_source_unknown", "action_source", "is not one that Meta knows", mend))


def _lint_name(name: object, source: object, found: list[Finding]) -> None:
    messaging = source == "business_messaging"
    if isinstance(name, str) and name in (MESSAGING_NAMES if messaging else STANDARD_NAMES):
        return
    if name is None:
        found.append(Finding("event_name_missing", "event_name", "is missing", 'write a name such as "Lead"'))
        return
    fault = check_name(name, MESSAGING_NAMES if messaging else None)
    if fault is not None:
        forbidden = messaging and isinstance(name, str)
        code, meta_code = ("event_name_forbidden", "100/2804066") if forbidden else ("event_name_wrong", "")
        found.append(Finding(code, "event_name", fault.message, fault.mend, meta_code=meta_code))
    elif isinstance(name, str) and (meant := find_misspelt_standard(name)) is not None:
        message = "is nearly a standard name, and becomes a custom event"
        found.append(
            Finding("event_name_nearly", "event_name", message, f'write "{meant}", if that was meant', "warning")
        )


def _lint_time(
    time: object, source: object, now: datetime, lead_created_at: datetime | None, found: list[Finding]
) -> None:
    if type(time) is not int:
        _lint_time_type(time, found)
        return
    if time >= _MILLISECONDS_FROM:
        message = "is not in seconds, but smaller units" if time < 10**20 else "is not a time"
        found.append(Finding("event_time_unit", "event_time", message, "divide it: Unix time in whole seconds"))
        return
    now_s = now.timestamp()
    limit_s = age_limit_s(source) if isinstance(source, str) else 7 * DAY_S
    if now_s - time > limit_s:
        message = f"is more than {limit_s // DAY_S} days ago, and Meta takes no older event"
        mend = "nothing can be done; do not change the time, as Meta may discard all data over that"
        found.append(Finding("event_too_old", "event_time", message, mend, meta_code=_TOO_OLD))
    elif time - now_s > SKEW_S:
        message = "is in the future"
        found.append(Finding("event_in_future", "event_time", message, "correct the clock or the time of the outcome"))
    if lead_created_at is not None and time <= int(lead_created_at.timestamp()):
        message = "is not later than the lead itself, and Meta may drop such events"
        found.append(Finding("event_before_lead", "event_time", message, "give the time at which the stage changed"))


def _lint_time_type(time: object, found: list[Finding]) -> None:
    if time is None:
        found.append(Finding("event_time_missing", "event_time", "is missing", "write Unix time in whole seconds"))
        return
    mend = "write Unix time in whole seconds, without quotation marks or decimals"
    found.append(Finding("event_time_type", "event_time", "must be a whole number", mend))


def _lint_id(event_id: object, found: list[Finding]) -> None:
    if type(event_id) is str and event_id and not event_id.isspace():
        return
    if event_id is None:
        message = "is missing, so that nothing tells this event from a copy of it"
        found.append(
            Finding("event_id_missing", "event_id", message, "add one made of ids that never change", "warning")
        )
    else:
        found.append(Finding("event_id_wrong", "event_id", "must be a text that is not blank", "write it as text"))


def _lint_messaging(
    event: Mapping[str, Any], page_country: str | None, lead_id: str | None, found: list[Finding]
) -> None:
    channel = event.get("messaging_channel")
    if isinstance(channel, str) and channel in CHANNELS:
        lint_channel_keys(channel, event.get("user_data"), found)
    else:
        message = "is missing" if channel is None else "is not a channel that Meta knows"
        mend = "write whatsapp, messenger or instagram"
        found.append(Finding("messaging_channel_wrong", "messaging_channel", message, mend))
    if page_country is None or page_country.upper() not in RESTRICTED_COUNTRIES:
        return
    if channel == "whatsapp":
        message = (
            "belongs to a Page in a region where Meta takes no messaging events of Pages; it may refuse this one too"
        )
        mend = "watch what Meta answers; its text names Pages and Instagram accounts only"
        found.append(Finding("region_doubtful", "", message, mend, "warning"))
        return
    message = f"belongs to a Page registered in {page_country.upper()}, where Meta takes no messaging events"
    mend = "nothing can be sent by this route"
    if lead_id is not None:
        mend = "send it by the route conversion_leads, as the lead's id is known"
    found.append(Finding("region_restricted", "", message, mend, "held"))


def _lint_website(event: Mapping[str, Any], found: list[Finding]) -> None:
    """The documentation demands both. Without a user agent an event was seen to be accepted (facts §1.3), so that is a
    warning; without an address none was."""
    user_data = event.get("user_data")
    if isinstance(user_data, Mapping) and "client_user_agent" not in user_data:
        message = "is missing, and Meta's documentation demands it of website events"
        mend = "add the browser's, as it was when the form was sent"
        found.append(Finding("user_agent_missing", "user_data.client_user_agent", message, mend, "warning"))
    if "event_source_url" not in event:
        message = "is missing, and Meta demands it of website events"
        found.append(Finding("url_missing", "event_source_url", message, "add the address of the page"))


def _lint_crm(event: Mapping[str, Any], found: list[Finding]) -> None:
    """Conversion Leads events that lack one of their two marks arrive and are not counted as such. Facts §5.3."""
    user_data, custom = event.get("user_data"), event.get("custom_data")
    user_data = user_data if isinstance(user_data, Mapping) else {}
    custom = custom if isinstance(custom, Mapping) else {}
    marks = ("event_source", "lead_event_source")
    if "lead_id" not in user_data and not any(mark in custom for mark in marks):
        return  # something else that a system did by itself
    for mark in marks:
        if mark not in custom:
            message = "is missing, so that Meta does not count the event for Conversion Leads"
            mend = 'write "crm"' if mark == "event_source" else "write the name of your CRM"
            found.append(Finding("crm_mark_missing", f"custom_data.{mark}", message, mend, "warning"))


def _lint_the_rest(event: Mapping[Any, Any], source: object, found: list[Finding]) -> None:
    """Keys that most events do not have."""
    for key in event:
        if key not in _KEYS:
            _lint_unknown_key(key, found)
    if "messaging_channel" in event and source != "business_messaging":
        message = "belongs to events of business_messaging only"
        found.append(Finding("messaging_channel_odd", "messaging_channel", message, "take it out", "warning"))
    if "opt_out" in event and type(event["opt_out"]) is not bool:
        found.append(Finding("opt_out_type", "opt_out", "must be true or false", "write it without quotation marks"))
    for key in ("event_source_url", "referrer_url"):
        if key in event and not _is_url(event[key]):
            mend = "write the whole address, with https://"
            found.append(Finding("url_wrong", key, "is not the address of a page", mend))
    for key in ("app_data", "attribution_data"):
        if key in event and not isinstance(event[key], Mapping):
            found.append(Finding("event_type", key, "must be an object", "correct it or take it out"))
    if "customer_segmentation" in event and (wanted := check_segment(event["customer_segmentation"])):
        found.append(Finding("event_type", "customer_segmentation", f"must be {wanted}", "correct it or take it out"))
    if "original_event_data" in event:
        _lint_original(event["original_event_data"], found)
    if not _PROCESSING.isdisjoint(event):
        _lint_processing(event, found)


def _lint_unknown_key(key: object, found: list[Finding]) -> None:
    if key in _BESIDE_DATA:
        message, mend = "has no effect within an event", "put it beside data, at the top of the request"
    else:
        near = get_close_matches(key[:60].lower(), _KEYS, n=1, cutoff=0.75) if isinstance(key, str) else []
        message, mend = "is not a key of Meta's", f'write "{near[0]}", if that was meant' if near else "take it out"
    found.append(Finding("event_key_unknown", shown_key(key), message, mend, "warning"))


def _is_url(value: object) -> bool:
    return isinstance(value, str) and value[:8].lower().startswith(("http://", "https://")) and len(value) > 10


def _lint_original(original: object, found: list[Finding]) -> None:
    if not isinstance(original, Mapping):
        found.append(Finding("event_type", "original_event_data", "must be an object", "correct it or take it out"))
        return
    for key in ("event_name", "order_id", "event_id"):
        if key in original and not isinstance(original[key], str):
            found.append(Finding("event_type", f"original_event_data.{key}", "must be text", "write it as text"))
    if "event_time" in original and type(original["event_time"]) is not int:
        mend = "write Unix time in whole seconds"
        found.append(Finding("event_type", "original_event_data.event_time", "must be a whole number", mend))


def _lint_processing(event: Mapping[Any, Any], found: list[Finding]) -> None:
    """Limited Data Use. Facts §11."""
    options = event.get("data_processing_options")
    country, state = (event.get(f"data_processing_options_{of}") for of in ("country", "state"))
    field = "data_processing_options"
    if not isinstance(options, list) or any(one not in ("LDU", "AMO") for one in options):
        found.append(Finding("ldu_wrong", field, "must be a list", 'write ["LDU"], or [] for no limits'))
        return
    if country is not None and (type(country) is not int or country not in (0, 1)):
        found.append(
            Finding("ldu_wrong", f"{field}_country", "must be 1 (USA) or 0", "write 1, or 0 to let Meta find out")
        )
    if state is not None and (type(state) is not int or state not in _STATES):
        mend = "write the state's code, or 0 to let Meta find out"
        found.append(Finding("ldu_wrong", f"{field}_state", "must be 0 or a code from 1000 to 1013", mend))
    if "LDU" not in options:
        return
    user_data = event.get("user_data")
    user_data = user_data if isinstance(user_data, Mapping) else {}
    if state is None and "client_ip_address" not in user_data:
        message = "is missing, and Meta needs it where no IP address is given"
        found.append(Finding("ldu_state_missing", f"{field}_state", message, "add the state's code, or 0"))
    elif (country is None) != (state is None):
        message = "must be given together with the other of the two, else Meta locates the person by itself"
        found.append(
            Finding("ldu_half", f"{field}_{'state' if state is None else 'country'}", message, "add it", "warning")
        )
    home = user_data.get("country")
    homes = home if isinstance(home, list) else [home]
    if home is not None and _HASH_OF_US not in homes:
        message = "is for people in some US states only, and this person's country is another"
        found.append(Finding("ldu_elsewhere", field, message, "take it out", "warning"))
