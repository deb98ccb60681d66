"""Conversions as they are shown: newest first, filtered, one by one, and those of a lead. For the API and the command line.

A queued conversion whose dataset is held counts as held, for the reason for which the dataset is.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, case, false, literal, or_, select, text, true, tuple_
from sqlalchemy.orm import Session

from leadloop.leads import iso_utc
from store.conversion_models import Conversion
from store.conversions import dataset_lane
from store.models import Lane, Lead

MASKED = "(masked)"
_NEVER_HASHED = ("client_ip_address", "client_user_agent")  # of user_data; Meta conversions facts §2.1
_CLICKS = ("fbc", "fbp", "ctwa_clid")  # long, and not hashed either: enough is shown to tell one from another
_SHOWN_OF_A_CLICK = 12  # characters


@dataclass(frozen=True)
class ConversionFilter:
    """What list_conversions() picks. `before` is a cursor: (created_at, id) of the last one already seen."""

    leadgen_id: str | None = None
    dataset_id: str | None = None
    state: str | None = None
    event_name: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    before: tuple[datetime, int] | None = None
    test: bool | None = None


@dataclass(frozen=True)
class ShownConversion:
    """One conversion. `payload` (as mask_person() leaves it) and `answer` only when asked for."""

    id: int
    outcome_id: int | None
    leadgen_id: str | None
    contact_id: int | None
    dataset_id: str
    connection: str
    route: str
    stage: str
    order_id: str | None
    filled: bool
    event_name: str | None
    event_id: str | None
    event_time: datetime
    deadline_at: datetime
    state: str
    code: str | None
    message: str | None
    action: str | None
    warnings: list[Any]
    fbtrace_id: str | None
    is_test: bool
    tries: int
    created_at: datetime
    sent_at: datetime | None
    settled_at: datetime | None
    payload: dict[str, Any] | None = field(default=None, repr=False)
    answer: dict[str, Any] | None = field(default=None, repr=False)

    def to_json(self, *, payload: bool = False) -> dict[str, Any]:
        """The JSON of GET /api/v1/conversions; `payload` and `answer` stand in it only when asked for."""
        left_out = () if payload else ("payload", "answer")
        return {
            name: iso_utc(one) if isinstance(one, datetime) else one
            for name, one in vars(self).items()
            if name not in left_out
        }


def list_conversions(
    session: Session, chosen: ConversionFilter, *, limit: int, payload: bool = False
) -> list[ShownConversion]:
    """Conversions, newest first. `payload`: with what was sent and answered, which is wide."""
    query = _filtered(_select(payload=payload), chosen)
    newest_first = query.order_by(Conversion.created_at.desc(), Conversion.id.desc()).limit(limit)
    return _shown(session, newest_first)


def find_conversion(session: Session, conversion_id: int, *, payload: bool = False) -> ShownConversion | None:
    found = _shown(session, _select(payload=payload).where(Conversion.id == conversion_id))
    return found[0] if found else None


def list_of_lead(session: Session, lead_id: int) -> list[ShownConversion]:
    """All conversions of a lead, in the order in which they were decided."""
    return _shown(session, _select(payload=False).where(Conversion.lead_id == lead_id).order_by(Conversion.id))


_IS_HELD_WITH_ITS_DATASET = and_(Conversion.state == "queued", Lane.name.is_not(None))
_HELD_LANE = and_(Lane.name == literal(dataset_lane("")) + Conversion.dataset_id, Lane.hold == true())
_REASONS = ("code", "message", "action")
_PLAIN = tuple(
    name
    for name in ShownConversion.__dataclass_fields__
    if name not in ("leadgen_id", "state", *_REASONS, "payload", "answer")
)


def _select(*, payload: bool) -> Select[Any]:
    columns: list[Any] = [getattr(Conversion, name).label(name) for name in _PLAIN]
    columns.append(Lead.leadgen_id.label("leadgen_id"))
    columns.append(case((_IS_HELD_WITH_ITS_DATASET, "held"), else_=Conversion.state).label("state"))
    for name in _REASONS:
        of_both = case((_IS_HELD_WITH_ITS_DATASET, getattr(Lane, name)), else_=getattr(Conversion, name))
        columns.append(of_both.label(name))
    if payload:
        columns += [Conversion.payload.label("payload"), Conversion.answer.label("answer")]
    query = select(*columns).select_from(Conversion)
    return query.outerjoin(Lead, Lead.id == Conversion.lead_id).outerjoin(Lane, _HELD_LANE)


def _filtered(query: Select[Any], chosen: ConversionFilter) -> Select[Any]:
    if chosen.leadgen_id is not None:
        of_lead = select(Lead.id).where(Lead.leadgen_id == chosen.leadgen_id).scalar_subquery()
        query = query.where(Conversion.lead_id == of_lead)
    if chosen.dataset_id is not None:
        query = query.where(Conversion.dataset_id == chosen.dataset_id)
    if chosen.event_name is not None:
        query = query.where(Conversion.event_name == chosen.event_name)
    if chosen.state is not None:
        query = query.where(_state_is(chosen.state))
    if chosen.state not in (None, "accepted", "skipped"):
        # Written out and not bound, or no planner sees that a partial index has just these.
        query = query.where(text("conversion.state NOT IN ('accepted', 'skipped')"))
    if chosen.since is not None:
        query = query.where(Conversion.created_at >= chosen.since)
    if chosen.until is not None:
        query = query.where(Conversion.created_at < chosen.until)
    if chosen.test is not None:
        query = query.where(Conversion.is_test == (true() if chosen.test else false()))
    if chosen.before is not None:
        query = query.where(tuple_(Conversion.created_at, Conversion.id) < chosen.before)
    return query


def _state_is(state: str) -> Any:
    if state == "held":
        return or_(Conversion.state == "held", _IS_HELD_WITH_ITS_DATASET)
    if state == "queued":
        return and_(Conversion.state == "queued", Lane.name.is_(None))
    return Conversion.state == state


def _shown(session: Session, query: Select[Any]) -> list[ShownConversion]:
    found = [dict(row) for row in session.execute(query).mappings()]
    return [ShownConversion(**row | {"payload": mask_person(row.get("payload"))}) for row in found]


def mask_person(payload: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """An event without what stands in it unhashed and belongs to one person: address and browser are taken out, ids of clicks
    cut short. The rest are hashes and Meta's ids."""
    if payload is None:
        return None
    user_data = payload.get("user_data")
    if not isinstance(user_data, dict):
        return dict(payload)
    masked = {key: MASKED for key in _NEVER_HASHED if user_data.get(key) is not None}
    cut = {key: _cut(user_data[key]) for key in _CLICKS if isinstance(user_data.get(key), str)}
    return {**payload, "user_data": user_data | masked | cut}


def _cut(click: str) -> str:
    return click if len(click) <= _SHOWN_OF_A_CLICK else f"{click[:_SHOWN_OF_A_CLICK]}…"
