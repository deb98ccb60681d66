"""What a `hubspot` connection is told."""

from marshmallow import Schema, fields, validate

from crm_adapters.hubspot.errors import SCOPES
from crm_adapters.setting_fields import HttpsUrl, TextId, Token


class HubSpotSettings(Schema):
    """Settings of a `hubspot` connection."""

    access_token = Token(
        required=True,
        metadata={
            "secret": True,
            "label": "Access token",
            "help": f"Service key or private app token with the scopes {SCOPES}.",
        },
    )
    owner_id = TextId(
        load_default=None,
        allow_none=True,
        validate=validate.Regexp(r"\d{1,20}\Z", error="Must be digits: the owner's id, not the user's."),
        metadata={
            "label": "Owner of new contacts",
            "help": "Owner id (GET /crm/owners), given to new contacts and notes.",
        },
    )
    note = fields.Boolean(
        load_default=True,
        truthy={True},
        falsy={False},
        metadata={"label": "Note", "help": "Adds a note with the form, the ad, and all questions and answers."},
    )
    lead_id_property = fields.String(
        load_default="meta_lead_id",
        validate=validate.Regexp(
            r"[a-z][a-z0-9_]{0,99}\Z", error="Must be an internal property name: small letters, digits, underscores."
        ),
        metadata={
            "label": "Property for the lead's id",
            "help": "Unique contact property that holds Meta's lead id; made with the first lead when it is missing.",
        },
    )
    api_url = HttpsUrl(
        load_default="https://api.hubapi.com",
        metadata={"label": "API address", "help": "Only for tests: another address that speaks HubSpot's API."},
    )
