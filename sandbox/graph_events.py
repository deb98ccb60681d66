"""The events edge: a batch is taken as a whole or refused as a whole. Source: Meta conversions facts §1, §9 (read 2026-11-26).

Nothing of it can be read back through Graph, at Meta or here: what arrived is shown under /_sandbox/state.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, cast

from sandbox import graph_errors as errors
from sandbox.access import check_scope
from sandbox.bodies import read_any
from sandbox.calls import Call, Json
from sandbox.datasets import COUNTRIES
from sandbox.event_errors import LANGUAGES, SUBCODES, EventRefused, Language, Problem
from sandbox.event_rows import Dataset, ReceivedEvent, RefusedBatch
from sandbox.event_rules import (
    World,
    find_channel,
    find_problem,
    is_crm_event,
    is_dropped,
    list_event_notes,
    read_time,
    text_of,
)
from sandbox.graph_datasets import OWNER_SCOPES, get_dataset
from sandbox.state import SandboxState

MOST_IN_BATCH = 1_000
CHANNEL_SCOPES = {"messenger": OWNER_SCOPES["page"], **OWNER_SCOPES}
LOST = "the fault fewer_events was set"
BEFORE_LEAD = "event_time is not later than the lead's creation"


@dataclass(frozen=True)
class Batch:
    """What is said of all events of a request at once."""

    dataset: Dataset
    events: list[Any]
    test_event_code: str | None
    agent: str | None


def receive_events(call: Call) -> Json:
    batch = _read_batch(call)
    world = build_world(call)
    for index, event in enumerate(batch.events):
        if problem := find_problem(event, world):
            raise _refuse(call, batch, index, problem)
    _check_scopes(call, batch)
    kept = [_keep(call, batch, world, event) for event in batch.events]
    if call.fault and call.fault.kind == "fewer_events":
        kept = _lose(kept, call.fault.events_received)
    call.datasets.add_events(kept)
    received = sum(event.state == "received" for event in kept)
    return {"events_received": received, "messages": [], "fbtrace_id": call.fbtrace_id}


def refuse_reading(call: Call) -> Json:
    raise errors.not_found(call.target.object_id, call.method)


def build_world(call: Call) -> World:
    state = call.state

    def find_lead_time(leadgen_id: str) -> datetime | None:
        lead = state.leads.get(leadgen_id)
        return lead.created_at if lead else None

    return World(state.now(), find_lead_time, state.datasets.find_click_time, COUNTRIES.get)


def next_language(state: SandboxState) -> Language:
    """The language of the next refusal, as the settings say."""
    chosen = state.knobs.language
    return LANGUAGES[state.datasets.next_turn() % len(LANGUAGES)] if chosen == "rotate" else cast(Language, chosen)


def agent_name(partner_agent: str | None) -> str | None:
    """The name that Dataset Quality filters by: without its version, lower case. Source: §8.1."""
    return re.sub(r"(_\d+){1,2}$", "", partner_agent).lower() if partner_agent else None


def _read_batch(call: Call) -> Batch:
    dataset = get_dataset(call, "UPLOAD")
    events = call.params.get("data")
    if isinstance(events, str):
        events = read_any(events)
    if "data" not in call.params:
        raise errors.bad_parameter("The parameter data is required")
    if not isinstance(events, list) or not events:
        raise errors.bad_parameter("Param data must be an array with at least one event")
    if len(events) > MOST_IN_BATCH:
        raise errors.bad_parameter(f"Param data must have no more than {MOST_IN_BATCH} events")
    code, agent = call.params.get("test_event_code"), call.params.get("partner_agent")
    if code is not None and not (isinstance(code, str) and 0 < len(code) <= 100):
        raise errors.bad_parameter("Param test_event_code must be a string")
    if agent is not None and not (
        isinstance(agent, str) and len(agent) < 23 and len(re.findall("[A-Za-z]", agent)) > 1
    ):
        text = "Param partner_agent must have fewer than 23 characters, at least two of them letters"
        raise errors.bad_parameter(text)
    return Batch(dataset, events, code, agent)


def _check_scopes(call: Call, batch: Batch) -> None:
    if {"ads_management", "business_management"} <= set(call.state.knobs.missing_scopes):
        raise errors.permission(200, needed="ads_management")
    for channel in {find_channel(event) for event in batch.events} - {None}:
        check_scope(call.state, CHANNEL_SCOPES[str(channel)])


def _refuse(call: Call, batch: Batch, index: int, problem: Problem) -> EventRefused:
    event = batch.events[index] if isinstance(batch.events[index], dict) else {}
    subcode = SUBCODES[problem.reason]
    call.datasets.add_refused(
        RefusedBatch(
            at=call.state.now(),
            dataset_id=batch.dataset.dataset_id,
            size=len(batch.events),
            index=index,
            event_name=_short(event.get("event_name")),
            event_id=_short(event.get("event_id")),
            subcode=subcode,
            detail=problem.detail,
            fbtrace_id=call.fbtrace_id,
        )
    )
    return EventRefused(problem.reason, next_language(call.state))


def _keep(call: Call, batch: Batch, world: World, event: Mapping[str, Any]) -> ReceivedEvent:
    dropped = is_dropped(event, world)
    custom_data, user_data = event.get("custom_data") or {}, event["user_data"]
    return ReceivedEvent(
        number=call.state.new_number(),
        at=world.now,
        dataset_id=batch.dataset.dataset_id,
        event_name=event["event_name"],
        event_time=read_time(event),
        event_id=event.get("event_id") or None,
        action_source=event["action_source"],
        channel=find_channel(event),
        stage=_short(custom_data.get("lead_stage")) or _short(custom_data.get("stage")),
        leadgen_id=text_of(user_data.get("lead_id")) or None,
        test_event_code=batch.test_event_code,
        agent=batch.agent,
        state="dropped" if dropped else "received",
        why=BEFORE_LEAD if dropped else None,
        times=1,
        is_crm=batch.dataset.is_crm and is_crm_event(event),
        notes=tuple(list_event_notes(event, world)),
        fbtrace_id=call.fbtrace_id,
        payload=_write(event),
    )


def _write(event: Mapping[str, Any]) -> str:
    """The event as text: a browser would round the digits of a lead_id."""
    try:
        return json.dumps(event, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except (ValueError, RecursionError) as caught:
        raise errors.bad_parameter("Param data must be JSON") from caught


def _lose(kept: list[ReceivedEvent], most: int) -> list[ReceivedEvent]:
    """Only the first `most` arrive; the rest is gone, without a word."""
    return kept[:most] + [replace(event, state="dropped", why=LOST) for event in kept[most:]]


def _short(value: object) -> str | None:
    return value[:200] if isinstance(value, str) and value else None
