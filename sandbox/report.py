"""Everything the sandbox knows, as JSON for tests and for the page. Newest first; tokens and secrets left out."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

from sandbox.context import Sandbox
from sandbox.conversion_report import build_conversion_counts, build_conversion_report
from sandbox.crm import record_json
from sandbox.forms import Form, sample_answers
from sandbox.inbox import alert_json
from sandbox.nodes import granted_scopes, lead_node
from sandbox.rows import HOPS, GraphCall, Journey, Lead, Send
from sandbox.state import SandboxState

Json = dict[str, Any]


def build_report(sandbox: Sandbox, limit: int | None = None) -> Json:
    """The whole state; `limit` bounds each list to its newest rows."""
    state = sandbox.state
    with state.locked():
        leads = _newest(list(state.leads.values()), limit)
        shown = None if limit is None else {lead.leadgen_id for lead in leads}
        records = [record for record in state.crm.values() if record.data is not None]
        return {
            "now": state.now().isoformat(),
            "counts": _counts(state),
            "settings": asdict(state.knobs) | {"scopes": granted_scopes(state)},
            "subscriptions": [asdict(one) for one in state.subscriptions.values()],
            "pages": [_page_json(state, page_id) for page_id in state.pages],
            "forms": [_form_json(form) for form in state.forms.values()],
            "leads": [_lead_json(state, lead) for lead in leads],
            "sends": [_send_json(send, shown) for send in _newest(list(state.sends.values()), limit)],
            "graph_calls": [_call_json(call) for call in _newest(list(state.calls), limit)],
            "crm": [record_json(record) for record in _newest(records, limit)],
            "alerts": [alert_json(alert) for alert in _newest(list(state.alerts), limit)],
            "faults": [asdict(fault) for fault in sandbox.board.list()],
            **build_conversion_report(state, limit),
        }


def _newest(rows: list[Any], limit: int | None) -> list[Any]:
    rows.reverse()
    return rows if limit is None else rows[:limit]


def _counts(state: SandboxState) -> Json:
    journeys = list(state.journeys.values())
    reached = {hop: sum(journey.count(hop) > 0 for journey in journeys) for hop in HOPS}
    return {
        "leads": len(state.leads),
        "reached": reached,
        "crm_records": sum(record.data is not None for record in state.crm.values()),
        "graph_calls": state.graph_calls,
        "crm_requests": state.crm_requests,
        "alerts": len(state.alerts),
        "sends_waiting": sum(send.state == "waiting" for send in state.sends.values()),
        **build_conversion_counts(state),
    }


def _page_json(state: SandboxState, page_id: str) -> Json:
    page = state.pages[page_id]
    return {
        "page_id": page_id,
        "name": page.name,
        "subscribed_fields": list(state.subscribed.get(page_id, ())),
        "token": state.current_token(page_id).state,
    }


def _form_json(form: Form) -> Json:
    return {
        "form_id": form.form_id,
        "page_id": form.page_id,
        "name": form.name,
        "locale": form.locale,
        "headline": form.headline,
        "questions": [asdict(question) for question in form.questions],
        "tracking": dict(form.tracking),
        "checkboxes": [asdict(box) for box in form.checkboxes],
        "sample": {key: list(values) for key, values in sample_answers(form, 1).items()},
    }


def _lead_json(state: SandboxState, lead: Lead) -> Json:
    node = {name: value for name, value in lead_node(lead).items() if value is not None}
    return node | {
        "leadgen_id": lead.leadgen_id,
        "page_id": lead.page_id,
        "is_test": lead.is_test,
        "created_at": lead.created_at.isoformat(),
        "crm_requests": record.requests if (record := state.crm.get(lead.leadgen_id)) else 0,
        "journey": _journey_json(state.journeys[lead.leadgen_id]),
    }


def _journey_json(journey: Journey) -> Json:
    """When each hop was first reached, how often, and milliseconds since the webhook was sent (or the form filled).

    Below zero: leadloop was there before the notice, as when it reads Meta's list of leads while the notice waits.
    """
    start = journey.at("sent") or journey.submitted_at
    hops: Json = {}
    for hop in HOPS:
        at = journey.at(hop)
        hops[hop] = {
            "at": at and at.isoformat(),
            "ms": None if at is None else round(_ms_between(start, at), 1),
            "count": journey.count(hop),
        }
    return {"submitted_at": journey.submitted_at.isoformat(), "hops": hops}


def _ms_between(start: datetime, end: datetime) -> float:
    return (end - start).total_seconds() * 1000


def _send_json(send: Send, shown: set[str] | None) -> Json:
    """`shown` bounds the leads that are named: one notice may tell of a thousand."""
    return {
        "send_id": send.send_id,
        "shape": send.shape,
        "size": send.size,
        "leadgen_ids": [one for one in send.leadgen_ids if shown is None or one in shown],
        "queued_at": send.queued_at.isoformat(),
        "state": send.state,
        "attempts": [asdict(attempt) | {"at": attempt.at.isoformat()} for attempt in send.attempts],
    }


def _call_json(call: GraphCall) -> Json:
    return asdict(call) | {"at": call.at.isoformat(), "took_ms": round(call.took_ms, 1)}
