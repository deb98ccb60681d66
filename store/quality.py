"""What was sent to a dataset in a period, counted by the database: no event is loaded but a sample of the newest.

Every query goes by an index on the dataset and the time, and gives few rows however many events there are. Delays come
in bins that grow with the delay, so that their number is bounded. The figures: leadloop/conversions/quality.py.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Float, and_, case, cast, exists, func, literal, or_, select
from sqlalchemy import type_coerce as coerce
from sqlalchemy.orm import Session

from leadloop.conversions.quality import SAMPLE, Bin, Sampled, StateCount, payload_keys
from store.conversion_models import Conversion, Identity

_SENT = ("accepted", "refused", "unknown", "sending")
_AT_ONCE = 500  # ids in one IN
_STEPS_MS = ((10_000, 100), (60_000, 1_000), (3_600_000, 10_000), (86_400_000, 600_000))  # below → width of a bin
_WIDEST_MS = 3_600_000


def of_period(dataset_id: str, since: datetime) -> ColumnElement[bool]:
    """Events of the dataset made at `since` or later, without test events."""
    return and_(Conversion.dataset_id == dataset_id, Conversion.created_at >= since, Conversion.is_test.is_(False))


def _went_out() -> ColumnElement[bool]:
    return and_(Conversion.sent_at.is_not(None), Conversion.state.in_(_SENT))


Delays = dict[tuple[str | None, str], list[Bin]]


def count_events(session: Session, dataset_id: str, since: datetime) -> tuple[list[StateCount], Delays]:
    """Events by name, route, state and code; and of the accepted, by name and route, the seconds from what happened to
    Meta's answer. Both in one go through the period."""
    delay = ms_between(session, Conversion.settled_at, Conversion.event_time)
    took = case((Conversion.state == "accepted", case((delay < 0, 0), else_=delay)))  # < 0: the CRM's clock is ahead
    names = (Conversion.event_name, Conversion.route, Conversion.state, Conversion.code)
    out = case((_went_out(), 1), else_=0).label("went_out")
    ids = (Conversion.event_id, Conversion.order_id)
    # Materialized, or both databases put the whole expression in for each mention of the column, and work it out as often.
    events = select(*names, out, *ids, took.label("took")).where(of_period(dataset_id, since)).cte("events")
    events = events.prefix_with("MATERIALIZED")
    group = [events.c[name] for name in ("event_name", "route", "state", "code", "went_out")]
    counted = (func.count(), func.count(events.c.event_id), func.count(events.c.order_id), func.max(events.c.took))
    query = select(*group, _bin_ms(events.c.took).label("least"), *counted).group_by(*group, "least")
    return _part(session.execute(query).all())


def _part(rows: Iterable[Any]) -> tuple[list[StateCount], Delays]:
    """Bins of one state are one count."""
    counts: dict[tuple[Any, ...], list[int]] = {}
    delays: Delays = {}
    for name, route, state, code, out, least, events, dated, ordered, most in rows:
        sums = counts.setdefault((name, route, state, code, bool(out)), [0, 0, 0])
        for at, number in enumerate((events, dated, ordered)):
            sums[at] += number
        if least is not None:
            delays.setdefault((name, route), []).append(Bin(least / 1000, most / 1000, events))
    return [StateCount(*key, *sums) for key, sums in counts.items()], delays


def ms_between(session: Session, later: Any, earlier: Any) -> ColumnElement[int]:
    """Whole milliseconds from one time to another, in the database's own way."""
    difference: Any
    if session.get_bind().dialect.name == "sqlite":
        difference = (coerce(func.julianday(later), Float) - coerce(func.julianday(earlier), Float)) * 86_400_000.0
    else:
        epoch = [coerce(func.date_part("epoch", one), Float) for one in (later, earlier)]
        difference = (epoch[0] - epoch[1]) * 1000.0
    return cast(func.round(difference), BigInteger)


def _bin_ms(value: Any) -> ColumnElement[int]:
    steps = [(value < below, value - value % literal(width, BigInteger)) for below, width in _STEPS_MS]
    return case(*steps, else_=value - value % literal(_WIDEST_MS, BigInteger))  # of NULL: NULL


def sample_events(session: Session, dataset_id: str, since: datetime) -> list[Sampled]:
    """The newest SAMPLE events that went out: which keys each has, and when its person clicked, where that is known."""
    query = (
        select(
            Conversion.event_name, Conversion.route, Conversion.payload, Conversion.event_time, Conversion.contact_id
        )
        .where(of_period(dataset_id, since), _went_out())
        .order_by(Conversion.created_at.desc(), Conversion.id.desc())
        .limit(SAMPLE)
    )
    rows = session.execute(query).all()
    clicks = _clicks(session, {row.contact_id for row in rows if row.route == "business_messaging" and row.contact_id})
    return [
        Sampled(row.event_name, row.route, payload_keys(row.payload), row.event_time, clicks.get(row.contact_id))
        for row in rows
    ]


def _clicks(session: Session, contact_ids: Iterable[int]) -> dict[int | None, datetime]:
    """Contact id → the first click on an ad whose time is known."""
    ids = sorted(contact_ids)
    found: dict[int | None, datetime] = {}
    for at in range(0, len(ids), _AT_ONCE):
        query = select(Identity.contact_id, Identity.detail).where(
            Identity.contact_id.in_(ids[at : at + _AT_ONCE]), Identity.kind == "wa_id"
        )
        for contact_id, detail in session.execute(query):
            clicked_at = _moment(detail.get("clicked_at"))
            if clicked_at is not None:
                found[contact_id] = min(clicked_at, found.get(contact_id, clicked_at))
    return found


def _moment(value: Any) -> datetime | None:
    """A time as it was noted: RFC 3339, or seconds since 1970 as Meta's notices have them."""
    try:
        if isinstance(value, str) and not value.isdigit():
            moment = datetime.fromisoformat(value)
            return moment if moment.tzinfo is not None else None
        return None if value is None or isinstance(value, bool) else datetime.fromtimestamp(int(value), UTC)
    except (ValueError, TypeError, OverflowError, OSError):
        return None


def has_sent(session: Session, dataset_id: str, since: datetime) -> bool:
    """Whether anything went out to the dataset at `since` or later; test events count, Meta has them, too."""
    sent = exists().where(
        Conversion.dataset_id == dataset_id,
        Conversion.created_at >= since,
        or_(Conversion.sent_at.is_not(None), Conversion.state == "accepted"),
    )
    return bool(session.scalar(select(sent)))
