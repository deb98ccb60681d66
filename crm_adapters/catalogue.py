"""What there is to say about an adapter before it is connected: for `leadloop crm list`, forms and documentation."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from marshmallow import fields, missing

from crm_adapters import get_adapter

_TYPES: tuple[tuple[type[fields.Field[Any]], str], ...] = (
    (fields.Boolean, "boolean"),
    (fields.Integer, "number"),
    (fields.Number, "number"),
    (fields.Mapping, "table"),
    (fields.List, "list"),
)


@dataclass(frozen=True)
class SettingField:
    """One setting of an adapter. `default` is what an absent setting means (None: nothing); `type` is one of text,
    boolean, number, table, list. A secret's value is masked in every output."""

    name: str
    label: str
    type: str
    required: bool
    secret: bool
    default: Any
    help: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class AdapterInfo:
    """One adapter in words. `default_fields` maps the CRM's field names to templates, `docs` is a page or a URL."""

    kind: str
    label: str
    summary: str
    settings: tuple[SettingField, ...]
    default_fields: Mapping[str, str] = field(default_factory=dict)
    steps: tuple[str, ...] = ()
    offers_fields: bool = False
    docs: str = ""


def describe(kind: str) -> AdapterInfo:
    """What there is to say about the adapter of that kind. Raises UnknownAdapter."""
    adapter = get_adapter(kind)
    schema = adapter.settings_schema()
    return AdapterInfo(
        kind=kind,
        label=adapter.label,
        summary=(adapter.__doc__ or "").strip().partition("\n")[0],
        settings=tuple(_setting(name, schema.fields[name]) for name in schema.fields),
        default_fields=dict(adapter.default_fields),
        steps=adapter.steps,
        offers_fields=adapter.offers_fields,
        docs=adapter.docs,
    )


def _setting(name: str, found: fields.Field[Any]) -> SettingField:
    default = found.load_default
    if callable(default):
        default = default()
    return SettingField(
        name=name,
        label=str(found.metadata.get("label") or name.replace("_", " ").capitalize()),
        type=str(
            found.metadata.get("type") or next((word for kind, word in _TYPES if isinstance(found, kind)), "text")
        ),
        required=found.required,
        secret=bool(found.metadata.get("secret", False)),
        default=None if default is missing else default,
        help=str(found.metadata.get("help", "")),
        choices=tuple(str(choice) for choice in found.metadata.get("choices", ())),
    )
