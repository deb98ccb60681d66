"""Graph's leads: one, a form's list, and test leads. Source: Meta ingestion facts §5.1, §5.2, §5.4 (read 2026-11-22)."""

from collections.abc import Callable

from sandbox import graph_errors as errors
from sandbox.access import check_page, check_scope
from sandbox.bodies import read_any
from sandbox.calls import Call, Json, asked_fields
from sandbox.fields import Asked, select
from sandbox.nodes import AD_FIELDS, LEAD_DEFAULTS, lead_node
from sandbox.paging import cut_page
from sandbox.rows import Lead
from sandbox.submissions import Telling, TestLeadExists, as_values, send_leads, submit_test_lead

LEAD_TYPE = "UserLeadGenInfo"


def read_lead(call: Call) -> Json:
    check_page(call.token, call.target.page_id, call.target.object_id, call.method)
    check_scope(call.state, "leads_retrieval")
    return _lead_json(call, call.lead, asked_fields(call, LEAD_DEFAULTS))


def delete_lead(call: Call) -> Json:
    check_page(call.token, call.target.page_id, call.target.object_id, call.method)
    return {"success": call.state.delete_lead(call.lead.leadgen_id)}


def list_form_leads(call: Call) -> Json:
    check_page(call.token, call.page.page_id, call.form.form_id, call.method)
    check_scope(call.state, "leads_retrieval")
    asked = asked_fields(call, LEAD_DEFAULTS)
    keep = _read_filters(call)
    leads = [lead for lead in call.state.list_leads(call.form.form_id) if keep(lead)]
    shown, paging = cut_page(call, leads, _place)
    return {"data": [_lead_json(call, lead, asked) for lead in shown]} | paging


def list_test_leads(call: Call) -> Json:
    check_page(call.token, call.page.page_id, call.form.form_id, call.method)
    leads = call.state.list_leads(call.form.form_id, test=True)
    return {"data": [_lead_json(call, lead, asked_fields(call, LEAD_DEFAULTS)) for lead in leads]}


def create_test_lead(call: Call) -> Json:
    """One test lead for each form at a time, told by webhook at once. Source: Meta ingestion facts §5.4 (the wording of
    the refusal is ours)."""
    check_page(call.token, call.page.page_id, call.form.form_id, call.method)
    answers = _read_rows(call, "field_data", "name", "values")
    boxes = _read_rows(call, "custom_disclaimer_responses", "checkbox_key", "is_checked")
    field_data = None if answers is None else tuple((str(row["name"]), as_values(row["values"])) for row in answers)
    disclaimers = tuple((str(row["checkbox_key"]), bool(row["is_checked"])) for row in boxes or ())
    try:
        lead = submit_test_lead(call.state, call.form, field_data, disclaimers)
    except TestLeadExists as caught:
        raise errors.bad_parameter("There is already a test lead for this form: delete it first") from caught
    send_leads(call.sandbox, [lead], Telling())
    return {"id": lead.leadgen_id}


def _lead_json(call: Call, lead: Lead, asked: tuple[Asked, ...]) -> Json:
    knobs = call.state.knobs
    if AD_FIELDS & {one.name for one in asked}:
        if not knobs.ads_rights:
            raise errors.no_ads_rights(knobs.ads_error)
        check_scope(call.state, "ads_management")
    return select(lead_node(lead), asked, LEAD_TYPE)


def _read_rows(call: Call, name: str, key: str, value: str) -> list[Json] | None:
    given = call.params.get(name)
    if given is None:
        return None
    if isinstance(given, str):
        given = read_any(given)
    if not isinstance(given, list) or not all(isinstance(row, dict) and key in row and value in row for row in given):
        raise errors.bad_parameter(f"Param {name} must be an array of objects with {key} and {value}")
    return given


def _read_filters(call: Call) -> Callable[[Lead], bool]:
    """`filtering`: only time_created with Unix seconds counts; a wrong name or an ISO date is ignored without a word.

    Source: Meta ingestion facts §5.2.
    """
    text = call.text("filtering")
    if not text:
        return lambda lead: True
    rows = read_any(text)
    if not isinstance(rows, list):
        raise errors.bad_parameter("Param filtering must be an array")
    tests = [test for row in rows if (test := _read_filter(row))]
    return lambda lead: all(test(lead.created_at.timestamp()) for test in tests)


def _read_filter(row: object) -> Callable[[float], bool] | None:
    if not isinstance(row, dict):
        raise errors.bad_parameter("Param filtering[0] must be a JSON object")
    if row.get("field") in ("id", "field_data"):
        raise errors.unknown_error()
    value = row.get("value")
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        value = int(value)
    seconds = value if isinstance(value, int) and not isinstance(value, bool) else None
    if row.get("field") != "time_created" or seconds is None:
        return None
    bound = seconds
    return {
        "GREATER_THAN": lambda created: int(created) > bound,
        "GREATER_THAN_OR_EQUAL": lambda created: int(created) >= bound,
        "LESS_THAN": lambda created: int(created) < bound,
    }.get(str(row.get("operator")))


def _place(lead: Lead) -> tuple[float, int]:
    return lead.created_at.timestamp(), int(lead.leadgen_id)
