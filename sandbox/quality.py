"""The Dataset Quality API: match keys and freshness of what arrived from websites. Source: Meta conversions facts §8.1, §8.2.

Meta gives a score for web events only; so does the sandbox. The coverage of keys, the keys for deduplication and the
freshness come from the events received; the score, the event coverage and what is said to be gained are made up.
"""

import json
from collections.abc import Sequence
from statistics import median
from typing import Any

from sandbox import graph_errors as errors
from sandbox.calls import Call, Json
from sandbox.event_rows import Dataset, ReceivedEvent
from sandbox.fields import Asked, parse_fields, select
from sandbox.graph_events import agent_name
from sandbox.user_data_rules import read_values

IDENTIFIERS = {
    "email": "em",
    "phone": "ph",
    "external_id": "external_id",
    "fb_click_id": "fbc",
    "fb_browser_id": "fbp",
    "ip_address": "client_ip_address",
    "user_agent": "client_user_agent",
    "first_name": "fn",
    "last_name": "ln",
    "city": "ct",
    "state": "st",
    "zip_code": "zp",
    "country": "country",
    "gender": "ge",
    "date_of_birth": "db",
}
WEIGHTS = {"em": 3.0, "ph": 2.0, "external_id": 1.0, "fbc": 1.5, "fbp": 0.5, "client_ip_address": 0.5, "fn": 0.5}
USUAL_FIELDS = "web{event_name,event_match_quality{composite_score}}"
GAIN = "Sending more events with this information may raise the conversions that are credited."


def read_quality(call: Call) -> Json:
    """`{}` without rights, and where there is nothing to tell."""
    dataset_id = call.text("dataset_id")
    if not dataset_id:
        raise errors.bad_parameter("The parameter dataset_id is required")
    asked = parse_fields(call.text("fields")) or parse_fields(USUAL_FIELDS)
    dataset = call.datasets.find_dataset(dataset_id)
    if dataset is None or not _may_see(call, dataset):
        return {}
    if dataset.quality is not None:
        return dict(dataset.quality)
    events = [one for one in call.datasets.list_events(dataset_id) if one.action_source == "website"]
    if agent := call.text("agent_name"):
        events = [one for one in events if agent_name(one.agent) == agent]
    if not events:
        return {}
    names = list(dict.fromkeys(one.event_name for one in events))
    web = [_web_node(name, [one for one in events if one.event_name == name]) for name in names]
    return _select_web(web, asked)


def refuse_path(call: Call) -> Json:
    """The question is asked of the top level; below a dataset there is no such path."""
    raise errors.unknown_path("dataset_quality")


def _may_see(call: Call, dataset: Dataset) -> bool:
    missing = set(call.state.knobs.missing_scopes)
    if "ads_read" in missing or {"ads_management", "business_management"} <= missing:
        return False
    return call.token.kind == "system" and bool(dataset.tasks)


def _select_web(web: list[Json], asked: Sequence[Asked]) -> Json:
    found: Json = {}
    for one in asked:
        if one.name == "web":
            found["web"] = [select(node, one.inner or parse_fields("event_name"), "AdsPixelWeb") for node in web]
        elif one.name != "offline":
            raise errors.no_such_field(one.name, "AdsPixelCAPIIntegrationQuality")
    return found


def _web_node(name: str, events: list[ReceivedEvent]) -> Json:
    keys = [set(read_values(json.loads(event.payload)["user_data"])) for event in events]
    shares = {key: 100 * sum(key in one for one in keys) / len(keys) for key in IDENTIFIERS.values()}
    score = min(10.0, sum(WEIGHTS[key] * shares[key] / 100 for key in WEIGHTS) + 1)
    return {
        "event_name": name,
        "event_match_quality": {
            "composite_score": round(score, 1),
            "match_key_feedback": [
                {
                    "identifier": identifier,
                    "coverage": _percent(shares[key]),
                    "potential_aly_acr_increase": _percent((100 - shares[key]) / 10, GAIN),
                }
                for identifier, key in IDENTIFIERS.items()
                if shares[key] or key in WEIGHTS
            ],
            "diagnostics": [],
        },
        "event_coverage": _percent(61.0, "Events that the Pixel also saw")
        | {"goal_percentage": 75, "potential_aly_acr_increase": _percent(3.9, GAIN)},
        "dedupe_key_feedback": [
            _dedupe_node("event_id", 100 * sum(event.event_id is not None for event in events) / len(events)),
            _dedupe_node("external_id", shares["external_id"]),
            _dedupe_node("fbp", shares["fbp"]),
        ],
        "data_freshness": {"upload_frequency": _frequency(events), "description": "How soon events arrive"},
        "acr": _percent(12.3, "Additional conversions reported in the last 7 days"),
        "event_potential_aly_acr_increase": _percent(4.2, GAIN),
    }


def _dedupe_node(key: str, share: float) -> Json:
    return {
        "dedupe_key": key,
        "browser_events_with_dedupe_key": _percent(100, "Browser events with this key"),
        "server_events_with_dedupe_key": _percent(share, "Server events with this key"),
        "overall_browser_coverage_from_dedupe_key": _percent(0.6 * share, "Browser events covered by this key"),
    }


def _frequency(events: list[ReceivedEvent]) -> str:
    late_s = median(event.at.timestamp() - event.event_time for event in events)
    for most_s, name in ((600, "real_time"), (7_200, "hourly"), (172_800, "daily")):
        if late_s <= most_s:
            return name
    return "weekly"


def _percent(share: float, description: str = "") -> dict[str, Any]:
    return {"percentage": round(share, 1), "description": description}
