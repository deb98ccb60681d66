"""Environment and `.env` become one frozen Settings; nobody else reads os.environ."""

import base64
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from urllib.parse import urlsplit

from dotenv.parser import parse_stream

from leadloop.errors import RetryPolicy, SettingsError

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
DATABASE_URL = "sqlite:///leadloop.db"  # where none is set
LEAST_THREADS = 4  # one for each kind of destination: notices, Graph, CRMs, alerts


@dataclass(frozen=True)
class Settings:
    """All settings, checked. Names follow the environment variables in lower case.

    `environ` is the merged environment ('.env' below the real one), for "$NAME" in the configuration file.
    Fields with secrets stay out of repr().
    """

    database_url: str = field(default=DATABASE_URL, repr=False)
    redis_url: str = field(default="", repr=False)
    meta_app_id: str = ""
    meta_app_secrets: tuple[str, ...] = field(default=(), repr=False)
    meta_verify_token: str = field(default="", repr=False)
    meta_access_token: str = field(default="", repr=False)
    meta_graph_url: str = "https://graph.facebook.com"
    meta_graph_version: str = "v26.0"
    leadloop_config: str = ""
    leadloop_secret_keys: tuple[str, ...] = field(default=(), repr=False)
    sentry_dsn: str = field(default="", repr=False)
    log_level: str = "INFO"
    log_format: str = "auto"
    retry_first_s: float = 2.0
    retry_longest_s: float = 86_400.0
    retry_give_up_s: float = 604_800.0
    lease_s: float = 120.0
    stop_grace_s: float = 25.0
    web_threads: int = 16
    worker_threads: int = 64
    events_batch: int = 50
    events_batch_most: int = 500
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def names_database(self) -> bool:
        """Whether somebody chose the database. If nobody did, the sandbox takes one of its own."""
        return self.database_url != DATABASE_URL or bool(self.environ.get("DATABASE_URL", "").strip())

    @property
    def retry_policy(self) -> RetryPolicy:
        return RetryPolicy(first_s=self.retry_first_s, longest_s=self.retry_longest_s, give_up_s=self.retry_give_up_s)

    def require_meta(self) -> None:
        """Raise unless Meta's notices can be verified. There is no way to switch the check off."""
        if not self.meta_app_secrets:
            raise SettingsError(
                "META_APP_SECRET is not set: without it no notice from Meta can be verified. Copy it from your app's"
                " dashboard (App settings > Basic > App secret) into the environment or .env, or try leadloop"
                " without a Meta account: leadloop run --sandbox."
            )
        if not self.meta_verify_token:
            raise SettingsError(
                "META_VERIFY_TOKEN is not set: choose any long random text, put it into the environment or .env and"
                " enter the same text in your app's webhook dialog."
            )

    def with_(self, **changes: object) -> "Settings":
        """A copy with some fields replaced (the sandbox and tests use it)."""
        return replace(self, **changes)  # type: ignore[arg-type]


def read_settings(environ: Mapping[str, str] | None = None, *, dotenv: Path | None = None) -> Settings:
    """Settings from `environ` (default: the process's), with the file `.env` of the working folder below it.

    Raises SettingsError: one sentence naming the setting and the mend.
    """
    merged = _merge(dict(os.environ) if environ is None else dict(environ), dotenv or Path(".env"))

    def text(name: str, default: str = "") -> str:
        return merged.get(name, "").strip() or default

    return Settings(
        database_url=_database_url(text("DATABASE_URL", DATABASE_URL)),
        redis_url=_url(text("REDIS_URL"), "REDIS_URL", ("redis", "rediss", "unix"), "redis://127.0.0.1:6379/0"),
        meta_app_id=_digits(text("META_APP_ID"), "META_APP_ID"),
        meta_app_secrets=_several(text("META_APP_SECRET")),
        meta_verify_token=text("META_VERIFY_TOKEN"),
        meta_access_token=text("META_ACCESS_TOKEN"),
        meta_graph_url=_url(
            text("META_GRAPH_URL", "https://graph.facebook.com"),
            "META_GRAPH_URL",
            ("https", "http"),
            "https://graph.facebook.com",
        ).rstrip("/"),
        meta_graph_version=_version(text("META_GRAPH_VERSION", "v26.0")),
        leadloop_config=text("LEADLOOP_CONFIG"),
        leadloop_secret_keys=_fernet_keys(text("LEADLOOP_SECRET_KEY")),
        sentry_dsn=_url(text("SENTRY_DSN"), "SENTRY_DSN", ("https", "http"), "https://key@host/1"),
        log_level=_choice(text("LOG_LEVEL", "INFO").upper(), "LOG_LEVEL", LOG_LEVELS),
        log_format=_choice(text("LOG_FORMAT", "auto").lower(), "LOG_FORMAT", ("auto", "json", "console")),
        retry_first_s=_number(merged, "LEADLOOP_RETRY_FIRST_S", 2.0, 0.01, 3600),
        retry_longest_s=_number(merged, "LEADLOOP_RETRY_LONGEST_S", 86_400.0, 0.01, 7 * 86_400),
        retry_give_up_s=_number(merged, "LEADLOOP_RETRY_GIVE_UP_S", 604_800.0, 1, 90 * 86_400),
        lease_s=_number(merged, "LEADLOOP_LEASE_S", 120.0, 1, 3600),
        stop_grace_s=_number(merged, "LEADLOOP_STOP_GRACE_S", 25.0, 0, 3600),
        web_threads=int(_number(merged, "LEADLOOP_WEB_THREADS", 16, 1, 512)),
        worker_threads=int(_number(merged, "LEADLOOP_WORKER_THREADS", 64, LEAST_THREADS, 512)),
        events_batch=int(_number(merged, "LEADLOOP_EVENTS_BATCH", 50, 1, 1000)),
        events_batch_most=int(_number(merged, "LEADLOOP_EVENTS_BATCH_MOST", 500, 1, 1000)),
        environ=merged,
    )


def tidy_environ() -> None:
    """Before gunicorn is imported, which reads WEB_CONCURRENCY just then and breaks off at anything but a number."""
    text = os.environ.get("WEB_CONCURRENCY")
    if text is not None and not text.strip():
        del os.environ["WEB_CONCURRENCY"]
    elif text is not None and not text.strip().isdecimal():
        raise SettingsError("WEB_CONCURRENCY must be a whole number, the processes of leadloop web.")


SETTING_NAMES = tuple(field_.name for field_ in fields(Settings))


def _merge(environ: dict[str, str], dotenv: Path) -> dict[str, str]:
    return (read_dotenv(dotenv) if dotenv.is_file() else {}) | environ


def read_dotenv(path: Path) -> dict[str, str]:
    """The variables of a `.env` file, as they stand: "$" means nothing in them.

    Raises SettingsError for a line that cannot be understood. To pass over it could start the process without the
    secret that stands there.
    """
    try:
        with path.open(encoding="utf-8-sig") as file:
            lines = list(parse_stream(file))
    except UnicodeDecodeError as caught:
        raise SettingsError(f"{path} cannot be read: it is not UTF-8 text. Save it as UTF-8.") from caught
    except OSError as caught:
        raise SettingsError(
            f"{path} cannot be read ({caught.strerror}): give the user that leadloop runs as the right to read it."
        ) from caught
    for line in lines:
        if line.error:
            written = line.original.string
            number = line.original.line + written[: -len(written.lstrip())].count("\n")
            raise SettingsError(
                f"{path}, line {number}, cannot be understood: write NAME=value, and end a value that begins"
                " with a quote with the same quote."
            )
    return {line.key: line.value for line in lines if line.key is not None and line.value is not None}


def _several(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _database_url(text: str) -> str:
    scheme = text.split(":", 1)[0]
    if scheme in ("postgres", "postgresql"):  # what hosts put into DATABASE_URL; SQLAlchemy wants the driver named
        return "postgresql+psycopg" + text[len(scheme) :]
    if scheme == "sqlite" and _is_in_memory(text):
        raise SettingsError(
            "DATABASE_URL names a SQLite database in memory, which would lose every lead with the process; name a file,"
            f" for example {DATABASE_URL}."
        )
    if scheme in ("sqlite", "postgresql+psycopg") and ":" in text:
        return text
    raise SettingsError(
        "DATABASE_URL must start with sqlite:/// or postgresql:// (for example sqlite:///leadloop.db or"
        " postgresql://user:password@host/leadloop)."
    )


def _is_in_memory(url: str) -> bool:
    path, _, query = url.partition(":")[2].removeprefix("//").removeprefix("/").partition("?")
    return path in ("", ":memory:", "file::memory:") or "mode=memory" in query.split("&")


def _url(text: str, name: str, schemes: tuple[str, ...], example: str) -> str:
    if not text:
        return ""
    try:
        parts = urlsplit(text)
        good = parts.scheme in schemes and bool(parts.netloc or parts.scheme == "unix") and (parts.port or 1) > 0
    except ValueError:
        good = False
    if not good:
        raise SettingsError(f"{name} is not a URL that leadloop understands; it should look like {example}.")
    return text


def _digits(text: str, name: str) -> str:
    if text and not (text.isascii() and text.isdigit()):
        raise SettingsError(f"{name} must be the digits of your Meta app's id (App settings > Basic > App ID).")
    return text


def _version(text: str) -> str:
    major, dot, minor = text.removeprefix("v").partition(".")
    if not (text.startswith("v") and dot and major.isdigit() and minor.isdigit()):
        raise SettingsError(f"META_GRAPH_VERSION must look like v26.0, not {text[:20]!r}.")
    return text


def _choice(text: str, name: str, allowed: tuple[str, ...]) -> str:
    if text not in allowed:
        raise SettingsError(f"{name} must be one of {', '.join(allowed)}.")
    return text


def _number(merged: Mapping[str, str], name: str, default: float, least: float, most: float) -> float:
    text = merged.get(name, "").strip()
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not least <= value <= most:
        raise SettingsError(f"{name} must be a number from {least:g} to {most:g}.")
    return value


def _fernet_keys(text: str) -> tuple[str, ...]:
    keys = _several(text)
    for position, key in enumerate(keys, 1):
        try:
            good = len(base64.urlsafe_b64decode(key)) == 32
        except ValueError:
            good = False
        if not good:
            which = f" (number {position} of {len(keys)})" if len(keys) > 1 else ""
            raise SettingsError(
                f"LEADLOOP_SECRET_KEY{which} is not a Fernet key: 32 bytes in url-safe base64, 44 characters. Make one"
                ' with: python -c "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())"'
            )
    return keys
