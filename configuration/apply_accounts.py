"""Connections and notifiers of the file become rows. History refers to them, so a removed one is only marked."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from configuration.adapter_settings import find_secret_names
from configuration.configured import (
    ADAPTER_CHANGED,
    Change,
    canonical,
    compare_keys,
    compare_sources,
    find_reordering,
    open_sealed,
    set_env_names,
    set_position,
)
from configuration.entries import ConnectionEntry, NotifierEntry
from leadloop.ports import Vault
from store.models import Connection, Notifier

Account = TypeVar("Account", Connection, Notifier)


def apply_connections(
    session: Session, entries: tuple[ConnectionEntry, ...], vault: Vault, now: datetime
) -> list[Change]:
    """Add, change, remove and bring back connections."""
    rows = _rows(session, Connection)
    before = _configured(rows)
    changes: list[Change | None] = []
    for position, entry in enumerate(entries):
        row = rows.get(entry.name)
        if row is None:
            session.add(_new_connection(entry, position, vault, now))
            changes.append(Change("connection", entry.name, "added"))
        else:
            details = _change_connection(row, entry, vault, now)
            changes.append(_keep("connection", row, position, entry.env_names, details))
    return _finish("connection", rows, before, [entry.name for entry in entries], changes, now)


def apply_notifiers(session: Session, entries: tuple[NotifierEntry, ...], vault: Vault, now: datetime) -> list[Change]:
    """Add, change, remove and bring back notifiers."""
    rows = _rows(session, Notifier)
    before = _configured(rows)
    changes: list[Change | None] = []
    for position, entry in enumerate(entries):
        row = rows.get(entry.name)
        if row is None:
            session.add(_new_notifier(entry, position, vault, now))
            changes.append(Change("notifier", entry.name, "added"))
        else:
            details = _change_notifier(row, entry, vault, now)
            changes.append(_keep("notifier", row, position, entry.env_names, details))
    return _finish("notifier", rows, before, [entry.name for entry in entries], changes, now)


# --- one connection ---------------------------------------------------------------------------------------------------


def _new_connection(entry: ConnectionEntry, position: int, vault: Vault, now: datetime) -> Connection:
    return Connection(
        name=entry.name,
        adapter=entry.adapter,
        settings_sealed=vault.seal(canonical(entry.settings)),
        env_names=dict(entry.env_names) or None,
        changed_at=now,
        position=position,
    )


def _change_connection(row: Connection, entry: ConnectionEntry, vault: Vault, now: datetime) -> tuple[str, ...]:
    plain = open_sealed(vault, row.settings_sealed)
    before: dict[str, Any] | None = None if plain is None else json.loads(plain)
    details: tuple[str, ...] = (ADAPTER_CHANGED,) if row.adapter != entry.adapter else ()
    details += ("settings sealed anew",) if before is None else compare_keys(before, entry.settings)
    if not details:
        return ()
    if row.state_sealed and _is_other_account(row, before, entry):
        row.state_sealed = None
        details += ("what the adapter kept is forgotten",)
    row.adapter = entry.adapter
    row.settings_sealed = vault.seal(canonical(entry.settings))
    row.changed_at = _later(now, row.changed_at)
    return details


def _is_other_account(row: Connection, before: Mapping[str, Any] | None, entry: ConnectionEntry) -> bool:
    """Whether what the adapter kept (refreshed tokens, say) belongs to an account that is configured no longer.

    While the adapter and every secret are the same it does not: a token that the CRM has rotated lives on in there, and
    another owner or label must not lose it.
    """
    if row.adapter != entry.adapter or before is None:
        return True
    secret = find_secret_names(entry.adapter)
    return secret is None or any(canonical(before.get(name)) != canonical(entry.settings.get(name)) for name in secret)


# --- one notifier -----------------------------------------------------------------------------------------------------


def _new_notifier(entry: NotifierEntry, position: int, vault: Vault, now: datetime) -> Notifier:
    return Notifier(
        name=entry.name,
        urls_sealed=vault.seal(canonical(entry.urls)),
        env_names=dict(entry.env_names) or None,
        template=entry.template,
        admin=entry.admin,
        changed_at=now,
        position=position,
    )


def _change_notifier(row: Notifier, entry: NotifierEntry, vault: Vault, now: datetime) -> tuple[str, ...]:
    plain = open_sealed(vault, row.urls_sealed)
    before: list[str] | None = None if plain is None else json.loads(plain)
    details: tuple[str, ...] = ()
    if before is None or before != list(entry.urls):
        details += (_compare_urls(before, entry.urls),)
        row.urls_sealed = vault.seal(canonical(entry.urls))
    if row.template != entry.template:
        details += ("template changed",)
        row.template = entry.template
    if row.admin != entry.admin:
        details += ("admin changed",)
        row.admin = entry.admin
    if details:
        row.changed_at = _later(now, row.changed_at)
    return details


def _compare_urls(before: list[str] | None, after: tuple[str, ...]) -> str:
    if before is None:
        return "urls sealed anew"
    gained, lost = len(set(after) - set(before)), len(set(before) - set(after))
    counts = [f"{gained} new"] * bool(gained) + [f"{lost} gone"] * bool(lost)
    return f"urls changed ({', '.join(counts) or 'another order'})"


# --- both -------------------------------------------------------------------------------------------------------------


def _rows(session: Session, table: type[Account]) -> dict[str, Account]:
    return {row.name: row for row in session.scalars(select(table).order_by(table.position, table.id))}


def _configured(rows: Mapping[str, Connection] | Mapping[str, Notifier]) -> list[str]:
    return [name for name, row in rows.items() if row.removed_at is None]


def _later(now: datetime, before: datetime) -> datetime:
    """`now`, and in any case later than before: processes notice by it that they have to open the settings again."""
    return max(now, before + timedelta(microseconds=1))


def _keep(
    kind: str, row: Connection | Notifier, position: int, env_names: Mapping[str, str], details: tuple[str, ...]
) -> Change | None:
    details = details or compare_sources(row.env_names, env_names, of="urls" if kind == "notifier" else "")
    set_env_names(row, env_names)
    set_position(row, position)
    if row.removed_at is not None:
        row.removed_at = None
        return Change(kind, row.name, "returned", details)
    return Change(kind, row.name, "changed", details) if details else None


def _finish(
    kind: str,
    rows: Mapping[str, Connection] | Mapping[str, Notifier],
    before: list[str],
    named: list[str],
    changes: list[Change | None],
    now: datetime,
) -> list[Change]:
    for name in before:
        if name not in named:
            rows[name].removed_at = now
            changes.append(Change(kind, name, "removed"))
    return [*filter(None, changes), *find_reordering(kind + "s", before, named)]
