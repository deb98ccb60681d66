"""`leadloop config` as people and programs meet it: lines, colours, JSON, exit codes, and a database that is real."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result
from configuration_samples import ALL_NAMED, GOOD, NAMED_ENVIRON, SECRETS
from cryptography.fernet import Fernet

from configuration.check import check_text
from leadloop.cli.config import config
from leadloop.cli.services import upgrade_database
from leadloop.errors import SettingsError
from leadloop.settings import Settings
from store.engine import make_engine
from store.migrate import upgrade

Run = Callable[..., Result]
BAD = '[[pages]]\nid = 1\n[[pages]]\nid = "2"\nnme = "x"\n'


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        database_url=f"sqlite:///{tmp_path}/leadloop.db",
        leadloop_secret_keys=(Fernet.generate_key().decode(),),
        environ=NAMED_ENVIRON,
    )


@pytest.fixture
def run(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "good.toml").write_text(GOOD, encoding="utf-8")
    (tmp_path / "bad.toml").write_text(BAD, encoding="utf-8")

    def run_(*args: str, input: str | None = None, **changes: Any) -> Result:
        context = SimpleNamespace(settings=settings.with_(**changes))
        result = CliRunner().invoke(config, args, obj=context, input=input)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert not [secret for secret in SECRETS if secret in result.output]
        return result

    return run_


def test_check_a_good_file(run: Run) -> None:
    result = run("check", "good.toml")
    assert result.exit_code == 0
    assert (
        result.stdout
        == "good.toml is fine: 2 Pages, 2 connections, 1 notifier, 2 routes, 2 mappings, 2 datasets, 2 funnels.\n"
    )


def test_check_tells_mistakes_as_compilers_do(run: Run) -> None:
    result = run("check", "bad.toml")
    assert result.exit_code == 1
    first, second, last = result.stdout.splitlines()
    assert first == 'bad.toml:2: Page #1, id: must be text, not a number. Mend: put it in quotes: "1".'
    assert second.startswith('bad.toml:5: Page 2, nme: is not a key of this table. Mend: write "name"')
    assert last == "2 mistakes."


def test_check_for_programs(run: Run) -> None:
    result = run("check", "bad.toml", "--json")
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert (told["file"], told["ok"], told["warnings"]) == ("bad.toml", False, [])
    assert told["mistakes"][0] == {
        "line": 2,
        "where": "Page #1, id",
        "message": "must be text, not a number",
        "mend": 'put it in quotes: "1"',
    }
    good = json.loads(run("check", "good.toml", "--json").stdout)
    assert (good["ok"], good["mistakes"]) == (True, [])


def test_warnings_do_not_stop_anything(run: Run) -> None:
    result = run("check", "-", input='[[pages]]\nid = "1"\n')
    assert result.exit_code == 0
    assert "<stdin>:1: warning: Page 1: no route takes its leads" in result.stdout
    assert "<stdin> is fine: 1 Page." in result.stdout


def test_a_file_that_is_none(run: Run) -> None:
    result = run("check", "nothing.toml")
    assert (result.exit_code, result.stdout.splitlines()[0]) == (
        1,
        "nothing.toml: file: there is no such file. Mend: check the path; it starts from the working folder.",
    )


def test_usage(run: Run) -> None:
    assert run("check").exit_code == 2
    assert "LEADLOOP_CONFIG" in run("check").stderr
    assert run("check", "a", "b").exit_code == 2
    assert run("apply", "--nonsense").exit_code == 2


def test_the_file_of_the_settings_is_meant_when_none_is_named(run: Run) -> None:
    assert run("check", leadloop_config="good.toml").exit_code == 0
    assert run("check", leadloop_config="bad.toml").exit_code == 1


def test_apply_dry_run_again_and_export(run: Run, settings: Settings) -> None:
    upgrade_database(settings)
    dry = run("apply", "good.toml", "--dry-run")
    assert dry.exit_code == 0
    assert dry.stdout.splitlines()[0] == "Page 111111111111111: added"
    assert dry.stdout.splitlines()[-1] == "13 changes would be made; nothing was changed (--dry-run)."
    real = run("apply", "good.toml")
    assert real.exit_code == 0
    assert real.stdout.splitlines()[:-1] == dry.stdout.splitlines()[:-1]
    assert real.stdout.splitlines()[-1] == "13 changes made."
    assert run("apply", "good.toml").stdout == "Nothing to change: leadloop works as the file says.\n"
    exported = run("export")
    assert exported.exit_code == 0
    assert 'access_token = "$ACME_PAGE_TOKEN"' in exported.stdout
    data = json.loads(run("export", "--json").stdout)
    assert [page["id"] for page in data["pages"]] == ["111111111111111", "112"]


def test_a_change_of_dataset_is_warned_of(run: Run, settings: Settings) -> None:
    upgrade_database(settings)
    run("apply", "good.toml")
    moved = GOOD.replace('dataset_id = "900000000000001"', 'dataset_id = "900000000000009"').replace(
        'id = "900000000000001"', 'id = "900000000000009"'
    )
    warnings = [
        "<stdin>: warning: Page 111111111111111, dataset_id: is 900000000000009, and was 900000000000001",
        "<stdin>: warning: funnel crm, dataset_id: events of the route conversion_leads go to 900000000000009",
    ]
    check = run("check", "-", input=moved)
    dry = run("apply", "-", "--dry-run", input=moved)
    told = json.loads(run("check", "-", "--json", input=moved).stdout)
    assert [warning["line"] for warning in told["warnings"]] == [0, 0]
    real = run("apply", "-", input=moved)
    assert (check.exit_code, dry.exit_code, real.exit_code) == (0, 0, 0)
    for output in (check.stdout, dry.stderr, real.stderr):
        found = [line for line in output.splitlines() if "warning" in line]
        assert [line.startswith(words) for line, words in zip(found, warnings, strict=True)] == [True, True]
    assert "warning" not in run("check", "-", input=moved).stdout
    assert "warning" not in run("apply", "-", input=moved).stderr


@pytest.mark.parametrize(
    "database_url",
    [
        "sqlite:////nowhere/leadloop.db",
        "sqlite:///none.db",
        "sqlite:///good.toml",
        "postgresql+psycopg://x@127.0.0.1:1/x",
    ],
)
def test_check_needs_no_database(run: Run, database_url: str, tmp_path: Path) -> None:
    result = run("check", "good.toml", database_url=database_url, redis_url="redis://127.0.0.1:1/0")
    assert (result.exit_code, len(result.stdout.splitlines()), result.stderr) == (0, 1, "")
    assert not (tmp_path / "none.db").exists()


def test_check_needs_no_database_of_this_version(run: Run, settings: Settings) -> None:
    engine = make_engine(settings.database_url)
    upgrade(engine, "0001")
    engine.dispose()
    assert run("check", "good.toml").exit_code == 0


def test_an_export_can_be_applied(run: Run, settings: Settings) -> None:
    upgrade_database(settings)
    run("apply", "-", input=ALL_NAMED)
    exported = run("export").stdout
    assert check_text(exported, settings.environ).mistakes == ()
    assert run("apply", "-", input=exported).stdout == "Nothing to change: leadloop works as the file says.\n"


def test_apply_for_programs(run: Run, settings: Settings) -> None:
    upgrade_database(settings)
    told = json.loads(run("apply", "good.toml", "--json", "--dry-run").stdout)
    assert (told["ok"], told["applied"], len(told["changes"])) == (True, False, 13)
    told = json.loads(run("apply", "good.toml", "--json").stdout)
    assert (told["ok"], told["applied"]) == (True, True)
    assert told["changes"][2] == {"kind": "connection", "name": "crm", "action": "added", "details": []}


def test_a_file_with_mistakes_changes_nothing(run: Run, settings: Settings) -> None:
    upgrade_database(settings)
    run("apply", "good.toml")
    before = run("export").stdout
    result = run("apply", "bad.toml")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.splitlines()[-1] == "2 mistakes; nothing was changed."
    told = json.loads(run("apply", "bad.toml", "--json").stdout)
    assert (told["ok"], told["applied"], told["changes"]) == (False, False, [])
    assert run("export").stdout == before


def test_a_database_of_another_version_is_refused(run: Run, settings: Settings) -> None:
    engine = make_engine(settings.database_url)
    upgrade(engine, "0001")
    engine.dispose()
    with pytest.raises(SettingsError, match="leadloop db upgrade"):
        run("apply", "good.toml")


def test_colours_only_on_a_terminal(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    assert "\x1b" not in run("check", "bad.toml").stdout
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[1;31mPage #1, id\x1b[0m" in run("check", "bad.toml").stdout


def test_the_sample_passes_the_check(run: Run) -> None:
    sample = run("sample")
    assert sample.exit_code == 0
    assert run("check", "-", input=sample.stdout).exit_code == 0
