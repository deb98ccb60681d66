"""What work rows are about, in words a person knows: "lead 222… to crm"."""

from collections.abc import Callable, Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from store.conversion_models import AdminAlert, Dataset, Outcome
from store.models import Backfill, Connection, Delivery, Lead, Notice, Notifier, RawEvent, Work


def describe_subjects(session: Session, rows: Iterable[Work]) -> dict[int, str]:
    """Work id → words; one query for each kind."""
    by_kind: dict[str, dict[int, int]] = {}
    for row in rows:
        by_kind.setdefault(row.kind, {})[row.subject_id] = row.id
    words: dict[int, str] = {}
    for kind, subjects in by_kind.items():
        describe = _DESCRIBE.get(kind)
        found = describe(session, list(subjects)) if describe else {}
        for subject_id, work_id in subjects.items():
            words[work_id] = found.get(subject_id, f"{kind} {subject_id}")
    return words


def _events(session: Session, ids: list[int]) -> dict[int, str]:
    query = select(RawEvent.id, RawEvent.size).where(RawEvent.id.in_(ids))
    return {event_id: f"read notice {event_id} ({size} bytes)" for event_id, size in session.execute(query)}


def _fetches(session: Session, ids: list[int]) -> dict[int, str]:
    query = select(Backfill.id, Backfill.page_id).where(Backfill.id.in_(ids))
    return {asked_id: f"read the list of leads of Page {page_id}" for asked_id, page_id in session.execute(query)}


def _leads(session: Session, ids: list[int]) -> dict[int, str]:
    query = select(Lead.id, Lead.leadgen_id).where(Lead.id.in_(ids))
    return {lead_id: f"read lead {leadgen_id} from Meta" for lead_id, leadgen_id in session.execute(query)}


def _deliveries(session: Session, ids: list[int]) -> dict[int, str]:
    query = (
        select(Delivery.id, Lead.leadgen_id, Connection.name)
        .join(Lead, Lead.id == Delivery.lead_id)
        .join(Connection, Connection.id == Delivery.connection_id)
        .where(Delivery.id.in_(ids))
    )
    return {found: f"lead {leadgen_id} to {name}" for found, leadgen_id, name in session.execute(query)}


def _notices(session: Session, ids: list[int]) -> dict[int, str]:
    query = (
        select(Notice.id, Lead.leadgen_id, Notifier.name)
        .join(Lead, Lead.id == Notice.lead_id)
        .join(Notifier, Notifier.id == Notice.notifier_id)
        .where(Notice.id.in_(ids))
    )
    return {found: f"alert about lead {leadgen_id} to {name}" for found, leadgen_id, name in session.execute(query)}


def _outcomes(session: Session, ids: list[int]) -> dict[int, str]:
    query = (
        select(Outcome.id, Outcome.stage, Lead.leadgen_id)
        .outerjoin(Lead, Lead.id == Outcome.lead_id)
        .where(Outcome.id.in_(ids))
    )
    return {
        found: f"decide on outcome {found} ({stage[:40]}){f' of lead {leadgen_id}' if leadgen_id else ''}"
        for found, stage, leadgen_id in session.execute(query)
    }


def _datasets(session: Session, ids: list[int]) -> dict[int, str]:
    query = select(Dataset.id, Dataset.dataset_id).where(Dataset.id.in_(ids))
    return {found: f"send events to dataset {dataset_id}" for found, dataset_id in session.execute(query)}


def _qualities(session: Session, ids: list[int]) -> dict[int, str]:
    query = select(Dataset.id, Dataset.dataset_id).where(Dataset.id.in_(ids))
    return {
        found: f"ask Meta how good the events of dataset {dataset_id} are"
        for found, dataset_id in session.execute(query)
    }


def _admin_alerts(session: Session, ids: list[int]) -> dict[int, str]:
    query = select(AdminAlert.id, Notifier.name).join(Notifier, Notifier.id == AdminAlert.notifier_id)
    return {found: f"tell {name} what is held" for found, name in session.execute(query.where(AdminAlert.id.in_(ids)))}


_DESCRIBE: dict[str, Callable[[Session, list[int]], dict[int, str]]] = {
    "event": _events,
    "fetch": _fetches,
    "lead": _leads,
    "delivery": _deliveries,
    "notice": _notices,
    "outcome": _outcomes,
    "conversions": _datasets,
    "quality": _qualities,
    "admin_alert": _admin_alerts,
}
