"""What a failing command says, to people and to programs, and that it never is a traceback."""

import json
import os
import stat
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import leadloop.cli
from leadloop.cli import cli
from leadloop.cli.failures import Refused
from leadloop.errors import LeadloopError, NeedsHuman, SettingsError
from leadloop.settings import Settings
from store.vault import SecretUnopened


def invoke(monkeypatch: pytest.MonkeyPatch, raised: Exception, *arguments: str) -> Result:
    """`leadloop db current`, which raises."""

    def fail(_settings: Settings) -> None:
        raise raised

    monkeypatch.setattr("leadloop.cli.db.read_database_revision", fail)
    obj = leadloop.cli.Context()
    obj.__dict__["settings"] = Settings(database_url="sqlite:///nothing.db")
    return CliRunner().invoke(cli, ["db", "current", *arguments], obj=obj)


TOKEN = NeedsHuman("The token is dead.", code="graph_190", action="Make a new one.")


@pytest.mark.parametrize(
    ("raised", "exit_code", "error"),
    [
        (TOKEN, 1, {"code": "graph_190", "message": "The token is dead.", "action": "Make a new one."}),
        (SettingsError("X is not set."), 2, {"code": "settings", "message": "X is not set.", "action": None}),
        (
            Refused("There is no lead 9 here.", code="not_found", action="Look."),
            1,
            {"code": "not_found", "message": "There is no lead 9 here.", "action": "Look."},
        ),
    ],
)
def test_a_failure_is_told_to_programs_as_to_people(
    monkeypatch: pytest.MonkeyPatch, raised: Exception, exit_code: int, error: dict[str, str]
) -> None:
    monkeypatch.setattr(leadloop.cli.sys, "argv", ["leadloop"])
    people = invoke(monkeypatch, raised)
    assert (people.exit_code, people.stdout) == (exit_code, "")
    assert error["message"] in people.stderr
    assert (error["action"] or "") in people.stderr


def run_json(monkeypatch: pytest.MonkeyPatch, raised: Exception) -> Result:
    """The same with --json, on a command that has it."""

    def fail(_settings: Settings) -> None:
        raise raised

    monkeypatch.setattr("leadloop.cli.work.services_for", fail)
    obj = leadloop.cli.Context()
    obj.__dict__["settings"] = Settings()
    return CliRunner().invoke(cli, ["work", "list", "--json"], obj=obj)


@pytest.mark.parametrize(
    ("raised", "exit_code", "code"),
    [(TOKEN, 1, "graph_190"), (SettingsError("X."), 2, "settings"), (SecretUnopened(), 2, "secret_unopened")],
)
def test_programs_get_an_object(monkeypatch: pytest.MonkeyPatch, raised: Exception, exit_code: int, code: str) -> None:
    done = run_json(monkeypatch, raised)
    assert (done.exit_code, done.stderr) == (exit_code, "")
    error = json.loads(done.stdout)["error"]
    assert set(error) == {"code", "message", "action"}
    assert error["code"] == code
    if isinstance(raised, LeadloopError):
        assert error["message"] == raised.message


@pytest.mark.parametrize("arguments", [["leads", "show"], ["work", "frob"], ["leads", "list", "--limit", "x"]])
def test_wrong_usage_is_an_object_too(arguments: list[str]) -> None:
    done = CliRunner().invoke(cli, [*arguments, "--json"])
    assert (done.exit_code, done.stderr) == (2, "")
    assert json.loads(done.stdout)["error"]["code"] == "usage"
    assert CliRunner().invoke(cli, arguments).exit_code == 2


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("PORT", ["run"]),
        ("PORT", ["web"]),
        ("WEB_CONCURRENCY", ["web"]),
        ("WEB_CONCURRENCY", ["leads", "list"]),
        ("LEADLOOP_SANDBOX_PORT", ["run", "--sandbox"]),
    ],
)
def test_the_variable_is_named(command, name: str, arguments: list[str]) -> None:
    done = command(*arguments, **{name: "abc"})
    assert done.exit_code == 2
    assert name in done.stderr


def test_an_option_is_named_where_it_was_given(command) -> None:
    assert "--port" in command("run", "--port", "abc", PORT="8000").stderr
    assert "META_APP_SECRET" in command("web", WEB_CONCURRENCY="").stderr


def test_gunicorn_is_not_imported_with_a_number_that_it_cannot_read(process) -> None:
    done = process("web", WEB_CONCURRENCY="abc")
    assert done.stderr == "leadloop: WEB_CONCURRENCY must be a whole number, the processes of leadloop web.\n"


def test_a_folder_without_a_database_is_left_as_it_is(command, folder: Path) -> None:
    for arguments in (
        ["leads", "list"],
        ["leads", "show", "1"],
        ["work", "list"],
        ["api-key", "list"],
        ["config", "export"],
    ):
        done = command(*arguments)
        assert done.exit_code == 2
        assert "leadloop run" in done.stderr
        assert "leadloop config apply" in done.stderr
    assert command("db", "current").stdout == "empty\n"
    assert list(folder.iterdir()) == []
    adapters = command("crm", "list")
    assert (adapters.exit_code, adapters.stderr) == (0, "")
    assert "hubspot" in adapters.stdout
    assert json.loads(command("crm", "list", "--json").stdout)["connections"] == []


def test_the_first_apply_makes_database_and_key(command, folder: Path) -> None:
    (folder / "small.toml").write_text(
        '[[pages]]\nid = "111111111111111"\naccess_token = "$TOKEN"\n'
        '[[notifiers]]\nname = "sales"\nurls = ["json://alerts.example.com/x"]\n[[routes]]\nnotifiers = ["sales"]\n'
    )
    dry = command("config", "apply", "small.toml", "--dry-run", TOKEN="EAABtoken")
    assert dry.exit_code == 2
    assert {one.name for one in folder.iterdir()} == {"small.toml"}
    done = command("config", "apply", "small.toml", TOKEN="EAABtoken")
    assert done.exit_code == 0
    assert "Made the database leadloop.db." in done.stderr
    assert "leadloop.key" in done.stderr
    for name in ("leadloop.db", "leadloop.key"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600
    again = command("config", "apply", "small.toml", TOKEN="EAABtoken")
    assert (again.stdout, again.stderr) == ("Nothing to change: leadloop works as the file says.\n", "")
    (folder / "leadloop.key").unlink()
    assert command("leads", "list").stdout == "No leads yet.\n"  # no secret is opened
    assert "leadloop run" in command("config", "export").stderr


def test_an_output_that_takes_no_more(command, process) -> None:
    assert command("db", "upgrade").exit_code == 0
    with open("/dev/full", "wb") as full:
        done = process("leads", "list", stdout=full.fileno())
    assert (done.returncode, done.stderr) == (1, "leadloop: the output cannot be written: No space left on device.\n")


def test_a_reader_that_leaves_is_no_failure_to_talk_of(command, process) -> None:
    assert command("db", "upgrade").exit_code == 0
    reading, writing = os.pipe()
    os.close(reading)
    done = process("leads", "export", "--csv", "-", stdout=writing)
    os.close(writing)
    assert "Broken pipe" not in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("arguments", [["crm", "list", "--json"], ["leads", "--help"]])
def test_terminals_of_other_encodings(process, arguments: list[str]) -> None:
    done = process(*arguments, PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_folder_that_may_not_be_written(folder: Path) -> None:
    from store.vault import read_or_make_key

    if os.geteuid() == 0:  # root writes anywhere; a folder that is none stands in
        (folder / "file").touch()
        path = folder / "file" / "leadloop.key"
    else:
        folder.chmod(0o500)
        path = folder / "leadloop.key"
    with pytest.raises(SettingsError, match=r"leadloop\.key"):
        read_or_make_key(path, may_make=True)


def test_a_key_file_that_holds_none(folder: Path) -> None:
    from store.vault import read_or_make_key

    (folder / "leadloop.key").write_text("")
    with pytest.raises(SettingsError, match="holds no Fernet key"):
        read_or_make_key(folder / "leadloop.key", may_make=True)


def test_the_program_is_named_as_the_shell_knows_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from leadloop.cli.run import program_name

    made = tmp_path / ".venv" / "bin"
    made.mkdir(parents=True)
    (made / "leadloop").touch(mode=0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "executable", str(made / "python"))
    monkeypatch.setenv("PATH", "/usr/bin")
    assert program_name() == ".venv/bin/leadloop"
    monkeypatch.setenv("PATH", f"{made}:/usr/bin")
    assert program_name() == "leadloop"
