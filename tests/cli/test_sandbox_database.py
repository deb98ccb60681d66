"""The sandbox keeps away from real work: its own database, and no configuration of somebody else's replaced or used."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from fakes import KEY
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from configuration.apply import apply
from configuration.check import check_text
from leadloop.cli import sandbox_database
from leadloop.cli.run import RunningSandbox, _configure, _read_config
from leadloop.cli.sandbox_database import SANDBOX_DATABASE_URL, use_sandbox_database, with_sandbox, write_note
from leadloop.errors import SettingsError
from leadloop.settings import Settings
from sandbox import SandboxOptions, demo_config
from store.models import Connection, Notifier, Page
from store.vault import FernetVault

REAL = """
[[pages]]
id = "111111111111111"
access_token = "real"

[[notifiers]]
name = "sales"
urls = ["json://alerts.example.com/leads"]

[[routes]]
notifiers = ["sales"]
"""
OWN_ADAPTER = """
[[pages]]
id = "101000000000001"

[[connections]]
name = "mine"
adapter = "webhook"
settings = { url = "http://localhost:9000/leads", secret = "whsec_bWFkZSB1cCBhbmQgbG9uZyBlbm91Z2gh", allow_private = true }

[[connections]]
name = "rows"
adapter = "sql"
settings = { url = "sqlite:///rows.db" }

[[notifiers]]
name = "sales"
urls = ["json://127.0.0.1:9000/alerts"]

[[routes]]
connections = ["mine", "rows"]
notifiers = ["sales"]
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def sandbox_on(settings: Settings) -> RunningSandbox:
    """Not started: what it would be, and the settings that belong to it."""
    return RunningSandbox(settings, host="127.0.0.1", port=8000, sandbox_port=8001)


@contextmanager
def configured(engine: Engine, text: str) -> Iterator[Session]:
    checked = check_text(text, {})
    assert checked.config is not None, checked.mistakes
    with Session(engine) as session, session.begin():
        apply(session, checked.config, FernetVault((KEY,)), sandbox_now(), system_token="")
    with Session(engine) as session:
        yield session


def sandbox_now() -> Any:
    from conftest import NOW

    return NOW


@pytest.mark.parametrize("text", [REAL, REAL.partition("[[notifiers]]")[0], REAL[REAL.index("[[notifiers]]") :]])
def test_a_real_configuration_is_not_replaced(engine: Engine, database_url: str, text: str) -> None:
    with configured(engine, text) as session:
        before = [row.name for row in session.scalars(select(Notifier))], list(session.scalars(select(Page.page_id)))
    settings = Settings(database_url=database_url, leadloop_secret_keys=(KEY,))
    with pytest.raises(SettingsError, match="DATABASE_URL is configured for real work"):
        _configure(settings, None, sandbox_on(settings))
    with Session(engine) as session:
        after = [row.name for row in session.scalars(select(Notifier))], list(session.scalars(select(Page.page_id)))
    assert after == before


def test_the_sandbox_configures_an_empty_database_and_its_own_again(engine: Engine, database_url: str) -> None:
    settings = Settings(database_url=database_url, leadloop_secret_keys=(KEY,))
    assert len(_configure(settings, None, sandbox_on(settings))) == 6
    assert _configure(settings, None, sandbox_on(settings)) == []
    with configured(engine, OWN_ADAPTER) as session:
        assert session.scalar(select(Connection.name).where(Connection.name == "mine"))
    assert _configure(settings, None, sandbox_on(settings)) != []


def test_a_start_warns_of_a_change_of_dataset(engine: Engine, database_url: str) -> None:
    settings = Settings(database_url=database_url, leadloop_secret_keys=(KEY,))
    before, after = (check_text(f"[[pages]]\nid = '1'\ndataset_id = '{n}'", {}).config for n in "89")
    assert _configure(settings, before, None) == ["Page 1: added"]
    changed, warning = _configure(settings, after, None)
    assert changed == "Page 1: dataset_id changed"
    assert warning.startswith("warning: Page 1, dataset_id: is 9, and was 8")


def test_what_no_key_opens_counts_as_real(engine: Engine, database_url: str) -> None:
    with configured(engine, OWN_ADAPTER):
        other = "YW5vdGhlcmtleWFub3RoZXJrZXlhbm90aGVya2V5YW4="
    settings = Settings(database_url=database_url, leadloop_secret_keys=(other,))
    with pytest.raises(SettingsError, match="connection mine"):
        _configure(settings, None, sandbox_on(settings))


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (REAL, "Page 111111111111111, notifier sales"),
        (OWN_ADAPTER.replace("http://localhost:9000", "https://crm.example.com"), "connection mine"),
        (
            OWN_ADAPTER.replace("sqlite:///rows.db", "postgresql://u:p@127.0.0.1/x?host=db.example.com"),
            "connection rows",
        ),
        (OWN_ADAPTER.replace("json://127.0.0.1:9000/alerts", "ntfy://leads"), "notifier sales"),
        (
            OWN_ADAPTER.replace("json://127.0.0.1:9000/alerts", "mailto://u:p@localhost?smtp=mail.example.com"),
            "notifier",
        ),
    ],
)
def test_a_real_file_is_not_used_with_the_sandbox(folder: Path, text: str, named: str) -> None:
    (folder / "leadloop.toml").write_text(text, encoding="utf-8")
    settings = Settings(leadloop_config="leadloop.toml")
    with pytest.raises(SettingsError, match="LEADLOOP_CONFIG") as caught:
        _read_config(settings, for_sandbox=True)
    assert named in str(caught.value)
    assert _read_config(settings, for_sandbox=False) is not None


@pytest.mark.parametrize("text", [OWN_ADAPTER, demo_config(SandboxOptions(), "http://127.0.0.1:8001")])
def test_a_file_that_stays_on_this_machine_is_used_with_the_sandbox(folder: Path, text: str) -> None:
    (folder / "leadloop.toml").write_text(text, encoding="utf-8")
    assert _read_config(Settings(leadloop_config="leadloop.toml"), for_sandbox=True) is not None


# --- which database ---------------------------------------------------------------------------------------------------


def test_the_sandbox_has_a_database_of_its_own_unless_one_is_named() -> None:
    assert use_sandbox_database(Settings()).database_url == SANDBOX_DATABASE_URL
    named = Settings(database_url="sqlite:///other.db")
    assert use_sandbox_database(named) is named
    default_named = Settings(environ={"DATABASE_URL": "sqlite:///leadloop.db"})
    assert use_sandbox_database(default_named) is default_named


def started(folder: Path) -> Settings:
    """What `leadloop run --sandbox` leaves behind."""
    settings = sandbox_on(use_sandbox_database(Settings()).with_(leadloop_secret_keys=(KEY,))).settings
    (folder / "leadloop-sandbox.db").touch()
    write_note(settings)
    return settings


def test_commands_beside_the_sandbox_find_it_without_a_setting(folder: Path) -> None:
    left = started(folder)
    found = with_sandbox(Settings())
    assert found.database_url == SANDBOX_DATABASE_URL
    assert (found.meta_graph_url, found.meta_app_secrets) == (left.meta_graph_url, left.meta_app_secrets)
    assert (folder / "leadloop-sandbox.sandbox").stat().st_mode & 0o777 == 0o600


def test_commands_leave_the_sandbox_when_there_is_an_app_or_a_database(folder: Path) -> None:
    started(folder)
    real = Settings(meta_app_secrets=("secret",))
    assert with_sandbox(real) is real
    named = Settings(database_url="sqlite:///other.db")
    assert with_sandbox(named) is named
    by_name = with_sandbox(real.with_(database_url=SANDBOX_DATABASE_URL))
    assert by_name.meta_graph_url == "http://127.0.0.1:8001"
    (folder / "leadloop-sandbox.db").unlink()
    assert with_sandbox(Settings()) == Settings()


def test_a_sandbox_on_a_database_by_name_is_found_beside_it(folder: Path) -> None:
    named = Settings(database_url="sqlite:///other.db", leadloop_secret_keys=(KEY,))
    write_note(sandbox_on(named).settings)
    assert with_sandbox(named).meta_graph_url == "http://127.0.0.1:8001"
    assert with_sandbox(named).meta_verify_token  # or the doctor would find fault with it


def test_it_is_said_when_there_is_real_work_beside_the_sandbox(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    started(folder)
    sandbox_database.tell_which(Settings(), with_sandbox(Settings()))
    assert capsys.readouterr().err == ""
    (folder / "leadloop.db").touch()
    sandbox_database.tell_which(Settings(), with_sandbox(Settings()))
    assert "not about leadloop.db" in capsys.readouterr().err
