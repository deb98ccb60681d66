"""The engine of one `sql` connection, the table as it is, and the upsert. Every name is quoted by SQLAlchemy."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import (
    Column,
    Connection,
    MetaData,
    String,
    Table,
    UnicodeText,
    create_engine,
    false,
    insert,
    inspect,
    select,
    text,
    update,
)
from sqlalchemy import exc as sql_exc
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.engine import URL, Engine
from sqlalchemy.engine.interfaces import ReflectedColumn
from sqlalchemy.sql.base import Executable
from sqlalchemy.sql.elements import BindParameter

from crm_adapters.sql.errors import translate
from crm_adapters.sql.names import fold
from leadloop.errors import NeedsHuman

Result = TypeVar("Result")
Values = Mapping[str, "BindParameter[Any]"]

CONNECT_S = 5
STATEMENT_S = 15
POOL = 8
_LONG_TEXT = UnicodeText().with_variant(mysql.LONGTEXT(), "mysql", "mariadb")
_TIMEOUTS: dict[str, dict[str, Any]] = {
    "pysqlite": {"timeout": STATEMENT_S},
    "psycopg": {"connect_timeout": CONNECT_S, "tcp_user_timeout": STATEMENT_S * 1000},
    "psycopg2": {"connect_timeout": CONNECT_S, "tcp_user_timeout": STATEMENT_S * 1000},
    "pymysql": {"connect_timeout": CONNECT_S, "read_timeout": STATEMENT_S, "write_timeout": STATEMENT_S},
    "mysqldb": {"connect_timeout": CONNECT_S, "read_timeout": STATEMENT_S, "write_timeout": STATEMENT_S},
    "mysqlconnector": {"connection_timeout": CONNECT_S},
    "pyodbc": {"timeout": CONNECT_S},
}


@dataclass(frozen=True)
class Layout:
    """The table as it is in the database, with its own spelling of names. `keyed`: the key column is unique; `rivals`:
    other columns are, too; `late`: the key is checked when a transaction ends, so that no upsert can go by it."""

    table: Table
    key: str
    keyed: bool
    rivals: bool
    dialect: str = ""
    late: bool = False

    def find_column(self, name: str) -> "Column[Any] | None":
        """The column that the database means by `name`: some do not mind case."""
        if name in self.table.c:
            return self.table.c[name]
        folded = fold(name, self.dialect)
        return next((column for column in self.table.c if fold(column.name, self.dialect) == folded), None)


class Database:
    """One engine, made once and shared by all threads."""

    def __init__(self, url: URL, *, statement_s: float = STATEMENT_S) -> None:
        self.url = url
        self._statement_ms = int(statement_s * 1000)
        self.dialect = url.get_backend_name()
        self.place = f"The database {url.database or ''} on {url.host or 'this machine'}"
        if self.dialect == "sqlite":
            self.place = f"The SQLite file {_file_of(url).name}"
        self.engine = self._make_engine()

    def _make_engine(self) -> Engine:
        try:
            return create_engine(
                self.url,
                hide_parameters=True,  # a lead must not end up in an error's text
                connect_args=_TIMEOUTS.get(self.url.get_driver_name(), {}),
                pool_size=POOL,
                max_overflow=0,
                pool_timeout=STATEMENT_S,
                pool_recycle=1800,
            )
        except (ValueError, TypeError, sql_exc.SQLAlchemyError):
            raise self._bad_url() from None

    def run(self, work: Callable[[Connection], Result]) -> Result:
        """`work` in one transaction. A connection that the database had closed meanwhile is replaced once.

        `work` is safe to repeat. Raises one of our kinds, with nothing of the database's own text.
        """
        try:
            try:
                return self._once(work)
            except sql_exc.DBAPIError as caught:
                if not caught.connection_invalidated:
                    raise
                return self._once(work)
        except (sql_exc.SQLAlchemyError, ValueError, OverflowError, TypeError) as caught:
            raise translate(caught, self.place) from None  # its text quotes rows, as in DETAIL: Key (email)=(…)

    def _once(self, work: Callable[[Connection], Result]) -> Result:
        try:
            connection = self.engine.connect()
        except (ValueError, TypeError):  # from the driver: it does not know a parameter of the URL, say
            raise self._bad_url() from None
        with connection, connection.begin():
            if self.dialect == "postgresql":  # for this transaction only: a pooler between us may share the session
                connection.exec_driver_sql(f"SET LOCAL statement_timeout = {self._statement_ms}")
            return work(connection)

    def _bad_url(self) -> NeedsHuman:
        return NeedsHuman(
            f"{self.place} cannot be connected to as its URL says.",
            code="sql_url",
            action="Correct url, above all the parameters after the question mark.",
            scope="lane",
        )

    def is_missing_file(self) -> bool:
        """Whether it is an SQLite file that is not there. Connecting would make an empty one."""
        return self.dialect == "sqlite" and not _file_of(self.url).exists()

    def demand_folder(self) -> None:
        """NeedsHuman unless an SQLite file that is not there could be made."""
        folder = _file_of(self.url).absolute().parent
        if not folder.is_dir():
            raise NeedsHuman(
                f"The folder of {self.place[0].lower()}{self.place[1:]} does not exist.",
                code="sql_no_database",
                action="Make the folder, or correct the path in url (sqlite:////absolute/path).",
                scope="lane",
            )
        if not os.access(folder, os.W_OK | os.X_OK):
            raise NeedsHuman(
                f"{self.place} cannot be made: its folder may not be written to.",
                code="sql_rights",
                action="Give the user that leadloop runs as the right to write into that folder.",
                scope="lane",
            )

    def close(self) -> None:
        self.engine.dispose()


def public_url(url: URL) -> str:
    """Which database it is, without user, password, port, options and folders."""
    name = _file_of(url).name if url.get_backend_name() == "sqlite" else url.database or ""
    return f"{url.get_backend_name()}://{url.host or ''}/{name}"


def _file_of(url: URL) -> Path:
    return Path((url.database or "").removeprefix("file:"))


def read_layout(connection: Connection, name: str, *, schema: str | None, key: str) -> Layout:
    """The table as it is. NoSuchTableError when it is not there."""
    inspector = inspect(connection)
    found = inspector.get_columns(name, schema=schema)
    if not found:  # SQLite: it was made between two of the questions that make up the answer
        raise sql_exc.NoSuchTableError(name)
    deferrable = _find_deferrable(connection, name, schema)
    primary = inspector.get_pk_constraint(name, schema=schema)
    rules = [(primary.get("name"), primary["constrained_columns"])]
    rules += [(rule["name"], rule["column_names"]) for rule in inspector.get_unique_constraints(name, schema=schema)]
    for index in inspector.get_indexes(name, schema=schema):
        partial = any(option.endswith("_where") for option in index.get("dialect_options", {}))
        if index["unique"] and not partial:
            rules.append((index["name"], [column or "" for column in index["column_names"]]))
    keys = [list(columns) for _, columns in rules if columns]
    late = [list(columns) for rule, columns in rules if rule in deferrable]
    columns = (_column(column, primary["constrained_columns"]) for column in found)
    table = Table(name, MetaData(), *columns, schema=schema)
    layout = Layout(table, key, keyed=False, rivals=False, dialect=connection.dialect.name)
    if (column := layout.find_column(key)) is not None:
        key = column.name
    rivals = any(columns != [key] for columns in keys)
    return replace(layout, key=key, keyed=[key] in keys, rivals=rivals, late=[key] in late)


def _find_deferrable(connection: Connection, name: str, schema: str | None) -> frozenset[str]:
    """Keys that PostgreSQL may check at the end of a transaction: ON CONFLICT refuses a column that has one."""
    if connection.dialect.name != "postgresql":
        return frozenset()
    return frozenset(connection.scalars(_DEFERRABLE, {"name": name, "schema": schema}))


_DEFERRABLE = text(
    """
    SELECT conname FROM pg_catalog.pg_constraint
    JOIN pg_catalog.pg_class ON pg_class.oid = conrelid JOIN pg_catalog.pg_namespace ON pg_namespace.oid = relnamespace
    WHERE condeferrable AND relname = :name
      AND CASE WHEN CAST(:schema AS text) IS NULL THEN pg_table_is_visible(pg_class.oid) ELSE nspname = :schema END
    """
)


def _column(found: ReflectedColumn, primary: list[str]) -> "Column[Any]":
    """With what a mapping has to know of it in `info`: whether it must be given, and whether it may be."""
    filled = found["nullable"] or found["default"] is not None or bool(found.get("identity"))
    told = {"required": not filled and found["name"] not in primary, "read_only": bool(found.get("computed"))}
    return Column(found["name"], found["type"], comment=found.get("comment"), info=told)


def prove_making(connection: Connection, name: str, *, schema: str | None, key: str) -> None:
    """Make the table and take it back, where a transaction can: nobody sees it."""
    if connection.dialect.name in ("postgresql", "sqlite"):
        trial = connection.begin_nested()
        make_table(connection, name, schema=schema, key=key, columns=[])
        trial.rollback()


def make_table(connection: Connection, name: str, *, schema: str | None, key: str, columns: list[str]) -> None:
    """Make the table unless it is there: the key as primary key, all other columns text."""
    others = [Column(column, _LONG_TEXT) for column in columns if column != key]
    table = Table(name, MetaData(), Column(key, String(190), primary_key=True), *others, schema=schema)
    table.create(connection, checkfirst=True)


def demand_key(layout: Layout) -> None:
    """NeedsHuman unless the key column is there and unique: without that, a repeated lead would be a second row."""
    name = layout.table.name
    if layout.key not in layout.table.c:
        raise NeedsHuman(
            f"The table {name} has no column {layout.key} for Meta's lead id.",
            code="sql_no_key",
            action="Add that column as text with a unique index, or name another one in key.",
            scope="lane",
        )
    if not layout.keyed:
        raise NeedsHuman(
            f"The column {layout.key} of the table {name} is not unique, so a lead that is sent again would be a second row.",
            code="sql_key_not_unique",
            action=f"Run CREATE UNIQUE INDEX {name}_{layout.key} ON {name} ({layout.key}).",
            scope="lane",
        )
    if layout.late:
        raise NeedsHuman(
            f"The key {layout.key} of the table {name} is deferrable, and no upsert can go by such a key.",
            code="sql_key_deferrable",
            action="Drop that key and make it anew without DEFERRABLE.",
            scope="lane",
        )


def upsert(connection: Connection, layout: Layout, values: Values) -> None:
    """Insert the row, or update the one with this key. The key itself is never changed."""
    statement = native_upsert(connection.dialect.name, layout, values)
    if statement is not None:
        connection.execute(statement)
    else:
        _update_or_insert(connection, layout, values)


def native_upsert(dialect: str, layout: Layout, values: Values) -> Executable | None:
    """The database's own upsert. None where it has none that is safe: MySQL's answers to any unique column, so that with
    a unique e-mail address it would write one person's lead over another's."""
    others = [name for name in values if name != layout.key]
    if dialect in ("postgresql", "sqlite"):
        make = postgresql.insert if dialect == "postgresql" else sqlite.insert
        statement = make(layout.table).values(dict(values))
        index = [layout.table.c[layout.key]]
        if not others:
            return statement.on_conflict_do_nothing(index_elements=index)
        fresh = {name: statement.excluded[name] for name in others}
        return statement.on_conflict_do_update(index_elements=index, set_=fresh)
    if dialect in ("mysql", "mariadb") and not layout.rivals:
        plain = mysql.insert(layout.table).values(dict(values))
        return plain.on_duplicate_key_update({name: plain.inserted[name] for name in others or [layout.key]})
    return None


def _update_or_insert(connection: Connection, layout: Layout, values: Values) -> None:
    for last in (False, True):
        try:
            with connection.begin_nested():
                if not _update(connection, layout, values):
                    connection.execute(insert(layout.table).values(dict(values)))
            return
        except sql_exc.IntegrityError:  # somebody inserted it in between (then it is updated), or a rule of the table
            if last:
                raise


def _update(connection: Connection, layout: Layout, values: Values) -> bool:
    """Whether there is such a row; it is updated. Asked, not counted: some drivers do not count unchanged rows."""
    key = layout.table.c[layout.key]
    found = connection.execute(select(key).where(key == values[layout.key])).first() is not None
    others = {name: value for name, value in values.items() if name != layout.key}
    if found and others:
        connection.execute(update(layout.table).where(key == values[layout.key]).values(others))
    return found


def prove_rights(connection: Connection, layout: Layout) -> None:
    """Have the database check the rights to insert and update, on no row at all."""
    key = layout.table.c[layout.key]
    nothing = select(key).where(false())
    connection.execute(insert(layout.table).from_select([layout.key], nothing))
    connection.execute(update(layout.table).where(false()).values({layout.key: key}))
