"""Contacts: persons, joined from the identities in which channels and CRMs know them. Nothing asks for a phone."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from leadloop.emails import email_key
from store.conversion_models import Contact, Conversion, Identity, Outcome
from store.sql import insert_new

IdentityKind = Literal["email", "phone", "psid", "igsid", "wa_id", "crm"]


@dataclass(frozen=True)
class IdentityInput:
    """One way in which somebody is known. `scope` is what the value belongs to: the Page of a PSID, the Instagram account of
    an IGSID, the WhatsApp Business Account of a WhatsApp id, the connection of a CRM's id, "" for e-mail and phone.

    `detail` of a WhatsApp id may hold "ctwa_clid", the click of the first message (facts §6.4), and "clicked_at".
    """

    kind: IdentityKind
    value: str = field(repr=False)
    scope: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict, repr=False)


_ADD_IDENTITY = insert_new(Identity, ["kind", "scope", "value"])


def keep_contact(session: Session, identities: Iterable[IdentityInput], *, now: datetime) -> int:
    """The contact that has these identities, made when there is none; returns its id.

    When they turn out to be of several contacts, those become one: the oldest. What an identity came with first is kept:
    of two clicks on an ad the first is the one that brought the person.
    """
    each = [replace(one, value=email_key(one.value)) if one.kind == "email" else one for one in identities]
    given = list({(one.kind, one.scope, one.value): one for one in each}.values())
    if not given:
        raise ValueError("a contact without an identity cannot be found again")
    known = _find(session, given)
    contact_id = min(known.values()) if known else _add_contact(session, now)
    rows = [
        {
            "contact_id": contact_id,
            "kind": one.kind,
            "scope": one.scope,
            "value": one.value,
            "detail": dict(one.detail),
            "first_seen_at": now,
        }
        for one in given
        if (one.kind, one.scope, one.value) not in known
    ]
    if rows:
        _ADD_IDENTITY.run(session, rows)
        known |= _find(session, given)  # somebody else may have added one of them at the same moment
    for one in given:
        if one.detail:
            _add_detail(session, one)
    return _merge(session, {contact_id, *known.values()})


def find_contacts(session: Session, kind: IdentityKind, values: Collection[str], scope: str = "") -> dict[str, int]:
    """Value → contact id, for those that are known."""
    if not values:
        return {}
    query = select(Identity.value, Identity.contact_id).where(
        Identity.kind == kind, Identity.scope == scope, Identity.value.in_(values)
    )
    return dict(session.execute(query).all())


def list_identities(session: Session, contact_id: int) -> list[Identity]:
    """All of a contact, in the order in which they were first seen."""
    query = select(Identity).where(Identity.contact_id == contact_id).order_by(Identity.first_seen_at, Identity.id)
    return list(session.scalars(query))


def _find(session: Session, given: list[IdentityInput]) -> dict[tuple[str, str, str], int]:
    query = select(Identity.kind, Identity.scope, Identity.value, Identity.contact_id).where(
        Identity.value.in_([one.value for one in given])
    )
    wanted = {(one.kind, one.scope, one.value) for one in given}
    found = {(kind, scope, value): contact_id for kind, scope, value, contact_id in session.execute(query)}
    return {key: contact_id for key, contact_id in found.items() if key in wanted}


def _add_contact(session: Session, now: datetime) -> int:
    contact = Contact(created_at=now)
    session.add(contact)
    session.flush()
    return contact.id


def _add_detail(session: Session, given: IdentityInput) -> None:
    row = session.scalars(
        select(Identity).where(
            Identity.kind == given.kind, Identity.scope == given.scope, Identity.value == given.value
        )
    ).one()
    merged = {**given.detail, **row.detail}
    if merged != row.detail:
        row.detail = merged
        session.flush()


def _merge(session: Session, contact_ids: set[int]) -> int:
    kept, *others = sorted(contact_ids)
    for model in (Identity, Outcome, Conversion) if others else ():
        change = update(model).where(model.contact_id.in_(others)).values(contact_id=kept)
        session.execute(change.execution_options(synchronize_session=False))
    for contact in session.scalars(select(Contact).where(Contact.id.in_(others))) if others else ():
        session.delete(contact)
    session.flush()
    return kept
