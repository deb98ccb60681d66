"""The SQL adapter on real SQLite files and a real PostgreSQL: one row for each lead."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from fake_crms.database import Database, SqliteFile
from marshmallow import ValidationError
from servers import PostgresServer, free_port
from sqlalchemy import Column, MetaData, NullPool, String, Table, Text, create_engine, exc, literal, text
from sqlalchemy.dialects import mysql
from sqlalchemy.engine import make_url

from crm_adapters.base import Earlier, RemoteRef, load_settings
from crm_adapters.conformance import NOW, Case, ConformanceTests, Subject, cases_for, fill, make_lead
from crm_adapters.conformance.subject import demand_private, error_texts
from crm_adapters.sql import SqlTable
from crm_adapters.sql.database import Database as Engine
from crm_adapters.sql.database import Layout, _update_or_insert, native_upsert, upsert
from crm_adapters.sql.errors import translate
from leadloop.errors import LeadloopError, NeedsHuman, Permanent, Retryable
from leadloop.leads import Answer, LeadCard, MappedValue


class TestConformanceOnSqlite(ConformanceTests):
    subject = Subject(SqlTable, SqliteFile, SqliteFile.settings)


@pytest.mark.parametrize("name", [case.name for case in cases_for(TestConformanceOnSqlite.subject)])
def test_conformance_on_postgresql(name: str, postgres_server: PostgresServer) -> None:
    url = postgres_server.url("postgres")
    Case(name, Subject(SqlTable, lambda: Database(url), Database.settings))()


@pytest.fixture
def sqlite() -> Iterator[SqliteFile]:
    made = SqliteFile()
    made.start()
    yield made
    made.stop()


@pytest.fixture
def postgres(postgres_server: PostgresServer) -> Iterator[Database]:
    made = Database(postgres_server.url("postgres"))
    yield made
    made.stop()


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> Database:
    return request.getfixturevalue(request.param)


_open: list[SqlTable] = []


@pytest.fixture(autouse=True)
def _close() -> Iterator[None]:
    yield
    while _open:
        _open.pop().close()


def connect(database: Database, **settings: Any) -> SqlTable:
    raw = {"url": database.url, "table": database.table} | settings
    _open.append(SqlTable(load_settings(SqlTable, raw), now=lambda: NOW))
    return _open[-1]


def push(adapter: SqlTable, lead: LeadCard | None = None, **mapped: MappedValue) -> RemoteRef:
    return adapter.push_lead((lead or make_lead()).with_mapped(mapped), Earlier())


def error_of(adapter: SqlTable, lead: LeadCard | None = None, **mapped: MappedValue) -> LeadloopError:
    card = lead or make_lead()
    with pytest.raises(LeadloopError) as caught:
        push(adapter, card, **mapped)
    demand_private(error_texts(caught.value), card, [], "the error")
    return caught.value


def refusal(**settings: Any) -> dict[str, list[str]]:
    with pytest.raises(ValidationError) as caught:
        load_settings(SqlTable, {"url": "sqlite:////tmp/x.db"} | settings)
    return caught.value.messages


# --- the row ------------------------------------------------------------------------------------------------------------


def test_the_table_is_made_with_a_column_for_everything(database: Database) -> None:
    adapter = connect(database, create=True)
    lead = make_lead()
    ref = adapter.push_lead(fill(adapter, lead), Earlier())
    (row,) = database.records()
    assert ref == RemoteRef("row", lead.leadgen_id)
    assert row["leadgen_id"] == lead.leadgen_id
    assert row["full_name"] == lead.full_name
    assert row["created_at"] == "2026-11-22T08:26:30Z"
    assert row["is_test"] == "false"
    assert row["date_of_birth"] is None
    assert json.loads(row["answers"])["budget"] == ["Secretly nine thousand"]
    assert set(row) == {"leadgen_id", "answers", *SqlTable.default_fields}


def test_with_a_mapping_the_table_is_made_with_its_columns(database: Database) -> None:
    push(connect(database, create=True), **{"budget €": "9", "tags": ["seo", "ads"]})
    (row,) = database.records()
    assert (row["budget €"], row["tags"]) == ("9", "seo, ads")
    assert set(row) == {"leadgen_id", "budget €", "tags", "answers"}


@pytest.mark.parametrize(
    ("key", "mapped"), [("leadgen_id", "Email"), ("EMAIL", "phone"), ("ID", "id"), ("x", "Answers")]
)
def test_names_in_capitals_make_one_column(key: str, mapped: str, database: Database) -> None:
    adapter = connect(database, create=True, key=key)
    push(adapter, **{mapped: "1"})
    push(adapter, **{mapped: "2"})
    (row,) = database.records()
    assert row[key] == make_lead().leadgen_id
    if key.lower() != mapped.lower() or not isinstance(database, SqliteFile):
        assert row[mapped] == "2"


def test_a_database_that_does_not_mind_case_finds_its_columns(sqlite: SqliteFile) -> None:
    sqlite.run('CREATE TABLE {table} ("LeadGen_ID" TEXT PRIMARY KEY, "Email" TEXT, ANSWERS TEXT, "ÄÖ" TEXT)')
    adapter = connect(sqlite)
    push(adapter, email="quillon@personal.example", ÄÖ="x")
    (row,) = sqlite.records()
    assert (row["Email"], row["LeadGen_ID"]) == ("quillon@personal.example", make_lead().leadgen_id)
    assert row["ANSWERS"] is not None
    assert [check.ok for check in adapter.check()] == [True, True]
    assert error_of(adapter, äö="x").code == "sql_no_column"  # SQLite folds ASCII alone


def test_names_that_are_one_column_are_told(sqlite: SqliteFile) -> None:
    error = error_of(connect(sqlite, create=True), city="1", CITY="2")
    assert (error.code, error.scope) == ("sql_column_name", "item")
    assert "two names are one column: CITY" in error.message


def test_a_database_that_minds_case_has_both(postgres: Database) -> None:
    push(connect(postgres, create=True), city="1", CITY="2")
    (row,) = postgres.records()
    assert (row["city"], row["CITY"]) == ("1", "2")


@pytest.mark.parametrize("name", ["c" * 64, "c" * 100, "ü" * 32])
def test_a_column_whose_name_postgresql_would_cut_is_told(name: str, postgres: Database) -> None:
    error = error_of(connect(postgres, create=True), **{name: "1"})
    assert (error.code, error.scope) == ("sql_column_name", "item")
    assert f"63 bytes in postgresql: {name}" in error.message
    push(connect(postgres, create=True), **{"c" * 63: "1", "ü" * 31: "2"})
    assert postgres.records()[0]["c" * 63] == "1"


@pytest.mark.parametrize("setting", ["table", "schema", "key", "answers"])
def test_settings_with_names_that_the_database_would_cut(setting: str) -> None:
    url = "postgresql://db.example/crm"
    assert refusal(url=url, **{setting: "ü" * 32}) == {
        setting: ["Is too long: names have at most 63 bytes in postgresql."]
    }
    assert load_settings(SqlTable, {"url": url, setting: "ü" * 31})[setting] == "ü" * 31
    assert load_settings(SqlTable, {"url": "sqlite:////tmp/x.db", setting: "x" * 128})[setting] == "x" * 128


def test_pushing_again_updates_and_clears(database: Database) -> None:
    adapter = connect(database, create=True)
    push(adapter, city="Old", company="Old")
    push(adapter, city="New", company=None)
    (row,) = database.records()
    assert (row["city"], row["company"]) == ("New", None)


def test_only_the_key_may_be_written(database: Database) -> None:
    database.run("CREATE TABLE {table} (leadgen_id TEXT PRIMARY KEY, other TEXT)")
    adapter = connect(database)
    push(adapter)
    database.run("UPDATE {table} SET other = 'kept'")
    push(adapter)
    assert database.records() == [{"leadgen_id": make_lead().leadgen_id, "other": "kept"}]


def test_another_key_column_is_never_changed_by_the_mapping(database: Database) -> None:
    database.run("CREATE TABLE {table} (meta_id TEXT UNIQUE, city TEXT)")
    push(connect(database, key="meta_id"), meta_id="mapped by mistake", city="Izmir")
    assert database.records() == [{"meta_id": make_lead().leadgen_id, "city": "Izmir"}]


@pytest.mark.parametrize(("column", "wanted"), [("answers", None), ("", None), ("everything", '{"budget":["Secr')])
def test_all_answers_go_where_the_settings_say(column: str, wanted: str | None, database: Database) -> None:
    database.run("CREATE TABLE {table} (leadgen_id TEXT PRIMARY KEY, everything TEXT)")
    lead = make_lead(answers=(Answer("budget", "CUSTOM", "?", ("Secretly nine",), ("Secretly nine",)),))
    push(connect(database, answers=column), lead)
    found = database.records()[0]["everything"]
    assert found is None if wanted is None else found.startswith(wanted)


NAMES = ['bobby"; DROP TABLE students; --', "100% (of: it)", "select", "naïve 👩‍🚀", "a'b`c[d]", "%(x)s :y ?"]


@pytest.mark.parametrize("name", NAMES)
def test_names_of_tables_and_columns_are_only_names(name: str, database: Database) -> None:
    database.table = f"t{name}"[:60]
    adapter = connect(database, create=True, table=database.table)
    push(adapter, **{name: "x'; DROP TABLE y; --"})
    push(adapter, **{name: "again"})
    assert [row[name] for row in database.records()] == ["again"]


def test_nul_and_half_an_emoji_are_stored_as_what_can_be(database: Database) -> None:
    push(connect(database, create=True), company="a\x00b\ud83dc")
    assert database.records()[0]["company"] == "ab\ufffdc"


def test_sqlalchemys_own_log_shows_no_lead(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "sqlalchemy.engine")
    adapter = connect(database, create=True)
    adapter.push_lead(fill(adapter, make_lead()), Earlier())
    assert "INSERT INTO" in caplog.text
    demand_private([caplog.text], make_lead(), [database.url], "SQLAlchemy's log")


# --- columns of all types -----------------------------------------------------------------------------------------------


def test_text_becomes_what_a_column_of_postgresql_holds(postgres: Database) -> None:
    postgres.run("DROP TYPE IF EXISTS mood_of_test")
    postgres.run("CREATE TYPE mood_of_test AS ENUM ('good', 'bad')")
    postgres.run(
        "CREATE TABLE {table} (leadgen_id BIGINT PRIMARY KEY, i INTEGER, n NUMERIC(10, 2), f FLOAT, b BOOLEAN, d DATE,"
        " t TIMESTAMP, tz TIMESTAMPTZ, j JSONB, u UUID, a TEXT[], e mood_of_test, v VARCHAR(3), x INET, bin BYTEA,"
        " answers JSONB)"
    )
    given: dict[str, MappedValue] = {"i": "42", "n": "12500.00", "f": "1e3", "b": "Yes", "d": "2026-11-22T08:26:30Z"}
    given |= {"t": "2026-11-22T10:26:30+02:00", "tz": "2026-11-22T08:26:30Z", "j": ["a", "b"], "e": "good"}
    given |= {"u": "7b7b0ba4-7d55-4f0c-9f1b-3a4e63b0a000", "a": ["x", "y"], "v": "abc", "x": "10.0.0.1", "bin": "é"}
    push(connect(postgres), **given)
    push(connect(postgres), **given)
    (row,) = postgres.records()
    postgres.run("DROP TABLE {table}")
    postgres.run("DROP TYPE mood_of_test")
    moment = datetime(2026, 11, 22, 8, 26, 30, tzinfo=UTC)
    assert row["leadgen_id"] == int(make_lead().leadgen_id)
    assert (row["i"], row["n"], row["f"], row["b"]) == (42, Decimal("12500.00"), 1000.0, True)
    assert (row["d"], row["t"], row["tz"]) == (date(2026, 11, 22), moment.replace(tzinfo=None), moment)
    assert (row["j"], row["a"], row["e"], row["v"]) == (["a", "b"], ["x", "y"], "good", "abc")
    assert (str(row["u"]), str(row["x"]), row["bin"]) == (given["u"], "10.0.0.1", "é".encode())
    assert row["answers"]["email"] == ["quillon1@personal.example"]


def test_text_becomes_what_a_column_of_sqlite_holds(sqlite: SqliteFile) -> None:
    columns = "i INTEGER, n NUMERIC(10,2), f REAL, b BOOLEAN, d DATE, t DATETIME, v VARCHAR(3), o ODD"
    sqlite.run(f"CREATE TABLE {{table}} (leadgen_id TEXT PRIMARY KEY, {columns})")
    push(
        connect(sqlite),
        i="42",
        n="12.5",
        f="1e3",
        b=False,
        d="2026-11-22",
        t="2026-11-22T10:26:30+02:00",
        v="abc",
        o="5",
    )
    assert [tuple(row.values())[1:] for row in sqlite.run("SELECT * FROM {table}")] == [
        (42, 12.5, 1000.0, 0, "2026-11-22", "2026-11-22 08:26:30.000000", "abc", 5)
    ]


@pytest.mark.parametrize(
    ("type_", "value", "why"),
    [
        ("INTEGER", "twelve", "whole numbers"),
        ("INTEGER", "1.5", "whole numbers"),
        ("BIGINT", "9" * 30, "whole numbers"),
        ("INTEGER", "", "whole numbers"),
        ("INTEGER", "١٢", "whole numbers"),
        ("NUMERIC", "12,50", "numbers"),
        ("NUMERIC", "NaN", "numbers"),
        ("NUMERIC", "1e999999", "numbers"),
        ("FLOAT", "Infinity", "numbers"),
        ("BOOLEAN", "perhaps", "true or false"),
        ("DATE", "22.11.2026", "dates"),
        ("TIMESTAMP", "soon", "dates"),
        ("TIMESTAMP", "0001-01-01T00:00:00+14:00", "centuries"),
        ("VARCHAR(3)", "four", "at most 3 characters"),
    ],
)
def test_what_does_not_fit_is_told_by_column_and_not_by_value(
    type_: str, value: str, why: str, database: Database
) -> None:
    database.run(f"CREATE TABLE {{table}} (leadgen_id TEXT PRIMARY KEY, budget {type_})")
    error = error_of(connect(database), budget=value)
    assert isinstance(error, NeedsHuman)
    assert (error.code, error.scope) == ("sql_unfit", "item")
    assert f"budget takes {'at most' if 'most' in why else 'only'}" in error.message
    assert why in error.message
    assert not value or value not in error.message
    assert database.records() == []


def test_what_only_the_database_knows_not_to_fit_is_permanent(postgres: Database) -> None:
    postgres.run("CREATE TABLE {table} (leadgen_id TEXT PRIMARY KEY, n NUMERIC(4, 2), small SMALLINT, x INET)")
    for name, value in {"n": "12345", "small": "99999", "x": "Quillonia"}.items():
        error = error_of(connect(postgres), **{name: value})
        assert isinstance(error, Permanent)
        assert error.code == "sql_data"


# --- tables that are not as they should be ------------------------------------------------------------------------------


def test_columns_that_are_not_there_are_named_and_found_once_added(database: Database) -> None:
    database.run("CREATE TABLE {table} (leadgen_id TEXT PRIMARY KEY, city TEXT)")
    adapter = connect(database, create=True)
    error = error_of(adapter, city="Izmir", budget="1", colour="red")
    assert (error.code, error.scope) == ("sql_no_column", "item")
    assert "budget, colour" in error.message
    database.run("ALTER TABLE {table} ADD budget TEXT")
    database.run("ALTER TABLE {table} ADD colour TEXT")
    push(adapter, city="Izmir", budget="1", colour="red")
    assert database.records()[0]["colour"] == "red"


def test_a_missing_table_holds_the_connection(database: Database) -> None:
    database.run("CREATE TABLE another (x TEXT)")
    adapter = connect(database)
    error = error_of(adapter)
    database.run("DROP TABLE another")
    assert (error.code, error.scope) == ("sql_no_table", "lane")
    assert "create = true" in error.action


def test_a_table_dropped_under_us_is_made_again(database: Database) -> None:
    adapter = connect(database, create=True)
    push(adapter)
    database.run("DROP TABLE {table}")
    assert error_of(adapter).code == "sql_no_table"
    push(adapter)
    assert len(database.records()) == 1


@pytest.mark.parametrize(
    ("columns", "index", "code"),
    [
        ("city TEXT", "", "sql_no_key"),
        ("leadgen_id TEXT", "", "sql_key_not_unique"),
        ("leadgen_id TEXT, city TEXT, PRIMARY KEY (leadgen_id, city)", "", "sql_key_not_unique"),
        ("leadgen_id TEXT, city TEXT", "(leadgen_id) WHERE city = 'x'", "sql_key_not_unique"),
        ("leadgen_id TEXT, city TEXT", "(leadgen_id, city)", "sql_key_not_unique"),
        ("leadgen_id TEXT, city TEXT", "(lower(leadgen_id))", "sql_key_not_unique"),
    ],
)
@pytest.mark.filterwarnings("ignore:Skipped unsupported reflection of expression-based index")
def test_a_key_that_cannot_tell_leads_apart_is_refused(columns: str, index: str, code: str, database: Database) -> None:
    database.run(f"CREATE TABLE {{table}} ({columns})")
    if index:
        database.run(f"CREATE UNIQUE INDEX i_{database.table} ON {{table}} {index}")
    adapter = connect(database)
    error = error_of(adapter)
    assert (error.code, error.scope) == (code, "lane")
    assert adapter.check()[0].mend == error.action


@pytest.mark.parametrize("rule", ["UNIQUE", ""])
def test_a_unique_key_that_is_not_the_primary_key_will_do(rule: str, database: Database) -> None:
    database.run(
        f"CREATE TABLE {{table}} (id INTEGER PRIMARY KEY, leadgen_id TEXT {rule})".replace(
            "id INTEGER PRIMARY KEY",
            "id INTEGER GENERATED ALWAYS AS IDENTITY PRIMARY KEY"
            if not isinstance(database, SqliteFile)
            else "id INTEGER PRIMARY KEY",
        )
    )
    if not rule:
        database.run(f"CREATE UNIQUE INDEX i_{database.table} ON {{table}} (leadgen_id)")
    adapter = connect(database)
    push(adapter)
    push(adapter)
    assert len(database.records()) == 1


def test_another_unique_column_refuses_without_quoting_the_person(database: Database) -> None:
    database.run("CREATE TABLE {table} (leadgen_id TEXT PRIMARY KEY, email TEXT UNIQUE)")
    adapter = connect(database)
    push(adapter, make_lead(1), email="quillon1@personal.example")
    error = error_of(adapter, make_lead(1, leadgen_id="77"), email="quillon1@personal.example")
    assert isinstance(error, Permanent)
    assert error.code == "sql_constraint"
    assert len(database.records()) == 1


def test_a_column_that_must_not_be_empty_is_named(database: Database) -> None:
    database.run("CREATE TABLE {table} (leadgen_id TEXT PRIMARY KEY, phone TEXT NOT NULL, city TEXT)")
    error = error_of(connect(database), phone=None, city="Quillonville")
    assert isinstance(error, Permanent)
    assert error.code == "sql_not_null"
    assert "column phone" in error.message


def test_a_file_that_is_not_there_is_not_made_by_mistake(sqlite: SqliteFile) -> None:
    adapter = connect(sqlite)
    error = error_of(adapter)
    assert (error.code, error.scope) == ("sql_no_database", "lane")
    assert not adapter.check()[0].ok
    with pytest.raises(NeedsHuman):
        adapter.read_fields()
    assert not sqlite.path.exists()


def test_check_and_fields_of_a_file_still_to_be_made(sqlite: SqliteFile) -> None:
    adapter = connect(sqlite, create=True)
    assert all(check.ok for check in adapter.check())
    assert adapter.read_fields()[0].name == "leadgen_id"
    assert not sqlite.path.exists()


def test_check_of_a_table_still_to_be_made_leaves_none_behind(database: Database) -> None:
    database.run("CREATE TABLE another (x TEXT)")
    adapter = connect(database, create=True)
    checks = adapter.check()
    assert all(check.ok for check in checks)
    assert "may be made" in checks[0].found
    assert error_of(connect(database)).code == "sql_no_table"
    database.run("DROP TABLE another")


def test_check_finds_that_the_table_may_not_be_made(postgres: Database, postgres_server: PostgresServer) -> None:
    postgres.run("CREATE SCHEMA closed_of_test")
    postgres.run("CREATE ROLE reader_of_test LOGIN PASSWORD 'pa55word'")
    try:
        postgres.run("GRANT USAGE ON SCHEMA closed_of_test TO reader_of_test")
        url = make_url(postgres_server.url("postgres")).set(username="reader_of_test", password="pa55word")
        reader = Database(url.render_as_string(hide_password=False))
        check = connect(reader, create=True, schema="closed_of_test").check()[0]
        assert (check.ok, "rights" in check.found) == (False, True)
        check = connect(postgres, create=True, schema="none_of_test").check()[0]
        assert (check.ok, "no such schema" in check.found) == (False, True)
    finally:
        postgres.run("DROP SCHEMA closed_of_test CASCADE")
        postgres.run("DROP ROLE reader_of_test")


def test_a_schema_that_sqlite_does_not_have(sqlite: SqliteFile) -> None:
    sqlite.run("CREATE TABLE {table} (leadgen_id TEXT PRIMARY KEY)")
    error = error_of(connect(sqlite, schema="nowhere", create=True))
    assert (error.code, error.scope) == ("sql_no_schema", "lane")
    assert "schema" in error.action


@pytest.mark.parametrize(
    "columns", ["leadgen_id TEXT PRIMARY KEY DEFERRABLE", "leadgen_id TEXT PRIMARY KEY, UNIQUE (leadgen_id) DEFERRABLE"]
)
def test_a_key_that_is_checked_late_holds_the_connection(columns: str, postgres: Database) -> None:
    postgres.run(f"CREATE TABLE {{table}} ({columns}, city TEXT, UNIQUE (city) DEFERRABLE)")
    adapter = connect(postgres)
    error = error_of(adapter)
    assert (error.code, error.scope) == ("sql_key_deferrable", "lane")
    assert [check.ok for check in adapter.check()] == [False]


def test_another_key_that_is_checked_late_is_none_of_ours(postgres: Database) -> None:
    postgres.run("CREATE TABLE {table} (leadgen_id TEXT PRIMARY KEY, city TEXT UNIQUE DEFERRABLE)")
    push(connect(postgres), city="x")
    assert len(postgres.records()) == 1


def test_a_file_that_is_no_database(sqlite: SqliteFile) -> None:
    sqlite.path.write_bytes(b"This is a letter, not a database. " * 100)
    assert (error := error_of(connect(sqlite, create=True))).code == "sql_no_database"
    assert error.scope == "lane"


def test_a_folder_that_is_not_there(sqlite: SqliteFile) -> None:
    sqlite.url = f"sqlite:///{sqlite.path.parent}/nowhere/crm.db"
    adapter = connect(sqlite, create=True)
    error = error_of(adapter)
    assert (error.code, error.scope) == ("sql_no_database", "lane")
    assert "The folder of the SQLite file crm.db does not exist." in error.message
    assert [check.ok for check in adapter.check()] == [False]


def test_a_file_that_may_only_be_read(sqlite: SqliteFile) -> None:
    sqlite.run("CREATE TABLE {table} (leadgen_id TEXT PRIMARY KEY)")
    sqlite.url = f"sqlite:///file:{sqlite.path}?mode=ro&uri=true"
    adapter = connect(sqlite)
    assert error_of(adapter).code == "sql_rights"
    assert [check.ok for check in adapter.check()] == [True, False]


# --- databases that do not answer ---------------------------------------------------------------------------------------


def test_a_database_that_is_down_is_an_outage() -> None:
    adapter = connect(Database(f"postgresql://leadloop:pa55word@127.0.0.1:{free_port()}/postgres"))
    error = error_of(adapter)
    assert isinstance(error, Retryable)
    assert error.outage
    assert "pa55word" not in "".join(error_texts(error))
    assert not adapter.check()[0].ok


def test_a_database_that_does_not_exist(postgres_server: PostgresServer) -> None:
    error = error_of(connect(Database(postgres_server.url("nowhere"))))
    assert (error.code, error.scope) == ("sql_no_database", "lane")


def test_a_user_that_does_not_exist(postgres_server: PostgresServer) -> None:
    url = postgres_server.url("postgres").replace("leadloop@", "stranger:pa55word@")
    error = error_of(connect(Database(url)))
    assert (error.code, error.scope) == ("sql_login", "lane")
    assert "pa55word" not in "".join(error_texts(error))


def test_a_wrong_password(postgres_server: PostgresServer) -> None:
    rules = postgres_server.folder / "data" / "pg_hba.conf"
    before = rules.read_text()
    postgres_server.run_sql("CREATE ROLE locked LOGIN PASSWORD 'right'")
    rules.write_text("host all locked 127.0.0.1/32 scram-sha-256\n" + before)
    postgres_server.run_sql("SELECT pg_reload_conf()")
    codes = set()
    try:
        for given in ("locked:pa55word@", "locked@"):
            codes.add(error_of(connect(Database(postgres_server.url("postgres").replace("leadloop@", given)))).code)
    finally:
        rules.write_text(before)
        postgres_server.run_sql("SELECT pg_reload_conf()")
        postgres_server.run_sql("DROP ROLE locked")
    assert codes == {"sql_login"}


def test_a_user_without_rights_on_the_table(postgres: Database, postgres_server: PostgresServer) -> None:
    postgres.run("CREATE TABLE {table} (leadgen_id TEXT PRIMARY KEY, city TEXT)")
    postgres.run("CREATE ROLE guest_of_test LOGIN")
    try:
        guest = Database(postgres.url.replace("leadloop@", "guest_of_test@"))
        guest.table = postgres.table
        adapter = connect(guest)
        assert (error_of(adapter, city="x").code, error_of(adapter).scope) == ("sql_rights", "lane")
        assert [check.ok for check in adapter.check()] == [True, False]
        postgres.run("GRANT SELECT, INSERT, UPDATE ON {table} TO guest_of_test")
        assert [check.ok for check in adapter.check()] == [True, True]
        push(adapter, city="x")
        adapter.close()
    finally:
        postgres.run("DROP OWNED BY guest_of_test")
        postgres.run("DROP ROLE guest_of_test")


def test_a_connection_that_the_database_closed_is_replaced_at_once(postgres: Database) -> None:
    adapter = connect(postgres, create=True)
    push(adapter, city="before")
    postgres.run(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type ="
        " 'client backend' AND query LIKE :mark",
        mark="%",
    )
    push(adapter, city="after")
    assert postgres.records()[0]["city"] == "after"


def test_a_locked_row_is_busy_and_not_waited_for_without_end(postgres: Database) -> None:
    adapter = connect(postgres, create=True)
    push(adapter, city="before")
    hasty = Engine(make_url(adapter.settings["url"]), statement_s=0.05)
    locker = create_engine(postgres.url, poolclass=NullPool)
    values = {"leadgen_id": literal(make_lead().leadgen_id), "city": literal("after")}
    found = adapter._layout
    assert found is not None
    with locker.begin() as other:
        other.execute(text(f"SELECT * FROM {postgres.table} FOR UPDATE"))
        with pytest.raises(Retryable) as caught:
            hasty.run(lambda connection: upsert(connection, found, values))
    hasty.close()
    assert caught.value.code == "sql_busy"


def test_a_column_that_the_database_computes_is_named(postgres: Database) -> None:
    postgres.run("CREATE TABLE {table} (leadgen_id TEXT PRIMARY KEY, made INTEGER GENERATED ALWAYS AS (1) STORED)")
    assert "made is computed" in error_of(connect(postgres), made="2").message


def test_a_parameter_that_the_driver_does_not_know(sqlite: SqliteFile) -> None:
    sqlite.url = f"sqlite:///{sqlite.path}?timeout=soon"
    assert error_of(connect(sqlite, create=True)).code == "sql_url"


# --- the upsert of each database ----------------------------------------------------------------------------------------


def layout(*, rivals: bool = False) -> Layout:
    table = Table("leads", MetaData(), Column("leadgen_id", String(190), primary_key=True), Column("city", Text))
    return Layout(table, "leadgen_id", keyed=True, rivals=rivals)


@pytest.mark.parametrize("dialect", ["mysql", "mariadb"])
def test_mysql_has_its_own_upsert_unless_another_column_is_unique(dialect: str) -> None:
    values = {"leadgen_id": literal("1"), "city": literal("Izmir")}
    statement = native_upsert(dialect, layout(), values)
    assert "ON DUPLICATE KEY UPDATE city = " in str(statement.compile(dialect=mysql.dialect()))  # type: ignore[union-attr]
    assert native_upsert(dialect, layout(rivals=True), values) is None


def test_others_have_none_that_we_use() -> None:
    assert native_upsert("mssql", layout(), {"leadgen_id": literal("1")}) is None


def test_update_then_insert_keeps_one_row_also_when_threads_meet(postgres: Database) -> None:
    adapter = connect(postgres, create=True)
    push(adapter, make_lead(99), city="first")
    found = adapter._layout
    assert found is not None

    def write(number: int) -> None:
        values = {"leadgen_id": literal("1"), "city": literal(f"city {number}")}
        adapter._database.run(lambda connection: _update_or_insert(connection, found, values))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(24)))
    assert sorted(row["leadgen_id"] for row in postgres.records()) == ["1", make_lead(99).leadgen_id]


# --- errors of drivers that are not installed here ----------------------------------------------------------------------


class DriverError(Exception):
    """As drivers make them; the text quotes a row."""

    def __init__(self, *args: Any, sqlstate: str | None = None, code: int | None = None) -> None:
        super().__init__(*args, "quillon1@personal.example")
        self.sqlstate = sqlstate
        self.sqlite_errorcode = code


@pytest.mark.parametrize(
    ("wrapper", "orig", "code", "kind"),
    [
        (exc.OperationalError, DriverError(1045), "sql_login", NeedsHuman),
        (exc.OperationalError, DriverError(1049), "sql_no_database", NeedsHuman),
        (exc.OperationalError, DriverError(1142), "sql_rights", NeedsHuman),
        (exc.ProgrammingError, DriverError(1146), "sql_no_table", NeedsHuman),
        (exc.OperationalError, DriverError(1054), "sql_no_column", NeedsHuman),
        (exc.OperationalError, DriverError(1213), "sql_busy", Retryable),
        (exc.OperationalError, DriverError(2003), "sql_outage", Retryable),
        (exc.DataError, DriverError(1406), "sql_data", Permanent),
        (exc.IntegrityError, DriverError(1062), "sql_constraint", Permanent),
        (exc.IntegrityError, DriverError(1048), "sql_not_null", Permanent),
        (exc.OperationalError, DriverError(code=5), "sql_busy", Retryable),
        (exc.OperationalError, DriverError(code=13), "sql_outage", Retryable),
        (exc.OperationalError, DriverError(code=517), "sql_busy", Retryable),
        (exc.OperationalError, DriverError(sqlstate="40P01"), "sql_busy", Retryable),
        (exc.OperationalError, DriverError(sqlstate="55P03"), "sql_busy", Retryable),
        (exc.OperationalError, DriverError(sqlstate="55006"), "sql_busy", Retryable),
        (exc.OperationalError, DriverError(sqlstate="55000"), "sql_odd", NeedsHuman),
        (exc.OperationalError, DriverError(sqlstate="53100"), "sql_outage", Retryable),
        (exc.OperationalError, DriverError(sqlstate="57P01"), "sql_outage", Retryable),
        (exc.InternalError, DriverError(sqlstate="25006"), "sql_busy", Retryable),
        (exc.OperationalError, DriverError("gone away"), "sql_outage", Retryable),
        (exc.InterfaceError, DriverError("closed"), "sql_outage", Retryable),
        (exc.IntegrityError, DriverError("rule"), "sql_constraint", Permanent),
        (exc.DataError, DriverError("value"), "sql_data", Permanent),
        (exc.ProgrammingError, DriverError("syntax"), "sql_odd", NeedsHuman),
    ],
)
def test_each_code_of_a_driver_has_its_kind(
    wrapper: type[exc.DBAPIError], orig: DriverError, code: str, kind: type[LeadloopError]
) -> None:
    error = translate(wrapper("INSERT", {}, orig), "The database")
    assert isinstance(error, kind)
    assert error.code == code
    assert "quillon1" not in f"{error.message}{error.action}"


@pytest.mark.parametrize(
    ("caught", "code"),
    [
        (exc.TimeoutError("pool"), "sql_busy"),
        (exc.DisconnectionError(), "sql_outage"),
        (exc.NoSuchTableError("x"), "sql_no_table"),
        (exc.StatementError("x", "y", {}, ValueError()), "sql_data"),
        (exc.CompileError(), "sql_odd"),
        (OverflowError(), "sql_data"),
    ],
)
def test_errors_of_sqlalchemy_itself_have_their_kind(caught: Exception, code: str) -> None:
    assert translate(caught, "The database").code == code


# --- what it can tell ---------------------------------------------------------------------------------------------------


def test_fields_are_the_columns_with_types(postgres: Database) -> None:
    postgres.run(
        "CREATE TABLE {table} (leadgen_id TEXT PRIMARY KEY, n NUMERIC, need TEXT NOT NULL, filled TEXT NOT NULL DEFAULT '',"
        " made INTEGER GENERATED ALWAYS AS (1) STORED, ts TIMESTAMPTZ, d DATE, b BOOLEAN)"
    )
    postgres.run("COMMENT ON COLUMN {table}.n IS 'Budget'")
    fields = {field.name: field for field in connect(postgres).read_fields()}
    assert {name: field.type for name, field in fields.items()} == {
        "leadgen_id": "text",
        "n": "number",
        "need": "text",
        "filled": "text",
        "made": "number",
        "ts": "datetime",
        "d": "date",
        "b": "boolean",
    }
    assert [name for name, field in fields.items() if field.required] == ["need"]
    assert [name for name, field in fields.items() if field.read_only] == ["made"]
    assert fields["n"].label == "Budget"


def test_a_schema_of_its_own(postgres: Database) -> None:
    postgres.run("CREATE SCHEMA crm_of_test")
    try:
        adapter = connect(postgres, schema="crm_of_test", table="leads", create=True)
        push(adapter, city="x")
        assert [row["city"] for row in postgres.run("SELECT city FROM crm_of_test.leads")] == ["x"]
        assert error_of(connect(postgres, schema="none_of_test", table="leads", create=True)).code == "sql_no_schema"
    finally:
        postgres.run("DROP SCHEMA crm_of_test CASCADE")


def test_preview_shows_the_row_and_neither_user_nor_password(sqlite: SqliteFile) -> None:
    url = "postgresql://someuser:pa55word@db.example:5433/crm?sslmode=require"
    raw = {"url": url, "table": "leads"}
    adapter = SqlTable(load_settings(SqlTable, raw))
    shown = adapter.preview(make_lead().with_mapped({"tags": ["a", "b"], "vip": True, "none": None}))[0]
    adapter.close()
    assert shown.url == "postgresql://db.example/crm"
    assert shown.body["row"] | {"answers": ""} == {
        "leadgen_id": make_lead().leadgen_id,
        "tags": "a, b",
        "vip": "true",
        "none": None,
        "answers": "",
    }


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "not a database URL"),
        ("nonsense", "not a database URL"),
        ("postgresql://user:pa55word@host:port/db", "not a database URL"),
        ("sqlite://", "in memory"),
        ("sqlite:///:memory:", "in memory"),
        ("sqlite:///file::memory:?uri=true", "in memory"),
        ("nosuchdb://user:pa55word@host/db", "nosuchdb"),
        ("mysql+pymysql://user:pa55word@host/db", "pymysql"),
        ("sqlite+aiosqlite:////tmp/x.db", "aiosqlite"),
        (17, "Not a valid string"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused_without_repeating_it(url: Any, words: str) -> None:
    message = refusal(url=url)["url"][0]
    assert words in message
    assert "pa55word" not in message


@pytest.mark.parametrize("name", ["table", "schema", "key", "answers"])
@pytest.mark.parametrize("value", ["", "  ", "x" * 129, "two\nlines", "nul\x00", "half \ud83d", 5, ["x"]])
def test_names_that_no_table_has_are_refused(name: str, value: Any) -> None:
    if (name, value) == ("answers", ""):
        assert load_settings(SqlTable, {"url": "sqlite:////tmp/x.db", "answers": ""})["answers"] == ""
    else:
        assert list(refusal(**{name: value})) == [name]


def test_settings_survive_being_stored() -> None:
    loaded = load_settings(SqlTable, {"url": "postgres://someuser:p%40ss@db.example/crm"})
    assert loaded["url"] == "postgresql+psycopg://someuser:p%40ss@db.example/crm"
    assert load_settings(SqlTable, json.loads(json.dumps(loaded))) == loaded
