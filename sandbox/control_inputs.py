"""What the control API takes: one schema for each request, with errors that name the field and the mend."""

from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from sandbox.calls import OPERATIONS
from sandbox.conversion_inputs import check_code
from sandbox.event_errors import LANGUAGES
from sandbox.faults import CODES, KINDS, WHERE
from sandbox.forms import FORMS, PAGES
from sandbox.loopback import NotLoopback, parse_target
from sandbox.nodes import SCOPES
from sandbox.options import LONGEST_DELAY_MS
from sandbox.sender import SIGNINGS
from sandbox.shapes import LEAD_STYLES, MOST_CHANGES, SAMPLES

ALL_FORMS = "*"
_PAGE = validate.OneOf([page.page_id for page in PAGES], error="Must be one of the sandbox's Pages: {choices}.")
_DELAY = validate.Range(0, LONGEST_DELAY_MS, error="Must be milliseconds from {min} to {max}.")


class Answers(fields.Field[tuple[str, ...]]):
    """A text, or a list of texts for questions with several answers."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> tuple[str, ...]:
        if isinstance(value, str):
            return (value,)
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return tuple(value)
        raise ValidationError("Must be a text or a list of texts.")


class FieldDatum(Schema):
    """One row of field_data, kept exactly as given."""

    name = fields.String(required=True)
    values = Answers(required=True)


class SigningMixin(Schema):
    signing = fields.String(load_default="good", validate=validate.OneOf(SIGNINGS))
    repeat = fields.Integer(load_default=0, strict=True, validate=validate.Range(0, 100))


class LeadInput(SigningMixin):
    """POST /_sandbox/leads. `form_id` "*" goes round all forms. `send` false: only Graph's list knows of the lead."""

    form_id = fields.String(
        load_default=FORMS[0].form_id,
        validate=validate.OneOf(
            [*(form.form_id for form in FORMS), ALL_FORMS], error="Must be one of the sandbox's forms, or *: {choices}."
        ),
    )
    answers = fields.Dict(keys=fields.String(), values=Answers(), load_default=dict)
    field_data = fields.List(fields.Nested(FieldDatum), load_default=None)
    ticked = fields.List(fields.String(), load_default=None)
    count = fields.Integer(load_default=1, strict=True, validate=validate.Range(1, MOST_CHANGES))
    shape = fields.String(load_default="strings", validate=validate.OneOf(LEAD_STYLES))
    batch = fields.Boolean(load_default=False)
    reorder = fields.Boolean(load_default=False)
    send = fields.Boolean(load_default=True)
    test = fields.Boolean(load_default=False)
    organic = fields.Boolean(load_default=False)
    platform = fields.String(load_default=None, validate=validate.Length(1, 40))
    created_at = fields.AwareDateTime(load_default=None)

    @validates_schema
    def check_answers(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        form = next((form for form in FORMS if form.form_id == data["form_id"]), None)
        if form is None and data["answers"]:
            raise ValidationError("Name one form_id to give answers for.", "answers")
        if form is None:
            return
        known = [question.key for question in form.questions] + [key for key, _value in form.tracking]
        for key in data["answers"]:
            if key not in known:
                raise ValidationError(
                    f"This form has no question {key[:80]!r}; it has: {', '.join(known)}. For any other name use"
                    " field_data.",
                    "answers",
                )
        boxes = [box.key for box in form.checkboxes]
        for key in data["ticked"] or ():
            if key not in boxes:
                raise ValidationError(f"This form has the boxes: {', '.join(boxes) or 'none'}.", "ticked")

    @validates_schema
    def check_test(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        if data["test"] and (data["count"] != 1 or data["form_id"] == ALL_FORMS):
            raise ValidationError("There is one test lead for each form: name one form_id and leave out count.", "test")


class SampleInput(SigningMixin):
    """POST /_sandbox/send."""

    shape = fields.String(required=True, validate=validate.OneOf(list(SAMPLES)))
    page_id = fields.String(load_default=PAGES[0].page_id, validate=_PAGE)
    leadgen_id = fields.String(load_default=None)


class FaultInput(Schema):
    """POST /_sandbox/faults."""

    where = fields.String(required=True, validate=validate.OneOf(WHERE))
    kind = fields.String(required=True)
    times = fields.Integer(load_default=None, allow_none=True, strict=True, validate=validate.Range(1, 1_000_000))
    delay_ms = fields.Integer(load_default=2_000, strict=True, validate=_DELAY)
    page_id = fields.String(load_default=None, allow_none=True, validate=_PAGE)
    leadgen_id = fields.String(load_default=None, allow_none=True)
    operation = fields.String(load_default=None, allow_none=True, validate=validate.OneOf(OPERATIONS))
    code = fields.Integer(load_default=None, allow_none=True, strict=True)
    retry_after_s = fields.Integer(load_default=5, strict=True, validate=validate.Range(0, 86_400))
    regain_minutes = fields.Integer(load_default=1, strict=True, validate=validate.Range(0, 1_440))
    after = fields.Boolean(load_default=False)
    subcode = fields.Integer(load_default=None, allow_none=True, strict=True)
    events_received = fields.Integer(load_default=0, strict=True, validate=validate.Range(0, 1_000))

    @validates_schema
    def check_kind(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        where, kind = data["where"], data["kind"]
        if kind not in KINDS[where]:
            raise ValidationError(f"For {where} it must be one of: {', '.join(KINDS[where])}.", "kind")
        check_code(data, CODES.get(kind, ()) if where == "graph" else ())
        narrowing = {"graph": (), "crm": ("page_id", "operation"), "alerts": ("page_id", "operation", "leadgen_id")}
        for name in narrowing[where]:
            if data[name] is not None:
                raise ValidationError(f"Cannot be used for {where}, which does not know it.", name)


class FaultFilter(Schema):
    """DELETE /_sandbox/faults: what is given must match; nothing given takes all back."""

    fault_id = fields.Integer(load_default=None)
    where = fields.String(load_default=None, validate=validate.OneOf(WHERE))
    kind = fields.String(load_default=None)


class TokenInput(Schema):
    """POST /_sandbox/tokens. Without `page_id` it is the system user's token."""

    action = fields.String(
        required=True, validate=validate.OneOf(("expire", "change_password", "replace", "restore", "show"))
    )
    page_id = fields.String(load_default=None, allow_none=True, validate=_PAGE)


class UsageInput(Schema):
    """Numbers of a usage header: percent, and minutes to rest."""

    call_count = fields.Integer(strict=True, validate=validate.Range(0, 1_000))
    total_cputime = fields.Integer(strict=True, validate=validate.Range(0, 1_000))
    total_time = fields.Integer(strict=True, validate=validate.Range(0, 1_000))
    estimated_time_to_regain_access = fields.Integer(strict=True, validate=validate.Range(0, 100_000))


class SettingsInput(Schema):
    """POST /_sandbox/settings: only what is given changes."""

    graph_delay_ms = fields.Float(validate=_DELAY)
    crm_delay_ms = fields.Float(validate=_DELAY)
    alerts_delay_ms = fields.Float(validate=_DELAY)
    ads_rights = fields.Boolean()
    ads_error = fields.Integer(strict=True, validate=validate.OneOf((10, 100, 200)))
    missing_scopes = fields.List(fields.String(validate=validate.OneOf(SCOPES)))
    app_usage = fields.Nested(UsageInput)
    page_usage = fields.Nested(UsageInput)
    webhook_url = fields.String()
    language = fields.String(validate=validate.OneOf([*LANGUAGES, "rotate"]))
    api_url = fields.String()
    api_key = fields.String(validate=validate.Regexp(r"[!-~]*\Z", error="Must be a key as leadloop printed it."))
    api_connection = fields.String(validate=validate.Length(0, 200))

    @validates_schema
    def check_url(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        for name in data.keys() & {"webhook_url", "api_url"}:
            try:
                parse_target(data[name])
            except NotLoopback as caught:
                raise ValidationError(f"It {caught}.", name) from caught
