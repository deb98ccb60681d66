"""Outcomes as they are listed, and what is known before some are kept."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import and_, or_, select, text
from sqlalchemy.orm import Session

from store.conversion_models import Conversion, Outcome
from store.funnels import read_funnels
from store.models import Connection, Lead

_AT_ONCE = 500
_WAITING = text("outcome.state = 'waiting'")  # written out, so that a planner sees the partial index


@dataclass(frozen=True)
class OutcomeLine:
    """One outcome and what became of it. `leadgen_id` None: its lead is not known yet. `value` is decimal text.

    `conversions` are (event name, state) in the order in which they were decided; an event without a name was skipped.
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
    conversions: tuple[tuple[str | None, str], ...] = ()


def list_outcomes(
    session: Session, *, leadgen_id: str | None = None, waiting: bool = False, limit: int
) -> list[OutcomeLine]:
    """Outcomes, the last received first: of one lead (also those that wait for it by this id), or only those that wait."""
    query = select(Outcome, Lead.leadgen_id).outerjoin(Lead, Lead.id == Outcome.lead_id)
    if leadgen_id is not None:
        lead_id = session.scalar(select(Lead.id).where(Lead.leadgen_id == leadgen_id))
        named = and_(_WAITING, Outcome.named_kind == "leadgen_id", Outcome.named_value == leadgen_id)
        query = query.where(named if lead_id is None else or_(Outcome.lead_id == lead_id, named))
    if waiting:
        query = query.where(_WAITING)
    query = query.order_by(Outcome.received_at.desc(), Outcome.id.desc()).limit(limit)
    rows = session.execute(query).all()
    told = _conversions_of(session, [outcome.id for outcome, _leadgen_id in rows])
    return [_line(outcome, of_lead, told.get(outcome.id, ())) for outcome, of_lead in rows]


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


def _conversions_of(session: Session, outcome_ids: list[int]) -> dict[int, tuple[tuple[str | None, str], ...]]:
    found: dict[int, tuple[tuple[str | None, str], ...]] = {}
    for some in _chunks(outcome_ids):
        query = select(Conversion.outcome_id, Conversion.event_name, Conversion.state)
        for outcome_id, name, state in session.execute(
            query.where(Conversion.outcome_id.in_(some)).order_by(Conversion.id)
        ):
            assert outcome_id is not None  # noqa: S101  asked for by it
            found[outcome_id] = (*found.get(outcome_id, ()), (name, state))
    return found


def _line(row: Outcome, leadgen_id: str | None, conversions: tuple[tuple[str | None, str], ...]) -> OutcomeLine:
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
