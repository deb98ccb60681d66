"""Migrations: bring a database to the tables of this version, and say when it is not there."""

from pathlib import Path
from weakref import WeakSet

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine

SCRIPTS = Path(__file__).parent / "migrations"


def make_config(engine: Engine | None = None) -> Config:
    """Alembic's configuration, handed the engine (so that no URL with a password is written anywhere)."""
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    config.attributes["engine"] = engine
    return config


def upgrade(engine: Engine, revision: str = "head") -> tuple[str | None, str | None]:
    """Apply the migrations that are missing. Returns the revision before and after. Safe to run from many at once."""
    before = read_revision(engine)
    command.upgrade(make_config(engine), revision)
    return before, read_revision(engine)


def read_revision(engine: Engine) -> str | None:
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def head_revision() -> str:
    head = ScriptDirectory.from_config(make_config()).get_current_head()
    assert head is not None  # noqa: S101  there is always a first migration
    return head


_seen_ready: WeakSet[Engine] = WeakSet()


def find_schema_problem(engine: Engine) -> str | None:
    """One sentence when the tables are not those of this version, else None (remembered once it was right)."""
    if engine in _seen_ready:
        return None
    found, wanted = read_revision(engine), head_revision()
    if found == wanted:
        _seen_ready.add(engine)
        return None
    known = {script.revision for script in ScriptDirectory.from_config(make_config()).walk_revisions()}
    if found is not None and found not in known:
        return f"The database is of a newer leadloop (revision {found}): upgrade leadloop, or restore the backup."
    return "The database is not of this version yet: run leadloop db upgrade (leadloop run does it by itself)."
