"""What only the whole file shows: names given twice, and names that nothing has."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from configuration.locate import Path
from configuration.mistakes import Fault, did_you_mean, nearest, show
from configuration.rows import NAMED, SINGULAR, Row

Found = Iterator[tuple[Row, Path, Fault]]

_ROUTED = ("pages", "connections", "notifiers")


def find_mistakes(rows: list[Row], unread: Mapping[str, object]) -> Found:
    """Doubles and unknown names. Rows with other mistakes count as far as they could be read.

    `unread` are tables that could not be read, with what stands there, so that names of theirs are not called unknown.
    """
    for table, key in NAMED.items():
        yield from _doubles(rows_of(rows, table), key)
    yield from _unknown_names(rows, unread)
    yield from _mapped_twice(rows_of(rows, "mappings"))


def rows_of(rows: list[Row], table: str) -> list[Row]:
    return [row for row in rows if row.table == table]


def _doubles(rows: list[Row], key: str) -> Found:
    seen: dict[str, Row] = {}
    for row in rows:
        value = row.good.get(key)
        if value is None:
            continue
        first = seen.setdefault(value.lower(), row)
        if first is not row:
            what = SINGULAR[row.table]
            same = f"a {what} with this {key}" if first.good[key] == value else f"a {what} {first.good[key]}"
            mend = "keep one of the two" if key == "id" else "give one of them another name, or keep one of the two"
            yield row, (key,), Fault(f"there is {same} already (number {first.index + 1})", mend)


@dataclass
class _Known:
    """The names of one table. `unsure` are those written wrongly, by their letters and digits: a mention of one is not
    called unknown as well. `nameless`: there are entries whose names cannot be told at all."""

    names: dict[str, None] = field(default_factory=dict)
    unsure: dict[str, str] = field(default_factory=dict)
    nameless: bool = False

    def add_unread(self, name: object) -> None:
        if isinstance(name, str) and not name.startswith("$") and _letters(name):
            self.unsure[_letters(name)] = name
        else:
            self.nameless = True

    def find_fault(self, table: str, name: str) -> Fault | None:
        if name in self.names or _letters(name) in self.unsure:
            return None
        if self.nameless and nearest(name, self.names) is None:
            return None  # it may be the name of one of those
        what = {"pages": "Pages"}.get(table, table)
        mend = did_you_mean(name, [*self.names, *self.unsure.values()], what=what)
        return Fault(f"there is no {SINGULAR[table]} {show(name)} in this file", mend)


def _find_known(rows: list[Row], table: str, unread: Mapping[str, object]) -> _Known:
    known, key = _Known(), NAMED[table]
    for row in rows_of(rows, table):
        if key in row.good:
            known.names[row.good[key]] = None
        else:
            known.add_unread(_as_written(row.written, key))
    if table in unread:
        entries = unread[table]
        for entry in entries if isinstance(entries, list) else [entries]:
            known.add_unread(_as_written(entry, key) if isinstance(entry, Mapping) else None)
    return known


def _as_written(entry: Mapping[str, object], key: str) -> object:
    """An id written as a number is still that id."""
    found = entry.get(key)
    is_number = key == "id" and isinstance(found, int) and not isinstance(found, bool) and abs(found) < 10**32
    return str(found) if is_number else found


def _letters(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def _unknown_names(rows: list[Row], unread: Mapping[str, object]) -> Found:
    for table in _ROUTED:
        known = _find_known(rows, table, unread)
        for row in rows_of(rows, "routes"):
            right = set(row.names(table)) - ({"*"} if table == "pages" else set())
            for position, name in enumerate(row.raw_list(table)):
                if isinstance(name, str) and name in right and (fault := known.find_fault(table, name)):
                    yield row, (table, position), fault
        for row in (*rows_of(rows, "mappings"), *rows_of(rows, "funnels")) if table == "connections" else ():
            name = row.good.get("connection")
            if name not in (None, "*") and (fault := known.find_fault(table, name)):
                yield row, ("connection",), fault


def _mapped_twice(rows: list[Row]) -> Found:
    seen: dict[tuple[str, str], Row] = {}
    for row in rows:
        for form in row.names("forms") or ([] if "forms" in row.written else ["*"]):
            first = seen.setdefault((row.good.get("connection", f"#{row.index}"), form), row)
            if first is not row:
                which = "all forms" if form == "*" else f"form {form}"
                fault = Fault(
                    f"{which} of connection {row.good['connection']} have a mapping already (number {first.index + 1})",
                    "put the fields into one mapping, or take the form out of one of the two",
                )
                yield row, ("forms",), fault
