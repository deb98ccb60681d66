"""Migrations: from empty and from each earlier revision they arrive at the tables that the models describe."""

import subprocess
import sys
from datetime import UTC, datetime

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, select, text
from sqlalchemy.orm import Session

from store.engine import make_engine
from store.migrate import find_schema_problem, head_revision, make_config, read_revision, upgrade
from store.models import Base, Lane, Work
from store.work import add_work

REVISIONS = [script.revision for script in ScriptDirectory.from_config(make_config()).walk_revisions()][::-1]


def differences(url: str) -> list[object]:
    engine = make_engine(url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        found = compare_metadata(context, Base.metadata)
    engine.dispose()
    return list(found)


def test_from_empty_to_the_models(database_url: str) -> None:
    engine = make_engine(database_url)
    assert "leadloop db upgrade" in (find_schema_problem(engine) or "")
    assert upgrade(engine) == (None, head_revision())
    assert upgrade(engine) == (head_revision(), head_revision())
    assert find_schema_problem(engine) is None
    engine.dispose()
    assert differences(database_url) == []


@pytest.mark.parametrize("revision", REVISIONS)
def test_from_each_earlier_revision(database_url: str, revision: str) -> None:
    engine = make_engine(database_url)
    upgrade(engine, revision)
    assert read_revision(engine) == revision
    upgrade(engine)
    engine.dispose()
    assert differences(database_url) == []


def test_work_is_kept_and_its_ids_never_come_again(database_url: str) -> None:
    engine = make_engine(database_url)
    upgrade(engine, "0001")
    with engine.begin() as connection:
        for number in (1, 2, 3):
            connection.execute(
                text(
                    "INSERT INTO work (id, kind, subject_id, lane, queue, state, attempts, lost, due_at, added_at, outage,"
                    " code) VALUES (:id, 'lead', :id, 'graph:1', '0:graph:1', 'open', 2, 1, :now, :now, :no, 'timeout')"
                ),
                {"id": number, "now": "2026-11-22 09:00:00", "no": False},
            )
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT setval('work_id_seq', 3)"))
        connection.execute(
            text("INSERT INTO lane (name, rest_until, since, hold, failures) VALUES ('graph:1', :now, :now, :no, 3)"),
            {"now": "2026-11-22 09:00:00", "no": False},
        )
    upgrade(engine)
    with Session(engine) as session, session.begin():
        rows = session.scalars(select(Work).order_by(Work.id)).all()
        assert [(row.id, row.attempts, row.lost, row.code, row.again) for row in rows] == [
            (number, 2, 1, "timeout", False) for number in (1, 2, 3)
        ]
        assert session.scalars(select(Lane.failed)).all() == [[]]
        session.delete(rows[2])
    now = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
    with Session(engine) as session, session.begin():
        add_work(session, "lead", [4], "graph:1", now=now)
        assert session.scalar(select(Work.id).where(Work.subject_id == 4)) == 4
    if engine.dialect.name == "sqlite":
        indexes = {index["name"]: index["dialect_options"] for index in inspect(engine).get_indexes("work")}
        assert str(indexes["ix_work_open"]["sqlite_where"]) == "state = 'open'"
    engine.dispose()


def test_several_processes_at_once_do_it_once(database_url: str) -> None:
    code = "import sys, store.engine as e, store.migrate as m; m.upgrade(e.make_engine(sys.argv[1]))"
    runs = [
        subprocess.Popen([sys.executable, "-c", code, database_url], stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    assert [(run.wait(60), run.communicate()[1]) for run in runs] == [(0, "")] * 3
    assert differences(database_url) == []


def test_a_database_of_a_newer_version_is_named_as_such(database_url: str) -> None:
    engine = make_engine(database_url)
    upgrade(engine)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    again = make_engine(database_url)
    assert "newer leadloop" in (find_schema_problem(again) or "")
    engine.dispose()
    again.dispose()
