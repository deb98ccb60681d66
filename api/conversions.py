"""GET /api/v1/conversions and /api/v1/conversions/<id>: what Meta was told, and answered."""

import re

from flask import Blueprint, current_app, request
from flask.typing import ResponseReturnValue

from api.access import require_key
from api.answers import json_answer
from api.lists import ListQuery, cut_page
from api.parameters import MetaId, OneOf, Query, Words, YesNo, read_query
from api.problems import NOT_FOUND, Problem, answer_database_errors
from leadloop.conversions.states import STATES
from leadloop.ports import Services
from store.conversion_lists import ConversionFilter, find_conversion, list_conversions

_ID = re.compile(r"[0-9]{1,18}\Z")

bp = Blueprint("api_conversions", __name__)
bp.before_request(require_key)
answer_database_errors(bp.register_error_handler)


class PayloadQuery(Query):
    """What GET /api/v1/conversions/<id> takes."""

    payload = YesNo(
        load_default=False, metadata={"description": "`true`: with the event as it is sent, and Meta's answer."}
    )


class ConversionQuery(PayloadQuery, ListQuery):
    """What GET /api/v1/conversions takes."""

    leadgen_id = MetaId(load_default=None, metadata={"description": "Only of this lead.", "example": "222222222222222"})
    dataset_id = MetaId(
        load_default=None, metadata={"description": "Only for this dataset.", "example": "900000000000001"}
    )
    state = OneOf(
        *STATES,
        load_default=None,
        metadata={"description": "Only in this state. `held` are also those whose dataset is held."},
    )
    event_name = Words(load_default=None, metadata={"description": "Only of this name.", "example": "Purchase"})
    test = YesNo(
        load_default=None, metadata={"description": "`true`: only test events; `false`: only those that count."}
    )


@bp.get("/api/v1/conversions")
def list_() -> ResponseReturnValue:
    """Conversions, newest first."""
    services: Services = current_app.extensions["leadloop"]
    chosen = read_query(ConversionQuery(), request.args)
    limit, before, payload = chosen.pop("limit"), chosen.pop("cursor"), chosen.pop("payload")
    with services.read() as session:
        wanted = ConversionFilter(before=before, **chosen)
        rows = list_conversions(session, wanted, limit=limit + 1, payload=payload)
    page, cursor = cut_page(rows, limit, lambda row: (row.created_at, row.id))
    return json_answer({"conversions": [row.to_json(payload=payload) for row in page], "next_cursor": cursor})


@bp.get("/api/v1/conversions/<conversion_id>")
def show(conversion_id: str) -> ResponseReturnValue:
    """One conversion."""
    services: Services = current_app.extensions["leadloop"]
    payload = read_query(PayloadQuery(), request.args)["payload"]
    with services.read() as session:
        known = _ID.match(conversion_id)
        found = find_conversion(session, int(conversion_id), payload=payload) if known else None
    if found is None:
        raise Problem(NOT_FOUND, "There is no conversion with this id here; GET /api/v1/conversions lists them.")
    return json_answer(found.to_json(payload=payload))
