"""A plain CRM: one record for each leadgen_id, written by signed webhooks, listed for whoever wants to look.

It checks Standard Webhooks headers as a careful receiver does. Source: CRM facts §19 (read 2026-11-22).
"""

import base64
import hashlib
import hmac
import time
from dataclasses import replace
from typing import Any

from flask import Blueprint, Response, jsonify, request

from sandbox.bodies import read_object
from sandbox.context import Sandbox, current_sandbox
from sandbox.faults import TRANSPORT_KINDS, Fault, answer_http, spoil
from sandbox.guard import only_this_machine
from sandbox.options import read_signing_key
from sandbox.rows import CrmRecord
from sandbox.state import MOST_LEADS, SandboxState

bp = Blueprint("crm", __name__, url_prefix="/crm")
TOLERANCE_S = 300  # stamps further off are refused


class Refused(Exception):
    """The CRM does not take this request; the text names what is wrong, without repeating what was sent."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


@bp.post("/leads")
def receive() -> Response:
    sandbox = current_sandbox()
    body = request.get_data()
    event = read_object(body)
    leadgen_id = find_leadgen_id(event)
    trouble = sandbox.board.take("crm", leadgen_id=leadgen_id)
    time.sleep((sandbox.state.knobs.crm_delay_ms + trouble.delay_ms) / 1000)
    _count(sandbox.state, leadgen_id)
    fault = trouble.fault
    if fault and not fault.after and fault.kind != "half_body":
        return _fail(fault, None)
    response = _answer(sandbox, body, event)
    time.sleep(trouble.late_ms / 1000)
    return _fail(fault, response) if fault else response


@bp.get("/leads")
@only_this_machine
def list_records() -> Response:
    state = current_sandbox().state
    with state.locked():
        records = [record_json(record) for record in state.crm.values() if record.data is not None]
        return jsonify({"leads": records, "requests": state.crm_requests})


@bp.get("/leads/<leadgen_id>")
@only_this_machine
def show_record(leadgen_id: str) -> Response:
    record = current_sandbox().state.crm.get(leadgen_id)
    if record is None:
        return _json({"error": "no record of this leadgen_id"}, 404)
    return jsonify(record_json(record))


def record_json(record: CrmRecord) -> dict[str, Any]:
    return {
        "id": record.crm_id,
        "leadgen_id": record.leadgen_id,
        "requests": record.requests,
        "created_at": record.created_at and record.created_at.isoformat(),
        "updated_at": record.updated_at and record.updated_at.isoformat(),
        "data": record.data,
    }


def find_leadgen_id(event: dict[str, Any] | None) -> str | None:
    """data.leadgen_id of an event, whatever else is wrong with it."""
    data = (event or {}).get("data")
    found = data.get("leadgen_id") if isinstance(data, dict) else None
    return found if isinstance(found, str) and 0 < len(found) <= 100 else None


def verify_signature(secret: str, body: bytes, now_s: float) -> None:
    """Check the Standard Webhooks headers of the request in hand. Raises Refused (401)."""
    message_id = request.headers.get("webhook-id", "")
    stamp = request.headers.get("webhook-timestamp", "")
    if not message_id or "." in message_id:
        raise Refused(401, "webhook-id is missing or holds a dot")
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) < 12) or abs(int(stamp) - now_s) > TOLERANCE_S:
        raise Refused(401, "webhook-timestamp is missing or more than five minutes off")
    signed = f"{message_id}.{stamp}.".encode() + body
    expected = base64.b64encode(hmac.digest(read_signing_key(secret), signed, hashlib.sha256)).decode()
    given = request.headers.get("webhook-signature", "").split()
    if not any(hmac.compare_digest(one.encode("utf-8", "replace"), f"v1,{expected}".encode()) for one in given):
        raise Refused(401, "webhook-signature does not fit this body and secret")


def _answer(sandbox: Sandbox, body: bytes, event: dict[str, Any] | None) -> Response:
    try:
        if secret := sandbox.state.options.crm_secret:
            verify_signature(secret, body, sandbox.state.now().timestamp())
        if event is None:
            raise Refused(400, "the body is not a JSON object")
        if not isinstance(event.get("type"), str):
            raise Refused(422, "type is missing")
        if not event["type"].startswith("lead."):
            return _json({"ignored": True}, 200)
        if find_leadgen_id(event) is None:
            raise Refused(422, "data.leadgen_id is missing")
        return _upsert(sandbox.state, event["data"])
    except Refused as caught:
        return _json({"error": caught.text}, caught.status)


def _upsert(state: SandboxState, data: dict[str, Any]) -> Response:
    leadgen_id, now = data["leadgen_id"], state.now()
    with state.locked():
        record = state.crm.get(leadgen_id) or CrmRecord(f"crm-{state.new_number()}", leadgen_id, 1)
        created = record.data is None
        state.crm[leadgen_id] = replace(record, data=data, created_at=record.created_at or now, updated_at=now)
        state.note("crm", [leadgen_id], now)
    return _json({"id": record.crm_id, "created": created}, 201 if created else 200)


def _count(state: SandboxState, leadgen_id: str | None) -> None:
    with state.locked():
        state.crm_requests += 1
        if leadgen_id is None:
            return
        old = state.crm.get(leadgen_id) or CrmRecord(f"crm-{state.new_number()}", leadgen_id, 0)
        state.crm[leadgen_id] = replace(old, requests=old.requests + 1)
        while len(state.crm) > MOST_LEADS:
            state.crm.popitem(last=False)


def _fail(fault: Fault, good: Response | None) -> Response:
    return spoil(fault.kind, good) if fault.kind in TRANSPORT_KINDS else answer_http(fault)


def _json(content: dict[str, Any], status: int) -> Response:
    response = jsonify(content)
    response.status_code = status
    return response
