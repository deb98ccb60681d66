"""Events for the Conversions API: the request that is sent, and what its answer tells. Pure, but for send_events().

Source: Meta conversions facts §1.1, §1.2, §1.5, §1.6, §9, read 2026-11-26.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from leadloop import __version__
from leadloop.conversions.answers import EventRefused, EventsUnanswered, Received
from leadloop.errors import Retryable
from leadloop.http import Unanswered, build_json
from meta_graph.door import Ask, GraphDoor
from meta_graph.errors import parse_trace
from meta_graph.event_answers import EVENTS, count_received, unanswered
from meta_graph.event_errors import MOST_ITEMS, clean_json, clean_words

__all__ = ["MOST_EVENTS", "PARTNER_AGENT", "EventRefused", "EventsUnanswered", "Received", "send_events"]

MOST_EVENTS = 1_000
# Meta advises to hang up after 1.5 s, as a browser's page must not wait; most answers come within 0.6 s. Here nobody waits,
# and hanging up early costs dearly: what was sent may be stored, and on most routes it may then never be sent again.
TIMES = (3.0, 10.0, 20.0)
LARGEST_KEPT = 20_000  # characters of an answer
PARTNER_AGENT = "leadloop_" + "_".join(__version__.split(".")[:2])  # name_major_minor: facts §9


def send_events(
    door: GraphDoor,
    dataset_id: str,
    events: Sequence[Mapping[str, Any]],
    *,
    token: str,
    test_event_code: str | None = None,
    times: tuple[float, float, float] = TIMES,
) -> Received:
    """See GraphClient.send_events(). `times` are the seconds to connect, to wait for bytes, and for everything together."""
    if not 0 < len(events) <= MOST_EVENTS:
        raise ValueError(f"a request has 1 to {MOST_EVENTS} events, not {len(events)}")
    form = build_form(events, test_event_code=test_event_code)
    ask = Ask("POST", f"{dataset_id}/events", form, EVENTS, dataset_id, "dataset", times)
    try:
        return parse_received(door.call(ask, token))
    except Unanswered as caught:
        raise unanswered(caught, maybe_stored=True) from caught
    except Retryable as caught:
        if type(caught) is not Retryable:  # Graph's own are of finer kinds
            raise
        raise unanswered(caught, maybe_stored=False) from caught  # no connection: nothing went out


def build_form(events: Sequence[Mapping[str, Any]], *, test_event_code: str | None = None) -> dict[str, str]:
    """The form of the request: the events as JSON, every digit of a lead_id as it is. EventRefused for what is no JSON."""
    try:
        data = build_json(list(events)).decode()
    except (ValueError, TypeError, RecursionError):
        raise EventRefused(
            "An event holds a value that JSON cannot tell, such as NaN.",
            code="event_not_json",
            action="Correct the value; leadloop conversions check names the field.",
        ) from None
    code = (test_event_code or "").strip()
    return {"data": data, "partner_agent": PARTNER_AGENT} | ({"test_event_code": code} if code else {})


def parse_received(answer: Mapping[str, Any]) -> Received:
    """What a good answer tells; one that says how many events were received (see event_answers.parse_answer)."""
    messages = answer.get("messages")
    told = messages if isinstance(messages, list) else [messages]
    remarks = [
        clean_words(one if isinstance(one, str) else json.dumps(clean_json(one))) for one in told[:MOST_ITEMS] if one
    ]
    return Received(
        events=count_received(answer) or 0,
        fbtrace_id=parse_trace(answer.get("fbtrace_id")),
        remarks=tuple(one for one in remarks if one),
        answer=_keep(answer),
    )


def _keep(answer: Mapping[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = clean_json(dict(answer))
    if len(json.dumps(kept)) > LARGEST_KEPT:
        kept = {name: kept[name] for name in ("events_received", "fbtrace_id") if name in kept}
    return kept | ({"fbtrace_id": trace} if (trace := parse_trace(answer.get("fbtrace_id"))) else {})
