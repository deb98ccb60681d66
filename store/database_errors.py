"""Why a database cannot be used, in one sentence with the mend. Its own texts are never repeated: they quote passwords.

Sources: SQLite "Result and Error Codes", PostgreSQL "Error Codes" (SQLSTATE), and libpq's words for what has no code.
"""

import os
from typing import Any

from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError

from store.engine import parse_url, sqlite_file

_SQLSTATES = (
    ("28", "login"),
    ("3D", "no_database"),
    ("42501", "rights"),
    ("53100", "full"),
    ("53300", "too_many"),
    ("57P03", "starting"),
    ("25006", "read_only"),
)
_SQLITE = {5: "locked", 6: "locked", 8: "read_only", 11: "no_sqlite", 13: "full", 14: "not_opened", 26: "no_sqlite"}
# A connection that fails has no SQLSTATE; what libpq and psycopg then say, in English whatever the server speaks.
_PHRASES = (
    ("password authentication failed", "login"),
    ("no password supplied", "login"),
    ("pg_hba.conf", "login"),
    ("role ", "login"),
    ('database "', "no_database"),
    ("Connection refused", "refused"),
    ("No such file or directory", "refused"),
    ("resolve", "no_host"),
    ("Name or service not known", "no_host"),
    ("nodename nor servname", "no_host"),
    ("timeout", "silent"),
    ("timed out", "silent"),
    ("Network is unreachable", "silent"),
    ("No route to host", "silent"),
    ("too many clients", "too_many"),
    ("remaining connection slots", "too_many"),
    ("starting up", "starting"),
    ("SSL", "tls"),
)


def explain(caught: SQLAlchemyError, database_url: str, *, what: str = "reached") -> str:
    """One or two sentences: what is wrong with the database of `database_url`, and what to do."""
    url = parse_url(database_url)
    why = _find_why(getattr(caught, "orig", None))
    told = _sqlite_words(why, database_url) if sqlite_file(database_url) else _server_words(why, url)
    begin = {
        "reached": "The database of DATABASE_URL cannot be reached",
        "upgraded": "The database of DATABASE_URL cannot be upgraded",
    }[what]
    unknown = f"{type(caught).__name__}. Check that it runs, that the URL is right, and that its disk has room."
    return f"{begin}: {told or unknown}"


def _find_why(orig: Any) -> str:
    """A word for what the driver raised, "" when it is none of those known."""
    code = getattr(orig, "sqlite_errorcode", None)
    if isinstance(code, int):
        return _SQLITE.get(code & 0xFF, "")
    sqlstate = getattr(orig, "sqlstate", None)
    if isinstance(sqlstate, str):
        return next((why for start, why in _SQLSTATES if sqlstate.startswith(start)), "")
    text = str(orig)
    return next((why for phrase, why in _PHRASES if phrase in text), "")


def _sqlite_words(why: str, database_url: str) -> str:
    file = sqlite_file(database_url)
    assert file is not None  # noqa: S101  asked before
    path = file.absolute()
    if why == "not_opened" and not path.parent.is_dir():
        return f"the folder {path.parent} does not exist. Make it, or correct the path (an absolute one has four slashes: sqlite:////srv/leadloop.db)."
    if why == "read_only" or (why == "not_opened" and not os.access(path.parent, os.W_OK)):
        return (
            f"{path} may only be read. Give the user that leadloop runs as the right to write the file and its folder"
            " (SQLite makes files beside it)."
        )
    return {
        "not_opened": f"{path} cannot be opened. Is it a file, and may the user that leadloop runs as read and write it?",
        "no_sqlite": f"{path} is no SQLite database, or damaged. Correct the path, or restore the backup.",
        "locked": f"{path} is locked by another program. End what holds it, a backup or an open sqlite3, and try again.",
        "full": f"the disk that holds {path} is full. Free some space.",
    }.get(why, "")


def _server_words(why: str, url: URL) -> str:
    place = f"{url.host or 'the local socket'}, port {url.port or 5432}"
    return {
        "login": f"the server ({place}) refused the user or the password. Correct them in DATABASE_URL; in a password write"
        " @ / : and # as %40 %2F %3A and %23.",
        "no_database": f"the server ({place}) has no database of that name. Create it, or correct the name.",
        "rights": "its user may not do what leadloop needs. Make the user owner of the database.",
        "refused": f"nothing answers at {place}. Does PostgreSQL run there, and does it listen on that address?",
        "no_host": f"the host name {url.host} is not known. Correct it, or look at the name server.",
        "silent": f"{place} does not answer. Is it the right address, and does a firewall let it through?",
        "too_many": f"the server ({place}) has no connection left. Raise max_connections, or start fewer processes.",
        "starting": f"the server ({place}) is starting up or recovering. Try again in a moment.",
        "full": "its disk is full. Free some space.",
        "read_only": f"the server ({place}) takes no writes: is it a standby? Name the primary.",
        "tls": f"no encrypted connection to {place} could be made. Look at sslmode in DATABASE_URL.",
    }.get(why, "")
