"""A connection's settings through the adapter's own schema; what it says comes back by key, with secrets masked."""

from collections.abc import Iterator, Mapping
from typing import Any

from marshmallow import ValidationError
from marshmallow.exceptions import SCHEMA

from configuration.environ import MASK, pointer
from configuration.fields import kind_of
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
        said = list(_flatten(caught.messages))
        said += _find_more(adapter, settings, {path[0] for path, _ in said if path})
        return [(path, _friendly(adapter, path, one, settings, env_names)) for path, one in said]
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


# What marshmallow says of a wrong type → what it must be, and how that is written.
_TYPES = {
    "Not a valid boolean.": ("true or false", "write true or false, without quotes"),
    "Not a valid string.": ("text", 'put it in quotes: "…"'),
    "Not a valid integer.": ("a whole number", "write its digits, without quotes"),
    "Not a valid number.": ("a number", "write its digits, without quotes"),
    "Not a valid list.": ("a list", 'write ["…", "…"]'),
    "Not a valid mapping type.": ("a table", 'write { key = "value" }'),
    "Invalid input type.": ("a table", 'write { key = "value" }'),
}


def _find_more(
    adapter: type[CrmAdapter], settings: Mapping[str, Any], wrong: set[str | int]
) -> list[tuple[Path, object]]:
    """What the schema says of the settings taken together: marshmallow does not ask while a single one is wrong.

    So it is asked again without the wrong ones. Counted is only what it says of a setting that is written and was right
    so far: anything else may be said because of what was left out.
    """
    try:
        declared = adapter.settings_schema().fields.items()
        right = {name: field.data_key or name for name, field in declared if (field.data_key or name) not in wrong}
        adapter.settings_schema(only=tuple(right)).load(
            {key: settings[key] for key in right.values() if key in settings}
        )
    except ValidationError as caught:
        said = _flatten(caught.messages)
        return [(path, one) for path, one in said if path and path[0] in settings and path[0] not in wrong]
    except Exception:  # foreign code, asked about half of its settings
        return []
    return []


def _friendly(
    adapter: type[CrmAdapter], path: Path, message: object, settings: Mapping[str, Any], env_names: Mapping[str, str]
) -> Fault:
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
    if said in _TYPES:
        return _wrong_type(said, _find_kind(settings, path))
    if said == "Unknown field.":
        return Fault("is not a key of this setting", "take it out, or correct its name")
    for secret in _secrets(adapter, settings, env_names):
        said = said.replace(secret, MASK)
    wrong, mend = split_sentence(said)
    what = (
        f"correct it. It is: {split_sentence(str(about['help']))[0]}" if about.get("help") else f"correct it: {label}"
    )
    return Fault(wrong or "is not valid", mend or what)


def _wrong_type(said: str, kind: str | None) -> Fault:
    wanted, mend = _TYPES[said]
    same = kind is None or wanted.endswith(kind.removeprefix("a "))
    return Fault(f"must be {wanted}" + ("" if same else f", not {kind}"), mend)


def _find_kind(settings: Any, path: Path) -> str | None:
    """The kind of value that stands at `path`, in words."""
    found = settings
    for part in path:
        try:
            found = found[part]
        except (KeyError, IndexError, TypeError):
            return None
    return kind_of(found)


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
