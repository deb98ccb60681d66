"""Held lanes: free those whose token or settings have changed, whoever changed them (a file, the environment, a person)."""

import contextlib

from sqlalchemy import select
from sqlalchemy.orm import Session

from leadloop.logs import get_logger
from leadloop.ports import Services
from store.datasets import find_dataset
from store.lanes import crm_lane, free_changed, graph_lane
from store.models import Connection, Lane, Notifier, Page
from store.vault import SecretUnopened
from workers.conversions import dataset_fingerprint
from workers.deliveries import connection_fingerprint
from workers.leads import page_fingerprint, page_token
from workers.notices import notifier_fingerprint

log = get_logger(__name__)


def free_changed_lanes(services: Services) -> None:
    """Free every held lane that would now be worked with another token or other settings than those that failed."""
    with services.read() as session:
        held = list(session.scalars(select(Lane.name).where(Lane.hold.is_(True))))
        if not held:
            return
        current = current_fingerprints(session, services, held)
    freed = services.writer.write(lambda session: free_changed(session, current, now=services.now()))
    if freed:
        log.info("lanes_freed", lanes=freed)
        services.bell.ring()


def current_fingerprints(session: Session, services: Services, lanes: list[str]) -> dict[str, str]:
    """Name → fingerprint of what the lane works with now, for the lanes named and all connections and notifiers."""
    pages = {page.page_id: page for page in session.scalars(select(Page))}
    found: dict[str, str] = {}
    for graph_id in {lane.partition(":")[2] for lane in lanes if lane.startswith("graph:")}:
        dataset = find_dataset(session, graph_id)
        with contextlib.suppress(SecretUnopened):
            found[graph_lane(graph_id)] = (
                page_fingerprint(page_token(pages.get(graph_id), services))
                if dataset is None
                else dataset_fingerprint(dataset, services)
            )
    for connection in session.scalars(select(Connection).where(Connection.removed_at.is_(None))):
        with contextlib.suppress(SecretUnopened):
            found[crm_lane(connection.id)] = connection_fingerprint(connection, services)
    for notifier in session.scalars(select(Notifier).where(Notifier.removed_at.is_(None))):
        with contextlib.suppress(SecretUnopened):
            found[f"alert:{notifier.id}"] = notifier_fingerprint(notifier, services)
    return found
