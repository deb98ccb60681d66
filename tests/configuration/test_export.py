"""An export reads back as what was applied, shows no secret, and keeps the names of variables."""

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from configuration_samples import ALL_NAMED, ENVIRON, GOOD, NAMED_ENVIRON, SECRETS
from conftest import NOW
from cryptography.fernet import Fernet
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from configuration.apply import apply
from configuration.check import check_text
from configuration.export import export_data, export_text
from configuration.toml_writer import write_pair, write_table
from crm_adapters import ADAPTERS
from leadloop.errors import SettingsError
from store.engine import make_engine
from store.models import Base, Connection, Page
from store.vault import FernetVault

VAULT = FernetVault((Fernet.generate_key().decode(),))


@pytest.fixture
def sqlite_engine(tmp_path: Path) -> Iterator[Engine]:
    engine = make_engine(f"sqlite:///{tmp_path}/leadloop.db")
    Base.metadata.create_all(engine)
    yield engine
    engine.dispose()


def apply_text(engine: Engine, text: str, environ: dict[str, str] = NAMED_ENVIRON) -> None:
    config = check_text(text, environ).config
    assert config is not None
    with Session(engine) as session, session.begin():
        apply(session, config, VAULT, NOW)


def export(engine: Engine) -> str:
    with Session(engine) as session:
        text = export_text(session, VAULT)
        assert tomllib.loads(text) == export_data(session, VAULT) or not export_data(session, VAULT)
    return text


def test_where_all_secrets_are_named_the_export_is_the_file_again(sqlite_engine: Engine) -> None:
    apply_text(sqlite_engine, ALL_NAMED)
    text = export(sqlite_engine)
    assert check_text(text, NAMED_ENVIRON).config == check_text(ALL_NAMED, NAMED_ENVIRON).config
    apply_text(sqlite_engine, text)
    assert export(sqlite_engine) == text


def test_secrets_in_the_clear_are_masked_and_an_apply_refuses_the_mask(sqlite_engine: Engine) -> None:
    clear = GOOD
    for name, value in ENVIRON.items():
        clear = clear.replace(f'"${name}"', f'"{value}"')
    apply_text(sqlite_engine, clear)
    text = export(sqlite_engine)
    assert not [secret for secret in SECRETS if secret in text]
    assert 'access_token = "••••"' in text
    assert 'urls = ["slack://••••", "mailtos://••••"]' in text
    mistakes = check_text(text, NAMED_ENVIRON).mistakes
    # Three tokens, two secrets, a header (the adapter calls headers secret), four addresses.
    assert len(mistakes) == 10
    assert all("mask of an export" in mistake.message for mistake in mistakes)


def test_keys_of_a_funnel_are_written_in_the_order_of_the_documentation(sqlite_engine: Engine) -> None:
    apply_text(sqlite_engine, ALL_NAMED)
    first, second = tomllib.loads(export(sqlite_engine))["funnels"]
    assert list(first) == ["connection", "dataset_id", "stages"]
    assert list(second) == [
        *(
            "connection",
            "dataset_id",
            "route",
            "advance_only",
            "fill_skipped",
            "when",
            "consent",
            "ldu_states",
            "stages",
        )
    ]
    assert second["stages"][0]["predicted_value"] == "1200.10"


def test_only_a_notifier_of_the_admins_says_so(sqlite_engine: Engine) -> None:
    admins = '[[notifiers]]\nname = "ops"\nurls = ["$SALES_SLACK_URL"]\nadmin = true\n'
    apply_text(sqlite_engine, ALL_NAMED + admins)
    text = export(sqlite_engine)
    assert [one.get("admin") for one in tomllib.loads(text)["notifiers"]] == [None, True]
    assert check_text(text, NAMED_ENVIRON).config == check_text(ALL_NAMED + admins, NAMED_ENVIRON).config


def test_what_is_removed_is_not_exported(sqlite_engine: Engine) -> None:
    apply_text(sqlite_engine, ALL_NAMED)
    apply_text(sqlite_engine, "pages = []")
    text = export(sqlite_engine)
    assert tomllib.loads(text) == {"pages": []}
    assert check_text(text, {}).config == check_text("pages = []", {}).config


def test_addresses_that_are_no_secret_lose_their_passwords(sqlite_engine: Engine) -> None:
    url = "https://hooks.example/a?key=hush&b=hush2#part"
    settings = {"url": url, "dsn": "postgresql://me:hush@db/x", "text": "$5", "deep": [{"n": 1.5, "b": True, "s": "a"}]}
    with Session(sqlite_engine) as session, session.begin():
        sealed = VAULT.seal(json.dumps(settings))
        session.add(Connection(name="a", adapter="webhook", settings_sealed=sealed, changed_at=NOW))
    shown = tomllib.loads(export(sqlite_engine))["connections"][0]["settings"]
    assert shown == {
        "url": "https://hooks.example/••••?key=••••&b=••••#part",
        "dsn": "postgresql://me:••••@db/x",
        "text": "$$5",
        "deep": [{"n": 1.5, "b": True, "s": "a"}],
    }


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://hooks.zapier.com/hooks/catch/1/PATHSECRET", "https://hooks.zapier.com/••••"),
        ("https://hook.eu1.make.com/PATHSECRET/", "https://hook.eu1.make.com/••••"),
        ("https://hooks.example:8443//PATHSECRET", "https://hooks.example:8443/••••"),
        ("https://hooks.example/PATHSECRET?x=https://a/PATHSECRET", "https://hooks.example/••••?x=••••"),
        ("https://crm.example/", "https://crm.example/"),
        ("https://crm.example", "https://crm.example"),
    ],
)
def test_an_address_with_a_key_in_its_path_shows_its_host(url: str, shown: str, sqlite_engine: Engine) -> None:
    with Session(sqlite_engine) as session, session.begin():
        for name, env_names in (("clear", None), ("named", {"/url": "HOOK_URL"})):
            sealed = VAULT.seal(json.dumps({"url": url}))
            session.add(
                Connection(name=name, adapter="webhook", settings_sealed=sealed, env_names=env_names, changed_at=NOW)
            )
    clear, named = tomllib.loads(export(sqlite_engine))["connections"]
    assert (clear["settings"]["url"], named["settings"]["url"]) == (shown, "$HOOK_URL")


@pytest.mark.parametrize("adapter", ["not_installed", "does_not_load"])
def test_an_adapter_that_is_gone_hides_everything(
    adapter: str, sqlite_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ADAPTERS, "does_not_load", "no_such_module:Adapter")
    with Session(sqlite_engine) as session, session.begin():
        settings = {"url": "https://a.example", "pin": 1234, "deep": {"k": ["s"]}, "host": "h"}
        session.add(
            Connection(
                name="a",
                adapter=adapter,
                settings_sealed=VAULT.seal(json.dumps(settings)),
                env_names={"/host": "HOST"},
                changed_at=NOW,
            )
        )
    shown = tomllib.loads(export(sqlite_engine))["connections"][0]["settings"]
    assert shown == {"url": "••••", "pin": "••••", "deep": {"k": ["••••"]}, "host": "$HOST"}


def test_a_lost_key_is_told(sqlite_engine: Engine) -> None:
    apply_text(sqlite_engine, ALL_NAMED)
    with Session(sqlite_engine) as session, pytest.raises(SettingsError, match="LEADLOOP_SECRET_KEY"):
        export_text(session, FernetVault((Fernet.generate_key().decode(),)))


def test_texts_of_every_kind_survive(sqlite_engine: Engine) -> None:
    name = 'İ "quoted" \\ 🌷 \u200f'.replace("\u200f", "")
    template = "Line 1\nLine 2\t{{}} {full_name}\x7f"
    text = write_table("pages", {"id": "1", "name": name}) + write_table(
        "notifiers", {"name": "n", "urls": ["$SALES_SLACK_URL"], "template": template}
    )
    apply_text(sqlite_engine, text)
    data = tomllib.loads(export(sqlite_engine))
    assert data["pages"][0]["name"] == name
    assert data["notifiers"][0]["template"] == template


def test_a_page_that_only_wrote_to_us_is_not_exported(sqlite_engine: Engine) -> None:
    with Session(sqlite_engine) as session, session.begin():
        session.add(Page(page_id="112", configured=False))
    assert tomllib.loads(export(sqlite_engine)) == {"pages": []}


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
PLAIN = st.recursive(
    st.one_of(TEXTS, st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False, allow_infinity=False)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


@settings(deadline=None)
@given(st.lists(st.dictionaries(TEXTS, PLAIN, max_size=4), max_size=3))
def test_what_is_written_reads_back(rows: list[dict[str, Any]]) -> None:
    text = "\n".join(write_table("t", row) for row in rows)
    assert tomllib.loads(text).get("t", []) == rows


@settings(deadline=None)
@given(TEXTS, PLAIN)
def test_a_pair_reads_back(key: str, value: Any) -> None:
    assert tomllib.loads(write_pair(key, value)) == {key: value}


def test_toml_has_no_word_for_nothing() -> None:
    with pytest.raises(TypeError, match="NoneType"):
        write_pair("a", None)
