"""The file and the commands of docs/outcomes.md, run as they stand there."""

import re
import shlex
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy.orm import Session

import leadloop.cli
from leadloop.cli import cli
from leadloop.cli.outcomes import outcomes
from leadloop.cli.services import upgrade_database
from leadloop.outcome_files.columns import FIELDS, KNOWN
from leadloop.settings import Settings
from store.engine import make_engine
from store.models import Funnel

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "outcomes.md").read_text(encoding="utf-8")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
DRY = "Would import 3; already there 0. Nothing was kept."
STAGES = [{"stage": stage, "event": stage.title()} for stage in ("qualified", "won")] + [{"stage": "lost"}]


def blocks(language: str) -> list[str]:
    return [body for name, body in FENCE.findall(PAGE) if name == language]


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A database with the funnel that the page's file is for, in the working folder with that file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(leadloop.cli.sys, "argv", ["leadloop"])
    made = Settings(database_url=f"sqlite:///{tmp_path}/leadloop.db")
    upgrade_database(made)
    engine = make_engine(made.database_url)
    with Session(engine) as session, session.begin():
        session.add(Funnel(position=0, connection="*", dataset_id="900000000000001", stages=STAGES, options={}))
    engine.dispose()
    return made


def run(settings: Settings, line: str) -> str:
    context = leadloop.cli.Context()
    context.__dict__["settings"] = settings
    done = CliRunner().invoke(cli, shlex.split(line)[1:], obj=context, env={"COLUMNS": "160"}, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def last_year(text: str) -> str:
    """The page's file with the days of last year: no time may be ahead of the clock."""
    assert text.count("2026-11-2") == 3
    return text.replace("2026-11-", f"{datetime.now(UTC).year - 1}-11-")


def test_the_example_is_imported_as_the_page_says(settings: Settings, tmp_path: Path) -> None:
    (csv,), (first, second) = blocks("csv"), blocks("sh")
    (tmp_path / "deals.csv").write_text(last_year(csv), encoding="utf-8")
    dry, real, listed = (run(settings, line) for line in first.splitlines())
    (told,) = blocks("")
    old = "Too old for Meta to be told: 3. They are history only.\n"
    assert real == told + old
    assert dry == real.replace("Imported 3; already there 0. Running it again keeps nothing twice.", DRY)
    assert listed.count("waiting") == 3
    theirs = (
        last_year(csv).replace("stage", "Deal stage").replace("fields.pipeline", "Pipe").replace(";value", ";Notes")
    )
    zoned = re.sub(r"-11-(\d\d) (\d\d:\d\d)", r"-11-\1T\2:00+03:00", theirs)
    (tmp_path / "deals.csv").write_text(zoned, encoding="utf-8")
    assert "Imported 1; already there 2." in run(settings, second.strip())  # one row had an amount


def test_the_page_has_every_column_and_option() -> None:
    table = PAGE.partition("## Columns")[2].partition("\nOnly the lead")[0]
    names = {name for cell in re.findall(r"^\| (.*?) \|", table, re.MULTILINE) for name in re.findall("`(.+?)`", cell)}
    assert names == {*KNOWN, f"{FIELDS}<name>"}
    options = {one for param in outcomes.commands["import"].params for one in param.opts if one.startswith("--")}
    assert len(options) > 10
    assert {one for one in options if one not in PAGE} == set()
