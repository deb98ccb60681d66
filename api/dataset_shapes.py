"""What the API answers about datasets and their quality, as marshmallow schemas: beside shapes.py, in the same manner.

What each figure means: docs/quality.md.
"""

from typing import Any

from marshmallow import Schema, fields

from api.shape_fields import flag, number, sure, text, when

Described = dict[str, Any]


def _about(words: str, example: Any) -> Described:
    return {"required": True, "metadata": {"description": words, "example": example}}


def _share(words: str, example: float | None) -> fields.Float:
    return fields.Float(allow_none=True, **_about(f"{words}; null when there is nothing to count.", example))


def _float(words: str, example: float) -> fields.Float:
    return fields.Float(**_about(words, example))


def _codes(words: str, example: dict[str, int]) -> fields.Dict:
    return fields.Dict(keys=fields.String(), values=fields.Integer(), **_about(words, example))


def _each(shape: type[Schema], words: str) -> fields.List[Any]:
    return fields.List(fields.Nested(shape), required=True, metadata={"description": words})


class Dataset(Schema):
    """A dataset (pixel) at Meta."""

    dataset_id = sure("Meta's id of it.", "900000000000001")
    name = text("Its name in the configuration file.", "Acme CRM")
    configured = flag("Whether the configuration file has a table for it.", True)
    routes = fields.List(fields.String(), **_about("The routes of its funnels.", ["conversion_leads"]))
    created_at = when("Since when it is known; null when only a funnel names it so far", "2026-11-22T08:26:33Z")


class DatasetList(Schema):
    """The datasets of the configuration, and those that events were sent to."""

    datasets = _each(Dataset, "In the order of the configuration.")


class QualityVerdict(Schema):
    """One rule: how it stands, and what to do."""

    code = sure("Which rule: `coverage`, `stages`, `freshness` …; new ones may come.", "coverage")
    label = sure("The rule in words.", "Leads with an accepted event")
    route = text("The route that it is about; null: all.", "conversion_leads")
    state = sure(
        "`good`; `short` of the target; `unclear`: Meta publishes no target, or two; `unknown`: nothing to judge by yet.",
        "short",
    )
    figure = sure("What was measured, in words.", "48 % (48 of 100)")
    value = fields.Float(allow_none=True, **_about("The same as a number (percent, seconds, days or a count).", 48.0))
    target = sure("What it should be.", "at least 60 %")
    source = sure("Whose target that is.", "Meta, Conversion Leads")
    mend = text("What to do about it; empty when there is nothing to do.", "Tell Meta of every lead as it comes.")


class QualityFreshness(Schema):
    """From what happened to Meta's answer, of accepted events. The shares are percent and add up to 100."""

    events = number("Events that it is measured on.", 96)
    p50_s = _float("Median, in seconds.", 1.2)
    p95_s = _float("95th percentile, in seconds.", 4.8)
    max_s = _float("The longest, in seconds.", 61.0)
    real_time = _float("Within 10 minutes.", 99.0)
    hourly = _float("Within 2 hours.", 1.0)
    daily = _float("Within 24 hours.", 0.0)
    weekly = _float("Later.", 0.0)


class QualityKey(Schema):
    """A key of user_data."""

    key = sure("Meta's name of it.", "em")
    percent = _float("In how many percent of the sampled events it is.", 92.5)
    priority = text("Meta's word for it, where it has one: `highest`, `high`, `medium` (Conversion Leads).", "highest")
    advice = sure("What adding it would bring; empty where few events lack it.", "")


class QualityEvent(Schema):
    """One event name on one route, or all together (`total`)."""

    event_name = text(
        "Its name; null for what has none, such as a stage that the funnel does not know.", "Demo Scheduled"
    )
    route = sure("Its route; `all` in `total`.", "conversion_leads")
    sent = number("Went out to Meta.", 100)
    accepted = number("Meta has it.", 96)
    refused = number("Meta refused it.", 3)
    refused_here = number("Refused before it went out, since Meta would have.", 2)
    held = number("Waits until something is known or mended.", 0)
    expired = number("Became too old for Meta.", 0)
    skipped = number("Not to be told.", 7)
    unknown_ = number("Sent, and no answer came.", 1, data_key="unknown")  # a Schema has an `unknown` of its own
    queued = number("About to be sent.", 0)
    already_sent = number("Of the skipped: copies of what Meta has.", 4)
    refused_by = _codes("Refused by Meta: code → events.", {"graph_100_2804003": 3})
    refused_here_by = _codes("Refused before it went out: code → events.", {"event_too_old": 2})
    held_by = _codes("Held: code → events.", {})
    with_event_id = _share("Percent of those sent with an event_id", 100.0)
    with_order_id = _share("Percent of those sent with an order_id", 12.0)
    acceptance = _share("Percent accepted of those that Meta accepted or refused", 97.0)
    freshness = fields.Nested(
        QualityFreshness, required=True, allow_none=True, metadata={"description": "Null when none was accepted."}
    )
    sampled = number("Of how many events, the newest, the keys were counted.", 100)
    keys = _each(QualityKey, "Keys that events have, and those worth having.")


class QualityStage(Schema):
    """How many leads of the period reached a stage, as Meta heard of it."""

    event_name = sure("The stage's event.", "Demo Scheduled")
    leads = number("Leads of the period with such an accepted event.", 30)
    percent = _share("Percent of all leads of the period", 30.0)
    p90_days = _share("Days from the lead to the stage (90th percentile), of all events of the period", 6.5)
    is_raw = flag("Whether it is the event of a lead that has only just come.", False)


class QualityLeads(Schema):
    """The route conversion_leads: leads of the Pages that go to the dataset, without Meta's test leads."""

    leads = number("Received in the period.", 100)
    covered = number("Of them, with at least one accepted event.", 48)
    coverage = _share("The same in percent", 48.0)
    deep = number("Of the covered, with events of two stages or more.", 30)
    month = number("Received in the last 30 days.", 240)
    pages = number("The Pages.", 2)
    sampled = number("Events whose keys were looked at.", 100)
    with_lead_id = number("Of them, with Meta's id of the lead.", 100)
    stages = _each(QualityStage, "In the order of the funnel.")


class QualityMessaging(Schema):
    """The route business_messaging."""

    signals = number("Events accepted.", 61)
    purchases = number("Purchases accepted.", 8)
    sampled = number("Events whose keys were looked at.", 61)
    with_channel_id = number("Of them, with ctwa_clid, page_scoped_user_id or ig_sid.", 61)
    clicks = number("Of them, with a click on an ad whose time is known.", 40)
    in_window = number("Of those, within 7 days of it.", 39)


class QualityMetaKey(Schema):
    """A key, as Meta counts."""

    identifier = sure("Meta's word for it.", "email")
    percent = _share("In how many percent of the events", 92.5)
    gain_percent = _share("By how many percent more of it may raise the conversions credited, as Meta says", 3.1)
    gain = sure("Meta's words on it.", "")


class QualityMetaScore(Schema):
    """Meta's own figures of one event name."""

    kind = sure("`web` or `offline`.", "web")
    event_name = sure("The event.", "Lead")
    score = _share("`web`: Event Match Quality, 0 to 10; `offline`: composite, 0 to 10", 6.4)
    before = _share("The score a week before", 6.1)
    coverage = _share("`web`: percent of the Pixel's events that are covered", 61.0)
    coverage_goal = _share("Meta's goal for it", 75.0)
    coverage_before = _share("The coverage a week before", 58.0)
    upload_frequency = text("How often Meta finds that events are sent.", "hourly")
    additional_conversions = _share("Percent of conversions that are reported thanks to these events", 12.3)
    recommendation = text("`offline`: what Meta recommends.")
    keys = _each(QualityMetaKey, "Each key.")


class QualityMetaFailure(Schema):
    """Why Meta told nothing when it was asked last."""

    at = when("When that was", "2026-11-22T08:26:33Z", allow_none=False)
    code = text("Its code.", "graph_190")
    message = text("What it was.", "The access token is no longer valid.")
    action = text("What a person can do about it.", "Enter a new token and apply the configuration.")


class QualityMeta(Schema):
    """Meta's Dataset Quality API. It scores web and offline events only; where it gives no score there is none here."""

    polled_at = when("The newest point of the series; null: never asked", "2026-11-22T08:26:33Z")
    answered_at = when("When Meta gave the scores below", "2026-11-22T08:26:33Z")
    before_at = when("When it gave those that they are compared with", "2026-11-15T08:26:33Z")
    failed = fields.Nested(
        QualityMetaFailure, required=True, allow_none=True, metadata={"description": "Set when it refused last time."}
    )
    scores = _each(QualityMetaScore, "Each event name that Meta scores.")


class DatasetQuality(Schema):
    """How good the events of one dataset are, by our count and by Meta's."""

    dataset_id = sure("The dataset.", "900000000000001")
    name = text("Its name in the configuration file.", "Acme CRM")
    since = when("Begin of the period: events made at this time or later", "2026-10-25T08:26:33Z", allow_none=False)
    until = when("End of the period: now", "2026-11-22T08:26:33Z", allow_none=False)
    verdicts = _each(QualityVerdict, "Each rule that concerns the dataset.")
    total = fields.Nested(QualityEvent, required=True, metadata={"description": "All events together."})
    events = _each(QualityEvent, "Each event name on each route, the most sent first.")
    conversion_leads = fields.Nested(
        QualityLeads, required=True, allow_none=True, metadata={"description": "Null where the route is not used."}
    )
    business_messaging = fields.Nested(
        QualityMessaging, required=True, allow_none=True, metadata={"description": "Null where the route is not used."}
    )
    meta = fields.Nested(QualityMeta, required=True, metadata={"description": "Meta's own figures."})
    notes = fields.List(
        fields.String(),
        **_about("What cannot be told, and why.", ["Meta publishes no quality score for Conversion Leads."]),
    )
