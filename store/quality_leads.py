"""How many leads of the Pages that go to a dataset Meta has heard of, and how far they came. Counted by the database.

Source of the figures: Meta conversions facts §5.3, §5.4, §8.4, read 2026-11-26.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import BigInteger, ColumnElement, and_, case, func, literal, null, select, union_all
from sqlalchemy.orm import Session

from leadloop.conversions.funnel import ladder, raw_stage
from leadloop.conversions.quality import Bin, LeadQuality, Sampled, Stage, percent, percentile
from store.conversion_models import Conversion
from store.funnels import ConfiguredFunnel, funnels_for, read_funnels
from store.models import Lead, Page, Route
from store.quality import ms_between, of_period
from store.routing import matches

ROUTE = "conversion_leads"
MONTH = timedelta(days=30)
_DAY_MS, _BIN_MS = 86_400_000, 3_600_000


def measure_leads(
    session: Session, dataset_id: str, since: datetime, *, now: datetime, sample: Sequence[Sampled]
) -> LeadQuality:
    """Of the leads received at `since` or later, without Meta's test leads."""
    pages = find_pages(session, dataset_id)
    leads = _count(session, pages, since)
    reached = _read_reached(session, dataset_id, pages, since)
    mine = [one for one in sample if one.route == ROUTE]
    return LeadQuality(
        leads=leads,
        covered=sum(reached.by_stages.values()),
        deep=sum(count for stages, count in reached.by_stages.items() if stages >= 2),
        month=_count(session, pages, now - MONTH),
        pages=len(pages),
        stages=_stages(session, dataset_id, reached, leads),
        sampled=len(mine),
        with_lead_id=sum("lead_id" in one.keys for one in mine),
    )


def find_pages(session: Session, dataset_id: str) -> list[str]:
    """The Pages whose leads go to the dataset: by the routes and funnels of the configuration, as a lead that has only just
    come goes, and those that name it as their own."""
    funnels = read_funnels(session)
    routes = session.execute(select(Route.pages, Route.connections)).all()
    found = []
    for page_id, own in session.execute(select(Page.page_id, Page.dataset_id).order_by(Page.position, Page.id)):
        connections = {name for pages, names in routes if matches(pages, page_id) for name in names}
        mine = funnels_for(funnels, None, of_lead=connections, or_every=False)
        if own == dataset_id or any(_leads_to(one, dataset_id) for one in mine):
            found.append(page_id)
    return found


def _leads_to(configured: ConfiguredFunnel, dataset_id: str) -> bool:
    return configured.funnel.dataset_id == dataset_id and configured.funnel.route == ROUTE


def _of_pages(pages: Sequence[str], since: datetime) -> ColumnElement[bool]:
    return and_(Lead.page_id.in_(pages), Lead.received_at >= since, Lead.is_test.is_(False))


def _count(session: Session, pages: Sequence[str], since: datetime) -> int:
    return int(session.scalar(select(func.count()).select_from(Lead).where(_of_pages(pages, since))) or 0)


@dataclass
class _Reached:
    """`by_stages`: leads of the period by how many stages Meta has of them; `leads`: those that reached a stage; `waits`: days
    from the lead to the stage, of leads of any age."""

    by_stages: dict[int, int] = field(default_factory=dict)
    leads: dict[str, int] = field(default_factory=dict)
    waits: dict[str, list[Bin]] = field(default_factory=dict)


def _read_reached(session: Session, dataset_id: str, pages: Sequence[str], since: datetime) -> _Reached:
    """In one go through the accepted events of the period: each lead and stage once, by its first time."""
    wait = ms_between(session, Conversion.event_time, func.coalesce(Lead.created_at, Lead.received_at))
    ours = case((and_(Lead.page_id.in_(pages), Lead.received_at >= since), 1), else_=0)
    first = (
        select(
            Conversion.lead_id,
            Conversion.event_name,
            func.min(case((wait < 0, 0), else_=wait)).label("wait"),
            func.max(ours).label("ours"),
        )
        .join(Lead, Lead.id == Conversion.lead_id)
        .where(of_period(dataset_id, since), Conversion.state == "accepted", Conversion.route == ROUTE)
        .where(Lead.is_test.is_(False))
        .group_by(Conversion.lead_id, Conversion.event_name)
        .cte("first")
    )
    least = (first.c.wait - first.c.wait % literal(_BIN_MS, BigInteger)).label("least")
    count = func.count()
    by_stage = (
        select(first.c.event_name, least, func.max(first.c.wait), count, func.sum(first.c.ours))
        .group_by(first.c.event_name, "least")
    )  # fmt: skip
    by_lead = select(count.label("stages")).where(first.c.ours == 1).group_by(first.c.lead_id).subquery()
    of_leads = select(null(), by_lead.c.stages, null(), count, null()).group_by(by_lead.c.stages)
    found = _Reached()
    for name, number, most, events, ours_too in session.execute(union_all(by_stage, of_leads)):
        if most is None:
            found.by_stages[number] = events
            continue
        found.leads[name] = found.leads.get(name, 0) + int(ours_too)
        found.waits.setdefault(name, []).append(Bin(number / _DAY_MS, most / _DAY_MS, events))
    return found


def _stages(session: Session, dataset_id: str, reached: _Reached, leads: int) -> tuple[Stage, ...]:
    raw, order = _ladder(session, dataset_id)
    names = sorted(reached.leads, key=lambda name: (order.get(name, len(order)), -reached.leads[name], name))
    return tuple(
        Stage(
            name,
            reached.leads[name],
            percent(reached.leads[name], leads),
            round(percentile(reached.waits[name], 0.9) or 0.0, 1),
            is_raw=name in raw,
        )
        for name in names
    )


def _ladder(session: Session, dataset_id: str) -> tuple[set[str], dict[str, int]]:
    """The event names of leads that have only just come, and the order in which the funnels have their events."""
    raw: set[str] = set()
    order: dict[str, int] = {}
    for configured in read_funnels(session):
        if not _leads_to(configured, dataset_id):
            continue
        first = raw_stage(configured.funnel)
        for rule in ladder(configured.funnel):
            if rule.event is not None:
                order.setdefault(rule.event, len(order))
                raw |= {rule.event} if rule.stage == first else set()
    return raw, order
