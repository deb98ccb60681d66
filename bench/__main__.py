"""`make bench`: every figure in both modes, at least three rounds, printed and written to docs/benchmarks.md.

Run one alone with: python -m bench burst embedded --rounds 3
"""

import argparse
import os
import platform
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from bench.cost import cost
from bench.events import event_cost
from bench.figures import acknowledgement, burst, idle, memory
from bench.outcomes import conversions, freshness

MODES = ("embedded", "services")
FIGURES: dict[str, Callable[[str], dict[str, float]]] = {
    "acknowledgement": acknowledgement,
    "cost": cost,
    "burst": burst,
    "idle": idle,
    "conversions": conversions,
    "freshness": freshness,
    "event": event_cost,
    "memory": memory,
}
WORDS = {
    "acks_per_s": ("durable acknowledgements per second", ""),
    "baseline_per_s": ("the same Flask and gunicorn, only checking the signature, per second", ""),
    "ratio": ("ratio of the two, slice by slice", "≥ 0.7"),
    "flask_us": ("of these, Flask and the signature alone, processor time per notice, µs", ""),
    "flask_ours_us": ("of these, our view with everything but the database, µs", ""),
    "write_us": ("of these, the two inserts in groups of 16, µs", ""),
    "leads_per_s": ("leads per second end to end, burst of 1,000, 50 at a time", "≥ 150"),
    "cpu_ms_per_lead": ("processor time per lead, all processes, ms", "≤ 12"),
    "ack_p50_ms": ("acknowledgement during the burst, p50, ms", ""),
    "ack_p99_ms": ("acknowledgement during the burst, p99, ms", "≤ 250"),
    "added_p50_ms": ("added beyond the upstream delays, 2 leads/s, p50, ms", ""),
    "added_p95_ms": ("added beyond the upstream delays, 2 leads/s, p95, ms", "≤ 30 (services), ≤ 60 (embedded)"),
    "outcomes_per_s": ("outcomes kept per second, 100 in a call", ""),
    "conversions_per_s": ("events at Meta per second, from 2,000 outcomes at once", ""),
    "cpu_ms_per_conversion": ("processor time per event, all processes, ms", ""),
    "events_per_request": ("events in a request, on average", "small"),
    "freshness_p50_ms": ("from an outcome to Meta's answer, 2 a second, p50, ms (Meta takes 100)", ""),
    "freshness_p95_ms": ("from an outcome to Meta's answer, 2 a second, p95, ms (Meta takes 100)", "≤ 5,000"),
    "event_us": ("one event built from stored keys and checked, processor time, µs", ""),
    "event_sdk_us": ("the same event built by Meta's own library (facebook-business), unchecked, µs", ""),
    "event_ratio": ("ratio of the two, slice by slice", "< 1"),
    "event_decided_us": ("one event with the funnel's decision before it, µs", ""),
    "keys_us": ("a lead's keys, once when it is read, µs", ""),
    "after_1000_mb": ("memory after 1,000 leads, all processes, MB", ""),
    "after_10000_mb": ("memory after 10,000 leads, all processes, MB", "< 300"),
    "growth": ("memory after 10,000 ÷ after 1,000", "flat"),
}
REPORT = Path(__file__).parent.parent / "docs" / "benchmarks.md"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("figure", nargs="?", choices=[*FIGURES, "all"], default="all")
    parser.add_argument("mode", nargs="?", choices=[*MODES, "both"], default="both")
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    rows: list[str] = []
    for mode in MODES if chosen.mode == "both" else (chosen.mode,):
        for name in FIGURES if chosen.figure == "all" else (chosen.figure,):
            rounds = 1 if name == "memory" and chosen.figure == "all" else chosen.rounds
            print(f"{name} ({mode}), {rounds} rounds ...", file=sys.stderr, flush=True)
            rows += report(mode, [FIGURES[name](mode) for _ in range(rounds)])
            print("\n".join(rows[-len(WORDS) :]), flush=True)
    if chosen.figure == "all" and chosen.mode == "both":
        write(rows)


def report(mode: str, rounds: list[dict[str, float]]) -> list[str]:
    """Table rows: min, median and max over the rounds, and what was to be reached."""
    rows = []
    for name in rounds[0]:
        values = [one[name] for one in rounds]
        words, goal = WORDS[name]
        numbers = " | ".join(
            f"{value:.3g}" if value < 1000 else f"{value:.0f}" for value in (min(values), median(values), max(values))
        )
        rows.append(f"| {mode} | {words} | {numbers} | {goal} |")
    return rows


def write(rows: list[str]) -> None:
    head, _, rest = REPORT.read_text().partition("<!-- figures -->") if REPORT.exists() else ("", "", "")
    _, _, tail = rest.partition("<!-- end of figures -->")
    when = datetime.now(UTC).strftime("%Y-%m-%d")
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()}"
    table = "\n".join(["| mode | figure | min | median | max | to reach |", "|---|---|---|---|---|---|", *rows])
    REPORT.write_text(
        f"{head}<!-- figures -->\n\nMeasured {when} on {machine}.\n\n{table}\n\n<!-- end of figures -->{tail}"
    )


if __name__ == "__main__":
    main()
