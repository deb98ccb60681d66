"""Plain values become TOML text: readable, in the order given, and read back as the same values."""

import re
from collections.abc import Mapping
from typing import Any

WIDTH = 110

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}


def write_key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else write_text(key)


def write_text(text: str) -> str:
    """A basic string on one line. Control characters are escaped, other letters stay readable."""
    return '"' + "".join(_ESCAPES.get(letter) or _escape(letter) for letter in text) + '"'


def _escape(letter: str) -> str:
    return f"\\u{ord(letter):04X}" if letter < " " or letter == "\x7f" else letter


def write_value(value: Any) -> str:
    """One value on one line. Raises TypeError for what TOML has no words for (None, say)."""
    if isinstance(value, str):
        return write_text(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list | tuple):
        return "[" + ", ".join(write_value(item) for item in value) + "]"
    if isinstance(value, Mapping):
        inner = ", ".join(f"{write_key(key)} = {write_value(item)}" for key, item in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    raise TypeError(f"TOML has no {type(value).__name__}")


def write_pair(key: str, value: Any) -> str:
    """key = value. A list of tables, or one that is too long for a line, gets a line for each item."""
    line = f"{write_key(key)} = {write_value(value)}"
    tables = isinstance(value, list | tuple) and any(isinstance(item, Mapping) for item in value)
    if isinstance(value, list | tuple) and value and (tables or len(line) > WIDTH):
        items = "".join(f"  {write_value(item)},\n" for item in value)
        return f"{write_key(key)} = [\n{items}]"
    return line


def write_table(name: str, pairs: Mapping[str, Any]) -> str:
    """[[name]] and its keys. A nested table that is too long for a line follows as [name.key]."""
    lines, later = [f"[[{name}]]"], []
    for key, value in pairs.items():
        line = write_pair(key, value)
        if isinstance(value, Mapping) and len(line) > WIDTH:
            later += ["", f"[{name}.{write_key(key)}]", *(write_pair(*pair) for pair in value.items())]
        else:
            lines.append(line)
    return "\n".join([*lines, *later]) + "\n"
