"""What is allowed and probably not meant, in a file without mistakes: told as warnings, which stop nothing."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from configuration.crosscheck import Found, rows_of
from configuration.funnels import find_funnel_doubts
from configuration.locate import Path
from configuration.mistakes import Fault
from configuration.rows import Row

_INNER_NAME = re.compile(r"\$\{?([A-Za-z_][A-Za-z0-9_]*)")


def find_warnings(rows: list[Row], environ: Mapping[str, str]) -> Found:
    """Of a file without mistakes: what is allowed and probably not meant."""
    yield from _stars_with_others(rows)
    yield from _routes_that_add_nothing(rows_of(rows, "routes"))
    yield from _unreached(rows)
    yield from _pages_without_token(rows_of(rows, "pages"), environ)
    yield from _names_inside(rows, environ)
    yield from _datasets_without_events(rows)
    yield from find_funnel_doubts(rows)


def _stars_with_others(rows: list[Row]) -> Found:
    for row in rows:
        for key in ("pages", "forms"):
            names = row.names(key)
            if "*" in names and len(names) > 1:
                yield row, (key,), Fault('"*" matches all, so the others in the list say nothing', "leave one kind")


@dataclass(frozen=True)
class _Reach:
    """What a route takes (None: all) and where it leads."""

    row: Row
    pages: frozenset[str] | None
    forms: frozenset[str] | None
    targets: frozenset[tuple[str, str]]

    def includes(self, other: "_Reach") -> bool:
        wider = _covers(self.pages, other.pages) and _covers(self.forms, other.forms)
        return wider and self.targets >= other.targets


def _reach(row: Row) -> _Reach:
    pages, forms = (frozenset(row.names(key) or ["*"]) for key in ("pages", "forms"))
    targets = frozenset((key, name) for key in ("connections", "notifiers") for name in row.names(key))
    return _Reach(row, None if "*" in pages else pages, None if "*" in forms else forms, targets)


def _covers(wide: frozenset[str] | None, narrow: frozenset[str] | None) -> bool:
    return wide is None or (narrow is not None and wide >= narrow)


def _routes_that_add_nothing(rows: list[Row]) -> Found:
    """All routes that match are followed, so that a route is idle when an earlier, wider one leads to all it names."""
    by_form: dict[str, list[_Reach]] = {}
    for reach in map(_reach, rows):
        forms = sorted(reach.forms or ["*"])
        same_form = by_form.get(forms[0], []) if forms[0] != "*" else []
        for earlier in by_form.get("*", []) + same_form:
            if earlier.includes(reach):
                message = f"adds nothing: route #{earlier.row.index + 1} leads the same leads there already"
                yield reach.row, (), Fault(message, "take it out, or narrow the earlier one")
                break
        for form in forms:
            by_form.setdefault(form, []).append(reach)


def _unreached(rows: list[Row]) -> Found:
    routes = rows_of(rows, "routes")
    for table in ("connections", "notifiers"):
        reached = {name for route in routes for name in route.names(table)}
        for row in rows_of(rows, table):
            if row.good["name"] not in reached and not row.good.get("admin"):
                yield row, (), Fault("no route names it, so nothing goes there", f"name it in a route's {table}")
    taken = {page for route in routes for page in route.names("pages") or ["*"]}
    for row in rows_of(rows, "pages"):
        if not taken & {"*", row.good["id"]}:
            message = "no route takes its leads: they are kept and shown as unrouted"
            yield row, (), Fault(message, "add a [[routes]] that names the Page, or *")


def _pages_without_token(rows: list[Row], environ: Mapping[str, str]) -> Found:
    if environ.get("META_ACCESS_TOKEN", "").strip():
        return
    for row in rows:
        if "access_token" not in row.good:
            message = "there is no access token, so its leads cannot be read"
            yield row, (), Fault(message, "add access_token, or set META_ACCESS_TOKEN to a system user's token")


def _datasets_without_events(rows: list[Row]) -> Found:
    used = {row.good.get("dataset_id") for table in ("pages", "funnels") for row in rows_of(rows, table)}
    for row in rows_of(rows, "datasets"):
        if row.good["id"] not in used:
            message = "no funnel and no Page names it, so nothing goes there"
            yield row, (), Fault(message, "name it in a funnel's dataset_id")


def _names_inside(rows: list[Row], environ: Mapping[str, str]) -> Found:
    """ "https://$HOST/" is not replaced. Told only of variables that exist: anything else may be part of a password."""
    for row in rows:
        for key in ("access_token", "settings", "urls"):
            if key not in row.written:
                continue
            for path, text in _texts(row.written[key], (key,)):
                for match in _INNER_NAME.finditer(text, 1):
                    if match[1] in environ and not text.startswith("$"):
                        message = f"${match[1]} inside a longer text is not replaced"
                        yield row, path, Fault(message, 'put the whole value into one variable and write "$NAME"')


def _texts(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _texts(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _texts(inner, (*path, index))
    elif isinstance(value, str):
        yield path, value
