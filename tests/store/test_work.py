"""Work rows on both databases: claimed once, leases, queues, giving back, waking."""

import threading
from datetime import timedelta

import pytest
from conftest import NOW, Clock
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from leadloop.errors import Verdict
from store.models import Work
from store.work import (
    BACKFILL,
    FRESH,
    LATER,
    add_work,
    begin_again,
    claim,
    count_work,
    give_back,
    list_work,
    queue_name,
    read_queues,
    settle,
    settle_done,
    wake,
    wake_after_outage,
)


def fill(engine: Engine, kind: str = "lead", count: int = 1, lane: str = "graph:1", **more: object) -> None:
    with Session(engine) as session, session.begin():
        add_work(session, kind, list(range(1, count + 1)), lane, now=NOW, **more)  # type: ignore[arg-type]


def take(engine: Engine, room: dict[str, int], *, now=NOW, holder="w1", lease_s=60.0):  # type: ignore[no-untyped-def]
    with Session(engine) as session, session.begin():
        return claim(session, room, holder=holder, now=now, lease_s=lease_s)


def rows(engine: Engine) -> list[Work]:
    with Session(engine) as session:
        return list(session.scalars(select(Work).order_by(Work.id)))


def test_a_row_is_claimed_once_and_again_when_its_lease_ends(engine: Engine) -> None:
    fill(engine)
    queue = queue_name(FRESH, "graph:1")
    (first,) = take(engine, {queue: 10})
    assert (first.attempts, first.lost) == (1, 0)
    assert take(engine, {queue: 10}, holder="w2") == []
    (again,) = take(engine, {queue: 10}, holder="w2", now=NOW + timedelta(seconds=61))
    assert (again.attempts, again.lost, again.holder) == (2, 1, "w2")


def test_who_lost_the_lease_changes_nothing(engine: Engine) -> None:
    fill(engine)
    queue = queue_name(FRESH, "graph:1")
    (old,) = take(engine, {queue: 1})
    (new,) = take(engine, {queue: 1}, holder="w2", now=NOW + timedelta(seconds=61))
    with Session(engine) as session, session.begin():
        assert settle(session, old, Verdict("done"), now=NOW) is False
        assert settle(session, new, Verdict("done"), now=NOW) is True
    assert rows(engine) == []


def test_a_retry_goes_behind_fresh_rows_but_backfill_stays_last(engine: Engine) -> None:
    fill(engine, count=1)
    fill(engine, kind="x", count=1, priority=BACKFILL)
    for item in take(engine, {queue_name(FRESH, "graph:1"): 5, queue_name(BACKFILL, "graph:1"): 5}):
        with Session(engine) as session, session.begin():
            settle(session, item, Verdict("open", due_at=NOW + timedelta(seconds=5), code="http_503"), now=NOW)
    assert {row.queue for row in rows(engine)} == {queue_name(LATER, "graph:1"), queue_name(BACKFILL, "graph:1")}


def test_an_attempt_that_does_not_count_leaves_the_row_as_it_was(engine: Engine) -> None:
    fill(engine)
    (item,) = take(engine, {queue_name(FRESH, "graph:1"): 1})
    with Session(engine) as session, session.begin():
        settle(session, item, Verdict("open", due_at=NOW, code="graph_190", counts=False), now=NOW)
    (row,) = rows(engine)
    assert (row.attempts, row.queue, row.holder) == (0, queue_name(FRESH, "graph:1"), None)


def test_adding_again_wakes_a_waiting_row_and_leaves_a_held_one(engine: Engine) -> None:
    fill(engine, count=2)
    (held,) = take(engine, {queue_name(FRESH, "graph:1"): 1})
    fill(engine, count=2, due_at=NOW + timedelta(hours=1))
    by_id = {row.id: row for row in rows(engine)}
    assert by_id[held.id].holder == "w1"
    (other,) = [row for row in by_id.values() if row.id != held.id]
    assert other.due_at == NOW + timedelta(hours=1)


@pytest.mark.parametrize(
    "verdict", [Verdict("done"), Verdict("parked", code="x"), Verdict("open", due_at=NOW + timedelta(days=1))]
)
def test_what_is_wanted_again_while_in_hand_is_opened_anew(engine: Engine, verdict: Verdict) -> None:
    queue = queue_name(FRESH, "graph:1")
    fill(engine, again=True)
    (held,) = take(engine, {queue: 1})
    assert not held.again
    fill(engine, again=True)
    assert take(engine, {queue: 1}, holder="w2") == [], "it stays in the hand it is in"
    with Session(engine) as session, session.begin():
        assert settle(session, held, verdict, now=NOW)
    (second,) = take(engine, {queue: 1})
    assert (second.id, second.again, second.attempts, second.lost) == (held.id, True, 1, 0)
    with Session(engine) as session, session.begin():
        begin_again(session, second)
        settle_done(session, [second])
    assert rows(engine) == []


def test_who_lost_the_lease_does_not_open_anew(engine: Engine) -> None:
    fill(engine)
    queue = queue_name(FRESH, "graph:1")
    (old,) = take(engine, {queue: 1})
    (new,) = take(engine, {queue: 1}, holder="w2", now=NOW + timedelta(seconds=61))
    fill(engine, again=True)
    with Session(engine) as session, session.begin():
        settle_done(session, [old])
        assert not settle(session, old, Verdict("done"), now=NOW)
    assert rows(engine)[0].holder == new.holder


def test_given_back_rows_are_as_if_never_claimed(engine: Engine) -> None:
    fill(engine, count=3)
    items = take(engine, {queue_name(FRESH, "graph:1"): 2})
    with Session(engine) as session, session.begin():
        give_back(session, items, now=NOW)
    assert [(row.attempts, row.holder) for row in rows(engine)] == [(0, None)] * 3


def test_queues_are_told_with_their_first_due_time(engine: Engine) -> None:
    fill(engine, count=3, lane="crm:1", due_at=NOW + timedelta(minutes=2))
    fill(engine, kind="x", count=1, lane="crm:1", due_at=NOW + timedelta(minutes=1))
    fill(engine, kind="y", count=1, lane="graph:9", priority=LATER)
    with Session(engine) as session:
        assert read_queues(session) == [("0:crm:1", NOW + timedelta(minutes=1)), ("1:graph:9", NOW)]


def test_no_queues_in_an_empty_table(engine: Engine) -> None:
    with Session(engine) as session:
        assert read_queues(session) == []


def test_parked_rows_are_listed_counted_and_woken(engine: Engine, clock: Clock) -> None:
    fill(engine, count=2)
    first, second = take(engine, {queue_name(FRESH, "graph:1"): 2})
    with Session(engine) as session, session.begin():
        settle(session, first, Verdict("parked", code="graph_200", message="m", action="a"), now=NOW)
        settle(session, second, Verdict("failed", code="http_422"), now=NOW)
    with Session(engine) as session, session.begin():
        assert {row.state for row in list_work(session, parked=True)} == {"parked", "failed"}
        assert sorted(count_work(session)) == [("lead", "failed", 1), ("lead", "parked", 1)]
        assert wake(session, now=clock.forward(hours=1)) == 2
    assert {(row.state, row.attempts, row.due_at) for row in rows(engine)} == {("open", 0, clock.now)}


def test_outage_rows_of_a_lane_are_woken_without_forgetting_their_tries(engine: Engine) -> None:
    fill(engine, count=2)
    items = take(engine, {queue_name(FRESH, "graph:1"): 2})
    later = NOW + timedelta(hours=5)
    with Session(engine) as session, session.begin():
        settle(session, items[0], Verdict("open", due_at=later, code="timeout", outage=True), now=NOW)
        settle(session, items[1], Verdict("open", due_at=later, code="graph_100_33"), now=NOW)
        assert wake_after_outage(session, "graph:1", by=NOW) == 1
    assert {(row.due_at, row.attempts) for row in rows(engine)} == {(NOW, 1), (later, 1)}


def test_many_workers_at_once_never_get_the_same_row(engine: Engine) -> None:
    fill(engine, count=200)
    taken: list[int] = []
    lock = threading.Lock()

    def work(name: str) -> None:
        while True:
            items = take(engine, {queue_name(FRESH, "graph:1"): 7}, holder=name)
            if not items:
                return
            with lock:
                taken.extend(item.subject_id for item in items)

    threads = [threading.Thread(target=work, args=(f"w{number}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert sorted(taken) == list(range(1, 201))


def test_a_row_that_was_done_forgets_the_workers_that_died_with_it_although_it_is_wanted_again(engine: Engine) -> None:
    """A row that is always wanted again never goes away: it would be given up for deaths of long ago."""
    queue = queue_name(FRESH, "graph:1")
    fill(engine, count=2)
    take(engine, {queue: 2}, holder="dead", lease_s=0)
    take(engine, {queue: 2}, holder="dead too", lease_s=0)
    done, failed = take(engine, {queue: 2})
    assert (done.lost, failed.lost) == (2, 2)
    fill(engine, count=2, again=True)
    with Session(engine) as session, session.begin():
        settle_done(session, [done])
        settle(session, failed, Verdict("open", due_at=NOW), now=NOW)
    assert [(row.state, row.holder, row.lost) for row in rows(engine)] == [("open", None, 0), ("open", None, 1)]
