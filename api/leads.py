"""GET /api/v1/leads and /api/v1/leads/<leadgen_id>: the leads, and the whole story of one."""

import re

from flask import Blueprint, current_app, request
from flask.typing import ResponseReturnValue

from api.access import require_key
from api.answers import json_answer
from api.lists import ListQuery, cut_page
from api.parameters import Email, MetaId, OneOf, Phone, Query, YesNo, read_query
from api.problems import NOT_FOUND, Problem, answer_database_errors
from leadloop.ports import Services
from store.lead_story import collect_story, lead_json
from store.leads import LeadFilter, find_lead, list_leads

_LEADGEN_ID = re.compile(r"[0-9]{1,40}\Z")

bp = Blueprint("api_leads", __name__)
bp.before_request(require_key)
answer_database_errors(bp.register_error_handler)


class LeadQuery(ListQuery):
    """What GET /api/v1/leads takes."""

    page_id = MetaId(load_default=None, metadata={"description": "Only of this Page.", "example": "111111111111111"})
    form_id = MetaId(load_default=None, metadata={"description": "Only of this form.", "example": "333333333333333"})
    state = OneOf(
        "waiting",
        "read",
        "gone",
        load_default=None,
        metadata={"description": "`waiting` to be read from Meta, `read`, or `gone`: Meta says it never can be."},
    )
    unrouted = YesNo(
        load_default=False, metadata={"description": "`true`: only leads that no route matched, which went nowhere."}
    )
    test = YesNo(
        load_default=None, metadata={"description": "`true`: only Meta's test leads; `false`: only real ones."}
    )
    email = Email(
        load_default=None, metadata={"description": "Only of this e-mail address.", "example": "zoe@example.com"}
    )
    phone = Phone(
        load_default=None,
        metadata={"description": "Only of this phone number, with its country code.", "example": "+905321234567"},
    )


@bp.get("/api/v1/leads")
def list_() -> ResponseReturnValue:
    """Leads, newest first."""
    services: Services = current_app.extensions["leadloop"]
    chosen = read_query(LeadQuery(), request.args)
    limit = chosen.pop("limit")
    before = chosen.pop("cursor")
    with services.read() as session:
        rows = list_leads(session, LeadFilter(before=before, **chosen), limit=limit + 1)
    page, cursor = cut_page(rows, limit, lambda row: (row.received_at, row.id))
    return json_answer({"leads": [lead_json(row) for row in page], "next_cursor": cursor})


@bp.get("/api/v1/leads/<leadgen_id>")
def show(leadgen_id: str) -> ResponseReturnValue:
    """One lead with its whole story."""
    services: Services = current_app.extensions["leadloop"]
    read_query(Query(), request.args)
    with services.read() as session:
        lead = find_lead(session, leadgen_id) if _LEADGEN_ID.match(leadgen_id) else None
        if lead is None:
            raise Problem(
                NOT_FOUND,
                "There is no lead with this leadgen_id here. If Meta has it, leadloop leads backfill fetches it.",
            )
        story = collect_story(session, lead)
    return json_answer(story.to_json())
