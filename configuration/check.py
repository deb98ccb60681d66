"""A configuration file's text, checked as a whole: every mistake with its line and the mend, or the configuration."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import chain

from configuration.crosscheck import find_mistakes
from configuration.doubts import find_warnings
from configuration.entries import (
    Config,
    ConnectionEntry,
    DatasetEntry,
    FunnelEntry,
    MappingEntry,
    NotifierEntry,
    PageEntry,
    RouteEntry,
    StageEntry,
)
from configuration.fields import kind_of
from configuration.funnels import find_funnel_mistakes
from configuration.locate import Lines, Path
from configuration.mistakes import Fault, Mistake, did_you_mean, nearest, printable, show
from configuration.reading import Source, read_file, read_text
from configuration.rows import Row, check_row
from configuration.schema import TABLES


@dataclass(frozen=True)
class Checked:
    """What came of a check: `config` when there is no mistake, else None and the mistakes in the order of lines.

    Warnings tell of what is allowed and probably not meant; they never stop anything.
    """

    config: Config | None = field(repr=False)
    mistakes: tuple[Mistake, ...] = ()
    warnings: tuple[Mistake, ...] = ()


def check_file(name: str, environ: Mapping[str, str]) -> Checked:
    """Check the file of that name ("-" is standard input)."""
    text = read_file(name)
    return Checked(None, (text,)) if isinstance(text, Mistake) else check_text(text, environ)


def check_text(text: str, environ: Mapping[str, str]) -> Checked:
    """Check a TOML text; `environ` gives the values of "$NAMES" (Settings.environ). Pure: nothing is read or sent."""
    source = read_text(text)
    if isinstance(source, Mistake):
        return Checked(None, (source,))
    rows, mistakes, unread = _rows(source, environ)
    lines = source.lines
    mistakes += [_mistake(lines, row, path, fault) for row in rows for path, fault in row.faults]
    across = chain(find_mistakes(rows, unread), find_funnel_mistakes(rows))
    mistakes += [_mistake(lines, row, path, fault) for row, path, fault in across]
    if mistakes:
        return Checked(None, tuple(sorted(set(mistakes))))
    warnings = [_mistake(lines, row, path, fault) for row, path, fault in find_warnings(rows, environ)]
    return Checked(_build(rows), (), tuple(sorted(set(warnings))))


def _rows(source: Source, environ: Mapping[str, str]) -> tuple[list[Row], list[Mistake], dict[str, object]]:
    rows: list[Row] = []
    unread: dict[str, object] = {}
    mistakes: list[Mistake] = []
    if not source.data:
        mend = "name at least a Page; a file that is meant to remove everything says so: pages = []"
        mistakes.append(Mistake(0, "file", "names nothing", mend))
    for table, value in source.data.items():
        line = source.lines.at((table,))
        if table not in TABLES:
            mend = did_you_mean(table, TABLES, what="tables")
            mistakes.append(Mistake(line, show(table), "is not a table of this file", mend))
            unread[nearest(table, TABLES) or table] = value
        elif not isinstance(value, list):
            message = f"must be a list of tables, not {kind_of(value)}"
            mistakes.append(Mistake(line, table, message, f"write [[{table}]], with two brackets"))
            unread[table] = value
        else:
            rows += [check_row(table, index, raw, environ) for index, raw in enumerate(value)]
    order = list(TABLES)
    return sorted(rows, key=lambda row: order.index(row.table)), mistakes, unread


def _mistake(lines: Lines, row: Row, path: Path, fault: Fault) -> Mistake:
    line = lines.at((row.table, row.index, *path))
    return Mistake(line, row.where(path), printable(fault), printable(fault.mend))


def _build(rows: list[Row]) -> Config:
    def of(table: str) -> list[Row]:
        return [row for row in rows if row.table == table]

    return Config(
        pages=tuple(_page(row) for row in of("pages")),
        connections=tuple(_connection(row) for row in of("connections")),
        notifiers=tuple(_notifier(row) for row in of("notifiers")),
        routes=tuple(_route(row) for row in of("routes")),
        mappings=tuple(_mapping(row) for row in of("mappings")),
        datasets=tuple(_dataset(row) for row in of("datasets")),
        funnels=tuple(_funnel(row) for row in of("funnels")),
    )


def _page(row: Row) -> PageEntry:
    good = {"page_id" if key == "id" else key: value for key, value in row.good.items()}
    return PageEntry(**good, env_names=_token_names(row))


def _dataset(row: Row) -> DatasetEntry:
    good = {"dataset_id" if key == "id" else key: value for key, value in row.good.items()}
    return DatasetEntry(**good, env_names=_token_names(row))


def _token_names(row: Row) -> dict[str, str]:
    return {f"/access_token{rest}": name for rest, name in row.env_names.get("access_token", {}).items()}


def _connection(row: Row) -> ConnectionEntry:
    return ConnectionEntry(**row.good, env_names=row.env_names.get("settings", {}))


def _notifier(row: Row) -> NotifierEntry:
    good = row.good | {"urls": tuple(row.names("urls"))}
    return NotifierEntry(**good, env_names=row.env_names.get("urls", {}))


def _route(row: Row) -> RouteEntry:
    return RouteEntry(**{key: tuple(value) for key, value in row.good.items()})


def _mapping(row: Row) -> MappingEntry:
    return MappingEntry(row.good["connection"], row.good["fields"], tuple(row.good.get("forms", ("*",))))


def _funnel(row: Row) -> FunnelEntry:
    good = dict(row.good)
    stages = tuple(StageEntry(**stage) for stage in good.pop("stages"))
    return FunnelEntry(good.pop("connection"), good.pop("dataset_id"), stages, good)
