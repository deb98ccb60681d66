"""A lock over all processes and machines that share the database, held without an open transaction.

For the rare step that must not be done twice at once and includes a call outside: renewing a CRM's single-use token.
"""

import contextlib
import fcntl
import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Engine, text

_here: dict[str, threading.Lock] = {}
_guard = threading.Lock()


@contextlib.contextmanager
def exclusive(engine: Engine, name: str) -> Iterator[None]:
    """Hold the lock `name`. PostgreSQL: an advisory lock on a connection of its own; SQLite: a lock file beside it."""
    with _guard:
        here = _here.setdefault(f"{engine.url!r}:{name}", threading.Lock())
    with here:
        if engine.dialect.name == "postgresql":
            number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)
            with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.execute(text("SELECT pg_advisory_lock(:number)"), {"number": number})
                try:
                    yield
                finally:
                    connection.execute(text("SELECT pg_advisory_unlock(:number)"), {"number": number})
        elif engine.url.database and engine.url.database != ":memory:":
            with Path(engine.url.database + ".lock").open("a") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                yield
        else:
            yield
