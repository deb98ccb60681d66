"""The Graph API's one door: version, faults, token, proof, then the handler; every answer has Meta's headers and is noted.

Sources: Meta ingestion facts §1.9, §5, §6 (read 2026-11-22), Meta conversions facts.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from flask import Blueprint, Response, request
from flask.blueprints import BlueprintSetupState
from werkzeug.routing import BaseConverter

from sandbox import graph_datasets, graph_events, graph_leads, graph_pages, graph_subscriptions, quality
from sandbox import graph_errors as errors
from sandbox.access import authenticate
from sandbox.bodies import read_object
from sandbox.calls import DATASET_OPERATIONS, Call, Json, Target, identify
from sandbox.context import Sandbox, current_fbtrace_id, current_sandbox
from sandbox.fault_errors import find_fault_error
from sandbox.faults import ADS_LIMITS, WORKING, Fault, Trouble, spoil
from sandbox.graph_errors import GraphError
from sandbox.nodes import AD_FIELDS
from sandbox.rows import GraphCall, Usage

bp = Blueprint("graph", __name__)
AD_ACCOUNT_ID = "120000000000001"
NEWEST_VERSION = (26, 0)
NO_DATE_FORMAT_FROM = (26, 0)  # Source: Meta ingestion facts §6.1
OLDEST_VERSION = (21, 0)  # older ones are served by it. Source: Meta ingestion facts §6.1

HANDLERS: Mapping[tuple[str, str], Callable[[Call], Json]] = {
    ("lead", "GET"): graph_leads.read_lead,
    ("lead", "DELETE"): graph_leads.delete_lead,
    ("form_leads", "GET"): graph_leads.list_form_leads,
    ("test_leads", "GET"): graph_leads.list_test_leads,
    ("test_leads", "POST"): graph_leads.create_test_lead,
    ("form", "GET"): graph_pages.read_form,
    ("page_forms", "GET"): graph_pages.list_page_forms,
    ("page", "GET"): graph_pages.read_page,
    ("me", "GET"): graph_pages.read_me,
    ("accounts", "GET"): graph_pages.list_accounts,
    ("debug_token", "GET"): graph_pages.debug_token,
    ("subscribed_apps", "GET"): graph_subscriptions.list_subscribed_apps,
    ("subscribed_apps", "POST"): graph_subscriptions.subscribe_page,
    ("subscribed_apps", "DELETE"): graph_subscriptions.unsubscribe_page,
    ("subscriptions", "GET"): graph_subscriptions.list_subscriptions,
    ("subscriptions", "POST"): graph_subscriptions.subscribe_app,
    ("events", "POST"): graph_events.receive_events,
    ("events", "GET"): graph_events.refuse_reading,
    ("linked_dataset", "GET"): graph_datasets.list_linked,
    ("linked_dataset", "POST"): graph_datasets.make_linked,
    ("dataset", "GET"): graph_datasets.read_dataset,
    ("assigned_users", "POST"): graph_datasets.assign_user,
    ("dataset_quality", "GET"): quality.read_quality,
    ("quality_path", "GET"): quality.refuse_path,
    ("subscriptions", "DELETE"): graph_subscriptions.unsubscribe_app,
}


class VersionConverter(BaseConverter):
    """v26.0 and the like."""

    regex = r"v\d{1,3}\.\d{1,2}"


@bp.record_once
def add_converter(setup: BlueprintSetupState) -> None:
    setup.app.url_map.converters["graph_version"] = VersionConverter


@dataclass(frozen=True)
class Outcome:
    """What a call comes to: the answer as JSON or an error, or an answer that is spoilt on its way."""

    data: Json | None = None
    error: GraphError | None = None
    spoilt: Fault | None = None


@bp.route("/<graph_version:version>/", defaults={"path": ""}, methods=["GET", "POST", "DELETE"])
@bp.route("/<graph_version:version>/<path:path>", methods=["GET", "POST", "DELETE"])
def answer(version: str, path: str) -> Response:
    sandbox, started = current_sandbox(), time.perf_counter()
    target = identify(sandbox.state, path)
    trouble = sandbox.board.take(
        "graph",
        page_id=target.page_id,
        leadgen_id=target.leadgen_id,
        operation=target.operation,
        asks_ads=target.operation in DATASET_OPERATIONS
        or not AD_FIELDS.isdisjoint(request.values.get("fields", "").split(",")),
    )
    time.sleep((sandbox.state.knobs.graph_delay_ms + trouble.delay_ms) / 1000)
    outcome = _decide(sandbox, version, path, target, trouble)
    time.sleep(trouble.late_ms / 1000)
    response = _respond(sandbox, version, target, outcome)
    _note(sandbox, path, target, trouble, outcome, response, started)
    return response


def _decide(sandbox: Sandbox, version: str, path: str, target: Target, trouble: Trouble) -> Outcome:
    fault = trouble.fault
    working = fault is not None and fault.kind in WORKING
    if fault and not fault.after and not working:
        return _outcome_of(fault, target, sandbox)
    try:
        outcome = Outcome(data=_perform(sandbox, version, path, target, fault if working else None))
    except GraphError as caught:
        outcome = Outcome(error=caught)
    if fault and fault.after and not working:
        return _outcome_of(fault, target, sandbox)
    return replace(outcome, spoilt=fault if fault and fault.kind == "half_body" else None)


def _outcome_of(fault: Fault, target: Target, sandbox: Sandbox) -> Outcome:
    error = find_fault_error(fault, target.object_id, sandbox.state)
    return Outcome(error=error, spoilt=None if error else fault)


def _perform(sandbox: Sandbox, version: str, path: str, target: Target, fault: Fault | None) -> Json:
    if _number(version) > max(NEWEST_VERSION, _number(sandbox.state.options.graph_version)):
        raise errors.unknown_path(f"{version}/{path}")
    params = _read_params()
    token = authenticate(sandbox.state, params, about_me=target.object_id == "me")
    if "date_format" in params and _number(version) >= NO_DATE_FORMAT_FROM:
        raise errors.bad_parameter(f"The parameter date_format is not supported in {version}")
    handler = HANDLERS.get((target.operation, request.method))
    if handler is None:
        raise _no_handler(target, path)
    return handler(Call(sandbox, request.method, target, params, token, request.base_url, fault))


def _no_handler(target: Target, path: str) -> GraphError:
    first = target.object_id
    if target.operation == "other" and first.isdigit() and path.strip("/") == first:
        return errors.not_found(first, request.method)
    if target.operation == "other" and first and not first.isdigit() and path.strip("/") == first:
        return errors.no_such_object(first)
    return errors.unsupported(request.method, "/" + path[:200])


def _read_params() -> dict[str, Any]:
    """Query, form and JSON body as one; a JSON body's values keep their types."""
    params: dict[str, Any] = {**request.args.to_dict(), **request.form.to_dict()}
    if request.is_json:
        body = read_object(request.get_data())
        if body is None:
            raise errors.bad_parameter("The body is not a JSON object")
        params |= body
    return params


def _respond(sandbox: Sandbox, version: str, target: Target, outcome: Outcome) -> Response:
    fbtrace_id = current_fbtrace_id()
    data = outcome.error.to_json(fbtrace_id) if outcome.error else outcome.data
    response = Response(write_json(data or {}), outcome.error.status if outcome.error else 200)
    response.content_type = "application/json; charset=UTF-8"
    if outcome.spoilt:
        response = spoil(outcome.spoilt.kind, response)
    served = max(_number(version), OLDEST_VERSION)
    response.headers["facebook-api-version"] = f"v{served[0]}.{served[1]}"
    response.headers["x-fb-trace-id"] = fbtrace_id
    response.headers["x-fb-rev"] = "1000000001"
    response.headers["Cache-Control"] = "private, no-cache, no-store, must-revalidate"
    for name, value in _usage_headers(sandbox, target, outcome).items():
        response.headers[name] = value
    if outcome.error and outcome.error.code in (102, 190):
        text = outcome.error.message.replace('"', "'")
        response.headers["WWW-Authenticate"] = f'OAuth "Facebook Platform" "invalid_token" "{text}"'
    return response


def _usage_headers(sandbox: Sandbox, target: Target, outcome: Outcome) -> dict[str, str]:
    """Percent of the allowances, minutes to rest. Source: Meta ingestion facts §6.4."""
    knobs = sandbox.state.knobs
    app, page, ads = knobs.app_usage, knobs.page_usage, None
    if outcome.error and outcome.error.regain_minutes:
        full = Usage(100, 25, 25, outcome.error.regain_minutes)
        if outcome.error.code in (4, 17, 341):
            app = full
        elif outcome.error.code in ADS_LIMITS:
            ads = full
        else:
            page = full
    shown = {name: value for name, value in asdict(app).items() if name != "estimated_time_to_regain_access"}
    headers = {"X-App-Usage": json.dumps(shown, separators=(",", ":"))}
    if target.dataset or target.operation == "events":
        headers |= ads_usage_headers(ads or page)
    elif target.page_id:
        rows = {target.page_id: [{"type": "leadgen", **asdict(page)}]}
        if ads is not None:
            rows[AD_ACCOUNT_ID] = [{"type": "ads_management", **asdict(ads)}]
        headers["X-Business-Use-Case-Usage"] = json.dumps(rows, separators=(",", ":"))
    return headers


def ads_usage_headers(usage: Usage) -> dict[str, str]:
    """What calls about a dataset use up: they count as Marketing API calls. Source: Meta conversions facts §1.5, §1.8."""
    tier = "standard_access"
    business = {AD_ACCOUNT_ID: [{"type": "ads_management", **asdict(usage), "ads_api_access_tier": tier}]}
    account = {
        "acc_id_util_pct": usage.call_count,
        "reset_time_duration": usage.estimated_time_to_regain_access * 60,
        "ads_api_access_tier": tier,
    }
    return {
        "X-Business-Use-Case-Usage": json.dumps(business, separators=(",", ":")),
        "X-Ad-Account-Usage": json.dumps(account, separators=(",", ":")),
    }


def _note(
    sandbox: Sandbox,
    path: str,
    target: Target,
    trouble: Trouble,
    outcome: Outcome,
    response: Response,
    started: float,
) -> None:
    state, error = sandbox.state, outcome.error
    cut_off = outcome.spoilt is not None and outcome.spoilt.kind in ("refuse", "half_body")
    call = GraphCall(
        at=state.now(),
        method=request.method,
        path="/" + path[:120],
        operation=target.operation,
        status=0 if cut_off else response.status_code,
        code=error.code if error else None,
        subcode=error.subcode if error else None,
        took_ms=(time.perf_counter() - started) * 1000,
        page_id=target.page_id,
        leadgen_id=target.leadgen_id,
        fault=trouble.kind,
    )
    state.add_call(call)
    if outcome.spoilt is None and outcome.data is not None and request.method == "GET":
        state.note("read", _leads_read(target, outcome.data), call.at)


def _leads_read(target: Target, data: Json) -> list[str]:
    if target.operation == "form_leads":
        return [row["id"] for row in data["data"]]
    return [target.leadgen_id] if target.operation == "lead" and target.leadgen_id else []


def write_json(data: Any) -> str:
    """JSON as Meta writes it: letters outside ASCII and every slash escaped. Source: Meta ingestion facts §1.2."""
    return json.dumps(data, separators=(",", ":")).replace("/", "\\/")


def _number(version: str) -> tuple[int, int]:
    major, minor = version.removeprefix("v").split(".")
    return int(major), int(minor)
