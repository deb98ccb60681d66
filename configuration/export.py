"""What is configured in the database as a configuration file again: secrets as "$NAME" where that is known, else masked."""

import json
import re
from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from configuration.adapter_settings import find_secret_names
from configuration.environ import MASK, pointer
from configuration.locate import Path
from configuration.schema import TABLES, keys_of
from configuration.toml_writer import write_table
from crm_adapters import get_adapter
from crm_adapters.base import secret_path_fields
from leadloop.ports import Vault
from notifiers.addresses import scheme_of
from store.conversion_models import Dataset
from store.models import Connection, Funnel, Notifier, Page, Route
from store.models import Mapping as MappingRow

Data = dict[str, list[dict[str, Any]]]

_HEAD = f"""\
# The configuration of leadloop, as it is in the database. Every key: docs/configuration.md
# "{MASK}" stands for a secret that is kept sealed: put a "$NAME" there before you apply this file elsewhere.
"""
_PASSWORD = re.compile(r"(?<=://)([^/?#@\s]*):[^/?#@\s]*@")
_PATH = re.compile(r"(://[^/?#]*/)[^?#]+")
_QUERY = re.compile(r"(?<==)[^&#\s]+")


def export_text(session: Session, vault: Vault) -> str:
    """The configuration as TOML, in a stable order. It reads back as it is wherever no secret had to be masked."""
    parts = [_HEAD]
    for table, rows in export_data(session, vault).items():
        about = str(TABLES[table].__doc__).strip()
        parts += [f"# --- {table}: {about}\n"] + [write_table(table, row) for row in rows]
    return "\n".join(parts if len(parts) > 1 else [_HEAD, "pages = []\n"])


def export_data(session: Session, vault: Vault) -> Data:
    """The same as plain values (for JSON): tables in the order of the documentation, without those that are empty.

    Raises SettingsError when no key opens what is sealed.
    """
    data: Data = {
        "pages": [_page(row) for row in _ordered(session, Page) if row.configured],
        "connections": [_connection(row, vault) for row in _ordered(session, Connection) if row.removed_at is None],
        "notifiers": [_notifier(row, vault) for row in _ordered(session, Notifier) if row.removed_at is None],
        "routes": [_plain(row, "pages", "forms", "connections", "notifiers") for row in _ordered(session, Route)],
        "mappings": [_plain(row, "connection", "forms", "fields") for row in _ordered(session, MappingRow)],
        "datasets": [_dataset(row) for row in _ordered(session, Dataset) if row.configured],
        "funnels": [_funnel(row) for row in _ordered(session, Funnel)],
    }
    return {table: rows for table, rows in data.items() if rows}


def _ordered(session: Session, table: Any) -> list[Any]:
    return list(session.scalars(select(table).order_by(table.position, table.id)))


def _plain(row: Any, *keys: str) -> dict[str, Any]:
    return {key: getattr(row, key) for key in keys if getattr(row, key) not in (None, [])}


def _page(row: Page) -> dict[str, Any]:
    return (
        {"id": row.page_id}
        | _plain(row, "name")
        | _token(row)
        | _plain(row, "default_country", "business_country", "dataset_id")
    )


def _dataset(row: Dataset) -> dict[str, Any]:
    return {"id": row.dataset_id} | _plain(row, "name") | _token(row)


def _token(row: Page | Dataset) -> dict[str, Any]:
    return {"access_token": _source(row.env_names, "/access_token") or MASK} if row.token_sealed else {}


def _connection(row: Connection, vault: Vault) -> dict[str, Any]:
    settings = json.loads(vault.open(row.settings_sealed))
    marked = find_secret_names(row.adapter)
    secret = frozenset(settings) if marked is None else marked  # an adapter that is not here cannot say what is secret
    paths = frozenset[str]() if marked is None else secret_path_fields(get_adapter(row.adapter))
    shown = {
        key: _show(value, (key,), row.env_names, secret=key in secret, hide_path=key in paths)
        for key, value in settings.items()
    }
    return {"name": row.name, "adapter": row.adapter} | ({"settings": shown} if shown else {})


def _notifier(row: Notifier, vault: Vault) -> dict[str, Any]:
    urls = json.loads(vault.open(row.urls_sealed))
    shown = [
        _source(row.env_names, pointer((index,))) or f"{scheme_of(url)}://{MASK}" for index, url in enumerate(urls)
    ]
    return {"name": row.name, "urls": shown} | _plain(row, "template") | ({"admin": True} if row.admin else {})


def _funnel(row: Funnel) -> dict[str, Any]:
    found = {"connection": row.connection, "dataset_id": row.dataset_id} | row.options | {"stages": row.stages}
    return {key: found[key] for key in keys_of(TABLES["funnels"]) if key in found}


def _source(env_names: Mapping[str, str] | None, place: str) -> str | None:
    name = (env_names or {}).get(place)
    return f"${name}" if name else None


def _show(value: Any, path: Path, env_names: Mapping[str, str] | None, *, secret: bool, hide_path: bool = False) -> Any:
    """A setting for the export: from its variable, masked, or as it is."""
    if isinstance(value, Mapping):
        return {key: _show(inner, (*path, key), env_names, secret=secret) for key, inner in value.items()}
    if isinstance(value, list):
        return [_show(inner, (*path, index), env_names, secret=secret) for index, inner in enumerate(value)]
    source = _source(env_names, pointer(path))
    if source or secret:
        return source or MASK
    if isinstance(value, str) and hide_path:
        value = _PATH.sub(rf"\1{MASK}", value)
    return _literal(value) if isinstance(value, str) else value


def _literal(text: str) -> str:
    """A text that is no secret as a whole; passwords and queries of addresses in it are masked all the same."""
    if "://" in text:
        text = _PASSWORD.sub(rf"\1:{MASK}@", text)
        before, mark, query = text.partition("?")
        text = before + mark + _QUERY.sub(MASK, query)
    return "$" + text if text.startswith("$") else text
