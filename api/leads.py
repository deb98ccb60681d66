"""GET /api/v1/leads and /api/v1/leads/<leadgen_id>: the leads, and the whole story of one."""

import json
import re
from typing import Any

from flask import Blueprint, Response, current_app, request
from flask.typing import ResponseReturnValue
from marshmallow import ValidationError, validates_schema

from api.access import require_key
from api.parameters import (
    CursorField,
    Email,
    MetaId,
    Moment,
    OneOf,
    Phone,
    Query,
    WholeNumber,
    YesNo,
    make_cursor,
    read_query,
)
from api.problems import NOT_FOUND, Problem, answer_database_errors
from leadloop.ports import Services
from store.lead_story import collect_story, lead_json
from store.leads import LeadFilter, find_lead, list_leads

MOST_IN_PAGE = 200
_LEADGEN_ID = re.compile(r"[0-9]{1,40}\Z")

bp = Blueprint("api_leads", __name__)
bp.before_request(require_key)
answer_database_errors(bp.register_error_handler)


class LeadQuery(Query):
    """What GET /api/v1/leads takes."""

    limit = WholeNumber(1, MOST_IN_PAGE, load_default=50, metadata={"description": "Leads in one answer."})
    cursor = CursorField(
        load_default=None, metadata={"description": "`next_cursor` of the answer before, for what follows it."}
    )
    page_id = MetaId(load_default=None, metadata={"description": "Only of this Page.", "example": "111111111111111"})
    form_id = MetaId(load_default=None, metadata={"description": "Only of this form.", "example": "333333333333333"})
    since = Moment(
        load_default=None,
        metadata={"description": "Only those received at this time or later.", "example": "2026-11-22T00:00:00Z"},
    )
    until = Moment(
        load_default=None, metadata={"description": "Only those received before.", "example": "2026-11-23T00:00:00Z"}
    )
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

    @validates_schema(skip_on_field_errors=True)
    def check_span(self, data: dict[str, Any], **_kwargs: Any) -> None:
        if data["since"] is not None and data["until"] is not None and data["since"] >= data["until"]:
            raise ValidationError({"until": ["must be later than since."]})


@bp.get("/api/v1/leads")
def list_() -> ResponseReturnValue:
    """Leads, newest first."""
    services: Services = current_app.extensions["leadloop"]
    chosen = read_query(LeadQuery(), request.args)
    limit = chosen.pop("limit")
    before = chosen.pop("cursor")
    with services.read() as session:
        rows = list_leads(session, LeadFilter(before=before, **chosen), limit=limit + 1)
    page, more = rows[:limit], len(rows) > limit
    cursor = make_cursor(page[-1].received_at, page[-1].id) if more else None
    return _answer({"leads": [lead_json(row) for row in page], "next_cursor": cursor})


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
    return _answer(story.to_json())


def _answer(body: dict[str, Any]) -> Response:
    # In ASCII, so that a lone surrogate somebody typed comes through as the escape it is stored as.
    return Response(json.dumps(body, ensure_ascii=True, separators=(",", ":")), mimetype="application/json")
