"""The pretend CRM tells leadloop what became of its leads: POST /api/v1/outcomes, to this machine only."""

import json
from typing import Any

from sandbox.event_rows import SentOutcome
from sandbox.outgoing import exchange
from sandbox.rows import CrmRecord
from sandbox.state import SandboxState

PATH = "/api/v1/outcomes"
LONGEST_ANSWER = 4_000
HOW_TO = (
    "The sandbox has no key to leadloop's API yet. Make one with leadloop api-key create sandbox, and give it on the"
    " sandbox's page (CRM records, leadloop's API), as --api-key, or as LEADLOOP_SANDBOX_API_KEY."
)


class NotConfigured(Exception):
    """There is no API key."""


class CannotName(Exception):
    """The CRM has no such thing of this lead: `name` is what it should have been named by."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def build_outcome(state: SandboxState, record: CrmRecord, given: dict[str, Any]) -> dict[str, Any]:
    """The body. What is not given is left out; `occurred_at` is now. Raises CannotName."""
    named_by = given["named_by"]
    name = {"leadgen_id": record.leadgen_id, "crm_id": record.crm_id}.get(named_by) or (record.data or {}).get(named_by)
    if not isinstance(name, str) or not name:
        raise CannotName(named_by)
    now = state.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
    body: dict[str, Any] = {
        "lead": {named_by: name},
        "stage": given["stage"],
        "occurred_at": now if given["occurred_at"] is None else given["occurred_at"],
    }
    body |= {key: given[key] for key in ("value", "currency", "order_id") if given[key] is not None}
    if state.api.connection:
        body["connection"] = state.api.connection
    return body | ({"fields": given["fields_"]} if given["fields_"] else {})


def send_outcome(state: SandboxState, record: CrmRecord, given: dict[str, Any]) -> list[SentOutcome]:
    """Send one outcome, and again `repeat` times under the same Idempotency-Key. Raises NotConfigured, CannotName."""
    api = state.api
    if not api.key:
        raise NotConfigured
    content = json.dumps(build_outcome(state, record, given)).encode()
    headers = {
        "Authorization": f"Bearer {api.key}",
        "Content-Type": "application/json",
        "Idempotency-Key": f"sandbox-{record.leadgen_id}-{state.new_leadgen_id()}",
    }
    return [_send(state, record, given, headers, content) for _ in range(1 + given["repeat"])]


def _send(
    state: SandboxState, record: CrmRecord, given: dict[str, Any], headers: dict[str, str], content: bytes
) -> SentOutcome:
    at = state.now()
    url = state.api.url.rstrip("/") + PATH
    answer = exchange("POST", url, headers=headers, body=content, timeout_s=state.options.send_timeout_s)
    sent = SentOutcome(
        number=state.new_number(),
        at=at,
        leadgen_id=record.leadgen_id,
        stage=given["stage"],
        value=given["value"],
        currency=given["currency"],
        status=answer.status,
        problem=answer.problem,
        answer=answer.body.decode("utf-8", "replace")[:LONGEST_ANSWER],
    )
    state.datasets.add_outcome(sent)
    return sent
