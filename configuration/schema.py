"""The tables of the configuration file and their keys. Documentation (reference.py) is made from the same metadata."""

from typing import Any

from marshmallow import EXCLUDE, Schema, ValidationError, fields, validates_schema

from configuration.fields import (
    Switch,
    Table,
    Templates,
    Word,
    Words,
    check_address,
    check_country,
    check_id,
    check_id_or_all,
    check_label,
    check_name,
    check_name_or_all,
    check_template,
    check_token,
)
from configuration.funnel_fields import (
    Amount,
    Conditions,
    StageName,
    check_currency,
    check_route,
    check_stages,
    check_state,
    check_value_rule,
)
from configuration.mistakes import Fault, did_you_mean, show
from crm_adapters import adapter_kinds
from leadloop.conversions.routes import ROUTES


def check_adapter(text: str) -> Fault | None:
    if text in adapter_kinds():
        return None
    return Fault(
        f"{show(text)} is not a kind of CRM adapter", did_you_mean(text, adapter_kinds(), what="kinds of adapter")
    )


def says(text: str, **more: Any) -> dict[str, Any]:
    """Metadata of a key: what it means, for the documentation. `env`: "$NAME" is replaced in it. `off`: the sample file
    shows it as a comment, since it leaves things out or is not for everybody."""
    return {"says": text, **more}


class TableSchema(Schema):
    """Keys that are not known are looked for by check.py, which can name the nearest one."""

    class Meta:
        unknown = EXCLUDE

    error_messages = {"type": Fault("must be a table", 'write { key = "value" }')}


class PageSchema(TableSchema):
    """A Meta asset that sends notices: a Facebook Page, an Instagram account or a WhatsApp Business Account."""

    id = Word(
        check_id, required=True, example='id = "111111111111111"', metadata=says("Meta's id of the Page, as text.")
    )
    name = Word(
        check_label,
        example='name = "Acme Istanbul"',
        metadata=says("How the Page is called in lists, alerts and CRMs."),
    )
    access_token = Word(
        check_token,
        example='access_token = "$ACME_PAGE_TOKEN"',
        metadata=says(
            "The Page's access token, which reads its leads. Without one, META_ACCESS_TOKEN (a system user's) is used.",
            env=True,
        ),
    )
    default_country = Word(
        check_country,
        example='default_country = "TR"',
        metadata=says("The country of phone numbers typed without a country code: ISO 3166-1 alpha-2."),
    )
    business_country = Word(
        check_country,
        example='business_country = "TR"',
        metadata=says("Where the business of the Page is registered: ISO 3166-1 alpha-2."),
    )
    dataset_id = Word(
        check_id,
        example='dataset_id = "900000000000001"',
        metadata=says("The dataset (pixel) that conversions of this Page go to."),
    )


class ConnectionSchema(TableSchema):
    """One account at one CRM."""

    name = Word(
        check_name,
        required=True,
        example='name = "crm"',
        metadata=says("What routes, mappings, funnels, commands and URLs call it. Another name is another connection."),
    )
    adapter = Word(
        check_adapter,
        required=True,
        example='adapter = "webhook"',
        metadata=says("The kind of adapter; `leadloop crm list` shows those there are."),
    )
    settings = Table(
        example='settings = { url = "https://crm.example/leads", secret = "$CRM_SECRET" }',
        metadata=says("The adapter's own settings; `leadloop crm list` and the adapter's page name them.", env=True),
    )


class NotifierSchema(TableSchema):
    """People who are rung together when a lead arrives, or when something needs a person, through Apprise."""

    name = Word(check_name, required=True, example='name = "sales"', metadata=says("What routes call it."))
    urls = Words(
        check_address,
        required=True,
        secret=True,
        example='urls = ["$SALES_SLACK_URL"]',
        metadata=says(
            "Apprise addresses (Slack, Teams, Telegram, e-mail, ntfy, SMS gateways …). Each is rung.", env=True
        ),
    )
    template = Word(
        check_template,
        example='template = "New lead: {full_name} {phone} ({form_name}, {ad_name})"',
        metadata=says("The text of the alert; without one it tells name, phone, answers, ad, form and Page."),
    )
    admin = Switch(
        example="admin = true",
        metadata=says(
            "`true`: these are also rung when something waits for a person (a token that is dead, a CRM that refuses)."
            " Default: `false`.",
            off=True,
        ),
    )


class RouteSchema(TableSchema):
    """Which leads go where. Every route that matches is followed, each connection and notifier once."""

    pages = Words(
        check_id_or_all,
        example='pages = ["*"]',
        metadata=says('Ids of Pages named in this file; `"*"` (default): all.'),
    )
    forms = Words(
        check_id_or_all, example='forms = ["*"]', metadata=says('Ids of instant forms; `"*"` (default): all.')
    )
    connections = Words(
        check_name,
        may_be_empty=True,
        example='connections = ["crm"]',
        metadata=says("The CRM connections that get the lead."),
    )
    notifiers = Words(
        check_name, may_be_empty=True, example='notifiers = ["sales"]', metadata=says("The notifiers that are rung.")
    )

    @validates_schema
    def leads_somewhere(self, data: dict[str, Any], **_: Any) -> None:
        if not data.get("connections") and not data.get("notifiers"):
            raise ValidationError(Fault("leads nowhere", "add connections or notifiers, or take the route out"))


class MappingSchema(TableSchema):
    """Which field of the CRM is filled with what. Without one, the adapter's own default fields apply."""

    connection = Word(
        check_name, required=True, example='connection = "crm"', metadata=says("The connection it is for.")
    )
    forms = Words(
        check_id_or_all,
        example='forms = ["*"]',
        metadata=says(
            'Ids of instant forms; `"*"` (default): all. A mapping that names the form goes before one for all.'
        ),
    )
    field_templates = Templates(
        required=True,
        data_key="fields",
        attribute="fields",
        example='fields = { "first_name" = "{first_name}", "budget__c" = "{answers.budget}" }',
        metadata=says(
            "The CRM's field names, each with a template. A template that meets an empty answer gives nothing."
        ),
    )


class StageSchema(TableSchema):
    """One stage of a funnel."""

    stage = StageName(
        check_label, required=True, example='stage = "won"', metadata=says("The stage as the CRM names it.")
    )
    event = Word(
        check_label,
        example='event = "Purchase"',
        metadata=says("The conversion event Meta is told (names: below). Without one the stage is known and not sent."),
    )
    value = Word(
        check_value_rule,
        example='value = "required"',
        metadata=says(
            '`"required"`: the event waits for the deal\'s value; `"optional"`: it is sent with one if there is one.'
            " Without the key no value is told, but a Purchase always needs one."
        ),
    )
    fixed_value = Amount(
        example='fixed_value = "250.00"',
        metadata=says("What the event is worth, whatever the deal says. Needs `currency`."),
    )
    predicted_value = Amount(
        example='predicted_value = "1200.00"',
        metadata=says(
            "What such a deal brings in the end: told while the deal has no value of its own, and as `predicted_ltv`."
            " Needs `currency`."
        ),
    )
    currency = Word(
        check_currency,
        example='currency = "TRY"',
        metadata=says("Of both amounts, and of a deal that names none: ISO 4217."),
    )
    when = Conditions(
        example='when = { pipeline = "b2b" }', metadata=says("What must hold for this stage, as for the funnel.")
    )

    @validates_schema
    def value_needs_event(self, data: dict[str, Any], **_: Any) -> None:
        if "value" in data and "event" not in data:
            fault = Fault("is given, but the stage has no event", "add event, or take value out")
            raise ValidationError({"value": [fault]})


class DatasetSchema(TableSchema):
    """A dataset (pixel) at Meta that conversion events go to. Only those need a table that have a name or a token."""

    id = Word(check_id, required=True, example='id = "900000000000001"', metadata=says("Meta's id of it, as text."))
    name = Word(check_label, example='name = "Acme CRM"', metadata=says("How it is called in lists and reports."))
    access_token = Word(
        check_token,
        example='access_token = "$ACME_DATASET_TOKEN"',
        metadata=says(
            "A token that may send events to it. Without one, META_ACCESS_TOKEN (a system user's) is used.",
            env=True,
            off=True,
        ),
    )


class FunnelSchema(TableSchema):
    """A connection's stages as conversion events of a dataset."""

    connection = Word(
        check_name_or_all,
        required=True,
        example='connection = "crm"',
        metadata=says(
            'The connection whose stages they are; `"*"`: outcomes of every connection, and of programs that name none.'
        ),
    )
    dataset_id = Word(
        check_id,
        required=True,
        example='dataset_id = "900000000000001"',
        metadata=says("The dataset (pixel) that gets the events, as text."),
    )
    route = Word(
        check_route,
        example='route = "conversion_leads"',
        metadata=says(f"The way to Meta: {', '.join(f'`{name}`' for name in ROUTES)}. Default: `conversion_leads`."),
    )
    raw_event = Word(
        check_label,
        example='raw_event = "Raw Lead"',
        metadata=says(
            "What Meta is told the moment a lead of an instant form arrives. Without it a stage called `new` is that. On"
            " the route `conversion_leads` only."
        ),
    )
    advance_only = Switch(
        example="advance_only = true",
        metadata=says("`true` (default): a stage that comes after a later one is not sent."),
    )
    fill_skipped = Switch(
        example="fill_skipped = true",
        metadata=says("`true`: earlier stages that were jumped over are sent first. Default: `false`.", off=True),
    )
    lead_event_source = Word(
        check_label,
        example='lead_event_source = "Acme CRM"',
        metadata=says("What Meta is told the CRM is called. On the route `conversion_leads` only.", off=True),
    )
    when = Conditions(
        example='when = { page = "111111111111111" }',
        metadata=says(
            "What must hold of an outcome: `pipeline`, `page`, `form` (Meta's ids), `owner` or any of its fields, each"
            ' with a text or a list of texts; `"*"`: it is there at all. All must hold, or nothing is sent.',
            off=True,
        ),
    )
    consent = Words(
        check_label,
        example='consent = ["optional_1"]',
        metadata=says(
            "Keys of the form's checkboxes that must all be ticked; otherwise nothing is sent. Default: none.", off=True
        ),
    )
    ldu_states = Words(
        check_state,
        example='ldu_states = ["CA", "CO"]',
        metadata=says(
            "US states whose people's events carry Limited Data Use, in two letters. Default: none. It is no switch for"
            " consent elsewhere.",
            off=True,
        ),
    )
    stages = fields.List(
        fields.Nested(StageSchema),
        required=True,
        validate=check_stages,
        error_messages={
            "required": [Fault("is missing", 'add stages = [{ stage = "won", event = "Purchase" }]')],
            "invalid": [Fault("must be a list of tables", 'write stages = [{ stage = "won", event = "Purchase" }]')],
        },
        metadata=says("The stages, each a table (below).", example='stages = [{ stage = "won", event = "Purchase" }]'),
    )


TABLES: dict[str, type[TableSchema]] = {
    "pages": PageSchema,
    "connections": ConnectionSchema,
    "notifiers": NotifierSchema,
    "routes": RouteSchema,
    "mappings": MappingSchema,
    "datasets": DatasetSchema,
    "funnels": FunnelSchema,
}


def env_keys(schema: type[TableSchema]) -> tuple[str, ...]:
    """The keys of a table in which "$NAME" is replaced."""
    return tuple(name for name, found in _declared(schema).items() if found.metadata.get("env"))


def keys_of(schema: type[TableSchema]) -> tuple[str, ...]:
    return tuple(found.data_key or name for name, found in _declared(schema).items())


def _declared(schema: type[TableSchema]) -> dict[str, fields.Field[Any]]:
    return schema._declared_fields
