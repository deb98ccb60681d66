"""Whom an outcome is about: the lead or the contact that it names, found for many at once."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from leadloop.conversions.findings import Fault
from leadloop.conversions.outcome import LeadKey
from store.contacts import find_contacts
from store.models import Connection, Delivery, Lead

_SHOWN = 5  # leads named when an address fits several
# id, leadgen_id, whether it has been read (or never will be), when it came, when its form was sent
_LeadRow = tuple[int, str, bool, datetime, datetime | None]


@dataclass(frozen=True)
class Named:
    """How an outcome names its subject, and when it happened. An e-mail address is in lower case."""

    key: LeadKey
    value: str
    connection: str | None
    occurred_at: datetime


@dataclass(frozen=True)
class Subject:
    """Whom an outcome is about, so far as that is known. A lead counts once it has been read, or never will be.

    `unread_id`: the lead that it is about, while that is still to be read. `created_at`: when the form of the known lead was
    sent. `refused`: the code, the field and what is wrong with the way it is named.
    """

    lead_id: int | None = None
    contact_id: int | None = None
    leadgen_id: str | None = None
    unread_id: int | None = None
    created_at: datetime | None = None
    refused: tuple[str, str, Fault] | None = None

    @property
    def known(self) -> bool:
        return self.lead_id is not None or self.contact_id is not None


def find_subjects(session: Session, named: Sequence[Named]) -> list[Subject]:
    """The subject of each, in their order; a bounded number of queries for all."""
    by_kind: dict[str, set[str]] = {}
    for one in named:
        by_kind.setdefault(one.key, set()).add(one.value)
    leads = {
        "leadgen_id": _leads_by(session, Lead.leadgen_id, by_kind.get("leadgen_id")),
        "email": _leads_by(session, Lead.email, by_kind.get("email")),
        "phone": _leads_by(session, Lead.phone, by_kind.get("phone")),
    }
    contacts = {
        "email": find_contacts(session, "email", by_kind.get("email", set())),
        "phone": find_contacts(session, "phone", by_kind.get("phone", set())),
    }
    records = _leads_by_record(session, by_kind.get("crm_id"))
    found = []
    for one in named:
        if one.key == "crm_id":
            found.append(_subject_of_record(session, one, records))
        else:
            contact_id = contacts.get(one.key, {}).get(one.value)
            found.append(_subject_of(one, leads[one.key].get(one.value, []), contact_id))
    return found


def _leads_by(session: Session, column: Any, values: Iterable[str] | None) -> dict[str, list[_LeadRow]]:
    if not values:
        return {}
    query = select(column, Lead.id, Lead.leadgen_id, Lead.state, Lead.received_at, Lead.created_at)
    query = query.where(column.in_(list(values))).order_by(Lead.id)
    found: dict[str, list[_LeadRow]] = {}
    for value, lead_id, leadgen_id, state, received_at, created_at in session.execute(query):
        found.setdefault(value, []).append((lead_id, leadgen_id, state != "waiting", received_at, created_at))
    return found


def _leads_by_record(session: Session, ids: Iterable[str] | None) -> dict[tuple[str, str], list[_LeadRow]]:
    if not ids:
        return {}
    query = (
        select(Connection.name, Delivery.remote_id, Lead.id, Lead.leadgen_id, Lead.received_at, Lead.created_at)
        .join(Connection, Connection.id == Delivery.connection_id)
        .join(Lead, Lead.id == Delivery.lead_id)
        .where(Delivery.remote_id.in_(list(ids)))
        .order_by(Lead.received_at, Lead.id)
    )
    found: dict[tuple[str, str], list[_LeadRow]] = {}
    for name, remote_id, lead_id, leadgen_id, received_at, created_at in session.execute(query):
        found.setdefault((name, str(remote_id)), []).append((lead_id, leadgen_id, True, received_at, created_at))
    return found


def _subject_of_record(session: Session, one: Named, records: dict[tuple[str, str], list[_LeadRow]]) -> Subject:
    """A CRM's record may hold several forms of one person: what happens is the newest's that had come by then."""
    connection = one.connection or ""
    rows = records.get((connection, one.value), [])
    if not rows:
        return Subject(contact_id=find_contacts(session, "crm", [one.value], scope=connection).get(one.value))
    by_then = [row for row in rows if row[3] <= one.occurred_at]
    lead_id, leadgen_id, _is_read, _at, created_at = (by_then or rows[:1])[-1]
    return Subject(lead_id, None, leadgen_id, created_at=created_at)


def _subject_of(one: Named, rows: list[_LeadRow], contact_id: int | None) -> Subject:
    if len(rows) > 1:
        names = ", ".join(row[1] for row in rows[:_SHOWN])
        more = f" and {len(rows) - _SHOWN} more" if len(rows) > _SHOWN else ""
        mend = "name the one that is meant by its leadgen_id, or by its crm_id"
        return Subject(
            refused=("lead_ambiguous", f"lead.{one.key}", Fault(f"fits {len(rows)} leads ({names}{more})", mend))
        )
    if not rows:
        return Subject(contact_id=contact_id)
    lead_id, leadgen_id, is_read, _at, created_at = rows[0]
    if not is_read:
        return Subject(None, contact_id, leadgen_id, unread_id=lead_id)
    return Subject(lead_id, contact_id, leadgen_id, created_at=created_at)
