"""What the API answers about outcomes, as marshmallow schemas: beside shapes.py, in the same manner."""

from marshmallow import Schema, fields

from api.shape_fields import number, sure, text


class OutcomeError(Schema):
    """One thing wrong with an outcome."""

    field = sure(
        "Which field, as a path: `[3].occurred_at` in a list, `occurred_at` of a single outcome; `[3]` or nothing for the"
        " outcome as a whole.",
        "[3].occurred_at",
    )
    message = sure(
        "What is wrong and how to mend it.", "Is in the future: correct the clock, or send it when it has happened."
    )


class OutcomeVerdict(Schema):
    """What became of one outcome that was sent."""

    index = number("Its place in the list, from 0; 0 for a single one.", 0)
    status = sure(
        "`accepted`: kept, and its lead is known; `waiting`: kept, and joined when its lead comes or has been read;"
        " `repeated`: the same was kept before, nothing is done twice; `invalid`: nothing of it is kept, see `errors`.",
        "accepted",
    )
    outcome_id = number("leadloop's own number of the outcome; null when it is invalid.", 12, allow_none=True)
    leadgen_id = text("The lead that it is about, as far as it is known.", "222222222222222")
    message = text("In plain English what the status means here.")
    warning = text("Set when it is kept and Meta will not be told, with the mend.")
    errors = fields.List(
        fields.Nested(OutcomeError),
        required=True,
        metadata={"description": "Everything wrong with it; empty unless it is invalid.", "example": []},
    )


class OutcomeVerdicts(Schema):
    """What became of each outcome of a list."""

    outcomes = fields.List(
        fields.Nested(OutcomeVerdict), required=True, metadata={"description": "A verdict for each, in their order."}
    )
