"""What is configured in the database: sealed values opened and compared, and a Change for each difference."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from configuration.entries import DatasetEntry, PageEntry
from leadloop.errors import SettingsError
from leadloop.ports import Vault
from store.conversion_models import Dataset
from store.models import Connection, Funnel, Notifier, Page, Route
from store.models import Mapping as MappingRow

Action = Literal["added", "changed", "removed", "returned", "reordered", "freed"]

ADAPTER_CHANGED = "adapter changed"

_WORDS = {
    "added": "added",
    "removed": "removed",
    "returned": "in the file again",
    "reordered": "in another order",
    "freed": "held work is tried again",
}


@dataclass(frozen=True)
class Change:
    """One thing that an apply changed. `details` name what, never a value that could be secret.

    As text: "connection crm: url changed, secret changed".
    """

    kind: str
    name: str
    action: Action
    details: tuple[str, ...] = ()

    def __str__(self) -> str:
        told = [_WORDS[self.action]] if self.action in _WORDS else []
        kind = "Page" if self.kind == "page" else self.kind
        return f"{kind} {self.name}".rstrip() + ": " + ", ".join([*told, *self.details])

    def to_json(self) -> dict[str, object]:
        return {"kind": self.kind, "name": self.name, "action": self.action, "details": list(self.details)}


def open_sealed(vault: Vault, sealed: str | None) -> str | None:
    """The plain text; None when there is none, or when no key opens it any more (it is then sealed anew)."""
    if not sealed:
        return None
    try:
        return vault.open(sealed)
    except SettingsError:
        return None


def canonical(value: Any) -> str:
    """JSON that is equal for equal values: what is sealed and compared."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def compare_keys(before: Mapping[str, Any], after: Mapping[str, Any], *, prefix: str = "") -> tuple[str, ...]:
    """Which keys were added, changed or removed, in words, without the values."""
    told = []
    for key in sorted(before.keys() | after.keys()):
        if key not in before:
            told.append(f"{prefix}{key} added")
        elif key not in after:
            told.append(f"{prefix}{key} removed")
        elif canonical(before[key]) != canonical(after[key]):
            told.append(f"{prefix}{key} changed")
    return tuple(told)


def compare_sources(before: Mapping[str, str] | None, after: Mapping[str, str], *, of: str = "") -> tuple[str, ...]:
    """Where values now come from, when that changed: "secret from $B". `of` is the key that the places are within."""
    before = before or {}
    told = []
    for place in sorted(before.keys() | after.keys()):
        if before.get(place) != after.get(place):
            parts = [f"#{int(part) + 1}" if part.isdecimal() else part for part in place.split("/")[1:]]
            name = " ".join([of, ".".join(parts)]).strip()
            told.append(f"{name} from ${after[place]}" if place in after else f"{name} no longer from ${before[place]}")
    return tuple(told)


def compare_names(before: Iterable[str], after: Iterable[str], *, key: str) -> tuple[str, ...]:
    """Which names a list gained and lost: "connections +crm -old"."""
    old, new = list(before), list(after)
    if old == new:
        return ()
    gained = [f"+{name}" for name in new if name not in old]
    lost = [f"-{name}" for name in old if name not in new]
    return (" ".join([key, *gained, *lost]) if gained or lost else f"{key} in another order",)


def find_reordering(kind: str, before: list[str], after: list[str]) -> list[Change]:
    """A Change when those that were there already stand in another order now."""
    kept = [name for name in after if name in before]
    return [Change(kind, "", "reordered")] if kept != [name for name in before if name in after] else []


def verb(before: object, after: object) -> str:
    """What became of a value that is another one now."""
    return "added" if before is None else "removed" if after is None else "changed"


def set_plain(row: Page | Dataset, entry: object, keys: Iterable[str]) -> list[str]:
    """Write down the values of plain keys that changed, and tell which."""
    told = []
    for key in keys:
        before, after = getattr(row, key), getattr(entry, key)
        if before != after:
            told.append(f"{key} {verb(before, after)}")
            setattr(row, key, after)
    return told


def set_token(row: Page | Dataset, token: str | None, env_names: Mapping[str, str], vault: Vault) -> tuple[str, ...]:
    """Seal an access token that changed, and tell that, or where it now comes from."""
    before = open_sealed(vault, row.token_sealed)
    if before == token and (before is not None or not row.token_sealed):
        return compare_sources(row.env_names, env_names)
    told = f"access_token {verb(row.token_sealed, token)}"
    row.token_sealed = None if token is None else vault.seal(token)
    return (told,)


def keep_account(
    row: Page | Dataset,
    entry: PageEntry | DatasetEntry,
    *,
    kind: str,
    name: str,
    keys: Iterable[str],
    position: int,
    vault: Vault,
) -> Change | None:
    """Write down a Page or a dataset as the file has it; what changed, None when nothing did."""
    details = set_plain(row, entry, keys)
    details += set_token(row, entry.access_token, entry.env_names, vault)
    set_env_names(row, entry.env_names)
    set_position(row, position)
    if not row.configured:
        row.configured = True
        return Change(kind, name, "added")
    return Change(kind, name, "changed", tuple(details)) if details else None


def forget_account(row: Page | Dataset, *, kind: str, name: str) -> Change:
    """The file names it no more: it stays known, without its token."""
    row.configured = False
    row.token_sealed = None
    row.env_names = None
    return Change(kind, name, "removed")


def set_env_names(row: Page | Connection | Notifier | Dataset, env_names: Mapping[str, str]) -> None:
    """Write down where values came from, when that changed."""
    found = dict(env_names) or None
    if row.env_names != found:
        row.env_names = found


def set_position(row: Page | Connection | Notifier | Route | MappingRow | Dataset | Funnel, position: int) -> None:
    if row.position != position:
        row.position = position
