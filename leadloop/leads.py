"""What a lead is: the LeadCard that adapters, notifiers and the API see, and its JSON.

Reading Meta's field_data into a card is in lead_reading.py; this file has the shapes only.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

MappedValue = str | bool | list[str] | None


@dataclass(frozen=True)
class Answer:
    """One question of the form and what the person answered.

    `key` is Meta's field_data name, `type` the form's question type ("EMAIL", "CUSTOM", "HIDDEN" for tracking
    parameters, "" when the form is unknown), `label` the question as shown, `values` exactly as sent, `labels` the
    texts of the chosen options (equal to `values` where there are no options).
    """

    key: str
    type: str = ""
    label: str | None = None
    values: tuple[str, ...] = field(default=(), repr=False)
    labels: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class Consent:
    """One optional checkbox of the form's custom disclaimer."""

    key: str
    checked: bool


@dataclass(frozen=True)
class LeadCard:
    """One lead, ready for a CRM or an alert. Ids are Meta's, as text. Unknown is None, never "".

    `mapped` holds the CRM's field names and values for one connection (empty elsewhere). `created_at` is when the
    form was sent, `received_at` when Meta's notice reached us; both are aware UTC. `phone` is E.164, `email` checked
    and normalised, `country` ISO 3166-1 alpha-2; what the person typed stays in `answers`, and in `phone_typed`.
    """

    leadgen_id: str
    page_id: str
    form_id: str | None = None
    page_name: str | None = None
    form_name: str | None = None
    ad_id: str | None = None
    ad_name: str | None = None
    adset_id: str | None = None
    adset_name: str | None = None
    campaign_id: str | None = None
    campaign_name: str | None = None
    platform: str | None = None
    is_organic: bool | None = None
    is_test: bool = False
    created_at: datetime | None = None
    received_at: datetime | None = None
    full_name: str | None = field(default=None, repr=False)
    first_name: str | None = field(default=None, repr=False)
    last_name: str | None = field(default=None, repr=False)
    email: str | None = field(default=None, repr=False)
    phone: str | None = field(default=None, repr=False)
    phone_typed: str | None = field(default=None, repr=False)
    city: str | None = field(default=None, repr=False)
    state: str | None = field(default=None, repr=False)
    country: str | None = None
    postal_code: str | None = field(default=None, repr=False)
    street_address: str | None = field(default=None, repr=False)
    company: str | None = field(default=None, repr=False)
    job_title: str | None = field(default=None, repr=False)
    date_of_birth: str | None = field(default=None, repr=False)
    gender: str | None = field(default=None, repr=False)
    answers: tuple[Answer, ...] = field(default=(), repr=False)
    consents: tuple[Consent, ...] = ()
    mapped: Mapping[str, MappedValue] = field(default_factory=dict, repr=False)

    def with_mapped(self, mapped: Mapping[str, MappedValue]) -> "LeadCard":
        return replace(self, mapped=dict(mapped))

    def find_answer(self, key: str) -> Answer | None:
        return next((answer for answer in self.answers if answer.key == key), None)

    def to_json(self) -> dict[str, Any]:
        """The JSON of the API and of the `webhook` adapter (shape: docs/lead-json.md)."""
        plain = {name: getattr(self, name) for name in _PLAIN_FIELDS}
        return plain | {
            "created_at": iso_utc(self.created_at),
            "received_at": iso_utc(self.received_at),
            "answers": {answer.key: list(answer.values) for answer in self.answers},
            "questions": [
                {"key": answer.key, "type": answer.type or None, "label": answer.label, "labels": list(answer.labels)}
                for answer in self.answers
            ],
            "consents": [{"key": consent.key, "checked": consent.checked} for consent in self.consents],
        }


_PLAIN_FIELDS = (
    "leadgen_id",
    "page_id",
    "page_name",
    "form_id",
    "form_name",
    "ad_id",
    "ad_name",
    "adset_id",
    "adset_name",
    "campaign_id",
    "campaign_name",
    "platform",
    "is_organic",
    "is_test",
    "full_name",
    "first_name",
    "last_name",
    "email",
    "phone",
    "phone_typed",
    "city",
    "state",
    "country",
    "postal_code",
    "street_address",
    "company",
    "job_title",
    "date_of_birth",
    "gender",
)

# What a template may name besides {answers.KEY}, {labels.KEY} and {consents.KEY}: see leadloop/templates.py.
TEMPLATE_FIELDS = (*_PLAIN_FIELDS, "created_at", "received_at")


def iso_utc(when: datetime | None) -> str | None:
    """RFC 3339 in UTC with a Z; milliseconds only where there are any. None stays None."""
    if when is None:
        return None
    when = when.astimezone(UTC)
    whole = when.microsecond < 1000
    return when.isoformat(timespec="seconds" if whole else "milliseconds").replace("+00:00", "Z")
