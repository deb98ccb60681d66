"""Which connections and notifiers a lead goes to, and the rows that take it there."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session

from store.lanes import alert_lane, crm_lane
from store.leads import StoryLine, add_story
from store.models import Connection, Delivery, Lead, Mapping, Notice, Notifier, Page, Route
from store.sql import Prepared, insert_new, table_of
from store.work import FRESH, add_work

FindTargets = Callable[[int, datetime], list[str]]
_lead, _route, _mapping = table_of(Lead), table_of(Route), table_of(Mapping)
_connection, _notifier, _page = table_of(Connection), table_of(Notifier), table_of(Page)


@dataclass(frozen=True)
class Plan:
    """Where one lead goes: ids of connections, ids of notifiers and when each changed. `routed` False: nowhere."""

    connections: tuple[int, ...]
    notifiers: tuple[tuple[int, datetime], ...]
    routed: bool = True

    def without_alerts(self) -> "Plan":
        """The same without ringing anybody (old leads that a backfill finds)."""
        return replace(self, notifiers=())


def matches(patterns: Iterable[Any], value: str | None) -> bool:
    return any(pattern in ("*", value) for pattern in patterns)


_ROUTES = Prepared(
    lambda _insert, _dialect: select(_route.c.pages, _route.c.forms, _route.c.connections, _route.c.notifiers).order_by(
        _route.c.position
    )
)
_CONNECTIONS = Prepared(
    lambda _insert, _dialect: (
        select(_connection.c.id, _connection.c.name)
        .where(_connection.c.removed_at.is_(None))
        .order_by(_connection.c.id)
    )
)
_NOTIFIERS = Prepared(
    lambda _insert, _dialect: (
        select(_notifier.c.id, _notifier.c.name, _notifier.c.changed_at)
        .where(_notifier.c.removed_at.is_(None))
        .order_by(_notifier.c.id)
    )
)
_PAGE_COUNTRIES = Prepared(lambda _insert, _dialect: select(_page.c.page_id, _page.c.default_country))
_MAPPINGS = Prepared(
    lambda _insert, _dialect: (
        select(_mapping.c.forms, _mapping.c.fields)
        .where(_mapping.c.connection == bindparam("of_connection"))
        .order_by(_mapping.c.position)
    )
)


def _configured(session: Session, name: str, statement: Prepared) -> list[Any]:
    """Rows of the configuration, read once in a transaction: in a burst many leads share one."""
    if name not in session.info:
        session.info[name] = statement.run(session).all()
    rows: list[Any] = session.info[name]
    return rows


def find_plan(session: Session, *, page_id: str, form_id: str | None) -> Plan:
    """All routes that match are followed; each connection and notifier once. Removed ones are left out."""
    routes = [
        (connections, notifiers)
        for pages, forms, connections, notifiers in _configured(session, "routes", _ROUTES)
        if matches(pages, page_id) and matches(forms, form_id)
    ]
    if not routes:
        return Plan((), (), routed=False)
    connections = {name for names, _others in routes for name in names}
    notifiers = {name for _others, names in routes for name in names}
    return Plan(
        tuple(row.id for row in _configured(session, "connections", _CONNECTIONS) if row.name in connections),
        tuple(
            (row.id, row.changed_at) for row in _configured(session, "notifiers", _NOTIFIERS) if row.name in notifiers
        )
        if notifiers
        else (),
    )


def connection_names(session: Session, ids: Iterable[int]) -> set[str]:
    """The names of connections, from what is read once in a transaction."""
    wanted = set(ids)
    return {row.name for row in _configured(session, "connections", _CONNECTIONS) if row.id in wanted}


def page_country(session: Session, page_id: str) -> str | None:
    """The country that numbers without a country code are read with, ISO 3166-1 alpha-2."""
    countries = {row.page_id: row.default_country for row in _configured(session, "page_countries", _PAGE_COUNTRIES)}
    return countries.get(page_id)


def find_mapping(session: Session, *, connection: str, form_id: str | None) -> dict[str, str] | None:
    """The field templates for this connection and form: one that names the form before one for all, in file order."""
    rows = _MAPPINGS.run(session, {"of_connection": connection}).all()
    exact = [fields for forms, fields in rows if form_id in forms]
    general = [fields for forms, fields in rows if "*" in forms]
    return dict((exact + general)[0]) if exact or general else None


_SET_ROUTED = Prepared(
    lambda _insert, _dialect: (
        update(_lead).where(_lead.c.id == bindparam("of_lead")).values(routed=bindparam("new_routed"))
    )
)
_ADD_DELIVERY = insert_new(Delivery, ["lead_id", "connection_id"], "id")
_ADD_NOTICE = insert_new(Notice, ["lead_id", "notifier_id", "target"], "id")


def add_plan(
    session: Session, lead_id: int, plan: Plan, *, find_targets: FindTargets, now: datetime, priority: int = FRESH
) -> None:
    """Add a delivery for each connection and a notice for each address, with their work. Existing ones are left alone.

    `find_targets(notifier id, changed_at)` gives the fingerprints of a notifier's addresses.
    """
    _SET_ROUTED.later(session, {"of_lead": lead_id, "new_routed": plan.routed})
    if not plan.routed:
        add_story(session, [StoryLine(lead_id, "unrouted", now, {}, dedup_key=f"unrouted:{lead_id}")])
        return
    common = {"lead_id": lead_id, "state": "waiting", "attempts": 0, "created_at": now}
    for connection_id in plan.connections:
        new = (
            _ADD_DELIVERY.run(session, [common | {"connection_id": connection_id, "steps": [], "made": []}])
            .scalars()
            .all()
        )
        add_work(session, "delivery", list(new), crm_lane(connection_id), now=now, priority=priority)
    for notifier_id, changed_at in plan.notifiers:
        for target in find_targets(notifier_id, changed_at):
            row = common | {"notifier_id": notifier_id, "target": target, "maybe_repeated": False}
            new = _ADD_NOTICE.run(session, [row]).scalars().all()
            add_work(session, "notice", list(new), alert_lane(notifier_id, target), now=now, priority=priority)
