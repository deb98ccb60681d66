"""Real databases as CRMs of the conformance kit: a table of its own for each test, in SQLite or PostgreSQL."""

import tempfile
import uuid
from pathlib import Path
from typing import Any

from sqlalchemy import NullPool, create_engine, exc, text

from crm_adapters.conformance import Crm


class Database(Crm):
    """A database at `url`; the table is made by the adapter."""

    def __init__(self, url: str = "") -> None:
        self.url = url
        self.table = f"leads_{uuid.uuid4().hex[:12]}"

    def settings(self) -> dict[str, Any]:
        return {"url": self.url, "table": self.table, "create": True}

    def run(self, statement: str, **values: Any) -> list[Any]:
        """Any SQL, in a transaction of its own; {table} stands for the quoted table."""
        name = '"' + self.table.replace('"', '""').replace(":", "\\:") + '"'
        engine = create_engine(self.url, poolclass=NullPool)
        with engine.begin() as connection:
            found = connection.execute(text(statement.replace("{table}", name)), values)
            return list(found.mappings()) if found.returns_rows else []

    def records(self) -> list[Any]:
        try:
            return [dict(row) for row in self.run("SELECT * FROM {table}")]
        except (exc.ProgrammingError, exc.OperationalError):  # not made yet
            return []

    def stop(self) -> None:
        self.run("DROP TABLE IF EXISTS {table}")


class SqliteFile(Database):
    """An SQLite file in a folder of its own."""

    def start(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "crm.db"
        self.url = f"sqlite:///{self.path}"

    def stop(self) -> None:
        self.folder.cleanup()
