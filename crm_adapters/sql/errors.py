"""What a database says when it says no, in our three kinds. Its texts are never repeated: they quote rows and passwords.

Sources: PostgreSQL "Error Codes" (SQLSTATE), MySQL "Server Error Reference", SQLite "Result and Error Codes".
"""

from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import exc

from leadloop.errors import LeadloopError, NeedsHuman, Permanent, Retryable

Why = Literal[
    "outage",
    "busy",
    "login",
    "no_database",
    "no_schema",
    "rights",
    "no_table",
    "no_column",
    "duplicate",
    "not_null",
    "data",
    "odd",
]

_SQLSTATES: tuple[tuple[str, Why], ...] = (
    ("28", "login"),
    ("3D", "no_database"),
    ("3F", "no_schema"),
    ("42501", "rights"),
    ("42P01", "no_table"),
    ("42703", "no_column"),
    ("42804", "data"),
    ("23502", "not_null"),
    ("23", "duplicate"),
    ("22", "data"),
    ("25006", "busy"),  # read-only: a standby that has not taken over yet
    ("40", "busy"),
    ("55006", "busy"),
    ("55P03", "busy"),
    ("55", "odd"),  # not in the state for it: a deferrable key, say, which waiting does not change
    ("57014", "busy"),
    ("08", "outage"),
    ("53", "outage"),
    ("57", "outage"),
    ("58", "outage"),
)
_MYSQL: dict[int, Why] = {
    **dict.fromkeys((1044, 1045, 1698, 2059), "login"),
    1049: "no_database",
    **dict.fromkeys((1142, 1143, 1227), "rights"),
    **dict.fromkeys((1146, 1051), "no_table"),
    1054: "no_column",
    **dict.fromkeys((1062, 1169, 1451, 1452, 3819), "duplicate"),
    **dict.fromkeys((1048, 1364), "not_null"),
    **dict.fromkeys((1264, 1265, 1292, 1366, 1406, 3140), "data"),
    **dict.fromkeys((1205, 1213, 1290), "busy"),
}
_SQLITE: dict[int, Why] = {
    **dict.fromkeys((5, 6, 15), "busy"),
    **dict.fromkeys((7, 10, 13), "outage"),  # memory, input/output, disk full
    **dict.fromkeys((3, 8, 14, 23), "rights"),  # perm, read-only, cannot open, auth
    **dict.fromkeys((11, 26), "no_database"),  # corrupt, not a database
    **dict.fromkeys((18, 20), "data"),  # too big, mismatch
    19: "duplicate",
}
_SQLITE_NOT_NULL = 1299
# psycopg has no SQLSTATE for a connection that was refused; the server's words are in its text, in its language. What is
# not recognised counts as an outage, which is tried again and parks in the end.
_LOGIN_WORDS = (
    "password authentication failed",
    "no password supplied",
    "pg_hba.conf",
    'role "',
    "authentication failed",
)


@dataclass(frozen=True)
class Said:
    """Why, and the column or constraint that the driver names apart from its text."""

    why: Why
    name: str = ""


def translate(caught: Exception, place: str) -> LeadloopError:
    """The error of anything SQLAlchemy or a driver raised. `place` names the database without user or password."""
    said = _read(caught)
    build = {
        "outage": _outage,
        "busy": _busy,
        "duplicate": _duplicate,
        "not_null": _not_null,
        "data": _data,
    }.get(said.why)
    return build(said, place) if build else _held(said, place)


def _outage(said: Said, place: str) -> LeadloopError:
    return Retryable(
        f"{place} cannot be reached or is not able to work.",
        code="sql_outage",
        action="Check that the database runs, that its address is right and that its disk is not full.",
        outage=True,
    )


def _busy(said: Said, place: str) -> LeadloopError:
    return Retryable(f"{place} was busy: locked, waiting for others, or out of connections.", code="sql_busy")


def _duplicate(said: Said, place: str) -> LeadloopError:
    name = f" ({said.name})" if said.name else ""
    return Permanent(
        f"{place} refused the row: another row stands in its way, or a rule of the table{name}.",
        code="sql_constraint",
        action="Drop that constraint, or take its columns out of the mapping, then retry.",
    )


def _not_null(said: Said, place: str) -> LeadloopError:
    name = f"The column {said.name}" if said.name else "A column"
    return Permanent(
        f"{name} of {place} must not be empty, and this lead has nothing for it.",
        code="sql_not_null",
        action="Let the column be NULL, or give it a default, then retry.",
    )


def _data(said: Said, place: str) -> LeadloopError:
    return Permanent(
        f"{place} cannot hold a value of this lead{f' in the column {said.name}' if said.name else ''}.",
        code="sql_data",
        action="Make the column text (leadloop crm fields shows the types), or take it out of the mapping, then retry.",
    )


_HELD: dict[str, tuple[str, str]] = {
    "login": ("does not accept the user or password", "Correct the user and password in url, or the database's rules."),
    "no_database": ("has no such database, or its file is not one", "Correct the name of the database in url."),
    "no_schema": ("has no such schema", "Correct schema, or take it out for the usual one; leadloop makes no schema."),
    "rights": (
        "does not give the rights to read and write this table",
        "Grant the user SELECT, INSERT and UPDATE on the table (for a file: read and write, and on its folder).",
    ),
    "no_table": ("has no such table", "Correct table and schema, make the table, or set create = true."),
    "no_column": ("has no such column", "Correct the mapping, or add the column (leadloop crm fields lists them)."),
    "odd": (
        "does not accept what leadloop asks",
        "Compare the table with docs/crm/sql.md; its type of database may need another driver.",
    ),
}


def _held(said: Said, place: str) -> LeadloopError:
    found, action = _HELD[said.why]
    return NeedsHuman(f"{place} {found}.", code=f"sql_{said.why}", action=action, scope="lane")


def _read(caught: Exception) -> Said:
    if isinstance(caught, exc.NoSuchTableError):
        return Said("no_table")
    if isinstance(caught, exc.TimeoutError):
        return Said("busy")
    orig = getattr(caught, "orig", None)
    said = _read_driver(orig) if isinstance(orig, BaseException) else None
    if said is not None:
        return said
    by_class: tuple[tuple[type[Exception], Why], ...] = (
        (exc.IntegrityError, "duplicate"),
        (exc.DataError, "data"),
        (exc.ProgrammingError, "odd"),
        (exc.NotSupportedError, "odd"),
        (exc.DBAPIError, "outage"),
        (exc.DisconnectionError, "outage"),
        (exc.StatementError, "data"),
        (ValueError, "data"),
        (OverflowError, "data"),
        (TypeError, "data"),
    )
    return Said(next((why for kind, why in by_class if isinstance(caught, kind)), "odd"))


def _read_driver(orig: Any) -> Said | None:
    sqlstate = getattr(orig, "sqlstate", None) or getattr(orig, "pgcode", None)
    if isinstance(sqlstate, str):
        return _read_sqlstate(sqlstate, getattr(orig, "diag", None))
    code = getattr(orig, "sqlite_errorcode", None)
    if isinstance(code, int):
        return _read_sqlite(code, str(orig))
    number = orig.args[0] if getattr(orig, "args", ()) else None
    if isinstance(number, int) and number in _MYSQL:
        return Said(_MYSQL[number])
    text = str(orig)
    if any(word in text for word in _LOGIN_WORDS):
        return Said("login")
    return Said("no_database") if 'database "' in text and "does not exist" in text else None


def _read_sqlstate(sqlstate: str, diag: Any) -> Said | None:
    why = next((why for start, why in _SQLSTATES if sqlstate.startswith(start)), None)
    name = getattr(diag, "column_name", None) or getattr(diag, "constraint_name", None) or ""
    return Said(why, str(name)) if why else None


def _read_sqlite(code: int, text: str) -> Said | None:
    """SQLite has one code for most mistakes in a statement; the words after it are fixed and in English."""
    if code == _SQLITE_NOT_NULL:
        return Said("not_null", text.rpartition(".")[2][:128])
    if code & 0xFF == 1:
        missing: tuple[tuple[str, Why], ...] = (
            ("no such table", "no_table"),
            ("no column named", "no_column"),
            ("unknown database", "no_schema"),
        )
        return next((Said(why) for words, why in missing if words in text), Said("odd"))
    why = _SQLITE.get(code & 0xFF)
    return Said(why) if why else None
