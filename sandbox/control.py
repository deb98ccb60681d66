"""The control API under /_sandbox/: fill in forms, send samples, set faults, kill tokens, look at everything.

JSON in and out; callers on this machine only. A refused request answers 400 with {"error": {field: [what to mend]}}.
"""

from typing import Any

from flask import Blueprint, Response, jsonify, request
from marshmallow import Schema, ValidationError

from sandbox.bodies import read_object
from sandbox.context import Sandbox, current_sandbox
from sandbox.control_inputs import (
    ALL_FORMS,
    FaultFilter,
    FaultInput,
    LeadInput,
    SampleInput,
    SettingsInput,
    TokenInput,
)
from sandbox.conversion_inputs import ClickInput, DatasetInput, OutcomeInput
from sandbox.conversion_report import row_json
from sandbox.faults import Fault
from sandbox.forms import FORMS
from sandbox.guard import check_caller
from sandbox.outcomes import HOW_TO, CannotName, NotConfigured, send_outcome
from sandbox.report import build_report
from sandbox.rows import Lead, TokenState
from sandbox.scene import Scene
from sandbox.shapes import build_sample
from sandbox.submissions import Telling, TestLeadExists, send_leads, submit_lead, submit_test_lead

bp = Blueprint("control", __name__, url_prefix="/_sandbox")
bp.before_request(check_caller)
TOKEN_STATES: dict[str, TokenState] = {
    "expire": "expired",
    "change_password": "password_changed",
    "replace": "replaced",
    "restore": "valid",
}


@bp.errorhandler(ValidationError)
def refuse(caught: ValidationError) -> Response:
    return _answer({"error": caught.normalized_messages()}, 400)  # type: ignore[no-untyped-call]


@bp.get("/state")
def show_state() -> Response:
    """Everything; ?limit=N bounds each list to its newest N rows."""
    text = request.args.get("limit", "")
    if text and not (text.isascii() and text.isdigit() and len(text) < 7):
        raise ValidationError("Must be a whole number.", "limit")
    return jsonify(build_report(current_sandbox(), int(text) if text else None))


@bp.post("/leads")
def fill_in() -> Response:
    sandbox, given = current_sandbox(), _read(LeadInput())
    leads = _submit(sandbox, given)
    how = Telling(given["shape"], given["batch"], given["repeat"], given["reorder"], given["signing"])
    send_ids = send_leads(sandbox, leads, how) if given["send"] else []
    answer: dict[str, Any] = {"leadgen_ids": [lead.leadgen_id for lead in leads], "send_ids": send_ids}
    if given["send"] and not send_ids:
        answer["not_sent"] = "The app or the Page is not subscribed to leadgen: Meta, too, would stay silent."
    return _answer(answer, 201)


@bp.post("/send")
def send_sample() -> Response:
    sandbox, given = current_sandbox(), _read(SampleInput())
    state = sandbox.state
    lead = state.find_lead(given["leadgen_id"] or next(reversed(state.leads), ""))
    if given["leadgen_id"] and lead is None:
        raise ValidationError("There is no such lead.", "leadgen_id")
    page_id = lead.page_id if lead else given["page_id"]
    payload = build_sample(given["shape"], Scene(page_id, state.now(), state.new_number(), lead))
    send_ids = [
        send_id
        for _ in range(1 + given["repeat"])
        if (send_id := sandbox.sender.send(given["shape"], payload, signing=given["signing"]))
    ]
    return _answer({"send_ids": send_ids}, 201)


@bp.post("/faults")
def set_fault() -> Response:
    sandbox, given = current_sandbox(), _read(FaultInput())
    fault = Fault(fault_id=sandbox.state.new_number(), **given)
    sandbox.board.add(fault)
    return _answer({"fault_id": fault.fault_id}, 201)


@bp.delete("/faults")
def clear_faults() -> Response:
    """Narrowed by fault_id, where, kind: in the query or as JSON."""
    given = _read(FaultFilter(), request.args.to_dict() | _body(required=False))
    cleared = current_sandbox().board.clear(given["where"], given["kind"], given["fault_id"])
    return _answer({"cleared": cleared}, 200)


@bp.post("/tokens")
def change_token() -> Response:
    """Expire, replace, restore or show the token of a Page or of the system user; answers with the one now in use."""
    state, given = current_sandbox().state, _read(TokenInput())
    page_id, action = given["page_id"], given["action"]
    token = state.current_token(page_id) if action == "show" else state.change_token(page_id, TOKEN_STATES[action])
    return _answer({"page_id": page_id, "access_token": token.value, "state": token.state}, 200)


@bp.post("/settings")
def change_settings() -> Response:
    state, given = current_sandbox().state, _read(SettingsInput())
    if url := given.pop("webhook_url", None):
        state.set_webhook_url(url)
    state.set_api(**{name: given.pop(f"api_{name}") for name in ("url", "key", "connection") if f"api_{name}" in given})
    state.change_knobs(given)
    return _answer({"settings": build_report(current_sandbox(), 0)["settings"]}, 200)


@bp.post("/datasets")
def change_dataset() -> Response:
    """Change a dataset, or make one: who may use it, what kind it is, what quality Meta sees in it."""
    state, given = current_sandbox().state, _read(DatasetInput())
    if "tasks" in given:
        given["tasks"] = tuple(given["tasks"])
    dataset = state.datasets.change_dataset(given.pop("dataset_id"), given, state.now())
    if dataset is None:
        raise ValidationError("There are too many datasets.", "dataset_id")
    return _answer(row_json(dataset), 200)


@bp.post("/clicks")
def click_ad() -> Response:
    """Somebody clicks on a click-to-WhatsApp ad: the events edge knows this ctwa_clid from now on."""
    state, given = current_sandbox().state, _read(ClickInput())
    at = given["clicked_at"] or state.now()
    ctwa_clid = given["ctwa_clid"] or state.datasets.make_click(at)
    state.datasets.note_click(ctwa_clid, at)
    return _answer({"ctwa_clid": ctwa_clid}, 201)


@bp.post("/outcomes")
def tell_outcome() -> Response:
    """The CRM tells leadloop what became of one of its leads; answers with what leadloop answered."""
    state, given = current_sandbox().state, _read(OutcomeInput())
    record = state.crm.get(given["leadgen_id"])
    if record is None or record.data is None:
        raise ValidationError("The CRM has no lead of this id.", "leadgen_id")
    try:
        sent = send_outcome(state, record, given)
    except NotConfigured:
        raise ValidationError(HOW_TO, "api_key") from None
    except CannotName as caught:
        raise ValidationError(f"The CRM's record of this lead has no {caught.name}.", "named_by") from caught
    return _answer({"outcomes": [row_json(one) for one in sent]}, 200)


@bp.post("/reset")
def reset() -> Response:
    """Forget everything but the options it was started with."""
    sandbox = current_sandbox()
    sandbox.sender.clear()
    sandbox.board.clear()
    sandbox.state.reset()
    return _answer({"reset": True}, 200)


def _submit(sandbox: Sandbox, given: dict[str, Any]) -> list[Lead]:
    forms = FORMS if given["form_id"] == ALL_FORMS else [sandbox.state.forms[given["form_id"]]]
    field_data = given["field_data"]
    if field_data is not None:
        field_data = tuple((row["name"], row["values"]) for row in field_data)
    if given["test"]:
        try:
            return [submit_test_lead(sandbox.state, forms[0], field_data)]
        except TestLeadExists:
            raise ValidationError("This form has a test lead already: DELETE it through Graph first.", "test") from None
    return [
        submit_lead(
            sandbox.state,
            forms[place % len(forms)],
            answers=given["answers"],
            field_data=field_data,
            ticked=given["ticked"],
            created_at=given["created_at"],
            organic=given["organic"],
            platform=given["platform"],
        )
        for place in range(given["count"])
    ]


def _read(schema: Schema, given: dict[str, Any] | None = None) -> dict[str, Any]:
    loaded: dict[str, Any] = schema.load(_body() if given is None else given)
    return loaded


def _body(*, required: bool = True) -> dict[str, Any]:
    if not request.get_data() and not required:
        return {}
    content = read_object(request.get_data()) if request.is_json else None
    if content is None:
        raise ValidationError("Must be a JSON object, sent as application/json.", "body")
    return content


def _answer(content: dict[str, Any], status: int) -> Response:
    response = jsonify(content)
    response.status_code = status
    return response
