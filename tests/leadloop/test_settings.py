"""Settings from the environment and .env: each mistake is one sentence that names the setting."""

from pathlib import Path

import pytest

from leadloop.errors import SettingsError
from leadloop.settings import Settings, read_settings

KEY = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="


def read(tmp_path: Path, **environ: str) -> Settings:
    return read_settings(environ, dotenv=tmp_path / ".env")


def test_defaults(tmp_path: Path) -> None:
    settings = read(tmp_path)
    assert settings.database_url == "sqlite:///leadloop.db"
    assert settings.meta_graph_url == "https://graph.facebook.com"
    assert settings.redis_url == ""


def test_several_secrets_and_keys_while_rotating(tmp_path: Path) -> None:
    settings = read(tmp_path, META_APP_SECRET=" new , old,", LEADLOOP_SECRET_KEY=f"{KEY},{KEY}")
    assert settings.meta_app_secrets == ("new", "old")
    assert len(settings.leadloop_secret_keys) == 2


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("LOG_LEVEL=DEBUG\nMETA_APP_ID=12\n# a comment\nX='ğ İ'\n", encoding="utf-8")
    settings = read(tmp_path, LOG_LEVEL="warning")
    assert (settings.log_level, settings.meta_app_id) == ("WARNING", "12")
    assert settings.environ["X"] == "ğ İ"


@pytest.mark.parametrize("url", ["postgres://u:p@h/db", "postgresql://u:p@h/db", "postgresql+psycopg://u:p@h/db"])
def test_hosts_spell_postgresql_in_several_ways(tmp_path: Path, url: str) -> None:
    assert read(tmp_path, DATABASE_URL=url).database_url == "postgresql+psycopg://u:p@h/db"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "mysql://x"),
        ("DATABASE_URL", "hush.db"),
        ("DATABASE_URL", "sqlite://"),
        ("DATABASE_URL", "sqlite:///:memory:"),
        ("DATABASE_URL", "sqlite:///file:x?mode=memory&uri=true"),
        ("REDIS_URL", "http://x"),
        ("REDIS_URL", "redis://"),
        ("META_APP_ID", "abc"),
        ("META_APP_ID", "١٢"),
        ("META_GRAPH_URL", "graph.facebook.com"),
        ("META_GRAPH_URL", "https://x:99999"),
        ("META_GRAPH_VERSION", "26"),
        ("META_GRAPH_VERSION", "vv.1"),
        ("LEADLOOP_SECRET_KEY", "short"),
        ("LEADLOOP_SECRET_KEY", f"{KEY},nope"),
        ("SENTRY_DSN", "hush"),
        ("LOG_LEVEL", "LOUD"),
        ("LOG_FORMAT", "xml"),
        ("LEADLOOP_RETRY_FIRST_S", "soon"),
        ("LEADLOOP_LEASE_S", "nan"),
        ("LEADLOOP_WORKER_THREADS", "3"),
    ],
)
def test_a_malformed_setting_is_named_and_not_quoted_when_secret(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read(tmp_path, **{name: value})
    assert name in str(caught.value)
    if name in ("LEADLOOP_SECRET_KEY", "SENTRY_DSN", "DATABASE_URL") and value != "sqlite://":
        assert value not in str(caught.value)


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match=r"\.env"):
        read(tmp_path)


def test_a_line_that_cannot_be_understood_is_named_and_not_quoted(tmp_path: Path) -> None:
    """Passing over it would start the process without the secret: `make run` would take the sandbox's."""
    for text, line in (
        ('META_APP_ID=1\nMETA_APP_SECRET="hush\n', 2),
        ('A=1\n\n# b\n\nB="hush\nC=2\n', 5),
        ("hush hush\n", 1),
    ):
        (tmp_path / ".env").write_text(text)
        with pytest.raises(SettingsError, match=rf"\.env, line {line},") as caught:
            read(tmp_path)
        assert "hush" not in str(caught.value)


def test_values_of_the_file_are_taken_as_they_stand(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"\xef\xbb\xbfA=a${NOPE}b\nB='$HOME'\nexport C=\"x y\"  # words\nD\n")
    assert read(tmp_path).environ == {"A": "a${NOPE}b", "B": "$HOME", "C": "x y"}


def test_a_file_that_may_not_be_read_is_said_to_be_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("A=1\n")

    def refuse(*_args: object, **_more: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)  # root may read anything
    with pytest.raises(SettingsError, match="Permission denied") as caught:
        read(tmp_path)
    assert "UTF-8" not in str(caught.value)


def test_whether_somebody_named_the_database(tmp_path: Path) -> None:
    assert not read(tmp_path).names_database
    assert read(tmp_path, DATABASE_URL="sqlite:///leadloop.db").names_database
    assert not read(tmp_path, DATABASE_URL=" ").names_database


def test_secrets_stay_out_of_repr(tmp_path: Path) -> None:
    settings = read(tmp_path, META_APP_SECRET="hush", DATABASE_URL="postgresql://u:hush@h/d", META_ACCESS_TOKEN="hush")
    assert "hush" not in repr(settings)
