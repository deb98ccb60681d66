"""The sandbox's own database, how commands beside `leadloop run --sandbox` find it, and what keeps it apart from real work."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import rich_click as click
from sqlalchemy import select
from sqlalchemy.orm import Session

from configuration.configured import open_sealed
from configuration.entries import Config
from leadloop.errors import SettingsError
from leadloop.ports import Vault
from leadloop.settings import DATABASE_URL, Settings, read_dotenv
from store.models import Connection, Notifier, Page
from store.vault import key_file_for

SANDBOX_DATABASE_URL = "sqlite:///leadloop-sandbox.db"
_OWN_SCHEMES = frozenset(["http", "https", "json", "jsons", "xml", "xmls", "form", "forms", "postgresql", "mysql"])


def use_sandbox_database(settings: Settings) -> Settings:
    """Settings for a process that starts the sandbox: on a database of its own, unless one was chosen by name."""
    return settings if settings.names_database else settings.with_(database_url=SANDBOX_DATABASE_URL)


def write_note(settings: Settings) -> None:
    """Note how the sandbox that serves this database is reached, so that commands beside `leadloop run --sandbox` ask it
    and not the real Meta. It is forgotten as soon as META_APP_SECRET is set."""
    path = note_file(settings.database_url)
    path.touch(mode=0o600)
    path.write_text(
        f"META_APP_ID={settings.meta_app_id}\nMETA_APP_SECRET={settings.meta_app_secrets[0]}\n"
        f"META_VERIFY_TOKEN={settings.meta_verify_token}\nMETA_ACCESS_TOKEN={settings.meta_access_token}\n"
        f"META_GRAPH_URL={settings.meta_graph_url}\n"
    )


def note_file(database_url: str) -> Path:
    return key_file_for(database_url).with_suffix(".sandbox")


def with_sandbox(settings: Settings) -> Settings:
    """Settings for a command: those of the sandbox and its database, where no Meta app is configured and a sandbox was
    started here. Who names the sandbox's database means the sandbox, whatever else is set."""
    if settings.meta_app_secrets and settings.database_url != SANDBOX_DATABASE_URL:
        return settings
    if not settings.names_database and _was_started():
        settings = settings.with_(database_url=SANDBOX_DATABASE_URL)
    if not note_file(settings.database_url).is_file():
        return settings
    noted = read_dotenv(note_file(settings.database_url))
    return settings.with_(
        meta_app_id=noted.get("META_APP_ID", ""),
        meta_app_secrets=(noted.get("META_APP_SECRET", ""),),
        meta_verify_token=noted.get("META_VERIFY_TOKEN", settings.meta_verify_token),
        meta_access_token=noted.get("META_ACCESS_TOKEN", ""),
        meta_graph_url=noted.get("META_GRAPH_URL", settings.meta_graph_url),
    )


def tell_which(chosen: Settings, used: Settings) -> None:
    """Say so when a command is about the sandbox while there is a database of real leads, too."""
    real = Path(DATABASE_URL.removeprefix("sqlite:///"))
    if used.database_url != chosen.database_url and real.is_file():
        click.echo(f"META_APP_SECRET is not set: this is about the sandbox, not about {real}.", err=True)


def _was_started() -> bool:
    database = Path(SANDBOX_DATABASE_URL.removeprefix("sqlite:///"))
    return database.is_file() and note_file(SANDBOX_DATABASE_URL).is_file()


# --- what is the sandbox's --------------------------------------------------------------------------------------------


def refuse_other_file(config: Config, name: str) -> None:
    """Raise unless everything that a configuration file names is the sandbox's or on this machine: the sandbox sends
    leads of invented people, and they must reach nobody."""
    others = _name_others(
        (page.page_id for page in config.pages),
        ((one.name, dict(one.settings)) for one in config.connections),
        ((one.name, list(one.urls)) for one in config.notifiers),
    )
    if others:
        raise SettingsError(
            f"The sandbox's invented leads must not go where {name} (LEADLOOP_CONFIG) says: {others} is not of the"
            " sandbox. Set META_APP_SECRET and run without --sandbox to work with this file, or take LEADLOOP_CONFIG away"
            " to try the sandbox."
        )


def refuse_other_database(session: Session, vault: Vault) -> None:
    """Raise when the database is configured for anything but the sandbox, whose configuration would replace it."""
    others = _name_others(
        session.scalars(select(Page.page_id).where(Page.configured.is_(True)).order_by(Page.position)),
        (
            (row.name, _opened(vault, row.settings_sealed))
            for row in session.scalars(select(Connection).where(Connection.removed_at.is_(None)))
        ),
        (
            (row.name, _opened(vault, row.urls_sealed))
            for row in session.scalars(select(Notifier).where(Notifier.removed_at.is_(None)))
        ),
    )
    if others:
        raise SettingsError(
            f"The database of DATABASE_URL is configured for real work ({others}), and the sandbox would replace that:"
            f" take DATABASE_URL away, and the sandbox uses {SANDBOX_DATABASE_URL}, or name another one for it."
        )


def _opened(vault: Vault, sealed: str) -> Any:
    """None when it does not open: what the sandbox sealed opens with the key that is beside it."""
    plain = open_sealed(vault, sealed)
    return None if plain is None else json.loads(plain)


def _name_others(
    pages: Iterable[str], connections: Iterable[tuple[str, Any]], notifiers: Iterable[tuple[str, Any]]
) -> str:
    """Pages, connections and notifiers that are not the sandbox's, in words; "" when there is none."""
    from sandbox.forms import PAGES  # the sandbox is much to import, for commands that do not need it

    own = {page.page_id for page in PAGES}
    found = [f"Page {page_id}" for page_id in pages if page_id not in own]
    found += [f"connection {name}" for name, settings in connections if not _stays_here((settings or {}).get("url"))]
    found += [f"notifier {name}" for name, urls in notifiers if urls is None or not all(map(_stays_here, urls))]
    return ", ".join(found[:3]) + (f" and {len(found) - 3} more" if len(found) > 3 else "")


def _stays_here(url: Any) -> bool:
    """Whether what is sent to this URL stays on this machine. Only kinds that say so by their host are trusted."""
    from sandbox.loopback import is_loopback

    try:
        parts = urlsplit(str(url or ""))
        scheme, host = parts.scheme.partition("+")[0], parts.hostname or ""
    except ValueError:
        return False
    if scheme == "sqlite":
        return True
    return scheme in _OWN_SCHEMES and (host == "localhost" or is_loopback(host)) and "host" not in parse_qs(parts.query)
