"""Routes, mappings and funnels of the file become rows. Nothing refers to them, so that a removed one is deleted."""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from configuration.configured import Change, compare_keys, compare_names, set_position
from configuration.entries import FunnelEntry, MappingEntry, RouteEntry
from store.models import Funnel, Mapping, Route

RowT = TypeVar("RowT", Route, Mapping, Funnel)
DEFAULT_ROUTE = "conversion_leads"
Compare = Callable[[RowT, dict[str, Any]], tuple[str, ...]]


def apply_routes(session: Session, entries: Iterable[RouteEntry]) -> list[Change]:
    wanted = [
        {
            "pages": list(entry.pages),
            "forms": list(entry.forms),
            "connections": list(entry.connections),
            "notifiers": list(entry.notifiers),
        }
        for entry in entries
    ]
    return _sync(session, Route, wanted, _route_key, _route_label, _compare_route)


def apply_mappings(session: Session, entries: Iterable[MappingEntry]) -> list[Change]:
    wanted = [
        {"connection": entry.connection, "forms": list(entry.forms), "fields": dict(entry.fields)} for entry in entries
    ]
    return _sync(session, Mapping, wanted, _mapping_key, _mapping_label, _compare_mapping)


def apply_funnels(session: Session, entries: Iterable[FunnelEntry]) -> list[Change]:
    wanted = [
        {
            "connection": entry.connection,
            "dataset_id": entry.dataset_id,
            "stages": [stage.to_json() for stage in entry.stages],
            "options": dict(entry.options),
        }
        for entry in entries
    ]
    return _sync(session, Funnel, wanted, _funnel_key, _funnel_label, _compare_funnel)


def _sync(
    session: Session,
    table: type[RowT],
    wanted: list[dict[str, Any]],
    key: Callable[[dict[str, Any]], list[Any]],
    label: Callable[[dict[str, Any]], str],
    compare: Compare[RowT],
) -> list[Change]:
    """Match rows by `key` (several of one key in their order), change what differs, add and delete the rest."""
    kind = table.__tablename__
    left: dict[str, list[RowT]] = {}
    for row in session.scalars(select(table).order_by(table.position, table.id)):
        left.setdefault(repr(key(_values(row))), []).append(row)
    changes = []
    for position, values in enumerate(wanted):
        same = left.get(repr(key(values)))
        if not same:
            session.add(table(position=position, **values))
            changes.append(Change(kind, label(values), "added"))
            continue
        row = same.pop(0)
        details = compare(row, values)
        if details:
            changes.append(Change(kind, label(values), "changed", details))
            for name, value in values.items():
                setattr(row, name, value)
        set_position(row, position)
    for row in (row for rows in left.values() for row in rows):
        changes.append(Change(kind, label(_values(row)), "removed"))
        session.delete(row)
    return changes


def _values(row: Route | Mapping | Funnel) -> dict[str, Any]:
    return {column.key: getattr(row, column.key) for column in row.__table__.columns}


def _route_key(values: dict[str, Any]) -> list[Any]:
    return [values["pages"], values["forms"]]


def _mapping_key(values: dict[str, Any]) -> list[Any]:
    return [values["connection"], values["forms"]]


def _funnel_key(values: dict[str, Any]) -> list[Any]:
    return [values["connection"], values["dataset_id"], values["options"].get("route", DEFAULT_ROUTE)]


def _route_label(values: dict[str, Any]) -> str:
    return f"(pages {', '.join(values['pages'])}; forms {', '.join(values['forms'])})"


def _mapping_label(values: dict[str, Any]) -> str:
    return f"{values['connection']} (forms {', '.join(values['forms'])})"


def _funnel_label(values: dict[str, Any]) -> str:
    connection, dataset_id, route = _funnel_key(values)
    told = "" if route == DEFAULT_ROUTE else f"; {route}"
    return f"{connection} (dataset {dataset_id}{told})"


def _compare_route(row: Route, values: dict[str, Any]) -> tuple[str, ...]:
    return tuple(
        told
        for name in ("connections", "notifiers")
        for told in compare_names(getattr(row, name), values[name], key=name)
    )


def _compare_mapping(row: Mapping, values: dict[str, Any]) -> tuple[str, ...]:
    changed = compare_keys(row.fields, values["fields"])
    in_other_order = not changed and list(row.fields) != list(values["fields"])
    return ("fields in another order",) if in_other_order else changed


def _compare_funnel(row: Funnel, values: dict[str, Any]) -> tuple[str, ...]:
    before = {stage["stage"]: stage for stage in row.stages}
    after = {stage["stage"]: stage for stage in values["stages"]}
    changed = compare_keys(before, after, prefix="stage ")
    if not changed and list(before) != list(after):
        changed = ("stages in another order",)
    return compare_keys(row.options, values["options"]) + changed
