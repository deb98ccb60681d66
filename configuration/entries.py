"""The checked configuration as plain values, with every "$NAME" replaced. Secrets stay out of repr()."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any


@dataclass(frozen=True)
class PageEntry:
    """`env_names` here and below: JSON pointer of a value → the environment variable it was taken from."""

    page_id: str
    name: str | None = None
    access_token: str | None = field(default=None, repr=False)
    default_country: str | None = None
    business_country: str | None = None
    dataset_id: str | None = None
    env_names: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ConnectionEntry:
    """`settings` as the adapter's schema loads them, that is, before it has."""

    name: str
    adapter: str
    settings: Mapping[str, Any] = field(default_factory=dict, repr=False)
    env_names: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class NotifierEntry:
    name: str
    urls: tuple[str, ...] = field(repr=False)
    template: str | None = None
    admin: bool = False
    env_names: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RouteEntry:
    pages: tuple[str, ...] = ("*",)
    forms: tuple[str, ...] = ("*",)
    connections: tuple[str, ...] = ()
    notifiers: tuple[str, ...] = ()


@dataclass(frozen=True)
class MappingEntry:
    connection: str
    fields: Mapping[str, str]
    forms: tuple[str, ...] = ("*",)


@dataclass(frozen=True)
class DatasetEntry:
    dataset_id: str
    name: str | None = None
    access_token: str | None = field(default=None, repr=False)
    env_names: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class StageEntry:
    """One stage; `event` None: known, not sent. `value`: "required", "optional" or None (not sent). Amounts are decimal
    text. `when`: field of an outcome → a text or a list of texts."""

    stage: str
    event: str | None = None
    value: str | None = None
    fixed_value: str | None = None
    predicted_value: str | None = None
    currency: str | None = None
    when: Mapping[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """What is stored and exported: absent keys are left out."""
        told = {key.name: getattr(self, key.name) for key in fields(self)}
        return {name: value for name, value in told.items() if value is not None}


@dataclass(frozen=True)
class FunnelEntry:
    """`connection` "*": all, and none. `options`: the other keys of the table as they stand in the file."""

    connection: str
    dataset_id: str
    stages: tuple[StageEntry, ...]
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Config:
    """The whole file, in its order."""

    pages: tuple[PageEntry, ...] = ()
    connections: tuple[ConnectionEntry, ...] = ()
    notifiers: tuple[NotifierEntry, ...] = ()
    routes: tuple[RouteEntry, ...] = ()
    mappings: tuple[MappingEntry, ...] = ()
    datasets: tuple[DatasetEntry, ...] = ()
    funnels: tuple[FunnelEntry, ...] = ()
