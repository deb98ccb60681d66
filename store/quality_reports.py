"""The quality of a dataset, put together from what the database counts and from what Meta last said."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from leadloop.conversions.quality import EventQuality, add_up, measure_events, measure_messaging
from leadloop.conversions.quality_report import Report
from leadloop.conversions.quality_rules import Measured
from leadloop.conversions.routes import ROUTES
from store.conversion_models import Dataset
from store.funnels import read_funnels
from store.quality import count_events, sample_events
from store.quality_leads import ROUTE, measure_leads
from store.quality_points import read_meta_quality

PERIOD = timedelta(days=28)


@dataclass(frozen=True)
class KnownDataset:
    """A dataset that the configuration or an event names. `routes`: those of its funnels."""

    dataset_id: str
    name: str | None
    configured: bool
    routes: tuple[str, ...]
    created_at: datetime | None


def list_known(session: Session) -> list[KnownDataset]:
    """In the order of the configuration; those that only funnels name come last."""
    routes = _routes_by_dataset(session)
    rows = list(session.scalars(select(Dataset).order_by(Dataset.configured.desc(), Dataset.position, Dataset.id)))
    known = [
        KnownDataset(row.dataset_id, row.name, row.configured, routes.get(row.dataset_id, ()), row.created_at)
        for row in rows
    ]
    there = {row.dataset_id for row in rows}
    return known + [
        KnownDataset(dataset_id, None, False, found, None)
        for dataset_id, found in routes.items()
        if dataset_id not in there
    ]


def find_known(session: Session, dataset_id: str) -> KnownDataset | None:
    return next((one for one in list_known(session) if one.dataset_id == dataset_id), None)


def read_report(session: Session, dataset: KnownDataset, *, since: datetime, now: datetime) -> Report:
    """The figures of events made at `since` or later. Reads counts, and of events only the newest ones' keys."""
    sample = sample_events(session, dataset.dataset_id, since)
    counts, delays = count_events(session, dataset.dataset_id, since)
    events = measure_events(counts, delays, sample)
    routes = _all_routes(dataset, events)
    return Report(
        dataset.dataset_id,
        dataset.name,
        since,
        now,
        Measured(
            routes=routes,
            total=add_up(events, [one for bins in delays.values() for one in bins]),
            events=events,
            leads=measure_leads(session, dataset.dataset_id, since, now=now, sample=sample)
            if ROUTE in routes
            else None,
            messaging=measure_messaging(events, sample) if "business_messaging" in routes else None,
            meta=read_meta_quality(session, dataset.dataset_id),
        ),
    )


def _all_routes(dataset: KnownDataset, events: Sequence[EventQuality]) -> tuple[str, ...]:
    used = {*dataset.routes, *(one.route for one in events)}
    return tuple(route for route in ROUTES if route in used)


def _routes_by_dataset(session: Session) -> dict[str, tuple[str, ...]]:
    found: dict[str, dict[str, None]] = {}
    for configured in read_funnels(session):
        found.setdefault(configured.funnel.dataset_id, {})[configured.funnel.route] = None
    return {dataset_id: tuple(routes) for dataset_id, routes in found.items()}
