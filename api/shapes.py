"""What the API answers, as marshmallow schemas: OpenAPI is made from them, and the tests load real answers with them.

Every field is always there; what is unknown is null. Fields may be added in later versions, so read what you know.
"""

from marshmallow import Schema, fields

from api.conversion_shapes import Conversion, Outcome, OutcomeVerdict
from api.shape_fields import flag, number, sure, text, when


class Question(Schema):
    """One question of the form, in the order of the form."""

    key = sure("Meta's name of the field, as in `answers`.", "which_services?")
    type = text("Meta's question type (EMAIL, CUSTOM, HIDDEN …); null when the form is unknown.", "CUSTOM")
    label = text("The question as shown.", "Which services?")
    labels = fields.List(
        fields.String(),
        required=True,
        metadata={"description": "The answers as shown: the texts of the chosen options.", "example": ["SEO", "Ads"]},
    )


class Consent(Schema):
    """One optional checkbox of the form's disclaimer."""

    key = sure("Meta's name of the checkbox.", "optional_1")
    checked = flag("Whether the person ticked it.", True)


class Lead(Schema):
    """One submitted form: the very JSON that the `webhook` adapter sends. Ids are Meta's, as text."""

    leadgen_id = sure("Meta's id of the lead.", "222222222222222")
    page_id = sure("The Page whose form it was.", "111111111111111")
    page_name = text("The Page's name.", "Acme Istanbul")
    form_id = text("The form.", "333333333333333")
    form_name = text("The form's name.", "Autumn offer")
    ad_id = text("The ad.", "444444444444444")
    ad_name = text("The ad's name.", "Blue sofa")
    adset_id = text("The ad set.", "555555555555555")
    adset_name = text("The ad set's name.", "Istanbul 25-44")
    campaign_id = text("The campaign.", "666666666666666")
    campaign_name = text("The campaign's name.", "Autumn")
    platform = text("Where it was shown: `fb`, `ig` …", "ig")
    is_organic = flag("Whether it came without an ad.", False, allow_none=True)
    is_test = flag("Whether it is one of Meta's test leads.", False)
    created_at = when("When the form was sent", "2026-11-22T08:26:30Z")
    received_at = when("When leadloop first heard of it", "2026-11-22T08:26:33.120Z")
    full_name = text("The person's name.", "Zoë Test")
    first_name = text("Given name; split from the full name when only that was asked.", "Zoë")
    last_name = text("Family name, likewise.", "Test")
    email = text("The e-mail address, checked and normalised.", "zoe@example.com")
    phone = text("The phone number as E.164; null when what was typed is no number.", "+905321234567")
    phone_typed = text("The phone number as typed.", "0532 123 45 67")
    city = text("City.", "Istanbul")
    state = text("State or province of the address.")
    country = text("Country, ISO 3166-1 alpha-2.", "TR")
    postal_code = text("Postal code.", "34000")
    street_address = text("Street and number.")
    company = text("Company.", "Test Ltd")
    job_title = text("Job title.")
    date_of_birth = text("Date of birth, YYYY-MM-DD where it could be read as a date.")
    gender = text("Gender, as answered.")
    answers = fields.Dict(
        keys=fields.String(),
        values=fields.List(fields.String()),
        required=True,
        metadata={
            "description": "Every answer exactly as sent, by Meta's name of the field; several where several were chosen.",
            "example": {"which_services?": ["seo", "ads"], "email": ["zoe@example.com"]},
        },
    )
    questions = fields.List(fields.Nested(Question), required=True, metadata={"description": "The questions."})
    consents = fields.List(fields.Nested(Consent), required=True, metadata={"description": "The checkboxes."})


class LeadInList(Schema):
    """One lead and how far it has come."""

    lead = fields.Nested(Lead, required=True)
    state = sure(
        "`waiting` to be read from Meta (then only the ids are known), `read`, or `gone`: Meta says it never can be.",
        "read",
    )
    source = sure("How it was found: `webhook`, `leadgen_update` or `backfill` (Meta's list).", "webhook")
    routed = flag(
        "Whether a route matched; false: it is kept and went nowhere; null: not known before it is read.",
        True,
        allow_none=True,
    )
    read_at = when("When it was last read from Meta", "2026-11-22T08:26:33.310Z")
    lead_id = number("leadloop's own number of the lead, as in the log.", 8)


class LeadList(Schema):
    """Leads, newest first."""

    leads = fields.List(fields.Nested(LeadInList), required=True)
    next_cursor = text("Send it as `cursor` for what follows; null on the last page.", "MS4xNzk1MzM2MzkzMTIwMDAwLjQy")


class StoryLine(Schema):
    """One thing that happened."""

    at = when("When", "2026-11-22T08:26:33.610Z", allow_none=False)
    kind = sure("What kind of thing; new kinds may come.", "delivered")
    words = sure("What happened, in plain English.", "Put into crm as contact 501.")
    detail = fields.Dict(
        keys=fields.String(),
        values=fields.Raw(allow_none=True),
        required=True,
        metadata={"description": "Names, codes and ids.", "example": {"connection": "crm", "remote_id": "501"}},
    )
    raw_event_id = number(
        "The stored notice of Meta that said so, as in the log; null for what no notice said.", 12, allow_none=True
    )


class Delivery(Schema):
    """How it fared with one CRM connection."""

    connection = sure("The connection's name.", "crm")
    adapter = sure("Kind of adapter.", "hubspot")
    state = sure("`waiting`, `delivered`, `parked` (for a person) or `failed` (given up).", "delivered")
    attempts = number("How often it was tried.", 1)
    remote_kind = text("What it became in the CRM.", "contact")
    remote_id = text("The CRM's id.", "501")
    remote_url = text("Where to open it in the CRM.", "https://app.hubspot.com/contacts/1/record/0-1/501")
    code = text("Code of the last failure.")
    message = text("What the last failure was.")
    action = text("What a person can do about it.")
    created_at = when("When the route sent it there", "2026-11-22T08:26:33.310Z", allow_none=False)
    pushed_at = when("When the record was there", "2026-11-22T08:26:33.600Z")
    delivered_at = when("When all steps were done", "2026-11-22T08:26:33.610Z")


class Notice(Schema):
    """How it fared with one address of a notifier."""

    notifier = sure("The notifier's name.", "sales")
    target = sure("Fingerprint of the address, which itself is a secret.", "5f2b9c0d1e3a4b67")
    state = sure("`waiting`, `sent`, `parked` (for a person) or `failed` (given up).", "sent")
    attempts = number("How often it was tried.", 1)
    maybe_repeated = flag(
        "Whether the address may have been rung twice: no answer came, or a worker stopped meanwhile.", False
    )
    code = text("Code of the last failure.")
    message = text("What the last failure was.")
    action = text("What a person can do about it.")
    created_at = when("When the route sent it there", "2026-11-22T08:26:33.310Z", allow_none=False)
    sent_at = when("When it was rung", "2026-11-22T08:26:33.700Z")


class Lane(Schema):
    """Why the Page, connection or address rests. A `rest_until` in the past: it is being tried again."""

    name = sure("The lane: `graph:<page_id>`, `crm:<number>`, `alert:<number>:<target>`.", "crm:1")
    held = flag("Whether it waits until a person acts.", True)
    since = when("Since when", "2026-11-22T08:26:34Z", allow_none=False)
    rest_until = when("Until when nothing is tried", "2026-11-22T08:41:34Z", allow_none=False)
    code = text("Code of the reason.", "http_401")
    message = text("The reason.", "The CRM refuses the credentials.")
    action = text("What a person can do about it.", "Enter a new token and apply the configuration.")


class Waiting(Schema):
    """Something still to be done for this lead."""

    work_id = number("Its id, for `leadloop work retry`.", 7)
    kind = sure("`lead` (reading it), `delivery`, `notice` or `outcome` (deciding what Meta is told).", "delivery")
    words = sure("What it is.", "Putting it into crm")
    state = sure("`open`: tried at `due_at`; `parked`: for a person; `failed`: given up.", "open")
    in_hand = flag("Whether a worker has it now; then `due_at` is when another takes it over.", False)
    due_at = when("When it is tried", "2026-11-22T08:41:34Z", allow_none=False)
    added_at = when("Since when it waits", "2026-11-22T08:26:33.310Z", allow_none=False)
    attempts = number("How often it was tried.", 1)
    code = text("Code of the last failure.", "http_401")
    message = text("What the last failure was.", "The CRM refuses the credentials.")
    action = text("What a person can do about it.", "Enter a new token and apply the configuration.")
    lane = fields.Nested(
        Lane, required=True, allow_none=True, metadata={"description": "Set while what it needs rests or is held."}
    )


class CrmHop(Schema):
    """From the webhook to the first delivery."""

    connection = sure("The connection's name.", "crm")
    ms = number("Milliseconds.", 490)


class AlertHop(Schema):
    """From the webhook to the alert."""

    notifier = sure("The notifier's name.", "sales")
    ms = number("Milliseconds.", 580)


class Hops(Schema):
    """How long each hop took, in milliseconds; null or missing until it is done."""

    form_to_webhook_ms = number(
        "Meta's part, to the second; null for a lead found in Meta's list.", 3120, allow_none=True
    )
    webhook_to_read_ms = number("Until it was read from Meta.", 190, allow_none=True)
    webhook_to_crm = fields.List(fields.Nested(CrmHop), required=True, metadata={"description": "Each connection."})
    webhook_to_alert = fields.List(fields.Nested(AlertHop), required=True, metadata={"description": "Each address."})


class LeadStory(LeadInList):
    """One lead with everything that happened to it."""

    story = fields.List(fields.Nested(StoryLine), required=True, metadata={"description": "What happened, in order."})
    deliveries = fields.List(fields.Nested(Delivery), required=True, metadata={"description": "Each CRM connection."})
    notices = fields.List(fields.Nested(Notice), required=True, metadata={"description": "Each address rung."})
    outcomes = fields.List(
        fields.Nested(Outcome),
        required=True,
        metadata={"description": "What happened to it, as programs and CRMs said, in the order in which it happened."},
    )
    conversions = fields.List(
        fields.Nested(Conversion), required=True, metadata={"description": "What Meta was told of that, and answered."}
    )
    waiting = fields.List(
        fields.Nested(Waiting),
        required=True,
        metadata={"description": "What is still to be done; empty when all is well.", "example": []},
    )
    hops = fields.Nested(Hops, required=True)


class WrongParameter(Schema):
    """One parameter that is not right."""

    parameter = sure("Its name.", "limit")
    detail = sure("What it should be.", "limit must be a whole number from 1 to 200.")


class ProblemDetails(Schema):
    """Every error (RFC 9457)."""

    type = sure("The kind of problem: its address in the reference.", "/api/v1/docs#problem-invalid-parameter")
    title = sure("The kind of problem, in words.", "A parameter is not right")
    status = number("The HTTP status.", 400)
    detail = sure("What is wrong here, and the mend.", "limit must be a whole number from 1 to 200.")
    request_id = sure("The id of this request in the log.", "5f0c3d0e5b1f4c7f9a6d0b8e2c4a1f37")
    errors = fields.List(
        fields.Nested(WrongParameter), metadata={"description": "Each wrong parameter (only with 400)."}
    )


class OutcomesProblem(ProblemDetails):
    """None of the outcomes could be kept."""

    outcomes = fields.List(
        fields.Nested(OutcomeVerdict), metadata={"description": "A verdict for each outcome, all of them `invalid`."}
    )
