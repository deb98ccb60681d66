"""The Conversions API's part of the state, as JSON: datasets, events received and refused, outcomes. Newest first."""

from collections.abc import Iterable
from dataclasses import fields
from datetime import datetime
from typing import Any

from sandbox.outcomes import HOW_TO
from sandbox.state import SandboxState

Json = dict[str, Any]


def build_conversion_report(state: SandboxState, limit: int | None) -> Json:
    """`limit` bounds each list to its newest rows. The API key is left out."""
    book = state.datasets
    with book.locked():
        return {
            "datasets": [row_json(one) for one in book.datasets.values()],
            "events": _newest(book.events, limit),
            "event_counts": _newest(book.counts.values(), limit),
            "refused_batches": _newest(book.refused, limit),
            "outcomes": _newest(book.outcomes, limit),
            "api": {
                "url": state.api.url,
                "connection": state.api.connection,
                "ready": bool(state.api.key),
                "how_to": None if state.api.key else HOW_TO,
            },
        }


def build_conversion_counts(state: SandboxState) -> Json:
    """Of all events since the start, forgotten ones too, by name as far as names are remembered."""
    counts = list(state.datasets.counts.values())
    return {
        "events_received": sum(one.received for one in counts),
        "events_dropped": sum(one.dropped for one in counts),
        "events_repeated": sum(one.repeated for one in counts),
        "events_test": sum(one.test for one in counts),
        "events_refused": state.datasets.refused_events,
        "outcomes": len(state.datasets.outcomes),
    }


def _newest(rows: Iterable[Any], limit: int | None) -> list[Json]:
    listed = list(rows)[::-1]
    return [row_json(row) for row in (listed if limit is None else listed[:limit])]


def row_json(row: Any) -> Json:
    """A row as JSON. The rows of this part hold nothing that is a row itself, so that nothing need be copied deeply."""
    found = {field.name: getattr(row, field.name) for field in fields(row)}
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in found.items()}
