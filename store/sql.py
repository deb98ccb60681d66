"""Statements built once: what runs for every lead must not be put together for every lead.

Building a SQLAlchemy statement costs several times what running it costs (a profile of a burst showed four fifths of the
processor time there), so the statements of the lead path are Core statements kept for each dialect.
"""

from collections.abc import Callable
from typing import Any, cast

from sqlalchemy import Connection, CursorResult, Result, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import DeclarativeBase, Session

MakeInsert = Callable[[Table], Any]


def table_of(model: type[DeclarativeBase]) -> Table:
    table = model.__table__
    assert isinstance(table, Table)  # noqa: S101  every model of ours is one table
    return table


def rows_changed(result: Result[Any]) -> int:
    """How many rows an UPDATE or a DELETE touched; the session types its results as those of any statement."""
    return cast("CursorResult[Any]", result).rowcount


class Prepared:
    """A statement for each dialect. `build` gets that dialect's insert() (both know ON CONFLICT) and its name."""

    def __init__(self, build: Callable[[MakeInsert, str], Any]) -> None:
        self._by_dialect = {
            "sqlite": build(sqlite.insert, "sqlite"),
            "postgresql": build(postgresql.insert, "postgresql"),
        }

    def run(self, session: Session, values: Any = None) -> Any:
        """Execute with one dictionary of parameters or a list of them; the result as SQLAlchemy gives it."""
        connection: Connection = session.info.get("connection") or session.connection()
        return connection.execute(self._by_dialect[connection.dialect.name], values)

    def later(self, session: Session, *values: dict[str, Any]) -> None:
        """Execute at the end of the transaction, together with all others of this statement; on a session without such
        an end, at once. For statements whose result nobody needs and that do not build on one another."""
        deferred: dict[Prepared, list[dict[str, Any]]] | None = session.info.get("deferred")
        if deferred is None:
            self.run(session, list(values))
        else:
            deferred.setdefault(self, []).extend(values)


def run_deferred(session: Session) -> None:
    """Execute what was put off with later(), in the order in which the statements first came."""
    for statement, values in session.info.pop("deferred", {}).items():
        if values:
            statement.run(session, values)


def insert_new(model: type[DeclarativeBase], unique: list[str], *returning: str) -> Prepared:
    """INSERT that leaves rows alone which are there already; gives `returning` of those that are new."""
    table = table_of(model)

    def build(insert: MakeInsert, _dialect: str) -> Any:
        statement = insert(table).on_conflict_do_nothing(index_elements=unique)
        return statement.returning(*(table.c[name] for name in returning)) if returning else statement

    return Prepared(build)
