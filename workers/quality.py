"""What Meta says of each dataset's quality, asked every few hours and kept as a time series.

It is no part of sending: a question that fails is noted as such, and neither holds the dataset's lane nor makes it rest.
Source: Meta conversions facts §8.1, §9, read 2026-11-26.
"""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from leadloop.errors import LeadloopError, NeedsHuman
from leadloop.logs import get_logger
from leadloop.ports import Services
from meta_graph.conversions import PARTNER_AGENT
from store.conversion_models import Dataset
from store.conversions import dataset_lane
from store.datasets import DatasetToServe, load_dataset, to_serve
from store.lanes import find_lane
from store.quality import has_sent
from store.quality_points import add_point, prune_points
from store.work import BACKFILL, WorkItem, add_work
from workers.conversions import token_of

log = get_logger(__name__)
QUALITY = "quality"  # the kind of work
GRAPH = "graph"  # the lane of the whole app
EVERY_S = 6 * 3_600
SPREAD_S = 1_800.0
STILL_USED = timedelta(days=62)  # the longest that an event of a route may be old
AGENT_NAME = PARTNER_AGENT.rsplit("_", 2)[0].lower()  # [name]_[major]_[minor] becomes name: facts §8.1
Reason = tuple[str, str, str]


def want_quality(services: Services) -> None:
    """Have Meta asked about each dataset that had events, not all at once; not while its lane is held."""

    now = services.now()
    with services.read() as session:
        rows = session.execute(select(Dataset.id, Dataset.dataset_id).order_by(Dataset.id)).all()
        wanted = [
            (row_id, dataset_id)
            for row_id, dataset_id in rows
            if not is_resting(session, dataset_id, now) and has_sent(session, dataset_id, now - STILL_USED)
        ]

    def want(session: Session) -> None:
        for place, (row_id, dataset_id) in enumerate(wanted):
            # One lane for each, beside the one that sends: whatever happens here is no reason to stop that.
            lane = f"{QUALITY}:{dataset_id}"
            due_at = now + timedelta(seconds=SPREAD_S * place / len(wanted))  # a single one is not kept waiting
            add_work(session, QUALITY, [row_id], lane, now=now, priority=BACKFILL, due_at=due_at)

    if wanted:
        services.writer.write(want)
        log.info("quality_wanted", datasets=len(wanted))


def run(item: WorkItem, services: Services) -> None:
    """Ask Meta about one dataset. Safe to repeat."""
    with services.read() as session:
        dataset = load_dataset(session, item.subject_id)
        resting = is_resting(session, dataset.dataset_id, services.now())
    if not resting:
        poll(services, dataset)


def poll(services: Services, dataset: DatasetToServe) -> LeadloopError | None:
    """Ask Meta now and keep what it says; what it refused with, if it did. Raises nothing that Meta or a token causes."""
    answer: dict[str, Any] | None = None
    refused: LeadloopError | None = None
    try:
        answer = _ask(services, dataset)
    except LeadloopError as caught:
        refused = caught
        log.warning("quality_not_told", dataset_id=dataset.dataset_id, code=caught.code)
    reason: Reason | None = None if refused is None else (refused.code, refused.message, refused.action)

    def keep(session: Session) -> bool:
        return add_point(session, dataset.dataset_id, now=services.now(), answer=answer, reason=reason)

    services.writer.write(keep)
    return refused


def _ask(services: Services, dataset: DatasetToServe) -> dict[str, Any]:
    if services.events_graph is None:
        raise RuntimeError("this process was started without a Graph client")
    token = token_of(dataset, services)
    if token is None:
        raise NeedsHuman(
            f"There is no access token for dataset {dataset.dataset_id}.",
            code="no_token",
            action=f'Add [[datasets]] with id = "{dataset.dataset_id}" and access_token, or set META_ACCESS_TOKEN.',
        )
    return services.events_graph.read_dataset_quality(dataset.dataset_id, token=token, agent_name=AGENT_NAME)


def find_to_poll(session: Session, dataset_id: str) -> DatasetToServe | None:
    """None for a dataset that nothing was configured for or sent to."""
    row = session.scalar(select(Dataset).where(Dataset.dataset_id == dataset_id))
    return None if row is None else to_serve(session, row)


def is_resting(session: Session, dataset_id: str, now: datetime) -> bool:
    """Whether the lane that sends its events is held or rests, or all of Graph does: no time for questions."""
    lanes = (find_lane(session, name) for name in (dataset_lane(dataset_id), GRAPH))
    return any(lane is not None and (lane.hold or lane.rest_until > now) for lane in lanes)


def forget_old_points(services: Services) -> None:
    gone = services.writer.write(lambda session: prune_points(session, now=services.now()))
    if gone:
        log.info("quality_points_forgotten", points=gone)
