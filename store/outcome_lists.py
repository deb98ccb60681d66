"""Outcomes as they are listed, for the API and the command line, and what is known before some are kept."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, or_, select, text, tuple_
from sqlalchemy.orm import Session

from leadloop.leads import iso_utc
from store.conversion_models import Conversion, Outcome
from store.funnels import read_funnels
from store.models import Connection, Lead

STATES = ("waiting", "joined")
Followed = tuple[int, str | None, str]  # a conversion: id, event name (None: it was skipped), state
_AT_ONCE = 500
_WAITING = text("outcome.state = 'waiting'")  # written out, so that a planner sees the partial index


@dataclass(frozen=True)
class OutcomeFilter:
    """What list_outcomes() picks. `before` is a cursor: (received_at, id) of the last one already seen."""

    leadgen_id: str | None = None
    state: str | None = None
    stage: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    before: tuple[datetime, int] | None = None


@dataclass(frozen=True)
class OutcomeLine:
    """One outcome and what became of it. `leadgen_id` None: its lead is not known yet. `value` is decimal text.

    `conversions` stand in the order in which they were decided.
    """

    id: int
    received_at: datetime
    occurred_at: datetime
    source: str
    connection: str | None
    named_kind: str
    named_value: str = field(repr=False)
    leadgen_id: str | None = None
    stage: str = ""
    value: str | None = None
    currency: str | None = None
    order_id: str | None = None
    fields: dict[str, Any] = field(default_factory=dict, repr=False)
    state: str = "waiting"
    decided_at: datetime | None = None
    conversions: tuple[Followed, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The JSON of GET /api/v1/outcomes: without the address or number by which it may have named its lead."""
        named = self.named_value if self.named_kind == "leadgen_id" else None
        return {
            "id": self.id,
            "leadgen_id": self.leadgen_id or named,
            "named_by": self.named_kind,
            "stage": self.stage,
            "occurred_at": iso_utc(self.occurred_at),
            "received_at": iso_utc(self.received_at),
            "source": self.source,
            "connection": self.connection,
            "value": self.value,
            "currency": self.currency,
            "order_id": self.order_id,
            "state": self.state,
            "decided_at": iso_utc(self.decided_at),
            "conversions": [conversion_id for conversion_id, _name, _state in self.conversions],
        }


def list_outcomes(session: Session, chosen: OutcomeFilter, *, limit: int) -> list[OutcomeLine]:
    """Outcomes, the last received first; of one lead also those that wait for it by its id."""
    query = _select()
    if chosen.leadgen_id is not None:
        lead_id = session.scalar(select(Lead.id).where(Lead.leadgen_id == chosen.leadgen_id))
        query = query.where(_of(lead_id, chosen.leadgen_id))
    if chosen.state is not None:
        query = query.where(_WAITING if chosen.state == "waiting" else Outcome.state == chosen.state)
    if chosen.stage is not None:
        query = query.where(Outcome.stage == chosen.stage)
    if chosen.since is not None:
        query = query.where(Outcome.received_at >= chosen.since)
    if chosen.until is not None:
        query = query.where(Outcome.received_at < chosen.until)
    if chosen.before is not None:
        query = query.where(tuple_(Outcome.received_at, Outcome.id) < chosen.before)
    return _lines(session, query.order_by(Outcome.received_at.desc(), Outcome.id.desc()).limit(limit))


def list_of_lead(session: Session, lead_id: int, leadgen_id: str) -> list[OutcomeLine]:
    """All outcomes of a lead in the order in which they happened, with those that wait for it to be read."""
    return _lines(session, _select().where(_of(lead_id, leadgen_id)).order_by(Outcome.occurred_at, Outcome.id))


def find_outcome(session: Session, outcome_id: int) -> OutcomeLine | None:
    return next(iter(_lines(session, _select().where(Outcome.id == outcome_id))), None)


def find_known_keys(session: Session, keys: Collection[str]) -> set[str]:
    """Those of some dedup keys of which there is an outcome already."""
    found: set[str] = set()
    for some in _chunks(list(keys)):
        found.update(session.scalars(select(Outcome.dedup_key).where(Outcome.dedup_key.in_(some))))
    return found


def connection_names(session: Session) -> list[str]:
    """The names that an outcome may give as its connection: those of the configuration, and those of its funnels."""
    names = set(session.scalars(select(Connection.name).where(Connection.removed_at.is_(None))))
    return sorted((names | {one.connection for one in read_funnels(session)}) - {"*"})


def _select() -> Select[Outcome, str]:
    return select(Outcome, Lead.leadgen_id).outerjoin(Lead, Lead.id == Outcome.lead_id)


def _of(lead_id: int | None, leadgen_id: str) -> ColumnElement[bool]:
    named = and_(_WAITING, Outcome.named_kind == "leadgen_id", Outcome.named_value == leadgen_id)
    return named if lead_id is None else or_(Outcome.lead_id == lead_id, named)


def _lines(session: Session, query: Select[Outcome, str]) -> list[OutcomeLine]:
    rows = session.execute(query).all()
    told = _conversions_of(session, [outcome.id for outcome, _leadgen_id in rows])
    return [_line(outcome, of_lead, told.get(outcome.id, ())) for outcome, of_lead in rows]


def _conversions_of(session: Session, outcome_ids: list[int]) -> dict[int, tuple[Followed, ...]]:
    found: dict[int, tuple[Followed, ...]] = {}
    for some in _chunks(outcome_ids):
        query = select(Conversion.outcome_id, Conversion.id, Conversion.event_name, Conversion.state)
        for outcome_id, number, name, state in session.execute(
            query.where(Conversion.outcome_id.in_(some)).order_by(Conversion.id)
        ):
            assert outcome_id is not None  # noqa: S101  asked for by it
            found[outcome_id] = (*found.get(outcome_id, ()), (number, name, state))
    return found


def _line(row: Outcome, leadgen_id: str | None, conversions: tuple[Followed, ...]) -> OutcomeLine:
    return OutcomeLine(
        id=row.id,
        received_at=row.received_at,
        occurred_at=row.occurred_at,
        source=row.source,
        connection=row.connection,
        named_kind=row.named_kind,
        named_value=row.named_value,
        leadgen_id=leadgen_id,
        stage=row.stage,
        value=row.value,
        currency=row.currency,
        order_id=row.order_id,
        fields=row.fields,
        state=row.state,
        decided_at=row.decided_at,
        conversions=conversions,
    )


def _chunks(keys: list[Any]) -> Iterable[list[Any]]:
    return (keys[start : start + _AT_ONCE] for start in range(0, len(keys), _AT_ONCE))
