""" "$NAME" takes a whole value from the environment, "$$x" is the text "$x"; at any depth of settings and addresses."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from configuration.locate import Path
from configuration.mistakes import Fault, nearest

MASK = "••••"  # what an export shows instead of a secret

_LIKE_A_NAME = re.compile(r"[A-Z][A-Z0-9_]{0,63}\Z")
_NAME = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*)\Z")


@dataclass
class Resolved:
    """A value with everything taken from the environment.

    `env_names` tells which part came from which variable, by JSON pointer (RFC 6901). `faults` are by path within the
    value; a part with a fault is left as it was written.
    """

    value: Any = field(repr=False)
    env_names: dict[str, str] = field(default_factory=dict)
    faults: list[tuple[Path, Fault]] = field(default_factory=list)


def resolve(value: Any, environ: Mapping[str, str]) -> Resolved:
    """`value` (what TOML can hold) with every "$NAME" in it replaced."""
    resolved = Resolved(None)
    resolved.value = _resolve(value, (), environ, resolved)
    return resolved


def pointer(path: Path) -> str:
    """A path as a JSON pointer: ("headers", 0) is "/headers/0", () is ""."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def _resolve(value: Any, path: Path, environ: Mapping[str, str], into: Resolved) -> Any:
    if isinstance(value, Mapping):
        return {key: _resolve(inner, (*path, key), environ, into) for key, inner in value.items()}
    if isinstance(value, list):
        return [_resolve(inner, (*path, index), environ, into) for index, inner in enumerate(value)]
    fault = None
    if isinstance(value, Decimal):
        value = float(value)  # adapters know TOML's numbers as Python does
    if isinstance(value, str):
        value, fault = _resolve_text(value, path, environ, into)
    elif isinstance(value, datetime | date | time):
        fault = Fault("is a date or time, which cannot be kept here", 'put it in quotes: "…"')
    elif isinstance(value, int) and abs(value) >= 2**63:
        fault = Fault("is a larger number than can be kept", 'put it in quotes: "…"')
    elif isinstance(value, float) and not math.isfinite(value):
        fault = Fault("is not a finite number", "write a number")
    if fault is not None:
        into.faults.append((path, fault))
    return value


def _resolve_text(text: str, path: Path, environ: Mapping[str, str], into: Resolved) -> tuple[str, Fault | None]:
    if not text.startswith("$"):
        if MASK in text:
            return text, Fault("holds the mask of an export, not a value", 'put the value there, or better a "$NAME"')
        return text, None
    if text.startswith("$$"):
        return text[1:], None
    match = _NAME.match(text)
    if match is None:
        return text, Fault(
            "begins with $, but is not the name of a variable",
            'the whole value is one "$NAME" (letters, digits, _); for a text that begins with $ write "$$…"',
        )
    name = match[1]
    fault = _find_fault(name, environ)
    if fault is not None:
        return text, fault
    into.env_names[pointer(path)] = name
    return environ[name], None


def _find_fault(name: str, environ: Mapping[str, str]) -> Fault | None:
    found = environ.get(name)
    if found is None:
        return _unset(name, environ)
    if not found.strip():
        return Fault(f"${name} is set, but empty", f"give {name} a value in the environment or in .env")
    if "\0" in found or not _is_text(found):
        return Fault(f"${name} holds bytes that are not UTF-8 text", f"set {name} again, as text")
    return None


def _unset(name: str, environ: Mapping[str, str]) -> Fault:
    near = nearest(name, environ)
    hint = f" (there is ${near})" if near else ""
    if _LIKE_A_NAME.match(name):
        return Fault(f"${name} is not set in the environment{hint}", f"set {name} in the environment or in .env")
    return Fault(  # it may be a password with a $ in front, so that it is not shown
        f"names a variable that is not set in the environment{hint}",
        'set it there or in .env; for a text that begins with $ write "$$…"',
    )


def _is_text(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
