"""Turns at a SQLite file: one at a time, in order of asking, and never a reason not to write."""

import errno
import fcntl
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from sqlalchemy import Engine

from store.engine import make_engine
from store.turns import Turn
from store.writer import GroupWriter


def file_engine(tmp_path: Path) -> Engine:
    return make_engine(f"sqlite:///{tmp_path}/x.db")


def test_the_next_one_goes_on_as_soon_as_the_first_has_left(tmp_path: Path) -> None:
    first, second = Turn(file_engine(tmp_path)), Turn(file_engine(tmp_path))
    entered = threading.Event()

    def wait() -> None:
        with second:
            entered.set()

    with first:
        thread = threading.Thread(target=wait)
        thread.start()
        assert not entered.wait(0.2)
    assert entered.wait(10)
    thread.join(10)
    first.close()
    second.close()


def test_who_dies_gives_the_turn_away(tmp_path: Path) -> None:
    code = "import sys; from store.engine import make_engine; from store.turns import Turn\n"
    code += "Turn(make_engine(sys.argv[1])).__enter__(); print('in', flush=True); sys.stdin.read()"
    url = f"sqlite:///{tmp_path}/x.db"
    other = subprocess.Popen(
        [sys.executable, "-c", code, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout is not None
    assert other.stdout.readline() == "in\n"
    entered = threading.Event()
    mine = Turn(make_engine(url))

    def wait() -> None:
        with mine:
            entered.set()

    thread = threading.Thread(target=wait)
    thread.start()
    assert not entered.wait(0.2)
    other.kill()
    other.communicate()
    assert entered.wait(10)
    thread.join(10)
    mine.close()


def test_without_a_file_to_lock_writing_goes_on(tmp_path: Path) -> None:
    engine = file_engine(tmp_path)
    (tmp_path / "x.db.turn").mkdir()  # no file can be opened there
    writer = GroupWriter(engine)
    assert writer.write(lambda session: session.connection().exec_driver_sql("SELECT 1").scalar()) == 1
    writer.close()
    engine.dispose()


def test_on_a_file_system_without_such_locks_writing_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def refuse(_file: int, operation: int) -> None:
        asked.append(operation)
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    engine = file_engine(tmp_path)
    writer = GroupWriter(engine)
    for _ in range(2):
        assert writer.write(lambda session: session.connection().exec_driver_sql("SELECT 1").scalar()) == 1
    writer.close()
    engine.dispose()
    assert asked == [fcntl.LOCK_EX]  # asked once, and then left alone


def test_others_than_sqlite_have_no_turns(engine: Engine) -> None:
    with Turn(engine) as nothing:
        assert nothing is None
