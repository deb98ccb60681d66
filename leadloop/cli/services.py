"""Where everything meets: settings become Services for a process that serves, works or answers one command."""

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from threading import Lock

from dotenv import dotenv_values
from sqlalchemy.exc import SQLAlchemyError

from leadloop.errors import SettingsError
from leadloop.http import HttpDoor
from leadloop.logs import get_logger
from leadloop.ports import Bell, Services
from leadloop.settings import Settings
from meta_graph.client import GraphClient
from meta_graph.usage import UsageHint
from store.counters import DatabaseCounters
from store.engine import make_engine, make_reader
from store.figures import OTHER
from store.lanes import Rest, graph_lane, rest_lane
from store.migrate import find_schema_problem, upgrade
from store.vault import FernetVault, key_file_for, read_or_make_key
from store.writer import GroupWriter
from workers.bell import RqBell, SilentBell

log = get_logger(__name__)


def now_utc() -> datetime:
    return datetime.now(UTC)


def open_services(settings: Settings, *, bell: Bell | None = None, pool_size: int = 10) -> Services:
    """Services on the database of `settings`. Without `bell`: RQ's when REDIS_URL is set, else a silent one."""
    settings = with_secret_key(settings, may_make=False)
    engine = make_engine(settings.database_url, pool_size=pool_size)
    writer = GroupWriter(engine)
    counters = DatabaseCounters(writer)
    if bell is None:
        bell = RqBell(settings.redis_url) if settings.redis_url else SilentBell()
    usage = _UsageNotes(writer)
    graph = GraphClient(
        base_url=settings.meta_graph_url,
        version=settings.meta_graph_version,
        app_secrets=settings.meta_app_secrets,
        http=HttpDoor(pool_size=settings.worker_threads),
        on_usage=usage.note,
        on_call=partial(_note_call, counters),
        now=now_utc,
        app_id=settings.meta_app_id,
    )
    return Services(
        settings=settings,
        engine=engine,
        read=make_reader(engine),
        writer=writer,
        bell=bell,
        vault=FernetVault(settings.leadloop_secret_keys),
        counters=counters,
        now=now_utc,
        graph=graph,
    )


def close_services(services: Services) -> None:
    """Ring and write down what is left, and let go of the database."""
    if isinstance(services.bell, RqBell):
        services.bell.close()
    services.counters.close()
    services.writer.close()
    services.engine.dispose()


def write_sandbox_environ(settings: Settings) -> None:
    """Note how the sandbox that serves this database is reached, so that commands beside `leadloop run --sandbox` ask it
    and not the real Meta. It is forgotten as soon as META_APP_SECRET is set."""
    path = _sandbox_file(settings)
    path.touch(mode=0o600)
    path.write_text(
        f"META_APP_ID={settings.meta_app_id}\nMETA_APP_SECRET={settings.meta_app_secrets[0]}\n"
        f"META_ACCESS_TOKEN={settings.meta_access_token}\nMETA_GRAPH_URL={settings.meta_graph_url}\n"
    )


def with_sandbox(settings: Settings) -> Settings:
    """Settings that talk to the sandbox, when no Meta app is configured and a sandbox was started on this database."""
    if settings.meta_app_secrets or not _sandbox_file(settings).is_file():
        return settings
    noted = dotenv_values(_sandbox_file(settings))
    return settings.with_(
        meta_app_id=noted.get("META_APP_ID") or "",
        meta_app_secrets=(noted.get("META_APP_SECRET") or "",),
        meta_access_token=noted.get("META_ACCESS_TOKEN") or "",
        meta_graph_url=noted.get("META_GRAPH_URL") or settings.meta_graph_url,
    )


def _sandbox_file(settings: Settings) -> Path:
    return key_file_for(settings.database_url).with_suffix(".sandbox")


@contextlib.contextmanager
def services_for(settings: Settings) -> Iterator[Services]:
    """Services for one command; the database must be of this version."""
    services = open_services(with_sandbox(settings))
    try:
        require_schema(services)
        yield services
    finally:
        close_services(services)


def require_schema(services: Services) -> None:
    """Raise SettingsError when the database cannot be reached or is not of this version."""
    try:
        problem = find_schema_problem(services.engine)
    except SQLAlchemyError as caught:
        raise SettingsError(
            f"The database of DATABASE_URL cannot be reached ({type(caught).__name__}): check that it runs and that the"
            " URL is right."
        ) from None
    if problem:
        raise SettingsError(problem)


def upgrade_database(settings: Settings) -> tuple[str | None, str | None]:
    """Run the migrations; the revision before and after. SettingsError when the database cannot be reached."""
    engine = make_engine(settings.database_url)
    try:
        return upgrade(engine)
    except SQLAlchemyError as caught:
        raise SettingsError(
            f"The database of DATABASE_URL cannot be upgraded ({type(caught).__name__}): check that it runs, that the"
            " URL is right, and that there is room on the disk."
        ) from caught
    finally:
        engine.dispose()


def with_secret_key(settings: Settings, *, may_make: bool) -> Settings:
    """Settings with a key to seal secrets: the environment's, else the file's beside the database.

    Raises SettingsError when there is none and `may_make` is false.
    """
    if settings.leadloop_secret_keys:
        return settings
    path = key_file_for(settings.database_url)
    key, new = read_or_make_key(path, may_make=may_make)
    if key is None:
        raise SettingsError(
            "LEADLOOP_SECRET_KEY is not set, and leadloop seals every stored secret with it. Make one with: python -c"
            ' "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())"'
        )
    if new:
        log.warning("secret_key_made", file=str(Path(path).absolute()), note="keep a copy: stored secrets need it")
    return settings.with_(leadloop_secret_keys=(key,))


def _note_call(counters: DatabaseCounters, edge: str, code: str, page_id: str | None, seconds: float) -> None:
    """Count one exchange with Graph. Pages that are in no configuration become "other" where the sums are shown."""
    counters.add("leadloop_graph_calls_total", edge=edge, code=code, page=page_id or OTHER)
    counters.observe("leadloop_graph_seconds", seconds, edge=edge)


class _UsageNotes:
    """Takes the Graph client's hints of how much of the allowance is used, and lets a lane rest when asked to."""

    def __init__(self, writer: GroupWriter) -> None:
        self._writer = writer
        self._lock = Lock()
        self._noted_until: dict[str, datetime] = {}

    def note(self, hint: UsageHint) -> None:
        if not hint.rest_s or hint.rest_s <= 0:
            return
        now = now_utc()
        until = now + timedelta(seconds=hint.rest_s)
        lane = graph_lane(hint.page_id) if hint.page_id else "graph"
        with self._lock:
            if self._noted_until.get(lane, now) >= until - timedelta(seconds=5):
                return
            self._noted_until[lane] = until
        rest = Rest(
            lane,
            until,
            code="usage",
            message=f"Meta's allowance is used to {hint.percent:.0f} %, so calls rest for a while.",
            action="Nothing: it goes on by itself.",
            failed=False,
        )
        try:
            self._writer.write(lambda session: rest_lane(session, rest, now=now))
        except SQLAlchemyError as caught:
            log.warning("usage_not_noted", error=type(caught).__name__)
