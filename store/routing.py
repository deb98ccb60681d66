"""Which connections and notifiers a lead goes to, and the rows that take it there."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Session

from store.lanes import alert_lane, crm_lane
from store.leads import StoryLine, add_story
from store.models import Connection, Delivery, Lead, Mapping, Notice, Notifier, Route
from store.work import FRESH, add_work

FindTargets = Callable[[Notifier], list[str]]


@dataclass(frozen=True)
class Plan:
    """Where one lead goes: ids of connections and notifiers. `routed` False: no route matched."""

    connections: tuple[int, ...]
    notifiers: tuple[int, ...]
    routed: bool = True

    def without_alerts(self) -> "Plan":
        """The same without ringing anybody (old leads that a backfill finds)."""
        return replace(self, notifiers=())


def matches(patterns: Iterable[Any], value: str | None) -> bool:
    return any(pattern in ("*", value) for pattern in patterns)


def find_plan(session: Session, *, page_id: str, form_id: str | None) -> Plan:
    """All routes that match are followed; each connection and notifier once. Removed ones are left out."""
    routes = [
        route
        for route in session.scalars(select(Route).order_by(Route.position))
        if matches(route.pages, page_id) and matches(route.forms, form_id)
    ]
    if not routes:
        return Plan((), (), routed=False)
    connections = dict.fromkeys(name for route in routes for name in route.connections)
    notifiers = dict.fromkeys(name for route in routes for name in route.notifiers)
    return Plan(_ids(session, Connection, list(connections)), _ids(session, Notifier, list(notifiers)))


def _ids(session: Session, table: type[Connection] | type[Notifier], names: list[str]) -> tuple[int, ...]:
    if not names:
        return ()
    query = select(table.id).where(table.name.in_(names), table.removed_at.is_(None)).order_by(table.id)
    return tuple(session.scalars(query))


def find_mapping(session: Session, *, connection: str, form_id: str | None) -> dict[str, str] | None:
    """The field templates for this connection and form: one that names the form before one for all, in file order."""
    rows = list(session.scalars(select(Mapping).where(Mapping.connection == connection).order_by(Mapping.position)))
    exact = [row for row in rows if form_id in row.forms]
    general = [row for row in rows if "*" in row.forms]
    return dict((exact + general)[0].fields) if exact or general else None


def add_plan(
    session: Session, lead: Lead, plan: Plan, *, find_targets: FindTargets, now: datetime, priority: int = FRESH
) -> None:
    """Add a delivery for each connection and a notice for each address, with their work. Existing ones are left alone.

    `find_targets` gives the fingerprints of a notifier's addresses.
    """
    session.execute(
        update(Lead).where(Lead.id == lead.id).values(routed=plan.routed).execution_options(synchronize_session=False)
    )
    if not plan.routed:
        add_story(session, [StoryLine(lead.id, "unrouted", now, {}, dedup_key=f"unrouted:{lead.id}")])
        return
    for connection_id in plan.connections:
        row = {"lead_id": lead.id, "connection_id": connection_id, "state": "waiting", "created_at": now}
        new = _add(session, Delivery, [row | {"steps": [], "attempts": 0}], ["lead_id", "connection_id"])
        add_work(session, "delivery", new, crm_lane(connection_id), now=now, priority=priority)
    notifiers = session.scalars(select(Notifier).where(Notifier.id.in_(plan.notifiers))) if plan.notifiers else ()
    for notifier in notifiers:
        rows = [
            {
                "lead_id": lead.id,
                "notifier_id": notifier.id,
                "target": target,
                "state": "waiting",
                "attempts": 0,
                "maybe_repeated": False,
                "created_at": now,
            }
            for target in find_targets(notifier)
        ]
        for row in rows:
            new = _add(session, Notice, [row], ["lead_id", "notifier_id", "target"])
            add_work(session, "notice", new, alert_lane(notifier.id, str(row["target"])), now=now, priority=priority)


def _add(
    session: Session, table: type[Delivery] | type[Notice], rows: list[dict[str, Any]], unique: list[str]
) -> list[int]:
    if not rows:
        return []
    insert = sqlite_insert if session.get_bind().dialect.name == "sqlite" else postgresql_insert
    statement = insert(table).on_conflict_do_nothing(index_elements=unique).returning(table.id)
    return sorted(session.scalars(statement, rows))
