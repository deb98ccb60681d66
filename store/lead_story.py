"""The whole story of one lead: what happened when, where it went, what it waits for, and how long each hop took.

The API and `leadloop leads show` tell the same story. It takes nine queries, however long the story is.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from leadloop.lead_reading import card_from_row
from leadloop.leads import LeadCard, iso_utc
from store import conversion_lists, outcome_lists
from store.conversion_lists import ShownConversion
from store.leads import list_story
from store.models import Connection, Delivery, Lane, Lead, LeadEvent, Notice, Notifier, Work
from store.outcome_lists import OutcomeLine
from store.story_words import story_words


@dataclass(frozen=True)
class Line:
    """One line of the story. `words` is plain English, `detail` ids and codes. `raw_event_id`: the notice that said so."""

    at: datetime
    kind: str
    words: str
    detail: dict[str, Any]
    raw_event_id: int | None = None


@dataclass(frozen=True)
class DeliveryStory:
    """How one connection has fared. `state`: waiting, delivered, parked, failed."""

    id: int = field(repr=False)
    connection: str
    adapter: str
    state: str
    attempts: int
    remote_kind: str | None
    remote_id: str | None
    remote_url: str | None
    code: str | None
    message: str | None
    action: str | None
    created_at: datetime
    pushed_at: datetime | None
    delivered_at: datetime | None


@dataclass(frozen=True)
class NoticeStory:
    """How one address of a notifier has fared. `target` is the address's fingerprint. `state`: waiting, sent, parked, failed."""

    id: int = field(repr=False)
    notifier: str
    target: str
    state: str
    attempts: int
    maybe_repeated: bool
    code: str | None
    message: str | None
    action: str | None
    created_at: datetime
    sent_at: datetime | None


@dataclass(frozen=True)
class LaneRest:
    """Why the lane rests or is held (until somebody acts). A `rest_until` in the past: it is being tried again."""

    name: str
    held: bool
    since: datetime
    rest_until: datetime
    code: str | None
    message: str | None
    action: str | None


@dataclass(frozen=True)
class Waiting:
    """Something still to be done for this lead. `state`: open (due at `due_at`), parked (for a person), failed (given up).

    `in_hand`: a worker has it now, and `due_at` is the end of its lease.
    """

    work_id: int
    kind: str
    words: str
    state: str
    in_hand: bool
    due_at: datetime
    added_at: datetime
    attempts: int
    code: str | None
    message: str | None
    action: str | None
    lane: LaneRest | None


@dataclass(frozen=True)
class Hops:
    """Milliseconds of each hop; None (or not listed) until it is done. From the webhook on, all are counted from there.

    `webhook_to_crm` is (connection, ms) at the first delivery, `webhook_to_alert` is (notifier, ms) for each address.
    `form_to_webhook_ms` is Meta's part, to the second as Meta's times are; None for a lead found in Meta's list.
    """

    form_to_webhook_ms: int | None
    webhook_to_read_ms: int | None
    webhook_to_crm: tuple[tuple[str, int], ...]
    webhook_to_alert: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class LeadStory:
    """One lead with everything that happened to it. Its person is in `card` alone."""

    card: LeadCard = field(repr=False)
    state: str
    source: str
    routed: bool | None
    read_at: datetime | None
    lead_id: int
    lines: tuple[Line, ...]
    deliveries: tuple[DeliveryStory, ...]
    notices: tuple[NoticeStory, ...]
    outcomes: tuple[OutcomeLine, ...]
    conversions: tuple[ShownConversion, ...]
    waiting: tuple[Waiting, ...]
    hops: Hops

    def to_json(self) -> dict[str, Any]:
        """The JSON of GET /api/v1/leads/<leadgen_id> and of `leadloop leads show --json`."""
        return {
            "lead": self.card.to_json(),
            "state": self.state,
            "source": self.source,
            "routed": self.routed,
            "read_at": iso_utc(self.read_at),
            "lead_id": self.lead_id,
            "story": [_plain(line) for line in self.lines],
            "deliveries": [_plain(delivery, leave_out="id") for delivery in self.deliveries],
            "notices": [_plain(notice, leave_out="id") for notice in self.notices],
            "outcomes": [outcome.to_json() for outcome in self.outcomes],
            "conversions": [conversion.to_json() for conversion in self.conversions],
            "waiting": [
                _plain(one) | {"lane": _plain(one.lane) if one.lane is not None else None} for one in self.waiting
            ],
            "hops": {
                "form_to_webhook_ms": self.hops.form_to_webhook_ms,
                "webhook_to_read_ms": self.hops.webhook_to_read_ms,
                "webhook_to_crm": [{"connection": name, "ms": ms} for name, ms in self.hops.webhook_to_crm],
                "webhook_to_alert": [{"notifier": name, "ms": ms} for name, ms in self.hops.webhook_to_alert],
            },
        }


def find_card(lead: Lead) -> LeadCard:
    """The lead's card; of a lead that is not read yet, the ids that Meta's notice named and None for the rest."""
    if lead.card is not None:
        return card_from_row(lead.card)
    return LeadCard(
        leadgen_id=lead.leadgen_id,
        page_id=lead.page_id,
        form_id=lead.form_id,
        ad_id=lead.ad_id,
        is_test=lead.is_test,
        created_at=lead.created_at,
        received_at=lead.received_at,
    )


def lead_json(lead: Lead) -> dict[str, Any]:
    """One lead in a list: the card and how far it has come, without its story."""
    return {
        "lead": find_card(lead).to_json(),
        "state": lead.state,
        "source": lead.source,
        "routed": lead.routed,
        "read_at": iso_utc(lead.read_at),
        "lead_id": lead.id,
    }


def collect_story(session: Session, lead: Lead) -> LeadStory:
    """Everything known of one lead. Reads only."""
    events = list_story(session, lead.id)
    deliveries = _deliveries(session, lead.id)
    notices = _notices(session, lead.id)
    outcomes = outcome_lists.list_of_lead(session, lead.id, lead.leadgen_id)
    return LeadStory(
        card=find_card(lead),
        state=lead.state,
        source=lead.source,
        routed=lead.routed,
        read_at=lead.read_at,
        lead_id=lead.id,
        lines=tuple(_lines(lead, events)),
        deliveries=tuple(deliveries),
        notices=tuple(notices),
        outcomes=tuple(outcomes),
        conversions=tuple(conversion_lists.list_of_lead(session, lead.id)),
        waiting=tuple(_waiting(session, lead.id, deliveries, notices, outcomes)),
        hops=_hops(lead, events, deliveries, notices),
    )


def _lines(lead: Lead, events: Sequence[LeadEvent]) -> Iterable[Line]:
    if lead.created_at is not None:
        yield Line(lead.created_at, "form_sent", story_words("form_sent", {}), {})
    for event in events:
        yield Line(event.at, event.kind, story_words(event.kind, event.detail), event.detail, event.raw_event_id)


def _deliveries(session: Session, lead_id: int) -> list[DeliveryStory]:
    query = (
        select(Delivery, Connection.name, Connection.adapter)
        .join(Connection, Connection.id == Delivery.connection_id)
        .where(Delivery.lead_id == lead_id)
        .order_by(Delivery.id)
    )
    return [
        DeliveryStory(
            id=row.id,
            connection=name,
            adapter=adapter,
            state=row.state,
            attempts=row.attempts,
            remote_kind=row.remote_kind,
            remote_id=row.remote_id,
            remote_url=row.remote_url,
            code=row.code,
            message=row.message,
            action=row.action,
            created_at=row.created_at,
            pushed_at=row.pushed_at,
            delivered_at=row.delivered_at,
        )
        for row, name, adapter in session.execute(query)
    ]


def _notices(session: Session, lead_id: int) -> list[NoticeStory]:
    query = (
        select(Notice, Notifier.name)
        .join(Notifier, Notifier.id == Notice.notifier_id)
        .where(Notice.lead_id == lead_id)
        .order_by(Notice.id)
    )
    return [
        NoticeStory(
            id=row.id,
            notifier=name,
            target=row.target,
            state=row.state,
            attempts=row.attempts,
            maybe_repeated=row.maybe_repeated,
            code=row.code,
            message=row.message,
            action=row.action,
            created_at=row.created_at,
            sent_at=row.sent_at,
        )
        for row, name in session.execute(query)
    ]


def _waiting(
    session: Session,
    lead_id: int,
    deliveries: list[DeliveryStory],
    notices: list[NoticeStory],
    outcomes: list[OutcomeLine],
) -> list[Waiting]:
    words = {("lead", lead_id): "Reading it from Meta"}
    words |= {("delivery", one.id): f"Putting it into {one.connection}" for one in deliveries}
    words |= {("notice", one.id): f"Ringing {one.notifier}" for one in notices}
    undecided = [one for one in outcomes if one.decided_at is None]
    words |= {("outcome", one.id): f"Deciding what Meta is told of the stage {one.stage}" for one in undecided}
    by_kind: dict[str, list[int]] = {}
    for kind, subject_id in words:
        by_kind.setdefault(kind, []).append(subject_id)
    mine = or_(*(and_(Work.kind == kind, Work.subject_id.in_(ids)) for kind, ids in by_kind.items()))
    rows = list(session.scalars(select(Work).where(mine).order_by(Work.id)))
    rests = _rests(session, {row.lane for row in rows})
    return [
        Waiting(
            work_id=row.id,
            kind=row.kind,
            words=words[row.kind, row.subject_id],
            state=row.state,
            in_hand=row.state == "open" and row.holder is not None,
            due_at=row.due_at,
            added_at=row.added_at,
            attempts=row.attempts,
            code=row.code,
            message=row.message,
            action=row.action,
            lane=rests.get(row.lane) or rests.get(row.lane.partition(":")[0]),
        )
        for row in rows
    ]


def _rests(session: Session, lanes: set[str]) -> dict[str, LaneRest]:
    """Name → why it rests, for those lanes and what they are part of (`graph` for every `graph:…`)."""
    if not lanes:
        return {}
    names = lanes | {lane.partition(":")[0] for lane in lanes}
    return {
        row.name: LaneRest(row.name, row.hold, row.since, row.rest_until, row.code, row.message, row.action)
        for row in session.scalars(select(Lane).where(Lane.name.in_(names)))
    }


def _hops(lead: Lead, events: Sequence[LeadEvent], deliveries: list[DeliveryStory], notices: list[NoticeStory]) -> Hops:
    # A replay overwrites the times on the rows; the story keeps the first ones.
    read_at = next((event.at for event in events if event.kind == "read"), lead.read_at)
    first: dict[str, datetime] = {}
    for event in events:
        if event.kind == "delivered":
            first.setdefault(str(event.detail.get("connection")), event.at)
    to_crm = [(one.connection, first.get(one.connection) or one.delivered_at) for one in deliveries]
    return Hops(
        form_to_webhook_ms=None if lead.source == "backfill" else _ms(lead.created_at, lead.received_at),
        webhook_to_read_ms=_ms(lead.received_at, read_at),
        webhook_to_crm=_known((name, _ms(lead.received_at, at)) for name, at in to_crm),
        webhook_to_alert=_known((one.notifier, _ms(lead.received_at, one.sent_at)) for one in notices),
    )


def _ms(begun: datetime | None, ended: datetime | None) -> int | None:
    """Whole milliseconds; below zero counts as zero, as clocks differ."""
    if begun is None or ended is None:
        return None
    return max(0, round((ended - begun).total_seconds() * 1000))


def _known(hops: Iterable[tuple[str, int | None]]) -> tuple[tuple[str, int], ...]:
    return tuple((name, ms) for name, ms in hops if ms is not None)


def _plain(value: Any, *, leave_out: str = "") -> dict[str, Any]:
    """The fields of a frozen dataclass, with times as RFC 3339."""
    return {
        name: iso_utc(one) if isinstance(one, datetime) else one
        for name, one in vars(value).items()
        if name != leave_out
    }
