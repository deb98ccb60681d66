"""The group writer: one transaction for those who arrive together, and nobody pays for a neighbour."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine, event, func, select
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import Session

from store.engine import make_engine
from store.models import ApiKey, Base
from store.writer import GroupWriter


def add_key(session: Session, name: str) -> str:
    from conftest import NOW

    session.add(ApiKey(name=name, key_sha256=name, created_at=NOW))
    session.flush()
    return name


def count(engine: Engine) -> int:
    with Session(engine) as session:
        return int(session.scalar(select(func.count()).select_from(ApiKey)) or 0)


def block(writer: GroupWriter) -> tuple[threading.Event, threading.Thread]:
    """Hold the writer in one operation, so that what comes next comes together."""
    held, release = threading.Event(), threading.Event()

    def wait(_session: Session) -> None:
        held.set()
        release.wait(10)

    thread = threading.Thread(target=writer.write, args=(wait,))
    thread.start()
    assert held.wait(10)
    return release, thread


def test_those_who_arrive_together_share_a_commit(engine: Engine, writer: GroupWriter) -> None:
    commits = []
    event.listen(engine, "commit", lambda _connection: commits.append(1))
    release, thread = block(writer)
    with ThreadPoolExecutor(20) as pool:
        futures = [pool.submit(writer.write, lambda s, n=n: add_key(s, f"k{n}")) for n in range(20)]
        while writer._waiting.qsize() < 20:
            pass
        release.set()
        assert [future.result(10) for future in futures] == [f"k{n}" for n in range(20)]
    thread.join(10)
    assert count(engine) == 20
    assert len(commits) <= 2


def test_one_that_fails_is_told_and_its_neighbours_are_kept(engine: Engine, writer: GroupWriter) -> None:
    writer.write(lambda session: add_key(session, "twice"))
    release, thread = block(writer)
    with ThreadPoolExecutor(3) as pool:
        good = [pool.submit(writer.write, lambda s, n=n: add_key(s, n)) for n in ("a", "b")]
        bad = pool.submit(writer.write, lambda s: add_key(s, "twice"))
        while writer._waiting.qsize() < 3:
            pass
        release.set()
        assert [future.result(10) for future in good] == ["a", "b"]
        with pytest.raises(IntegrityError):
            bad.result(10)
    thread.join(10)
    assert count(engine) == 3


def test_gathered_items_come_in_one_call_and_answer_in_order(writer: GroupWriter) -> None:
    calls: list[list[int]] = []

    def double(_session: Session, items: list[int]) -> list[int]:
        calls.append(items)
        return [item * 2 for item in items]

    release, thread = block(writer)
    with ThreadPoolExecutor(8) as pool:
        futures = {n: pool.submit(writer.gather, double, n) for n in range(8)}
        while writer._waiting.qsize() < 8:
            pass
        release.set()
        assert {n: future.result(10) for n, future in futures.items()} == {n: n * 2 for n in range(8)}
    thread.join(10)
    assert [sorted(call) for call in calls] == [list(range(8))]


def test_waiting_for_a_database_that_hangs_is_bounded(writer: GroupWriter) -> None:
    release, thread = block(writer)
    with pytest.raises(TimeoutError):
        writer.gather(lambda _session, items: items, 1, timeout_s=0.05)
    began = time.monotonic()
    with pytest.raises(TimeoutError):  # whoever comes now does not even queue up
        writer.gather(lambda _session, items: items, 1, timeout_s=0.04)
    assert time.monotonic() - began < 0.04
    release.set()
    thread.join(10)
    assert writer.gather(lambda _session, items: items, 1, timeout_s=10) == 1


def test_attempts_that_fail_slowly_one_after_the_other_are_one_hang(
    writer: GroupWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Connecting takes five seconds and fails, again and again: nobody is to wait for his eight behind that."""
    monkeypatch.setattr("store.writer.AWAKE_S", 0.1)
    errors: list[Exception] = []

    def fail_slowly() -> tuple[threading.Event, threading.Thread]:
        held, release = threading.Event(), threading.Event()

        def fail(_session: Session) -> None:
            held.set()
            release.wait(10)
            raise OperationalError("connect", {}, Exception("timeout expired"))

        def write() -> None:
            try:
                writer.write(fail)
            except OperationalError as caught:
                errors.append(caught)

        thread = threading.Thread(target=write)
        thread.start()
        assert held.wait(10)
        return release, thread

    for _ in range(2):
        release, thread = fail_slowly()
        time.sleep(0.2)
        release.set()
        thread.join(10)
    release, thread = fail_slowly()
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        writer.gather(lambda _session, items: items, 1, timeout_s=0.3)
    assert time.monotonic() - began < 0.2
    release.set()
    thread.join(10)
    assert len(errors) == 3
    assert writer.gather(lambda _session, items: items, 1, timeout_s=10) == 1, (
        "with nothing under way it is tried again"
    )


def test_a_commit_that_fails_is_told_to_everybody_and_the_next_one_works(tmp_path) -> None:  # type: ignore[no-untyped-def]
    engine = make_engine(f"sqlite:///{tmp_path}/full.db")
    Base.metadata.create_all(engine)
    writer = GroupWriter(engine)
    with engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    limit = event.listens_for(engine, "begin")(
        lambda connection: connection.exec_driver_sql(f"PRAGMA max_page_count={pages + full[0]}")
    )
    assert limit
    full = [0]
    with pytest.raises(OperationalError, match="full"):
        writer.write(lambda session: add_key(session, "x" * 100_000))
    full[0] = 10_000
    assert writer.write(lambda session: add_key(session, "fits now")) == "fits now"
    assert count(engine) == 1
    writer.close()
    engine.dispose()


def test_closing_finishes_what_waits(engine: Engine) -> None:
    writer = GroupWriter(engine)
    release, thread = block(writer)
    with ThreadPoolExecutor(5) as pool:
        futures = [pool.submit(writer.write, lambda s, n=n: add_key(s, f"k{n}")) for n in range(5)]
        while writer._waiting.qsize() < 5:
            pass
        release.set()
        writer.close()
        assert all(future.result(10) for future in futures)
    thread.join(10)
    assert count(engine) == 5


def test_whoever_does_not_wait_is_told_once_it_is_durable(engine: Engine, writer: GroupWriter) -> None:
    told: list[tuple[object, Exception | None]] = []
    heard = threading.Event()

    def then(result: object, trouble: Exception | None) -> None:
        with engine.connect() as other:  # what is told is there for everybody
            told.append((result, trouble))
            told.append((other.exec_driver_sql("SELECT count(*) FROM api_key").scalar_one(), None))
        heard.set()

    release, thread = block(writer)
    writer.gather_later(lambda session, names: [add_key(session, name) for name in names], "a", then)
    assert not told
    release.set()
    assert heard.wait(10)
    thread.join(10)
    assert told == [("a", None), (1, None)]


def test_whoever_does_not_wait_is_told_the_trouble_and_harms_nobody(writer: GroupWriter) -> None:
    told: list[Exception | None] = []

    def then(_result: object, trouble: Exception | None) -> None:
        told.append(trouble)
        raise RuntimeError("a bug of whoever is told")

    def fail(_session: Session, _items: list[int]) -> list[int]:
        raise ValueError("no")

    writer.gather_later(fail, 1, then)
    assert writer.write(lambda session: add_key(session, "after")) == "after"
    release, thread = block(writer)
    time.sleep(0.03)
    writer.gather_later(fail, 1, lambda _result, trouble: told.append(trouble), timeout_s=0.02)
    release.set()
    thread.join(10)
    assert [type(trouble) for trouble in told] == [ValueError, TimeoutError]
