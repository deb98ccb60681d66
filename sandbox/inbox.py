"""The alert inbox: takes what Apprise's json:// sends, and remembers it with the lead it speaks of."""

import time

from flask import Blueprint, Response, jsonify, request

from sandbox.bodies import read_object
from sandbox.context import current_sandbox
from sandbox.faults import TRANSPORT_KINDS, answer_http, spoil
from sandbox.guard import only_this_machine
from sandbox.rows import Alert

bp = Blueprint("inbox", __name__)
LONGEST_TEXT = 20_000


@bp.post("/alerts")
@bp.post("/alerts/")
def receive() -> Response:
    sandbox = current_sandbox()
    trouble = sandbox.board.take("alerts")
    time.sleep((sandbox.state.knobs.alerts_delay_ms + trouble.delay_ms) / 1000)
    fault = trouble.fault
    if fault and not fault.after and fault.kind != "half_body":
        return spoil(fault.kind) if fault.kind in TRANSPORT_KINDS else answer_http(fault)
    content = read_object(request.get_data())
    if content is None:
        response = jsonify({"error": "the body is not a JSON object"})
        response.status_code = 400
        return response
    title, message, type_ = (str(content.get(key) or "")[:LONGEST_TEXT] for key in ("title", "message", "type"))
    alert = sandbox.state.add_alert(title, message, type_)
    response = jsonify({"id": alert.alert_id})
    time.sleep(trouble.late_ms / 1000)
    if fault:
        return spoil(fault.kind, response) if fault.kind in TRANSPORT_KINDS else answer_http(fault)
    return response


@bp.get("/alerts")
@only_this_machine
def list_alerts() -> Response:
    state = current_sandbox().state
    with state.locked():
        return jsonify({"alerts": [alert_json(alert) for alert in state.alerts]})


def alert_json(alert: Alert) -> dict[str, object]:
    return {
        "id": alert.alert_id,
        "at": alert.at.isoformat(),
        "title": alert.title,
        "message": alert.message,
        "type": alert.type,
        "leadgen_id": alert.leadgen_id,
    }
