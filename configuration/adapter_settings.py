"""A connection's settings through the adapter's own schema; what it says comes back by key, with secrets masked."""

from collections.abc import Iterator, Mapping
from typing import Any

from marshmallow import ValidationError
from marshmallow.exceptions import SCHEMA

from configuration.environ import MASK, pointer
from configuration.locate import Path
from configuration.mistakes import Fault, did_you_mean, split_sentence
from crm_adapters import get_adapter
from crm_adapters.base import CrmAdapter, load_settings, secret_fields

SHORTEST_MASKED = 3  # a shorter value would mask parts of ordinary words
SHORTEST_SECRET_LOOKING = 8


def find_setting_faults(
    kind: str, settings: Mapping[str, Any], env_names: Mapping[str, str]
) -> list[tuple[Path, Fault]]:
    """What the adapter of that kind says against `settings` ("$NAMES" already replaced), by path within them."""
    try:
        adapter = get_adapter(kind)
    except Exception as caught:  # an installed plug-in is foreign code; its mistake must not hide those of the file
        return [((), Fault(f"cannot be checked: the adapter {kind} does not load ({type(caught).__name__})", _REPAIR))]
    return find_faults(adapter, settings, env_names)


def find_faults(
    adapter: type[CrmAdapter], settings: Mapping[str, Any], env_names: Mapping[str, str]
) -> list[tuple[Path, Fault]]:
    """The same for an adapter that is loaded."""
    try:
        load_settings(adapter, settings)
    except ValidationError as caught:
        secrets = _secrets(adapter, settings, env_names)
        return [(path, _friendly(adapter, path, said, secrets)) for path, said in _flatten(caught.messages)]
    except Exception as caught:  # likewise
        return [((), Fault(f"cannot be checked: the adapter {adapter.kind} failed ({type(caught).__name__})", _REPAIR))]
    return []


def find_secret_names(kind: str) -> frozenset[str] | None:
    """The settings that the adapter of that kind marks as secret; None when it is not here or does not load."""
    try:
        return secret_fields(get_adapter(kind))
    except Exception:  # foreign code again
        return None


_REPAIR = "repair or update the package that brings the adapter"


def _friendly(adapter: type[CrmAdapter], path: Path, message: object, secrets: list[str]) -> Fault:
    """marshmallow's standard messages in our words; the adapter's own as they are, without anything secret."""
    if isinstance(message, Fault):
        return message
    declared = adapter.settings_schema().fields
    name = str(path[0]) if path else ""
    said = str(message)
    if len(path) == 1 and name not in declared:
        mend = did_you_mean(name, declared, what="settings of this adapter")
        return Fault(f"is not a setting of the {adapter.kind} adapter", mend)
    about = declared[name].metadata if name in declared else {}
    label = str(about.get("label") or name or f"the settings of {adapter.label}")
    if said == "Missing data for required field.":
        return Fault("is missing", f"add {'.'.join(map(str, path))} = … ({label})")
    for secret in secrets:
        said = said.replace(secret, MASK)
    wrong, mend = split_sentence(said)
    return Fault(wrong or "is not valid", mend or split_sentence(str(about.get("help") or f"correct it: {label}"))[0])


def _secrets(adapter: type[CrmAdapter], settings: Mapping[str, Any], env_names: Mapping[str, str]) -> list[str]:
    """Every text of the settings that must not be shown, the longest first."""
    marked = secret_fields(adapter)
    found = set()
    for path, text in _texts(settings, ()):
        is_secret = path[0] in marked or pointer(path) in env_names
        if len(text) >= (SHORTEST_MASKED if is_secret else SHORTEST_SECRET_LOOKING):
            found |= {text, repr(text)[1:-1]}
    return sorted(found, key=len, reverse=True)


def _texts(value: object, path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _texts(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _texts(inner, (*path, index))
    elif isinstance(value, str):
        yield path, value


def _flatten(messages: Any, path: Path = ()) -> Iterator[tuple[Path, object]]:
    """Like rows.flatten(), for whatever a foreign schema says. "key" and "value" are marshmallow's own, of a Dict."""
    if isinstance(messages, Mapping):
        for key, inner in messages.items():
            own = key == SCHEMA or (key in ("key", "value") and len(path) >= 2)
            yield from _flatten(inner, path if own else (*path, key if isinstance(key, int) else str(key)))
    elif isinstance(messages, list | tuple):
        for inner in messages:
            yield from _flatten(inner, path)
    else:
        yield path, messages
