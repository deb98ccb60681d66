"""Where everything meets: settings become Services for a process that serves, works or answers one command."""

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from threading import Lock

from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError

from leadloop.cli.sandbox_database import tell_which, with_sandbox
from leadloop.errors import SettingsError
from leadloop.http import HttpDoor
from leadloop.logs import get_logger
from leadloop.ports import Bell, Services
from leadloop.settings import Settings
from meta_graph.client import GraphClient
from meta_graph.usage import UsageHint
from store.counters import DatabaseCounters
from store.database_errors import explain
from store.engine import make_engine, make_reader, sqlite_file
from store.figures import OTHER
from store.lanes import Rest, graph_lane, rest_lane
from store.migrate import find_schema_problem, read_revision, upgrade
from store.vault import NO_KEY, FernetVault, KeylessVault, key_file_for, read_or_make_key
from store.writer import GroupWriter
from workers.bell import RqBell, SilentBell

log = get_logger(__name__)


def now_utc() -> datetime:
    return datetime.now(UTC)


def open_services(settings: Settings, *, bell: Bell | None = None, pool_size: int = 10) -> Services:
    """Services on the database of `settings`. Without `bell`: RQ's when REDIS_URL is set, else a silent one."""
    return _open(with_secret_key(settings, may_make=False), bell=bell, pool_size=pool_size)


def _open(settings: Settings, *, bell: Bell | None = None, pool_size: int = 10) -> Services:
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
        vault=FernetVault(settings.leadloop_secret_keys) if settings.leadloop_secret_keys else KeylessVault(),
        counters=counters,
        now=now_utc,
        graph=graph,
        events_graph=graph,
    )


def close_services(services: Services) -> None:
    """Ring and write down what is left, and let go of the database."""
    if isinstance(services.bell, RqBell):
        services.bell.close()
    services.counters.close()
    services.writer.close()
    services.engine.dispose()


@contextlib.contextmanager
def services_for(settings: Settings) -> Iterator[Services]:
    """Services for one command. The database must be of this version; a key is needed only once a secret is used.

    Raises SettingsError, also for a database that goes away meanwhile.
    """
    used = with_sandbox(settings)
    tell_which(settings, used)
    services = _open(_with_key_if_any(used))
    try:
        require_schema(services)
        yield services
    except (OperationalError, InterfaceError) as caught:
        raise SettingsError(explain(caught, used.database_url)) from None
    finally:
        close_services(services)


class NoDatabaseYet(SettingsError):
    """Nothing has made the database so far."""


def require_schema(services: Services) -> None:
    """Raise SettingsError when the database cannot be reached or is not of this version."""
    file = sqlite_file(services.settings.database_url)
    if file is not None and file.parent.is_dir() and not file.exists():
        raise NoDatabaseYet(
            f"There is no database yet ({file}): leadloop run makes it, and so do leadloop config apply and leadloop db"
            " upgrade. Or this is not its folder."
        )
    try:
        problem = find_schema_problem(services.engine)
    except SQLAlchemyError as caught:
        raise SettingsError(explain(caught, services.settings.database_url)) from None
    if problem:
        raise SettingsError(problem)


def upgrade_database(settings: Settings) -> tuple[str | None, str | None]:
    """Run the migrations; the revision before and after. SettingsError when the database cannot be reached.

    A SQLite file is made for its owner only, as it holds people's names and numbers.
    """
    file = sqlite_file(settings.database_url)
    if file is not None:
        with contextlib.suppress(OSError):  # said better when it is opened
            file.touch(mode=0o600)
    engine = make_engine(settings.database_url)
    try:
        return upgrade(engine)
    except SQLAlchemyError as caught:
        raise SettingsError(explain(caught, settings.database_url, what="upgraded")) from caught
    finally:
        engine.dispose()


def read_database_revision(settings: Settings) -> str | None:
    """The database's revision, None for an empty one or none. SettingsError when it cannot be reached."""
    file = sqlite_file(settings.database_url)
    if file is not None and file.parent.is_dir() and not file.exists():
        return None
    engine = make_engine(settings.database_url)
    try:
        return read_revision(engine)
    except SQLAlchemyError as caught:
        raise SettingsError(explain(caught, settings.database_url)) from None
    finally:
        engine.dispose()


def make_database(settings: Settings) -> tuple[str, ...]:
    """Make a SQLite database that is not there yet, with its key, as `leadloop run` does. What was made, in words."""
    settings = with_sandbox(settings)
    file = sqlite_file(settings.database_url)
    if file is None or (file.exists() and file.stat().st_size > 0):
        return ()
    key = key_file_for(settings.database_url)
    makes_key = not settings.leadloop_secret_keys and not key.exists()
    if makes_key:
        read_or_make_key(key, may_make=True)
    upgrade_database(settings)
    kept = f"{key}, the key that seals what is secret in it: keep a copy"
    return (f"the database {file}", kept) if makes_key else (f"the database {file}",)


def with_secret_key(settings: Settings, *, may_make: bool) -> Settings:
    """Settings with a key to seal secrets: the environment's, else the file's beside the database.

    Raises SettingsError when there is none and `may_make` is false, or when the file is of no use.
    """
    if settings.leadloop_secret_keys:
        return settings
    path = key_file_for(settings.database_url)
    key, new = read_or_make_key(path, may_make=may_make)
    if key is None:
        raise SettingsError(NO_KEY)
    if new:
        log.warning("secret_key_made", file=str(Path(path).absolute()), note="keep a copy: stored secrets need it")
    return settings.with_(leadloop_secret_keys=(key,))


def _note_call(counters: DatabaseCounters, edge: str, code: str, object_id: str | None, seconds: float) -> None:
    """Count one exchange with Graph. What is no Page and no dataset of the configuration becomes
    "other" where the sums are shown."""
    counters.add("leadloop_graph_calls_total", edge=edge, code=code, page=object_id or OTHER)
    counters.observe("leadloop_graph_seconds", seconds, edge=edge)


def _with_key_if_any(settings: Settings) -> Settings:
    if settings.leadloop_secret_keys or key_file_for(settings.database_url).exists():
        return with_secret_key(settings, may_make=False)
    return settings


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
