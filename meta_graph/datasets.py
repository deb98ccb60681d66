"""Datasets: found or made for a Page or an account, read, and how good their events are.

There is no call that tells a token's rights on a dataset: without the task UPLOAD sending answers 100/33, and that is how
it is noticed. Source: Meta conversions facts §6.2, §8.1, §8.2, §8.3, read 2026-11-26.
"""

import math
from collections.abc import Mapping
from typing import Any

from leadloop.conversions.datasets import DatasetInfo, DatasetRef
from leadloop.graph_values import id_text, objects_in, parse_graph_time, yes_no
from leadloop.texts import tidy
from meta_graph.door import Ask, GraphDoor, Json
from meta_graph.errors import BadRequest, GarbageAnswer, PermissionMissing
from meta_graph.event_errors import clean_json
from meta_graph.leads import parse_rows

LONGEST_NAME = 200
_PLAIN = "name,last_fired_time,is_crm,is_consolidated_container,is_unavailable"
INFO_FIELDS = (  # from all to the least: what the token may not see, or a version does not know, keeps back nothing else
    f"{_PLAIN},match_rate_approx,valid_entries,matched_entries,duplicate_entries,event_time_min,event_time_max,"
    "owner_business",
    _PLAIN,
    "name",
)

_GAIN = "potential_aly_acr_increase{percentage,description}"
_WEB = (
    "web{event_name,event_match_quality{composite_score,match_key_feedback{identifier,coverage{percentage},"
    + _GAIN
    + "},diagnostics{name,description,solution,percentage,affected_event_count,total_event_count}},"
    + "event_coverage{percentage,goal_percentage,description,"
    + _GAIN
    # Meta's table writes dedup_key_feedback, its field is dedupe_key_feedback: facts §8.1
    + "},dedupe_key_feedback{dedupe_key,browser_events_with_dedupe_key{percentage,description},"
    + "server_events_with_dedupe_key{percentage,description},"
    + "overall_browser_coverage_from_dedupe_key{percentage,description}},data_freshness{upload_frequency,description},"
    + "acr{percentage,description},event_potential_aly_acr_increase{percentage,description}}"
)
_WEB_MINIMAL = (
    "web{event_name,event_match_quality{composite_score,match_key_feedback{identifier,coverage{percentage}}},"
    "event_coverage{percentage,goal_percentage}}"
)
_OFFLINE = "offline{event_name,composite{score,recommendation},match_key{score,recommendation,coverage{email,phone}}}"
QUALITY_FIELDS = (f"{_WEB},{_OFFLINE}", _WEB, _WEB_MINIMAL)
_MOST_NAMES, _DEEPEST = 500, 12


def read_dataset(door: GraphDoor, dataset_id: str, token: str) -> DatasetInfo:
    """See GraphClient.read_dataset()."""
    info = parse_dataset(
        _read_narrowing(door, Ask("GET", dataset_id, {}, "dataset", dataset_id, "dataset"), INFO_FIELDS, token)
    )
    if info is None or info.dataset_id != dataset_id:
        raise _not_about(f"dataset {dataset_id}")
    return info


def find_datasets(door: GraphDoor, asset_id: str, token: str) -> list[DatasetRef]:
    """See GraphClient.find_datasets()."""
    rows = parse_rows(door.call(Ask("GET", f"{asset_id}/dataset", {}, "linked_dataset", asset_id, "account"), token))
    if rows is None:
        raise _not_about(f"account {asset_id}")
    return [ref for row in rows if (ref := parse_ref(row)) is not None]


def create_dataset(door: GraphDoor, asset_id: str, token: str, name: str | None) -> str:
    """See GraphClient.create_dataset()."""
    given = tidy(name)
    params = {"dataset_name": given[:LONGEST_NAME]} if given else {}
    answer = door.call(Ask("POST", f"{asset_id}/dataset", params, "create_dataset", asset_id, "account"), token)
    dataset_id = id_text(answer.get("id"))
    if dataset_id is None:
        raise _not_about(f"account {asset_id}")
    return dataset_id


def read_dataset_quality(door: GraphDoor, dataset_id: str, token: str, agent_name: str | None) -> Json:
    """See GraphClient.read_dataset_quality()."""
    # Asked of the top level: below the dataset there is no such path.
    params = {"dataset_id": dataset_id} | ({"agent_name": agent_name} if agent_name else {})
    ask = Ask("GET", "dataset_quality", params, "dataset_quality", dataset_id, "dataset")
    return parse_quality(_read_narrowing(door, ask, QUALITY_FIELDS, token))


def parse_dataset(answer: Mapping[str, Any]) -> DatasetInfo | None:
    """None for an answer without an id."""
    dataset_id = id_text(answer.get("id"))
    if dataset_id is None:
        return None
    owner = answer.get("owner_business")
    owner = owner if isinstance(owner, dict) else {"id": owner}
    return DatasetInfo(
        dataset_id=dataset_id,
        name=_name(answer.get("name")),
        is_crm=yes_no(answer.get("is_crm")),
        is_consolidated_container=yes_no(answer.get("is_consolidated_container")),
        is_unavailable=yes_no(answer.get("is_unavailable")),
        last_fired_at=parse_graph_time(answer.get("last_fired_time")),
        owner_business_id=id_text(owner.get("id")),
        owner_business_name=_name(owner.get("name")),
        match_rate_approx=_number(answer.get("match_rate_approx")),
        valid_entries=_count(answer.get("valid_entries")),
        matched_entries=_count(answer.get("matched_entries")),
        duplicate_entries=_count(answer.get("duplicate_entries")),
        first_event_at=parse_graph_time(answer.get("event_time_min")),
        last_event_at=parse_graph_time(answer.get("event_time_max")),
    )


def parse_ref(row: Mapping[str, Any]) -> DatasetRef | None:
    """None for a row without an id."""
    dataset_id = id_text(row.get("id"))
    return DatasetRef(dataset_id, _name(row.get("name"))) if dataset_id is not None else None


def parse_quality(answer: Mapping[str, Any]) -> Json:
    """`web` and `offline` as lists of objects with an event_name, each of them absent when Meta says nothing of it."""
    found: Json = {}
    for key in ("web", "offline"):
        rows = answer.get(key)
        rows = [rows] if isinstance(rows, dict) else rows
        named = [row for row in objects_in(rows) if _name(row.get("event_name"))][:_MOST_NAMES]
        if named:
            found[key] = [clean_json(dict(row), deepest=_DEEPEST, numbers=True) for row in named]
    return found


def _read_narrowing(door: GraphDoor, ask: Ask, lists: tuple[str, ...], token: str) -> Json:
    """The answer to the first list of fields that is not refused; what the last one raises."""
    for fields in lists[:-1]:
        try:
            return door.call(ask.with_params(fields=fields), token)
        except (PermissionMissing, BadRequest) as caught:
            if caught.scope == "lane":  # such as a version that is gone: fewer fields would not help
                raise
    return door.call(ask.with_params(fields=lists[-1]), token)


def _name(value: Any) -> str | None:
    text = tidy(value) if isinstance(value, str) else None
    return text[:LONGEST_NAME] if text else None


def _count(value: Any) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 15:
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**15 else None


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not -(10**15) < value < 10**15:
        return None
    return float(value) if math.isfinite(value) else None


def _not_about(what: str) -> GarbageAnswer:
    return GarbageAnswer(
        f"Graph's answer is not about what was asked ({what}).",
        code="graph_garbage",
        action="Nothing: leadloop tries again. If it stays so, report it.",
    )
