"""What only the whole file shows: names given twice, and names that nothing has."""

from collections.abc import Iterable, Iterator, Mapping

from configuration.locate import Path
from configuration.mistakes import Fault, did_you_mean, show
from configuration.rows import SINGULAR, Row

Found = Iterator[tuple[Row, Path, Fault]]

_KEYS = {"pages": "id", "connections": "name", "notifiers": "name"}


def find_mistakes(rows: list[Row], unread: set[str]) -> Found:
    """Doubles and unknown names. Rows with other mistakes count as far as they could be read.

    `unread` are tables of which nothing could be read, so that names of theirs are not called unknown.
    """
    for table, key in _KEYS.items():
        yield from _doubles(rows_of(rows, table), key)
    yield from _unknown_names(rows, unread)
    yield from _mapped_twice(rows_of(rows, "mappings"))
    yield from _funnels_twice(rows_of(rows, "funnels"))


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


def _unknown_names(rows: list[Row], unread: set[str]) -> Found:
    known = {
        table: dict.fromkeys(row.good[key] for row in rows_of(rows, table) if key in row.good)
        for table, key in _KEYS.items()
    }
    # A name that is itself written wrongly would make every mention of it look wrong.
    unsure = unread | {row.table for row in rows if row.table in _KEYS and _KEYS[row.table] not in row.good}
    for table in _KEYS.keys() - unsure:
        for row in rows_of(rows, "routes"):
            unknown = set(row.names(table)) - known[table].keys() - ({"*"} if table == "pages" else set())
            for position, name in enumerate(row.raw_list(table)):
                if isinstance(name, str) and name in unknown:
                    yield row, (table, position), _no_such(table, name, known[table])
    if "connections" not in unsure:
        for row in (*rows_of(rows, "mappings"), *rows_of(rows, "funnels")):
            name = row.good.get("connection")
            if name is not None and name not in known["connections"]:
                yield row, ("connection",), _no_such("connections", name, known["connections"])


def _no_such(table: str, name: str, known: Iterable[str]) -> Fault:
    what = {"pages": "Pages"}.get(table, table)
    return Fault(f"there is no {SINGULAR[table]} {show(name)} in this file", did_you_mean(name, known, what=what))


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


def _funnels_twice(rows: list[Row]) -> Found:
    seen: dict[tuple[str, str], Row] = {}
    for row in rows:
        yield from _stages_twice(row)
        if not {"connection", "dataset_id"} <= row.good.keys():
            continue
        first = seen.setdefault((row.good["connection"], row.good["dataset_id"]), row)
        if first is not row:
            message = f"there is a funnel for this connection and dataset already (number {first.index + 1})"
            yield row, (), Fault(message, "put the stages into one funnel")


def _stages_twice(row: Row) -> Found:
    seen: set[str] = set()
    for index, stage in enumerate(row.raw_list("stages")):
        name = stage.get("stage") if isinstance(stage, Mapping) else None
        if isinstance(name, str) and name in seen:
            fault = Fault(f"the stage {show(name)} is there already", "keep one of the two")
            yield row, ("stages", index, "stage"), fault
        if isinstance(name, str):
            seen.add(name)
