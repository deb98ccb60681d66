"""The figures, each a function that measures once and returns numbers by name."""

import asyncio
import subprocess
import sys
import time
from statistics import median

from bench.sender import quantile, send
from bench.system import _stop, _wait_until_ready, free_port, running

BURST, AT_A_TIME = 1000, 50
_next_id = [int(time.time()) * 1_000_000]


def new_ids(count: int) -> list[str]:
    _next_id[0] += count
    return [str(number) for number in range(_next_id[0] - count, _next_id[0])]


def acknowledgement(mode: str, *, notices: int = 6000, at_a_time: int = 32, slices: int = 6) -> dict[str, float]:
    """Durable acknowledgements per second, and the same for the baseline, in turns of short slices."""
    port = free_port()
    baseline = subprocess.Popen([sys.executable, "-m", "bench.baseline", str(port)], stderr=subprocess.DEVNULL)
    try:
        _wait_until_ready(port)
        with running(mode, work=False) as system:
            ours, theirs = [], []
            for warm in (True, *[False] * slices):
                count = notices // slices
                for target, rates in ((system.port, ours), (port, theirs)):
                    sent = asyncio.run(send(target, new_ids(count), at_a_time=at_a_time))
                    if sent.refused:
                        raise RuntimeError(f"{sent.refused} notices were refused")
                    if not warm:
                        rates.append(count / sent.wall_s)
    finally:
        _stop(baseline)
    ratios = [mine / base for mine, base in zip(ours, theirs, strict=True)]
    return {"acks_per_s": median(ours), "baseline_per_s": median(theirs), "ratio": median(ratios)}


def burst(mode: str) -> dict[str, float]:
    """1,000 leads sent 50 at a time: leads per second to the CRM, processor time for each, p99 of the acknowledgement."""
    with running(mode) as system:
        asyncio.run(send(system.port, new_ids(100), at_a_time=10))
        system.wait_for_leads(100)
        cpu_before = system.cpu_s()
        ids = new_ids(BURST)
        sent = asyncio.run(send(system.port, ids, at_a_time=AT_A_TIME))
        seen = system.wait_for_leads(100 + BURST)
        time.sleep(0.5)
        cpu_s = system.cpu_s() - cpu_before
        first = min(sent.sent_at.values())
        took_s = max(seen[leadgen_id] for leadgen_id in ids) - first
        return {
            "leads_per_s": BURST / took_s,
            "cpu_ms_per_lead": cpu_s * 1000 / BURST,
            "ack_p50_ms": quantile(sent.took_s, 0.50) * 1000,
            "ack_p99_ms": quantile(sent.took_s, 0.99) * 1000,
        }


def idle(mode: str, *, leads: int = 60, per_second: float = 2.0, upstream_ms: float = 100.0) -> dict[str, float]:
    """What leadloop adds beyond the two upstream delays, at two leads a second."""
    with running(mode, graph_ms=upstream_ms, crm_ms=upstream_ms) as system:
        asyncio.run(send(system.port, new_ids(4), at_a_time=1, per_second=per_second))
        system.wait_for_leads(4)
        ids = new_ids(leads)
        sent = asyncio.run(send(system.port, ids, at_a_time=2, per_second=per_second))
        seen = system.wait_for_leads(4 + leads)
        added = [(seen[one] - sent.sent_at[one]) * 1000 - 2 * upstream_ms for one in ids]
        return {"added_p50_ms": quantile(added, 0.50), "added_p95_ms": quantile(added, 0.95)}


def memory(mode: str, *, leads: int = 10_000) -> dict[str, float]:
    """Megabytes of all processes after 1,000 leads and after 10,000."""
    with running(mode, graph_ms=5, crm_ms=5) as system:
        asyncio.run(send(system.port, new_ids(1000), at_a_time=AT_A_TIME))
        system.wait_for_leads(1000)
        early = system.memory_mb()
        asyncio.run(send(system.port, new_ids(leads - 1000), at_a_time=AT_A_TIME))
        system.wait_for_leads(leads, most_s=400)
        return {"after_1000_mb": early, "after_10000_mb": system.memory_mb(), "growth": system.memory_mb() / early}
