"""Leads and their story: added once by leadgen_id, filled from Graph, planned onto connections and notifiers."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, false, func, select, text, true, tuple_, update
from sqlalchemy.orm import Session, defer

from leadloop.emails import email_key
from leadloop.leads import LeadCard
from store.lanes import graph_lane
from store.models import Lead, LeadEvent
from store.sql import MakeInsert, Prepared, insert_new, table_of
from store.work import FRESH, add_work


@dataclass(frozen=True)
class LeadNotice:
    """What Meta's notice says of a lead: ids and when the form was sent."""

    leadgen_id: str
    page_id: str
    form_id: str | None = None
    ad_id: str | None = None
    created_at: datetime | None = None


@dataclass(frozen=True)
class StoryLine:
    """One line of a lead's story. `dedup_key` keeps the same line from being written twice."""

    lead_id: int
    kind: str
    at: datetime
    detail: dict[str, Any]
    raw_event_id: int | None = None
    dedup_key: str | None = None


_ADD_LEADS = insert_new(Lead, ["leadgen_id"], "id", "leadgen_id")
_ADD_STORY = insert_new(LeadEvent, ["dedup_key"])


def add_leads(
    session: Session,
    notices: Iterable[LeadNotice],
    *,
    received_at: datetime,
    now: datetime,
    source: str = "webhook",
    raw_event_id: int | None = None,
    priority: int = FRESH,
    read: bool = True,
) -> tuple[dict[str, int], set[str]]:
    """Add the leads that are new, with the work of reading each (unless `read` is False: the caller has the answers).

    Returns ids by leadgen_id, and which are new.

    A lead that is known keeps what it has; that it was announced again becomes a line of its story.
    """
    found = {notice.leadgen_id: notice for notice in reversed(list(notices))}
    unique = dict(sorted(found.items()))  # in one order everywhere, so that two processes never wait in a circle
    if not unique:
        return {}, set()
    rows = [
        {
            "leadgen_id": notice.leadgen_id,
            "page_id": notice.page_id,
            "form_id": notice.form_id,
            "ad_id": notice.ad_id,
            "created_at": notice.created_at,
            "received_at": received_at,
            "source": source,
            "state": "waiting",
            "is_test": False,
        }
        for notice in unique.values()
    ]
    added = _ADD_LEADS.run(session, rows).all()
    ids = {leadgen_id: lead_id for lead_id, leadgen_id in added}
    new = set(ids)
    known = [leadgen_id for leadgen_id in unique if leadgen_id not in new]
    if known:
        there = session.execute(select(Lead.leadgen_id, Lead.id).where(Lead.leadgen_id.in_(known)))
        ids |= dict(there.all())
    _tell_arrival(session, ids, new, at=received_at, source=source, raw_event_id=raw_event_id)
    by_lane: dict[str, list[int]] = {}
    for leadgen_id in new if read else ():
        by_lane.setdefault(graph_lane(unique[leadgen_id].page_id), []).append(ids[leadgen_id])
    for lane, lead_ids in by_lane.items():
        add_work(session, "lead", sorted(lead_ids), lane, now=now, priority=priority)
    return ids, new


def _tell_arrival(
    session: Session, ids: dict[str, int], new: set[str], *, at: datetime, source: str, raw_event_id: int | None
) -> None:
    lines = []
    for leadgen_id, lead_id in ids.items():
        kind = "received" if leadgen_id in new else "announced_again"
        if kind == "announced_again" and raw_event_id is None:
            continue  # a poll sees the same leads each time; that is not news
        key = f"{kind}:{lead_id}:{raw_event_id or source}"
        lines.append(StoryLine(lead_id, kind, at, {"source": source}, raw_event_id, key))
    add_story(session, lines)


def add_story(session: Session, lines: list[StoryLine]) -> None:
    """Write story lines; one whose dedup_key is there already is left out."""
    if not lines:
        return
    _ADD_STORY.later(
        session,
        *(
            {
                "lead_id": line.lead_id,
                "at": line.at,
                "kind": line.kind,
                "raw_event_id": line.raw_event_id,
                "detail": line.detail,
                "dedup_key": line.dedup_key,
            }
            for line in lines
        ),
    )


def save_card(
    session: Session,
    lead_id: int,
    *,
    answer: dict[str, Any],
    card: LeadCard,
    row: dict[str, Any],
    now: datetime,
    match_keys: dict[str, Any] | None = None,
) -> None:
    """Fill a lead with what Graph said (`answer`) and what we made of it (`card`, as JSON in `row`; `match_keys`, for Meta's
    user_data). What the notice told and Graph does not stays."""
    _SAVE_CARD.later(
        session,
        {
            "of_lead": lead_id,
            "new_read_at": now,
            "new_answer": answer,
            "new_card": row,
            "new_match_keys": match_keys,
            "new_form_id": card.form_id,
            "new_ad_id": card.ad_id,
            "new_created_at": card.created_at,
            "new_is_test": card.is_test,
            "new_email": email_key(card.email) if card.email else None,
            "new_phone": card.phone,
        },
    )


_LEAD = table_of(Lead)
_FILLED = ("read_at", "answer", "card", "match_keys", "form_id", "ad_id", "created_at", "is_test", "email", "phone")
_TOLD_BY_NOTICE = ("form_id", "ad_id", "created_at")


def _build_save_card(_insert: MakeInsert, _dialect: str) -> Any:
    values: dict[str, Any] = {name: bindparam("new_" + name, type_=_LEAD.c[name].type) for name in _FILLED}
    values |= {name: func.coalesce(values[name], _LEAD.c[name]) for name in _TOLD_BY_NOTICE}
    return update(_LEAD).where(_LEAD.c.id == bindparam("of_lead")).values({"state": "read"} | values)


_SAVE_CARD = Prepared(_build_save_card)


def mark_gone(session: Session, lead_id: int) -> None:
    """Meta says that this lead will never be readable. One that has been read stays so: what it said is here, and is what
    its deliveries go on with (a replay comes too late, Meta keeps leads for 90 days)."""
    session.execute(
        update(Lead)
        .where(Lead.id == lead_id, Lead.state == "waiting")
        .values(state="gone")
        .execution_options(synchronize_session=False)
    )


def find_lead(session: Session, leadgen_id: str) -> Lead | None:
    return session.scalar(select(Lead).where(Lead.leadgen_id == leadgen_id))


def list_story(session: Session, lead_id: int) -> list[LeadEvent]:
    """A lead's story in order of time."""
    return list(
        session.scalars(select(LeadEvent).where(LeadEvent.lead_id == lead_id).order_by(LeadEvent.at, LeadEvent.id))
    )


@dataclass(frozen=True)
class LeadFilter:
    """What list_leads() picks. `before` is a cursor: (received_at, id) of the last lead already seen."""

    page_id: str | None = None
    form_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    state: str | None = None
    unrouted: bool = False
    test: bool | None = None
    email: str | None = None
    phone: str | None = None
    before: tuple[datetime, int] | None = None


def list_leads(session: Session, chosen: LeadFilter, *, limit: int) -> list[Lead]:
    """Leads, newest first, without Graph's own words of them (`answer`), which are wide and seldom wanted."""
    query = (
        select(Lead)
        .options(defer(Lead.answer, raiseload=True))
        .order_by(Lead.received_at.desc(), Lead.id.desc())
        .limit(limit)
    )
    equal = {
        Lead.page_id: chosen.page_id,
        Lead.form_id: chosen.form_id,
        Lead.state: chosen.state,
        Lead.phone: chosen.phone,
    }
    for column, value in equal.items():
        if value is not None:
            query = query.where(column == value)
    if chosen.email is not None:
        query = query.where(Lead.email == email_key(chosen.email))
    # What few leads are is written out and not bound, or no planner sees that a partial index has just these.
    if chosen.state not in (None, "read"):
        query = query.where(text("lead.state <> 'read'"))
    if chosen.test is not None:
        query = query.where(Lead.is_test == (true() if chosen.test else false()))
    if chosen.since is not None:
        query = query.where(Lead.received_at >= chosen.since)
    if chosen.until is not None:
        query = query.where(Lead.received_at < chosen.until)
    if chosen.unrouted:
        query = query.where(Lead.routed == false())
    if chosen.before is not None:
        at, lead_id = chosen.before
        query = query.where(tuple_(Lead.received_at, Lead.id) < (at, lead_id))
    return list(session.scalars(query))
