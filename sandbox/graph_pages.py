"""Graph's forms, Pages, callers and tokens. Source: Meta ingestion facts §5.3, §5.6, §6.2 (read 2026-11-22)."""

from collections.abc import Mapping

from sandbox import graph_errors as errors
from sandbox.access import check_page, faulty_token_problem
from sandbox.calls import Call, Json, asked_fields
from sandbox.fields import select
from sandbox.forms import Form
from sandbox.nodes import FORM_DEFAULTS, PAGE_DEFAULTS, debug_node, form_node, lead_access, page_node
from sandbox.options import SYSTEM_USER_ID
from sandbox.paging import cut_page

FORM_TYPE = "LeadGenData"


def read_form(call: Call) -> Json:
    check_page(call.token, call.page.page_id, call.form.form_id, call.method)
    return select(form_node(call.form, call.state), asked_fields(call, FORM_DEFAULTS), FORM_TYPE)


def list_page_forms(call: Call) -> Json:
    check_page(call.token, call.page.page_id, call.page.page_id, call.method)
    asked = asked_fields(call, FORM_DEFAULTS)
    forms = [form for form in call.state.forms.values() if form.page_id == call.page.page_id]
    forms.sort(key=_place, reverse=True)
    shown, paging = cut_page(call, forms, _place)
    return {"data": [select(form_node(form, call.state), asked, FORM_TYPE) for form in shown]} | paging


def _place(form: Form) -> tuple[float, int]:
    return 0.0, int(form.form_id)


def read_page(call: Call) -> Json:
    check_page(call.token, call.page.page_id, call.page.page_id, call.method)
    asked = asked_fields(call, PAGE_DEFAULTS)
    arguments: Mapping[str, str] = next((one.arguments for one in asked if one.name == "has_lead_access"), {})
    blocked = call.board.find("graph", ("no_lead_access",), call.page.page_id) is not None
    access = lead_access(
        call.page,
        app_id=arguments.get("app_id", call.state.options.app_id),
        user_id=arguments.get("user_id", SYSTEM_USER_ID),
        blocked=blocked,
    )
    return select(page_node(call.page, call.state, access), asked, "Page")


def read_me(call: Call) -> Json:
    if call.token.kind == "app":
        raise errors.no_token(about_me=True)
    if call.token.page_id:
        page = call.state.pages[call.token.page_id]
        return select({"id": page.page_id, "name": page.name}, asked_fields(call, "id,name"), "Page")
    return select({"id": SYSTEM_USER_ID, "name": "Sandbox system user"}, asked_fields(call, "id,name"), "User")


def list_accounts(call: Call) -> Json:
    if call.token.kind != "system":
        raise errors.no_such_field("accounts", "Page" if call.token.kind == "page" else "Application")
    asked = asked_fields(call, "access_token,category,name,id,tasks")
    pages = call.state.pages.values()
    return {"data": [select(page_node(page, call.state, {}), asked, "Page") for page in pages]}


def debug_token(call: Call) -> Json:
    value = call.text("input_token")
    if not value:
        raise errors.bad_parameter("The parameter input_token is required")
    token = call.state.find_token(value)
    problem = faulty_token_problem(call.state, call.board, token) if token else None
    found = {"code": problem.code, "message": problem.message, "subcode": problem.subcode} if problem else None
    return {"data": debug_node(token, call.state, found)}
