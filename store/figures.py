"""How an installation is doing, in numbers: for /metrics and the start page. Ids and counts, nothing of a person.

Each figure is one query that an index answers, or one pass over `work` or `lead`; what was measured: docs/metrics.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time

from sqlalchemy import Select, TextClause, func, select, text
from sqlalchemy.orm import Session

from store.conversion_models import Conversion, Dataset
from store.lanes import is_resting
from store.models import Connection, Lane, Lead, Notifier, Page, Work
from store.outcomes import OUTCOME_LANE
from store.raw_events import newest_received_at
from store.work import lane_of, read_queues

LEAD_STATES = ("waiting", "read", "gone")
OPEN_CONVERSIONS = ("queued", "sending", "held", "unknown")
OTHER = "other"
TROUBLED_AFTER = 5  # failures in a row after which a lane is only probed


@dataclass(frozen=True)
class WorkCount:
    """Rows of one lane, state and kind."""

    lane: str
    state: str
    kind: str
    rows: int

    @property
    def lane_kind(self) -> str:
        return self.lane.partition(":")[0]


@dataclass(frozen=True)
class Names:
    """What is configured, by id: what a lane, whose name holds ids, is called."""

    pages: Mapping[str, str | None] = field(default_factory=dict)
    connections: Mapping[int, str] = field(default_factory=dict)
    notifiers: Mapping[int, str] = field(default_factory=dict)
    datasets: frozenset[str] = frozenset()

    def page(self, page_id: str) -> str:
        """The Page's id when it is configured, else "other"."""
        return page_id if page_id in self.pages else OTHER

    def dataset(self, dataset_id: str) -> str:
        """The dataset's id when a table or a funnel of the configuration has named it, else "other"."""
        return dataset_id if dataset_id in self.datasets else OTHER

    def page_or_dataset(self, object_id: str) -> str:
        return self.dataset(object_id) if object_id in self.datasets else self.page(object_id)

    def connection(self, number: str) -> str:
        return self.connections.get(_int(number), OTHER)

    def notifier(self, number: str) -> str:
        return self.notifiers.get(_int(number), OTHER)

    def lane(self, lane: str) -> str:
        """A name for the lane that is one of few: crm:1 → crm:hubspot, alert:1:<target> → alert:sales, and that of a
        dataset, which is one of Graph's, dataset:<id>."""
        kind, _, rest = lane.partition(":")
        if not rest:
            return lane
        if lane == OUTCOME_LANE:
            return "outcomes"
        if kind == "graph" and rest in self.datasets:
            return f"dataset:{rest}"
        known = {"graph": self.page, "crm": self.connection, "alert": self.notifier}
        return f"{kind}:{known[kind](rest.partition(':')[0]) if kind in known else OTHER}"


@dataclass(frozen=True)
class Figures:
    """The numbers of one moment. `oldest_due_s`: seconds for which the first row that could be worked on has been due.

    `conversions`: (dataset id, state) → events that are not settled for good, without test events.
    """

    leads: Mapping[str, int]
    leads_today: int
    unrouted: int
    work: tuple[WorkCount, ...]
    oldest_due_s: float
    last_notice_at: datetime | None
    lanes: tuple[Lane, ...]
    names: Names
    now: datetime
    conversions: Mapping[tuple[str, str], int] = field(default_factory=dict)

    def rows(self, *states: str) -> int:
        """Work rows in any of these states."""
        return sum(one.rows for one in self.work if one.state in states)

    def open_in(self, lane_kind: str) -> dict[str, int]:
        """Open rows by lane, of the lanes of one kind ("crm")."""
        found: dict[str, int] = {}
        for one in self.work:
            if one.state == "open" and one.lane_kind == lane_kind:
                found[one.lane] = found.get(one.lane, 0) + one.rows
        return found


def read_figures(session: Session, *, now: datetime) -> Figures:
    """All of them, read at once."""
    lanes = tuple(session.scalars(select(Lane).order_by(Lane.since, Lane.name)))
    midnight = datetime.combine(now.astimezone(UTC), time(), UTC)
    return Figures(
        leads=_leads(session),
        leads_today=_count(session, select(func.count()).where(Lead.received_at >= midnight)),
        unrouted=_count(session, select(func.count()).select_from(Lead).where(_unrouted(session))),
        work=tuple(_work(session)),
        oldest_due_s=_oldest_due_s(session, lanes, now),
        last_notice_at=newest_received_at(session),
        lanes=lanes,
        names=read_names(session),
        now=now,
        conversions=_conversions(session),
    )


def read_names(session: Session) -> Names:
    """The Pages, connections and notifiers of the configuration; removed ones are not among them."""
    pages = select(Page.page_id, Page.name).where(Page.configured.is_(True)).order_by(Page.position)
    connections = select(Connection.id, Connection.name).where(Connection.removed_at.is_(None))
    notifiers = select(Notifier.id, Notifier.name).where(Notifier.removed_at.is_(None))
    return Names(
        pages=dict(session.execute(pages).all()),
        connections=dict(session.execute(connections.order_by(Connection.position)).all()),
        notifiers=dict(session.execute(notifiers.order_by(Notifier.position)).all()),
        datasets=frozenset(session.scalars(select(Dataset.dataset_id))),
    )


def _leads(session: Session) -> dict[str, int]:
    """By state. Nearly all are read, so only the others are looked at; the whole is counted from the smallest index."""
    unread = select(Lead.state, func.count()).where(text("state <> 'read'")).group_by(Lead.state)
    found = dict.fromkeys(LEAD_STATES, 0) | dict(session.execute(unread).all())
    found["read"] = _count(session, select(func.count()).select_from(Lead)) - sum(found.values())
    return found


# As ix_conversion_open is worded; of its rows only tests, which end as unknown at most, are looked at in the table.
_OPEN = text("conversion.state IN ('queued', 'sending', 'held', 'unknown')")


def _conversions(session: Session) -> dict[tuple[str, str], int]:
    columns = (Conversion.dataset_id, Conversion.state)
    query = select(*columns, func.count()).where(_OPEN).group_by(*columns)
    found = {(dataset_id, state): rows for dataset_id, state, rows in session.execute(query)}
    tests = query.where(Conversion.state == "unknown", Conversion.is_test.is_(True))
    for dataset_id, state, rows in session.execute(tests):
        found[dataset_id, state] -= rows
    return found


def _work(session: Session) -> list[WorkCount]:
    columns = (Work.lane, Work.state, Work.kind)  # in the order of ix_work_lane
    query = select(*columns, func.count()).group_by(*columns)
    return [WorkCount(*row) for row in session.execute(query)]


def _oldest_due_s(session: Session, lanes: tuple[Lane, ...], now: datetime) -> float:
    """Left out is what waits for a lane that rests, is held or is only probed: there, no worker is late."""
    resting = {lane.name for lane in lanes if lane.hold or lane.rest_until > now or lane.failures >= TROUBLED_AFTER}
    due = [due_at for queue, due_at in read_queues(session) if not is_resting(lane_of(queue), resting)]
    return max(0.0, (now - min(due)).total_seconds()) if due else 0.0


def _unrouted(session: Session) -> TextClause:
    # Worded as the partial index is, or the planner does not see that it fits.
    return text("routed = 0" if session.get_bind().dialect.name == "sqlite" else "routed IS FALSE")


def _count(session: Session, query: Select[int]) -> int:
    return int(session.scalar(query) or 0)


def _int(number: str) -> int:
    return int(number) if number.isascii() and number.isdigit() else -1
