"""A dataset as Meta tells of it, in values that the doctor, the console and the workers can use."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class DatasetRef:
    """A dataset that a Page or an account is linked to."""

    dataset_id: str
    name: str | None


@dataclass(frozen=True, slots=True)
class DatasetInfo:
    """What Meta shows of a dataset; None: it did not say, for want of rights or because there is nothing yet.

    `is_crm`: made or converted for a CRM, as Conversion Leads needs it. `is_consolidated_container`: it takes events of
    shops (physical_store). `last_fired_at` is of the last event. Counts are Meta's, and say nothing of messaging events.
    """

    dataset_id: str
    name: str | None = None
    is_crm: bool | None = None
    is_consolidated_container: bool | None = None
    is_unavailable: bool | None = None
    last_fired_at: datetime | None = None
    owner_business_id: str | None = None
    owner_business_name: str | None = None
    match_rate_approx: float | None = None
    valid_entries: int | None = None
    matched_entries: int | None = None
    duplicate_entries: int | None = None
    first_event_at: datetime | None = None
    last_event_at: datetime | None = None
