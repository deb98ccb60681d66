"""What the controls of the Conversions API and of the CRM's outcomes take: one schema for each request."""

from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate

from sandbox.event_rows import TASKS
from sandbox.forms import PAGES

NAMED_BY = ("leadgen_id", "crm_id", "email", "phone")
_ID = validate.Regexp(r"[0-9]{5,20}\Z", error="Must be 5 to 20 digits.")
_PAGE = validate.OneOf([page.page_id for page in PAGES], error="Must be one of the sandbox's Pages: {choices}.")


class DatasetInput(Schema):
    """POST /_sandbox/datasets: only what is given changes; an unknown id makes a dataset."""

    dataset_id = fields.String(required=True, validate=_ID)
    name = fields.String(validate=validate.Length(1, 200))
    is_crm = fields.Boolean()
    tasks = fields.List(fields.String(validate=validate.OneOf(TASKS)))
    page_id = fields.String(allow_none=True, validate=_PAGE)
    quality = fields.Dict(keys=fields.String(), allow_none=True)


class ClickInput(Schema):
    """POST /_sandbox/clicks: a click on a click-to-WhatsApp ad; a made-up ctwa_clid unless one is given."""

    ctwa_clid = fields.String(load_default=None, validate=validate.Length(1, 500))
    clicked_at = fields.AwareDateTime(load_default=None)


class OutcomeInput(Schema):
    """POST /_sandbox/outcomes. Texts are sent as they are given, so that bad ones can be tried."""

    leadgen_id = fields.String(required=True)
    stage = fields.String(required=True)
    value = fields.String(load_default=None, allow_none=True)
    currency = fields.String(load_default=None, allow_none=True)
    order_id = fields.String(load_default=None, allow_none=True)
    occurred_at = fields.String(load_default=None, allow_none=True)
    fields_ = fields.Dict(keys=fields.String(), load_default=dict, data_key="fields")
    named_by = fields.String(load_default="leadgen_id", validate=validate.OneOf(NAMED_BY))
    repeat = fields.Integer(load_default=0, strict=True, validate=validate.Range(0, 100))


def check_code(data: Mapping[str, Any], codes: tuple[int, ...]) -> None:
    """The code, subcode and events_received of a fault: which kinds take which. Raises ValidationError."""
    if data["kind"] == "error":
        if data["code"] is None or not 0 < data["code"] < 10**9:
            raise ValidationError("This kind needs one of Meta's codes, such as 21009.", "code")
    elif data["code"] is not None and data["code"] not in codes:
        known = ", ".join(map(str, codes))
        raise ValidationError(f"Must be one of: {known}." if known else "This kind has no code.", "code")
    if data["subcode"] is not None and data["kind"] != "error":
        raise ValidationError("Only the kind error takes a subcode.", "subcode")
    if data["events_received"] and data["kind"] != "fewer_events":
        raise ValidationError("Only the kind fewer_events takes it.", "events_received")
