"""The way back: outcomes that programs report, until Meta has answered for their events."""

import asyncio
import http.client
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from bench.figures import AT_A_TIME, new_ids
from bench.sender import quantile, send
from bench.system import System, running

LEADS, IN_A_CALL = 1000, 100
STAGES = {"qualified": "Qualified Lead", "demo": "Demo Scheduled"}


def conversions(mode: str) -> dict[str, float]:
    """2,000 outcomes of 1,000 leads, 100 in a call: events per second, processor time for each, events in a request."""
    with running(mode, graph_ms=5, crm_ms=5, funnel=True) as system:
        ids = _arrive(system, LEADS)
        key = system.make_api_key()
        cpu_before, began = system.cpu_s(), time.time()
        for stage in STAGES:
            for start in range(0, LEADS, IN_A_CALL):
                _report(system, key, [_outcome(one, stage) for one in ids[start : start + IN_A_CALL]])
        told_s = time.time() - began
        found = system.wait_for_events(len(STAGES) * LEADS)
        took_s = max(found["events"].values()) - began
        time.sleep(0.5)  # what is noted after the last answer costs processor time, too
        count = len(found["events"])
        if found["copies"]:
            raise RuntimeError(f"{found['copies']} events came twice")
        return {
            "outcomes_per_s": count / told_s,
            "conversions_per_s": count / took_s,
            "cpu_ms_per_conversion": (system.cpu_s() - cpu_before) * 1000 / count,
            "events_per_request": count / found["batches"],
        }


def freshness(mode: str, *, outcomes: int = 60, per_second: float = 2.0) -> dict[str, float]:
    """From an outcome's report to Meta's answer, at two a second, Meta answering after 100 ms."""
    with running(mode, funnel=True) as system:
        first, *ids = _arrive(system, 1 + outcomes)
        key, sent_at = system.make_api_key(), {}
        _report(system, key, [_outcome(first, "demo")])
        system.wait_for_events(1)
        for one in _evenly(ids, per_second):
            sent_at[one] = time.time()
            _report(system, key, [_outcome(one, "qualified")])
        found = system.wait_for_events(1 + outcomes)["events"]
        took = [found[f"{one} {STAGES['qualified']}"] - sent_at[one] for one in ids]
        return {"freshness_p50_ms": quantile(took, 0.50) * 1000, "freshness_p95_ms": quantile(took, 0.95) * 1000}


def _arrive(system: System, count: int) -> list[str]:
    ids = new_ids(count)
    asyncio.run(send(system.port, ids, at_a_time=AT_A_TIME))
    system.wait_for_leads(count)
    time.sleep(1)  # the CRM has them: now our own notes of that are to be over
    return ids


def _outcome(leadgen_id: str, stage: str) -> dict[str, Any]:
    when = datetime.now(UTC).isoformat()
    return {"lead": {"leadgen_id": leadgen_id}, "stage": stage, "occurred_at": when, "connection": "crm"}


def _report(system: System, key: str, outcomes: list[dict[str, Any]]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", system.port, timeout=30)
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    connection.request("POST", "/api/v1/outcomes", json.dumps(outcomes), headers)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    if answer.status != 202:
        raise RuntimeError(f"leadloop answered {answer.status}: {body[:300]!r}")


def _evenly(ids: list[str], per_second: float) -> Iterator[str]:
    began = time.perf_counter()
    for number, one in enumerate(ids):
        # At an even pace, whatever a call took.
        time.sleep(max(0.0, began + number / per_second - time.perf_counter()))
        yield one
