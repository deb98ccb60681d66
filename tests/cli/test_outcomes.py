"""`leadloop outcomes import` and `list`: all of a file or nothing, safe to repeat, with a report that names row and column."""

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from lead_rows import make_lead, on_sqlite
from sqlalchemy import Engine, func, select, update
from sqlalchemy.orm import Session

import leadloop.cli
import leadloop.cli.outcome_import
import leadloop.cli.services
from leadloop.cli import cli
from leadloop.settings import Settings
from store.conversion_models import Conversion, Outcome
from store.models import Connection, Delivery, Funnel, Lead, Work
from store.outcomes import OUTCOME_LANE
from store.work import BACKFILL

NOW = datetime.now(UTC).replace(microsecond=0)
HEADER = "leadgen_id,email,stage,occurred_at,value,currency"
STAGES = [{"stage": "qualified", "event": "Qualified"}, {"stage": "won", "event": "Purchase", "value": "required"}]
Run = Callable[..., Result]


def at(**ago: float) -> str:
    return (NOW - timedelta(**ago)).isoformat()


@pytest.fixture
def database(engine: Engine) -> Engine:
    """Two connections, a funnel for each, and a lead that has been read."""
    with Session(engine) as session, session.begin():
        for position, (name, options) in enumerate([("crm", {}), ("shop", {"route": "physical_store"})]):
            session.add(Connection(name=name, adapter="webhook", settings_sealed="-", changed_at=NOW))
            session.add(
                Funnel(position=position, connection=name, dataset_id="900000000000001", stages=STAGES, options=options)
            )
        session.flush()
        session.add(make_lead("222", NOW - timedelta(days=90)))
    return engine


@pytest.fixture
def rings(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """One entry for each time that the bell was rung."""
    rung: list[None] = []

    class Counting:
        def ring(self) -> None:
            rung.append(None)

    monkeypatch.setattr(leadloop.cli.services, "SilentBell", Counting)
    return rung


@pytest.fixture
def run(database: Engine, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """run("a,b\\n1,2\\n", "--dry-run"): import a file of this text, or of these bytes."""
    monkeypatch.setattr(leadloop.cli.sys, "argv", ["leadloop"])
    for name in [name for name in os.environ if name.startswith(("LEADLOOP_", "META_", "REDIS_URL"))]:
        monkeypatch.delenv(name)

    def run_import(content: str | bytes, *options: str) -> Result:
        file = tmp_path / "deals.csv"
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return invoke(database_url, "import", str(file), *options)

    return run_import


def invoke(database_url: str, *arguments: str, **more: Any) -> Result:
    context = leadloop.cli.Context()
    context.__dict__["settings"] = Settings(database_url=database_url)
    return CliRunner().invoke(
        cli, ["outcomes", *arguments], obj=context, env={"COLUMNS": "160"}, catch_exceptions=False, **more
    )


def kept(engine: Engine) -> list[Outcome]:
    with Session(engine) as session:
        return list(session.scalars(select(Outcome).order_by(Outcome.id)))


def good(stage: str = "won", **ago: float) -> str:
    return f"222,,{stage},{at(**(ago or {'hours': 1}))},12500.00,TRY"


def told(done: Result) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(done.stdout)
    return report


# --- what is kept -----------------------------------------------------------------------------------------------------


def test_a_file_is_kept_with_the_work_that_follows_behind_what_happens_now(
    run: Run, database: Engine, rings: list[None]
) -> None:
    done = run(f"{HEADER}\n{good()}\n{good('qualified', hours=2)}\n999,,won,{at(hours=3)},5,TRY\n")
    assert (done.exit_code, "Imported 3; already there 0." in done.stdout) == (0, True)
    assert "Waiting for their lead: 1." in done.stdout
    rows = kept(database)
    assert [(row.source, row.state, row.stage, row.value) for row in sorted(rows, key=lambda row: row.occurred_at)] == [
        ("import", "waiting", "won", "5"),
        ("import", "joined", "qualified", "12500.00"),
        ("import", "joined", "won", "12500.00"),
    ]
    with Session(database) as session:
        work = session.scalars(select(Work)).all()
    assert [(one.kind, one.queue) for one in work] == [("outcome", f"{BACKFILL}:{OUTCOME_LANE}")] * 2
    assert len(rings) == 1


def test_the_same_file_again_and_the_same_row_twice_keep_nothing_twice(run: Run, database: Engine) -> None:
    body = f"{HEADER}\n{good()}\n{good()}\n{good('qualified')}\n"
    dry = told(run(body, "--dry-run", "--json"))
    first = told(run(body, "--json"))
    again, dry_again = told(run(body, "--json")), told(run(body, "--dry-run", "--json"))
    assert (dry["imported"], dry["already_there"]) == (first["imported"], first["already_there"]) == (2, 1)
    assert (dry_again["imported"], dry_again["already_there"]) == (again["imported"], again["already_there"]) == (0, 3)
    assert len(kept(database)) == 2


def test_a_dry_run_reports_the_same_and_keeps_nothing(run: Run, database: Engine, rings: list[None]) -> None:
    body = f"{HEADER}\n{good()}\n999,,won,{at(days=70)},5,TRY\n"
    dry = told(run(body, "--dry-run", "--json"))
    assert (kept(database), rings) == ([], [])
    assert "Would import 2; already there 0. Nothing was kept." in run(body, "--dry-run").stdout
    real = told(run(body, "--json"))
    assert dry | {"dry_run": False, "kept": True} == real
    assert (dry["kept"], dry["joined"], dry["waiting"], dry["too_old"]) == (False, 1, 1, 1)


def test_one_bad_row_keeps_all_out_and_is_named(run: Run, database: Engine, rings: list[None]) -> None:
    lines = [good(minutes=minute) for minute in range(1, 1_500)]
    body = "\n".join([HEADER, *lines, f"222,,won,{at(hours=1)},-4,TRY", good(days=3)])
    done = run(body)
    assert done.exit_code == 1
    assert "1 mistake in 1 row of 1,501." in done.stdout
    assert "row 1501, column E (value): Is negative" in done.stdout
    assert "Nothing was kept." in done.stdout
    assert (kept(database), rings) == ([], [])
    skipped = run(body, "--skip-bad-rows")
    assert (skipped.exit_code, "Left out: 1 row with mistakes." in skipped.stdout) == (0, True)
    assert len(kept(database)) == 1_500
    assert len(rings) == 2  # chunks


def test_where_every_row_is_bad_nothing_is_kept_although_bad_rows_may_be_skipped(run: Run) -> None:
    done = run(f"{HEADER}\n222,,won,soon,1,TRY\n", "--skip-bad-rows", "--json")
    assert (done.exit_code, told(done)["kept"]) == (1, False)


def test_mistakes_that_only_the_store_can_know_are_at_their_cells(run: Run, database: Engine) -> None:
    with Session(database) as session, session.begin():
        session.add(make_lead("223", NOW))
    body = (
        f"{HEADER},connection\n,zoe@example.com,won,{at(hours=1)},1,TRY,\n222,,wonn,{at(hours=1)},1,TRY,crm\n"
        f"222,,won,{at(hours=1)},1,TRY,hubspot\n"
    )
    done = run(body)
    assert "row 2, column B (email): Fits 2 leads (222, 223)" in done.stdout
    assert 'row 3, column C (stage): Is not a stage of the funnel, so that Meta is not told: write "won"' in done.stdout
    assert "row 4, column G (connection): Is no connection of the configuration" in done.stdout
    assert "zoe" not in done.output
    assert kept(database) == []
    report = told(run(body, "--keep-unknown-stages", "--skip-bad-rows", "--json"))
    assert (report["imported"], report["bad_rows"], report["unknown_stages"]) == (1, 2, 1)
    assert [row.stage for row in kept(database)] == ["wonn"]


def test_at_most_fifty_mistakes_are_shown_and_the_others_counted(run: Run) -> None:
    done = run(f"{HEADER}\n" + f"222,,won,{at(hours=1)},-1,XYZ\n" * 60)
    assert "120 mistakes in 60 rows of 60." in done.stdout
    assert done.stdout.count("\n  row ") == 50
    assert "… and 70 more." in done.stdout
    report = told(run(f"{HEADER}\n" + f"222,,won,{at(hours=1)},-1,TRY\n" * 60, "--json"))
    assert (len(report["mistakes"]), report["mistakes_in_all"], report["bad_rows"]) == (50, 60, 60)
    assert report["mistakes"][0].keys() == {"row", "column", "name", "message"}


@on_sqlite
def test_what_is_too_old_for_meta_is_history_and_counted_by_the_funnels_of_its_connection(run: Run) -> None:
    body = f"{HEADER},connection\n" + "".join(
        f"{good(days=days)},{connection}\n" for days in (6, 8, 61, 63) for connection in ("crm", "shop")
    )
    done = run(body)
    assert "Imported 8;" in done.stdout
    assert "Too old for Meta to be told: 4." in done.stdout  # crm: 8, 61, 63 days; shop: 63


@on_sqlite
def test_what_is_not_later_than_its_lead_is_counted_and_its_rows_are_named(run: Run, database: Engine) -> None:
    with Session(database) as session, session.begin():
        session.execute(update(Lead).values(created_at=NOW - timedelta(hours=2)))
    body = (
        f"{HEADER}\n{good(hours=1)}\n{good(hours=2)}\n{good(hours=3)}\n999,,won,{at(hours=3)},5,TRY\n{good(days=63)}\n"
    )
    dry = told(run(body, "--dry-run", "--json"))
    assert (dry["imported"], dry["before_lead"], dry["too_old"]) == (5, 2, 1)
    done = run(body)
    assert "Imported 5;" in done.stdout
    assert "Not later than their lead: 2 (in rows 3, 4)." in done.stdout
    many = run(f"{HEADER}\n" + "".join(f"{good(hours=3, seconds=one)}\n" for one in range(12)))
    assert "Not later than their lead: 12 (in rows 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, …)." in many.stdout


@on_sqlite
def test_dates_without_an_hour_are_counted_with_the_hour_they_got(run: Run, database: Engine) -> None:
    done = run(f"{HEADER}\n222,,won,2026-10-20,5,TRY\n", "--time-zone", "Europe/Istanbul")
    assert "With a date and no hour: 1. They count as 12:00 in Europe/Istanbul." in done.stdout
    assert kept(database)[0].occurred_at == datetime(2026, 10, 20, 9, 0, tzinfo=UTC)


@on_sqlite
def test_the_record_of_a_crm_names_the_lead_with_the_connection_of_all_rows(run: Run, database: Engine) -> None:
    with Session(database) as session, session.begin():
        crm = session.scalars(select(Connection).where(Connection.name == "crm")).one()
        session.add(Delivery(lead_id=1, connection_id=crm.id, remote_id="501", created_at=NOW))
    body = f"crm_id;stage;occurred_at;value\n501;won;{at(hours=1)};12.500,00\n"
    report = told(run(body, "--connection", "crm", "--currency", "try", "--decimal-comma", "--json"))
    assert (report["imported"], report["joined"]) == (1, 1)
    (row,) = kept(database)
    assert (row.lead_id, row.connection, row.value, row.currency) == (1, "crm", "12500.00", "TRY")


@on_sqlite
def test_their_names_of_columns(run: Run, database: Engine) -> None:
    body = f"Meta Lead,Deal stage,Closed,Notes,Pipe=line\n222,won,{at(hours=1)},private,b2b\n"
    renamed = ["Meta Lead=leadgen_id", "deal stage=stage", "Closed=occurred_at", "Notes=", "Pipe=line=fields.pipeline"]
    done = run(body, *(part for one in renamed for part in ("--column", one)))
    assert done.exit_code == 0
    assert dict(kept(database)[0].fields) == {"pipeline": "b2b"}


# --- broken off -------------------------------------------------------------------------------------------------------


def test_a_run_that_was_killed_is_simply_run_again(run: Run, database: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    body = "\n".join([HEADER, *(good(minutes=minute) for minute in range(1, 2_501))])
    monkeypatch.setattr(leadloop.cli.outcome_import, "_keep_chunk", dying(leadloop.cli.outcome_import._keep_chunk, 3))
    assert run(body).exit_code == 1
    assert len(kept(database)) == 2_000
    monkeypatch.undo()
    report = told(run(body, "--json"))
    assert (report["imported"], report["already_there"]) == (500, 2_000)
    with Session(database) as session:
        assert session.scalar(select(func.count()).select_from(Work)) == 2_500


def dying(real: Callable[..., None], nth: int) -> Callable[..., None]:
    """The same until it is called for the nth time; then as Ctrl-C has it."""
    calls: list[None] = []

    def call(*arguments: Any) -> None:
        calls.append(None)
        if len(calls) == nth:
            raise KeyboardInterrupt
        real(*arguments)

    return call


@on_sqlite
def test_a_file_that_changes_while_it_is_read_is_not_kept(
    run: Run, database: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = leadloop.cli.outcome_import.check_outcomes

    def check(*arguments: Any) -> Any:
        with (tmp_path / "deals.csv").open("a") as file:
            file.write(good(hours=5) + "\n")
        return real(*arguments)

    monkeypatch.setattr(leadloop.cli.outcome_import, "check_outcomes", check)
    done = run(f"{HEADER}\n{good()}\n")
    assert (done.exit_code, "changed while it was read" in done.stderr) == (1, True)
    assert kept(database) == []


def test_what_becomes_wrong_after_the_check_stops_its_chunk_and_says_what_is_kept(
    run: Run, database: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [good(minutes=minute) for minute in range(1, 1_001)]
    body = "\n".join([HEADER, *lines, f",zoe@example.com,won,{at(hours=1)},1,TRY"])
    real = leadloop.cli.outcome_import._keep

    def keep(*arguments: Any) -> None:
        with Session(database) as session, session.begin():
            session.add(make_lead("223", NOW))
        real(*arguments)

    monkeypatch.setattr(leadloop.cli.outcome_import, "_keep", keep)
    done = run(body)
    assert done.exit_code == 1
    assert "row 1002, column B (email): Fits 2 leads" in done.stderr
    assert "1000 outcomes before it are kept" in done.stderr
    assert len(kept(database)) == 1_000


@on_sqlite
def test_a_pipe_is_read_once_and_kept_once(run: Run, database: Engine, database_url: str) -> None:
    done = invoke(database_url, "import", "-", input=f"{HEADER}\n{good()}\n")
    assert (done.exit_code, "standard input: 1 row read" in done.stdout) == (0, True)
    reading, writing = os.pipe()
    os.write(writing, f"{HEADER}\n{good()}\n".encode())
    os.close(writing)
    assert invoke(database_url, "import", f"/dev/fd/{reading}").exit_code == 0
    os.close(reading)
    assert len(kept(database)) == 1


# --- files and options that are no use --------------------------------------------------------------------------------


@on_sqlite
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "The file is empty."),
        (b"\n\n", "The file is empty."),
        (HEADER, "a header and no rows"),
        (f"\ufeff{HEADER}\n\n,,,,,\n", "a header and no rows"),
        (b"PK\x03\x04....", "CSV UTF-8"),
        ("a\x00b\x00".encode("utf-16-le"), "CSV UTF-8"),
        (b"stage;occurred_at\n\xfe\xfe", "names the lead"),
        ("leadgen_id^stage^occurred_at\n222^won^x\n", "--delimiter"),
        (f'{HEADER}\n222,"won', "quotation marks"),
        (f"{HEADER},stage\n{good()},won\n", "column G (stage): Is there twice"),
        (f"{HEADER.replace('stage', 'stagge')}\n{good()}\n", '"stagge=stage"'),
    ],
    ids=range(11),  # the rows hold the time, and every process has to give them one name
)
def test_a_file_of_no_use_is_refused_in_words_and_in_json(
    run: Run, database: Engine, content: str | bytes, said: str
) -> None:
    done = run(content)
    assert (done.exit_code, said in done.output, "Traceback" in done.output) == (1, True, False)
    as_json = run(content, "--json", "--skip-bad-rows")
    answer = json.loads(as_json.stdout)
    assert as_json.exit_code == 1
    assert "error" in answer or answer["mistakes_in_all"] > 0
    assert kept(database) == []


@on_sqlite
@pytest.mark.parametrize(
    ("options", "exit_code", "said"),
    [
        (["--time-zone", "Europe/Istambul"], 2, "Europe/Istanbul, perhaps?"),
        (["--time-zone", "../etc/passwd"], 2, "no time zone"),
        (["--time-zone", "Europe"], 2, "no time zone"),
        (["--currency", "TL"], 2, 'write "TRY"'),
        (["--encoding", "latin-99"], 2, "no encoding"),
        (["--delimiter", "::"], 2, "separates no cells"),
        (["--delimiter", '"'], 2, "separates no cells"),
        (["--column", "stage"], 2, "their name=ours"),
        (["--column", "x=occured"], 2, "occurred_at, perhaps?"),
        (["--column", "x=stage"], 1, 'no column "x"'),
        (["--lead-by", "name"], 2, "leadgen_id"),
        (["--lead-by", "phone"], 1, "add phone"),
        (["--connection", "hubspot"], 1, "Say --connection with one of them (crm, shop)"),
    ],
)
def test_options_that_are_no_use(run: Run, options: list[str], exit_code: int, said: str) -> None:
    done = run(f"{HEADER}\n{good()}\n", *options)
    shown = " ".join(done.output.replace("│", " ").split())
    assert (done.exit_code, said in shown) == (exit_code, True), done.output


@on_sqlite
def test_files_that_cannot_be_read(run: Run, database_url: str, tmp_path: Path) -> None:
    for path in (tmp_path / "none.csv", tmp_path):
        done = invoke(database_url, "import", str(path))
        assert (done.exit_code, "cannot be read" in done.stderr) == (1, True)


# --- list -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def some(run: Run, database: Engine) -> None:
    """Three outcomes: decided with an event, joined, waiting."""
    run(f"{HEADER}\n{good()}\n{good('qualified', hours=2)}\n999,,won,{at(hours=3)},5,TRY\n")
    with Session(database) as session, session.begin():
        row = session.scalars(select(Outcome).where(Outcome.stage == "won", Outcome.state == "joined")).one()
        row.decided_at = NOW
        session.add(
            Conversion(
                outcome_id=row.id,
                lead_id=row.lead_id,
                dataset_id="900000000000001",
                connection="crm",
                route="conversion_leads",
                stage="won",
                event_name="Purchase",
                event_id="a" * 32,
                event_time=row.occurred_at,
                deadline_at=NOW,
                state="accepted",
                created_at=NOW,
            )
        )


@pytest.mark.usefixtures("some")
def test_outcomes_are_listed_with_what_became_of_them(database_url: str) -> None:
    shown = invoke(database_url, "list").stdout
    assert "decided, Purchase accepted" in shown
    assert "12500.00 TRY" in shown
    assert "leadgen_id 999" in shown
    lines = json.loads(invoke(database_url, "list", "--json").stdout)
    assert sorted((line["state"], line["leadgen_id"], line["outcome"]["stage"]) for line in lines) == [
        ("joined", "222", "qualified"),
        ("joined", "222", "won"),
        ("waiting", None, "won"),
    ]
    decided = next(line for line in lines if line["decided_at"])
    assert decided["conversions"] == [{"id": 1, "event_name": "Purchase", "state": "accepted"}]
    assert decided["outcome"]["lead"] == {"leadgen_id": "222"}


@pytest.mark.usefixtures("some")
def test_lists_of_one_lead_and_of_what_waits(database_url: str) -> None:
    def stages(*options: str) -> list[tuple[str, str]]:
        lines = json.loads(invoke(database_url, "list", "--json", *options).stdout)
        return sorted((line["outcome"]["stage"], line["state"]) for line in lines)

    assert stages("--lead", "222") == [("qualified", "joined"), ("won", "joined")]
    assert stages("--lead", "999") == stages("--waiting") == [("won", "waiting")]
    assert stages("--lead", "222", "--waiting") == []
    assert len(stages("--limit", "1")) == 1
    assert invoke(database_url, "list", "--lead", "1").stdout == "No outcome is like that.\n"


@on_sqlite
def test_an_empty_list_and_the_help(run: Run, database_url: str) -> None:
    assert invoke(database_url, "list").stdout == "No outcome has come in yet.\n"
    words = " ".join(invoke(database_url, "import", "--help").stdout.split())
    for said in ("All or nothing", "Safe to run again", "--skip-bad-rows", "run it again and the rest follows"):
        assert said in words
