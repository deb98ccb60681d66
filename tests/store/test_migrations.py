"""Migrations: from empty and from each earlier revision they arrive at the tables that the models describe."""

import shutil
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, select, text
from sqlalchemy.orm import Session

from store import migrate
from store.engine import make_engine
from store.funnels import read_funnels
from store.leads import LeadFilter, list_leads
from store.migrate import find_schema_problem, head_revision, make_config, read_revision, upgrade
from store.models import Base, Delivery, Lane, LeadEvent, Notice, Notifier, Work
from store.outcome_subjects import Named, find_subjects
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


@pytest.mark.parametrize("revision", ["0001", "0002", "0003"])
def test_leads_from_before_the_way_back_are_kept_found_and_told_of(database_url: str, revision: str) -> None:
    engine = make_engine(database_url)
    upgrade(engine, revision)
    rows = {
        "connection (id, name, adapter, settings_sealed, changed_at, position)": "(1, 'crm', 'webhook', 'x', :now, 0)",
        "notifier (id, name, urls_sealed, changed_at, position)": "(1, 'sales', 'x', :now, 0)",
        "funnel (position, connection, dataset_id, stages)": "(0, 'crm', '9', :stages)",
        "lead (id, leadgen_id, page_id, source, state, received_at, is_test, routed, email)": "(1, '222', '1', 'webhook', 'read',"
        " :now, :no, :yes, 'Zoe@Example.com'), (2, '333', '1', 'webhook', 'read', :now, :no, :yes, 'ZOË@example.com')",
        "delivery (id, lead_id, connection_id, state, steps, made, attempts, remote_id, created_at)": "(1, 1, 1, 'delivered',"
        " '[]', '[]', 1, '501', :now)",
        "notice (id, lead_id, notifier_id, target, state, attempts, maybe_repeated, created_at)": "(1, 1, 1, 't', 'sent', 1, :no,"
        " :now)",
        "lead_event (lead_id, at, kind, detail)": "(1, :now, 'received', '{}')",
    }
    stages = '[{"stage": "new", "event": "Raw Lead"}, {"stage": "won", "event": "Purchase", "value": "required"}]'
    values = {"now": "2026-11-22 09:00:00", "no": False, "yes": True, "stages": stages}
    with engine.begin() as connection:
        for columns, listed in rows.items():
            used = {name: value for name, value in values.items() if f":{name}" in listed}
            connection.execute(text(f"INSERT INTO {columns} VALUES {listed}"), used)
    upgrade(engine)
    with Session(engine) as session:
        for email, leadgen_id in {"zoe@example.com": "222", "ZOË@EXAMPLE.com": "333"}.items():
            found = list_leads(session, LeadFilter(email=email), limit=5)
            assert [lead.leadgen_id for lead in found] == [leadgen_id]
        for table in (Delivery, Notice, LeadEvent):
            assert session.scalars(select(table.lead_id)).all() == [1]
        (configured,) = read_funnels(session)
        assert [rule.stage for rule in configured.funnel.stages] == ["new", "won"]
        assert session.scalars(select(Notifier.admin)).all() == [False]
        by_record = Named("crm_id", "501", "crm", datetime(2026, 11, 22, 10, 0, tzinfo=UTC))
        (subject,) = find_subjects(session, [by_record])
        assert subject.leadgen_id == "222"
        if engine.dialect.name == "sqlite":  # on the connection that migrated, too
            assert session.scalar(text("PRAGMA foreign_keys")) == 1
    engine.dispose()


def test_a_migration_that_would_leave_rows_without_their_lead_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripts = tmp_path / "migrations"
    shutil.copytree(migrate.SCRIPTS, scripts)
    head = head_revision()
    careless = f'from alembic import op\nrevision = "9999"\ndown_revision = "{head}"\ndef upgrade():\n'
    (scripts / "versions" / "9999_careless.py").write_text(
        careless + '    op.execute("DELETE FROM lead WHERE id = 1")\n'
    )
    engine = make_engine(f"sqlite:///{tmp_path}/x.db")
    upgrade(engine)
    story = "INSERT INTO lead_event (lead_id, at, kind, detail) VALUES (:lead_id, '2026-11-22', 'received', '{}')"
    columns = "id, leadgen_id, page_id, source, state, received_at, is_test"
    lead = f"INSERT INTO lead ({columns}) VALUES (1, '2', '3', 'x', 'read', 0, 0)"
    with engine.begin() as connection:
        connection.execute(text(lead))
        connection.execute(text(story), {"lead_id": 1})
    monkeypatch.setattr(migrate, "SCRIPTS", scripts)
    with pytest.raises(RuntimeError, match="rows of lead_event that refer to nothing"):
        upgrade(engine)
    assert read_revision(engine) == head
    with Session(engine) as session:
        assert session.scalars(text("SELECT id FROM lead")).all() == [1]
        session.execute(text("DELETE FROM lead_event"))
        session.commit()
    with sqlite3.connect(tmp_path / "x.db") as other:  # such a row from before is not the migration's doing
        other.execute(story, {"lead_id": 7})
    other.close()
    upgrade(engine)
    assert read_revision(engine) == "9999"
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
