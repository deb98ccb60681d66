"""What the API answers about outcomes and conversions, as marshmallow schemas: beside shapes.py, in the same manner."""

from typing import Any

from marshmallow import Schema, fields

from api.shape_fields import flag, number, sure, text, when


def _numbers(words: str, example: list[int]) -> fields.List[int]:
    metadata = {"description": words, "example": example}
    return fields.List(fields.Integer(strict=True), required=True, metadata=metadata)


def _json(words: str, example: Any) -> fields.Dict:
    return fields.Dict(
        keys=fields.String(),
        values=fields.Raw(allow_none=True),
        allow_none=True,
        metadata={"description": words, "example": example},
    )


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


class Outcome(Schema):
    """One outcome that was kept."""

    id = number("leadloop's own number of it.", 12)
    leadgen_id = text(
        "The lead that it is about; null while it is not known, or for a contact without a lead.", "222222222222222"
    )
    named_by = sure("How it named its lead: `leadgen_id`, `crm_id`, `email` or `phone`.", "leadgen_id")
    stage = sure("The stage.", "won")
    occurred_at = when("When it happened", "2026-11-22T10:15:00Z", allow_none=False)
    received_at = when("When leadloop was told", "2026-11-22T10:15:02.480Z", allow_none=False)
    source = sure("Who told it: `api`, `import`, `crm:…`, or `lead`: the lead itself, when it came.", "api")
    connection = text("The connection that it named.", "crm")
    value = text("The amount, as decimal text.", "12500.00")
    currency = text("Its currency, ISO 4217.", "TRY")
    order_id = text("The deal.", "DEAL-42")
    state = sure("`waiting` for its lead, or `joined` to it.", "joined")
    decided_at = when("When it was settled what Meta is told of it", "2026-11-22T10:15:02.510Z")
    conversions = _numbers("The conversions that followed from it: their ids.", [31])


class OutcomeList(Schema):
    """Outcomes, newest first."""

    outcomes = fields.List(fields.Nested(Outcome), required=True)
    next_cursor = text("Send it as `cursor` for what follows; null on the last page.", "MS4xNzk1MzM2MzkzMTIwMDAwLjQy")


class Conversion(Schema):
    """One event for Meta and what became of it."""

    id = number("leadloop's own number of it.", 31)
    outcome_id = number("The outcome that it follows from.", 12, allow_none=True)
    leadgen_id = text("The lead; null for a contact without one.", "222222222222222")
    contact_id = number("leadloop's own number of the contact, where it is known.", 7, allow_none=True)
    dataset_id = sure("The dataset at Meta.", "900000000000001")
    connection = sure("The connection whose funnel it is from.", "crm")
    route = sure("The way it goes: `conversion_leads`, `business_messaging`, `website` …", "conversion_leads")
    stage = sure("The stage.", "won")
    order_id = text("The deal.", "DEAL-42")
    filled = flag("Whether the stage was jumped over and is told all the same.", False)
    event_name = text("What Meta knows the stage as; null for what is not told.", "Purchase")
    event_id = text("The event's id: the same however often it is built.", "5f2b9c0d1e3a4b675f2b9c0d1e3a4b67")
    event_time = when("When it happened", "2026-11-22T10:15:00Z", allow_none=False)
    deadline_at = when("Until when Meta takes it", "2026-11-29T10:15:00Z", allow_none=False)
    state = sure(
        "`queued`, `sending`, `accepted`, `refused`, `held` (until something is mended: see `action`), `expired` (too old"
        " for Meta), `skipped` (not to be told) or `unknown` (sent, and no answer came).",
        "accepted",
    )
    code = text("Code of the reason.")
    message = text("Why it is in this state.")
    action = text("What a person can do about it.")
    warnings = fields.List(
        fields.Raw(),
        required=True,
        metadata={"description": "What is worth a look, though Meta takes it.", "example": []},
    )
    fbtrace_id = text("Meta's id of the request, for its support.", "AbCdEfGhIjK")
    is_test = flag("Whether it was sent under a test code.", False)
    tries = number("How often it was sent.", 1)
    created_at = when("When it was decided", "2026-11-22T10:15:02.510Z", allow_none=False)
    sent_at = when("When it was last sent", "2026-11-22T10:15:02.700Z")
    settled_at = when("When it came to an end", "2026-11-22T10:15:02.910Z")
    payload = _json(
        "The event as it is sent: the person hashed, address and browser masked, ids of clicks cut short (only with"
        " `payload=true`).",
        {"event_name": "Purchase", "user_data": {"lead_id": "222222222222222"}},
    )
    answer = _json("Meta's answer (only with `payload=true`).", {"events_received": 1})


class ConversionList(Schema):
    """Conversions, newest first."""

    conversions = fields.List(fields.Nested(Conversion), required=True)
    next_cursor = text("Send it as `cursor` for what follows; null on the last page.", "MS4xNzk1MzM2MzkzMTIwMDAwLjQy")


class SentTestEvent(Schema):
    """A test event and what Meta answered."""

    conversion_id = number("The conversion that it is kept as, with `is_test`.", 33)
    dataset_id = sure("The dataset at Meta.", "900000000000001")
    test_event_code = sure("The code under which it was sent.", "TEST12345")
    state = sure("`accepted`, `refused`, or `unknown`: no answer came.", "accepted")
    events_received = number("How many events Meta says it has received; null when it did not say.", 1, allow_none=True)
    event = fields.Dict(
        keys=fields.String(),
        values=fields.Raw(allow_none=True),
        required=True,
        metadata={
            "description": "The event as it was sent: the person hashed, address and browser masked, ids of clicks cut short.",
            "example": {"event_name": "Lead", "user_data": {"lead_id": 222222222222222}},
        },
    )
    answer = _json("Meta's answer, or what it said against the event; null when none came.", {"events_received": 1})
    fbtrace_id = text("Meta's id of the request, for its support.", "AbCdEfGhIjK")
    code = text("Code of the reason, when it was not accepted.")
    message = text("Why it was not accepted.")
    action = text("What a person can do about it.")
    warnings = fields.List(
        fields.Raw(),
        required=True,
        metadata={"description": "What is worth a look, though Meta takes it.", "example": []},
    )
    note = sure("What to know about test events.", "Meta keeps test events: they count for targeting and measurement.")
