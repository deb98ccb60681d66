"""Whole systems of real processes; everything a test started is ended with it."""

import resource
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from servers import PostgresServer, RedisServer, start_postgres, start_redis
from services.disks import Fill, ballast, file_limit, mounted
from services.system import System, make_system

Make = Callable[..., System]


@pytest.fixture(scope="module")
def own_postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL that may be killed: it belongs to this module alone."""
    server = start_postgres()
    yield server
    if server.process.poll() is not None:
        server.start_again()
    server.stop()


@pytest.fixture(scope="module")
def own_redis() -> Iterator[RedisServer]:
    """A Redis that may be killed."""
    server = start_redis()
    yield server
    server.stop()


@pytest.fixture
def new_system(tmp_path: Path) -> Iterator[Make]:
    """make_system() on a folder of its own; closed after the test."""
    made: list[System] = []

    def make(**how: object) -> System:
        folder = tmp_path / f"system-{len(made)}"
        folder.mkdir()
        how.setdefault("database_url", f"sqlite:///{folder}/leadloop.db")
        made.append(make_system(folder, **how))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for system in made:
        system.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[tuple[Path, Fill]]:
    """A folder, and what fills the disk under it: a file system of its own where that may be mounted, else a limit on
    the size of files that the processes may write."""
    with mounted(48) as folder:
        if folder is not None:
            yield folder, lambda _system: ballast(folder)
            return
        if not hasattr(resource, "prlimit"):
            pytest.skip("no small file system may be mounted here, and this system has no prlimit()")
        yield tmp_path, lambda system: file_limit(system, tmp_path)
