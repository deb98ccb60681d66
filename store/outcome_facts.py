"""What is known of an outcome's lead or contact when it is decided what Meta is told."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, String, cast, or_, select
from sqlalchemy.orm import Session

from store.contacts import list_identities
from store.conversion_models import Contact, Identity, Outcome
from store.conversions import Subject
from store.models import Connection, Delivery, Lead, Page


@dataclass(frozen=True)
class LeadFacts:
    """A lead as it was read. `crms`: names of the connections that it goes to."""

    id: int
    leadgen_id: str
    page_id: str
    form_id: str | None
    ad_id: str | None
    created_at: datetime | None
    is_test: bool
    card: dict[str, Any] | None = field(repr=False)
    match_keys: dict[str, Any] | None = field(repr=False)
    default_country: str | None
    business_country: str | None
    crms: tuple[str, ...]


@dataclass(frozen=True)
class ContactFacts:
    """A person known by the identities of channels and CRMs, in the order in which they were first seen.

    `countries`: where the Pages and accounts are registered that the identities belong to, by their ids.
    """

    id: int
    identities: tuple[Identity, ...] = field(repr=False)
    countries: dict[str, str | None]


MOST_DECIDED = 200  # outcomes of one lead in one transaction: all others who write wait for it


def lock_undecided(session: Session, outcome_id: int) -> tuple[Subject, list[Outcome]]:
    """The outcomes of the same lead or contact that nothing was decided on, in the order in which they happened, at most
    MOST_DECIDED; [] when this one is not joined, or was decided on together with another.

    On PostgreSQL the lead and the contact are locked: what is decided on them is decided by one at a time.
    """
    outcome = session.get(Outcome, outcome_id)
    if outcome is None or outcome.state != "joined" or outcome.decided_at is not None:
        return Subject(None, None), []
    subject = Subject(outcome.lead_id, outcome.contact_id)
    lock_subject(session, subject)
    query = (
        select(Outcome)
        .where(
            _is(Outcome.lead_id, subject.lead_id),
            _is(Outcome.contact_id, subject.contact_id),
            Outcome.state == "joined",
            Outcome.decided_at.is_(None),
        )
        .order_by(Outcome.occurred_at, Outcome.id)
        .limit(MOST_DECIDED)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return subject, list(session.scalars(query))


def lock_subject(session: Session, subject: Subject) -> None:
    """On PostgreSQL: until the transaction ends, nobody else decides on this lead and this contact."""
    if subject.lead_id is not None:
        session.execute(select(Lead.id).where(Lead.id == subject.lead_id).with_for_update(key_share=True)).all()
    if subject.contact_id is not None:
        session.execute(
            select(Contact.id).where(Contact.id == subject.contact_id).with_for_update(key_share=True)
        ).all()


def _is(column: Any, value: int | None) -> ColumnElement[bool]:
    return column.is_(None) if value is None else column == value  # type: ignore[no-any-return]  # columns are typed Any here


WISHES = ("consent", "opt_out")  # of an outcome's fields, those that are the person's own word


def list_wishes(session: Session, subject: Subject) -> list[Mapping[str, Any]]:
    """The fields of all outcomes of the same lead or contact that say something of consent or opting out, in the order in
    which they happened."""
    mine = [Outcome.lead_id == subject.lead_id] if subject.lead_id is not None else []
    if subject.contact_id is not None:
        mine.append(Outcome.contact_id == subject.contact_id)
    if not mine:
        return []
    text = cast(Outcome.fields, String)
    query = select(Outcome.fields).where(or_(*mine), or_(*(text.contains(f'"{name}"') for name in WISHES)))
    return list(session.scalars(query.order_by(Outcome.occurred_at, Outcome.id)))


def read_lead_facts(session: Session, lead_id: int) -> LeadFacts:
    query = (
        select(
            Lead.id,
            Lead.leadgen_id,
            Lead.page_id,
            Lead.form_id,
            Lead.ad_id,
            Lead.created_at,
            Lead.is_test,
            Lead.card,
            Lead.match_keys,
            Page.default_country,
            Page.business_country,
        )
        .outerjoin(Page, Page.page_id == Lead.page_id)
        .where(Lead.id == lead_id)
    )
    row = session.execute(query).one()
    crms = session.scalars(select(Connection.name).join(Delivery).where(Delivery.lead_id == lead_id))
    return LeadFacts(**row._mapping, crms=tuple(crms))


def read_contact_facts(session: Session, contact_id: int) -> ContactFacts:
    identities = tuple(list_identities(session, contact_id))
    return ContactFacts(contact_id, identities, _countries(session, [one.scope for one in identities if one.scope]))


def _countries(session: Session, page_ids: Sequence[str]) -> dict[str, str | None]:
    if not page_ids:
        return {}
    query = select(Page.page_id, Page.business_country).where(Page.page_id.in_(page_ids))
    return dict(session.execute(query).all())
