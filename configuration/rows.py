"""One table of the file, checked by itself: keys, types, "$NAMES", the adapter's settings. Its mistakes by path."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from marshmallow import ValidationError, fields
from marshmallow.exceptions import SCHEMA

from configuration.adapter_settings import find_setting_faults
from configuration.environ import resolve
from configuration.fields import kind_of
from configuration.locate import Path
from configuration.mistakes import Fault, did_you_mean, shorten
from configuration.schema import TABLES, TableSchema, env_keys, keys_of

Faults = list[tuple[Path, Fault]]

SINGULAR = {
    "pages": "Page",
    "connections": "connection",
    "notifiers": "notifier",
    "routes": "route",
    "mappings": "mapping",
    "datasets": "dataset",
    "funnels": "funnel",
}


@dataclass
class Row:
    """One [[table]] of the file. `good` holds the keys that are right, `faults` what is not, by path within the table.

    `written` is what stands in the file, before any "$NAME" was replaced.
    """

    table: str
    index: int
    written: Mapping[str, Any] = field(default_factory=dict, repr=False)
    good: dict[str, Any] = field(default_factory=dict, repr=False)
    env_names: dict[str, dict[str, str]] = field(default_factory=dict)
    faults: Faults = field(default_factory=list)

    @property
    def label(self) -> str:
        """What a person calls it: "Page 111", "connection crm", "route #2"."""
        name = self.good.get(NAMED[self.table]) if self.table in NAMED else None
        return f"{SINGULAR[self.table]} {name or f'#{self.index + 1}'}"

    def where(self, path: Path) -> str:
        """The label and the key within it: "connection crm, settings.url"; list items count from 1."""
        parts = [f" #{part + 1}" if isinstance(part, int) else f".{shorten(part)}" for part in path]
        return f"{self.label}, {''.join(parts).lstrip('.')}" if parts else self.label

    def names(self, key: str) -> list[str]:
        """The right items of a list ([] when it is missing or wrong)."""
        return list(self.good.get(key) or [])

    def raw_list(self, key: str) -> list[Any]:
        """A list as it stands in the file, for the places of its items."""
        found = self.written.get(key)
        return found if isinstance(found, list) else []


NAMED = {"pages": "id", "connections": "name", "notifiers": "name", "datasets": "id"}


def check_row(table: str, index: int, raw: object, environ: Mapping[str, str]) -> Row:
    """Check one table by itself."""
    row = Row(table, index)
    if not isinstance(raw, Mapping):
        row.faults.append(((), Fault(f"must be a table, not {kind_of(raw)}", f"write [[{table}]]")))
        return row
    row.written = raw
    schema = TABLES[table]
    row.faults += _find_strange(raw, ())
    row.faults += _find_unknown(schema, raw, ())
    resolved = dict(raw)
    for key in set(env_keys(schema)) & raw.keys():
        found = resolve(raw[key], environ)
        resolved[key], row.env_names[key] = found.value, found.env_names
        row.faults += [((key, *path), fault) for path, fault in found.faults]
    _load(schema, resolved, row)
    if table == "connections":
        _check_settings(row, given="settings" in raw)
    return row


def _load(schema: type[TableSchema], data: dict[str, Any], row: Row) -> None:
    """Through the schema: what is right goes to `good`. Where there is a fault already, a second is not added."""
    known = [path for path, _ in row.faults]
    try:
        row.good = schema().load(data)
    except ValidationError as caught:
        row.good = dict(caught.valid_data or {}) if isinstance(caught.valid_data, Mapping) else {}
        row.faults += [(path, fault) for path, fault in flatten(caught.messages) if not is_within(path, known)]
    for path, _ in row.faults:
        if len(path) == 1:
            row.good.pop(str(path[0]), None)


def _check_settings(row: Row, *, given: bool) -> None:
    settings = row.good.get("settings", {})
    if "adapter" not in row.good or (given and "settings" not in row.good):
        return
    taken = [path[1:] for path, _ in row.faults if path[:1] == ("settings",)]
    for path, fault in find_setting_faults(row.good["adapter"], settings, row.env_names.get("settings", {})):
        touched = any(other[: len(path)] == path for other in taken)  # said of a value that is not resolved
        if not touched and not is_within(path, taken):
            row.faults.append((("settings", *path), fault))


def is_within(path: Path, others: list[Path]) -> bool:
    """Whether `path` is one of the others, or lies within one."""
    return any(other and path[: len(other)] == other for other in others)


def flatten(messages: Any, path: Path = ()) -> Iterator[tuple[Path, Fault]]:
    """marshmallow's messages, nested by key and index, as (path, fault)."""
    if isinstance(messages, Mapping):
        for key, inner in messages.items():
            yield from flatten(inner, path if key == SCHEMA else (*path, key))
    elif isinstance(messages, list | tuple):
        for inner in messages:
            yield from flatten(inner, path)
    else:
        yield path, messages if isinstance(messages, Fault) else Fault(str(messages), "")


def _find_unknown(schema: type[TableSchema], raw: Mapping[str, Any], path: Path) -> Faults:
    allowed = keys_of(schema)
    found: Faults = [
        ((*path, key), Fault("is not a key of this table", did_you_mean(key, allowed, what="keys")))
        for key in raw
        if key not in allowed
    ]
    for name, declared in schema._declared_fields.items():
        if isinstance(declared, fields.List) and isinstance(declared.inner, fields.Nested):
            items = raw.get(name)
            for index, item in enumerate(items if isinstance(items, list) else []):
                if isinstance(item, Mapping):
                    found += _find_unknown(declared.inner.nested, item, (*path, name, index))  # type: ignore[arg-type]
    return found


def _find_strange(value: object, path: Path) -> Faults:
    """NUL, which no database keeps in a text."""
    if isinstance(value, Mapping):
        found = [fault for key, inner in value.items() for fault in _find_strange(inner, (*path, key))]
        return found + [((*path, key), _NUL) for key in value if "\0" in key]
    if isinstance(value, list):
        return [fault for index, inner in enumerate(value) for fault in _find_strange(inner, (*path, index))]
    return [(path, _NUL)] if isinstance(value, str) and "\0" in value else []


_NUL = Fault("holds the character NUL", "take \\u0000 out")
