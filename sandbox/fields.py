"""Graph's field lists: "id,name,questions{key,type},has_lead_access.user_id(5).app_id(7)" parsed, and applied to a node."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.graph_errors import bad_syntax, no_such_field

DEEPEST = 8
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ARGUMENT = re.compile(r"\.([A-Za-z_][A-Za-z0-9_]*)\(([^(){}]*)\)")


@dataclass(frozen=True)
class Asked:
    """One field asked for, with its arguments and the fields asked of it."""

    name: str
    arguments: Mapping[str, str] = field(default_factory=dict)
    inner: tuple["Asked", ...] = ()


def parse_fields(text: str) -> tuple[Asked, ...]:
    """The fields of a `fields` parameter. Raises GraphError 2500 with the place, as Meta does."""
    text = "".join(text.split())
    if not text:
        return ()
    found, end = _parse_list(text, 0, 0)
    if end != len(text):
        raise bad_syntax(f'"Expected end of string instead of "{text[end]}"." at character {end}: {text[:200]}')
    return found


def _parse_list(text: str, start: int, depth: int) -> tuple[tuple[Asked, ...], int]:
    if depth > DEEPEST:
        raise bad_syntax(f'"Too many levels." at character {start}: {text[:200]}')
    asked: list[Asked] = []
    while True:
        one, start = _parse_one(text, start, depth)
        asked.append(one)
        if start >= len(text) or text[start] != ",":
            return tuple(asked), start
        start += 1


def _parse_one(text: str, start: int, depth: int) -> tuple[Asked, int]:
    if not (name := _NAME.match(text, start)):
        raise bad_syntax(f'"Expected name." at character {start}: {text[:200]}')
    end = name.end()
    arguments: dict[str, str] = {}
    while argument := _ARGUMENT.match(text, end):
        arguments[argument[1]] = argument[2]
        end = argument.end()
    inner: tuple[Asked, ...] = ()
    if end < len(text) and text[end] == "{":
        inner, end = _parse_list(text, end + 1, depth + 1)
        if end >= len(text) or text[end] != "}":
            raise bad_syntax(f'"Expected "}}"." at character {end}: {text[:200]}')
        end += 1
    return Asked(name[0], arguments, inner), end


def select(node: Mapping[str, Any], asked: tuple[Asked, ...], node_type: str) -> dict[str, Any]:
    """The asked fields of a node, and always its id. A known field without a value is left out, as Meta does.

    Raises GraphError 100 for a field that this type of node does not have.
    """
    found: dict[str, Any] = {}
    for one in asked:
        if one.name not in node:
            raise no_such_field(one.name, node_type)
        value = node[one.name]
        if value is not None:
            found[one.name] = _inside(value, one)
    return found | {"id": node["id"]} if "id" in node else found


def _inside(value: Any, asked: Asked) -> Any:
    if not asked.inner:
        return value
    if isinstance(value, list):
        return [_inside(item, asked) for item in value]
    if isinstance(value, dict):
        return select(value, asked.inner, asked.name)
    return value
