"""docs/conversions.md: its table of states is the one of the code, and its commands run as they stand there."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner
from conversion_rows import make_conversion
from sqlalchemy.orm import Session

import leadloop.cli
from leadloop.cli import cli
from leadloop.cli.services import upgrade_database
from leadloop.conversions.states import STATES
from leadloop.settings import Settings
from store.engine import make_engine

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "conversions.md").read_text(encoding="utf-8")


def section(heading: str) -> str:
    return PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def test_every_state_is_explained_in_the_words_of_the_code() -> None:
    rows = re.findall(r"^\| (.+?) \| (.+?) \| (.+?) \| (.+?) \|$", section("What each state means"), re.MULTILINE)
    told = {state: tuple(text.replace("`", "") for text in texts) for state, *texts in rows[1:]}
    assert told == {state: (words.means, words.ours, words.yours) for state, words in STATES.items()}


@pytest.mark.parametrize("heading", ["What Meta was told", "Sending again"])
def test_its_commands_run(heading: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leadloop.cli.sys, "argv", ["leadloop"])
    settings = Settings(database_url=f"sqlite:///{tmp_path}/leadloop.db")
    upgrade_database(settings)
    engine = make_engine(settings.database_url)
    now = datetime.now(UTC)
    with Session(engine) as session, session.begin():
        for number in (31, 32):
            session.add(make_conversion(now, event_id=str(number), id=number, state="refused", code="x", message="Y."))
    engine.dispose()
    lines = [
        line for block in re.findall(r"```sh\n(.*?)```", section(heading), re.DOTALL) for line in block.splitlines()
    ]
    assert len(lines) > 1
    for line in lines:
        context = leadloop.cli.Context()
        context.__dict__["settings"] = settings
        done = CliRunner().invoke(cli, line.split()[1:], obj=context, catch_exceptions=False)
        refused = "retry" in line  # these two have no outcome to be decided from
        assert (done.exit_code, "31" in done.output) == (int(refused), True), line
