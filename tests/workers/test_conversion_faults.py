"""What a worker that sends events meets: frozen past its lease, told to stop, a database that goes away in a commit."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest
from conftest import NOW, Clock
from conversion_bench import Bench, fill_bench, make_bench
from lead_rows import make_card, on_both, on_sqlite
from sqlalchemy import Engine, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from leadloop.conversions.answers import EventsUnanswered, Received
from leadloop.errors import Retryable
from store.conversion_models import Outcome
from store.work import WorkItem, claim, settle_done
from workers import conversions, noting
from workers.lead_conversions import raw_time

HANGS = Sequence[Mapping[str, Any]]


@pytest.fixture
def bench(engine: Engine, clock: Clock) -> Iterator[Bench]:
    made = make_bench(engine, clock)
    fill_bench(made)
    yield made
    made.services.writer.close()


@pytest.fixture
def other(engine: Engine, bench: Bench) -> Iterator[Bench]:
    """A second worker on the same database, with the same Meta."""
    made = make_bench(engine, bench.clock, meta=bench.meta)
    yield made
    made.services.writer.close()


class Frozen:
    """A request with events during which the worker stands still; `then` is what it meets when it goes on."""

    def __init__(self, bench: Bench, then: Callable[[HANGS], Received]) -> None:
        self._bench, self._then = bench, then
        self._under_way, self._go_on = threading.Event(), threading.Event()
        bench.meta.says.append(self._answer)
        self._thread = threading.Thread(target=bench.drainer.drain, daemon=True)

    def _answer(self, events: HANGS) -> Received:
        self._under_way.set()
        assert self._go_on.wait(20)
        return self._then(events)

    def __enter__(self) -> None:
        self._thread.start()
        assert self._under_way.wait(20)

    def __exit__(self, *_: object) -> None:
        self._go_on.set()
        self._thread.join(20)
        assert not self._thread.is_alive()


def no_connection(_events: HANGS) -> Received:
    raise EventsUnanswered("No connection.", code="connect", maybe_stored=False)


@on_both
def test_what_meta_has_taken_from_a_worker_frozen_past_its_lease_is_accepted(bench: Bench, other: Bench) -> None:
    bench.tell(bench.outcome("qualified"), drain=False)
    with Frozen(bench, bench.meta.take):
        other.drain(minutes=10)
        assert other.states() == [("Lead", "unknown", "worker_died")]
    assert bench.states() == [("Lead", "accepted", None)]
    assert bench.rows()[0].fbtrace_id == "trace-1"
    other.drain(minutes=10)
    assert bench.meta.names() == ["Lead"]
    assert bench.work() == []


@on_both
def test_what_a_frozen_worker_could_not_hand_over_is_sent_although_nobody_waits_for_it(
    bench: Bench, other: Bench
) -> None:
    """The other one has found nothing more to do, and the row of work is gone."""
    bench.tell(bench.outcome("qualified"), drain=False)
    with Frozen(bench, no_connection):
        other.drain(minutes=10)
        assert other.work() == []
        assert other.states() == [("Lead", "unknown", "worker_died")]
    other.drain(seconds=1)
    assert bench.states() == [("Lead", "accepted", None)]
    assert bench.rows()[0].tries == 2
    assert bench.meta.names() == ["Lead"]
    assert bench.work() == []


BUSY = Retryable("Busy.", code="graph_4", scope="lane", retry_after_s=60)


@on_both
def test_a_frozen_worker_takes_no_further_batch(bench: Bench, other: Bench) -> None:
    bench.meta.says = [BUSY]
    bench.tell(*(bench.outcome("qualified", one) for one in bench.leads(25)))
    bench.clock.forward(minutes=5)
    bench.meta.sizes.clear()
    with Frozen(bench, bench.meta.take):
        bench.meta.says = [BUSY]
        other.drain(minutes=10)
        assert bench.meta.sizes == [10, 10]
    assert bench.meta.sizes == [10, 10]
    assert [row.state for row in bench.rows()] == ["accepted"] * 10 + ["queued"] * 15
    other.drain(minutes=5)
    assert {row.state for row in bench.rows()} == {"accepted"}
    assert len(bench.meta.stored) == len(set(bench.meta.ids())) == 25


@on_sqlite
def test_in_a_shop_the_answer_to_the_first_try_ends_the_second(bench: Bench, other: Bench) -> None:
    bench.funnel(route="physical_store")
    bench.tell(bench.outcome("qualified"), drain=False)
    with Frozen(bench, bench.meta.take):
        bench.meta.says = [no_connection]
        other.drain(minutes=10)
        assert other.states() == [("Lead", "queued", "connect")]
    assert bench.states() == [("Lead", "accepted", None)]
    other.drain(hours=1)
    assert bench.meta.names() == ["Lead"]


@on_sqlite
def test_a_worker_told_to_stop_ends_after_the_batch_in_hand(bench: Bench, other: Bench) -> None:
    bench.meta.says = [BUSY]
    bench.tell(*(bench.outcome("qualified", one) for one in bench.leads(30)))
    bench.clock.forward(minutes=5)
    bench.meta.sizes.clear()
    frozen = Frozen(bench, bench.meta.take)
    with frozen:
        stopping = threading.Thread(target=bench.drainer.stop, args=(10.0,))
        stopping.start()
        assert bench.drainer._stopping.wait(5)
    stopping.join(20)
    assert bench.meta.sizes == [10]
    assert [row.state for row in bench.rows()].count("queued") == 20
    other.drain(seconds=1)
    assert {row.state for row in bench.rows()} == {"accepted"}
    assert len(bench.meta.stored) == 30


@on_sqlite
def test_where_a_worker_died_one_batch_is_enough_to_clear_the_dataset(bench: Bench) -> None:
    """Else a dataset that always has something to send would be given up after so many deaths in a year."""
    bench.meta.says = [BUSY]
    bench.tell(*(bench.outcome("qualified", one) for one in bench.leads(30)))
    bench.clock.forward(minutes=5)
    bench.meta.sizes.clear()
    item = claim_after_a_death(bench)
    effect = conversions.run(item, bench.services)
    assert bench.meta.sizes == [10]

    def end(session: Session) -> None:
        assert effect is not None
        effect(session, bench.clock())
        settle_done(session, [item])

    bench.services.writer.write(end)
    (row,) = bench.work()
    assert (row.state, row.holder, row.lost, row.attempts) == ("open", None, 0, 0)
    bench.drain()
    assert len(bench.meta.stored) == 30


def claim_after_a_death(bench: Bench) -> WorkItem:
    """The dataset's row, which was in the hands of a worker that died."""
    (row,) = bench.work()
    room = {row.queue: 1}

    def claim_twice(session: Session) -> WorkItem:
        for holder in ("dead", "alive"):
            (item,) = claim(session, room, holder=holder, now=bench.clock(), lease_s=0)
        assert item.lost == 1
        return item

    return bench.services.writer.write(claim_twice)


@pytest.fixture
def quick_notes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(noting, "FIRST_WAIT_S", 0.001)


def away() -> OperationalError:
    return OperationalError("COMMIT", {}, Exception("server closed the connection"), connection_invalidated=True)


@on_sqlite
def test_an_answer_is_noted_once_a_database_that_was_away_is_back(
    bench: Bench, quick_notes: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, failing = bench.services.writer.write, [away() for _ in range(5)]

    def flaky(operation: Any) -> Any:
        if bench.meta.stored and failing:
            raise failing.pop()
        return write(operation)

    bench.tell(bench.outcome("qualified"), drain=False)
    monkeypatch.setattr(bench.services.writer, "write", flaky)
    bench.drain()
    assert failing == []
    assert bench.states() == [("Lead", "accepted", None)]


@on_both
def test_events_taken_in_a_commit_whose_answer_was_lost_are_sent(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The writer runs it again: what was marked the first time is in nobody else's hands."""
    write = bench.services.writer.write

    def twice(operation: Any) -> Any:
        if getattr(operation, "__name__", "") == "take" and "_Sender" in operation.__qualname__:
            write(operation)
        return write(operation)

    bench.tell(*(bench.outcome("qualified", one) for one in bench.leads(15)), drain=False)
    monkeypatch.setattr(bench.services.writer, "write", twice)
    bench.drain()
    assert {row.state for row in bench.rows()} == {"accepted"}
    assert len(bench.meta.stored) == len(set(bench.meta.ids())) == 15
    assert {row.tries for row in bench.rows()} == {1}


@on_both
def test_a_lead_with_very_many_outcomes_is_decided_bit_by_bit(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("store.outcome_facts.MOST_DECIDED", 7)
    given = [
        bench.outcome("qualified", occurred_at=(bench.clock() - timedelta(seconds=60 - number)).isoformat())
        for number in range(50)
    ]
    bench.tell(*given, bench.outcome("won", value="5", currency="EUR"))
    with Session(bench.services.engine) as session:
        assert session.scalars(select(Outcome.id).where(Outcome.decided_at.is_(None))).all() == []
    states = [row.state for row in bench.rows()]
    assert (states.count("accepted"), states.count("skipped")) == (2, 49)
    assert bench.meta.names() == ["Lead", "Purchase"]
    assert bench.work() == []


@pytest.mark.parametrize(
    ("received_s", "now_s", "told_s"),
    [(3, 4, 3), (40, 4, 4), (-30, -28, 1), (40, 0.5, 1)],
    ids=["as it was", "the web's clock is ahead", "both are behind", "the worker's is behind Meta's"],
)
def test_a_raw_lead_is_told_of_no_time_ahead_and_of_none_before_its_form(
    received_s: float, now_s: float, told_s: float
) -> None:
    card = make_card("222222222222222", NOW + timedelta(seconds=received_s), created_at=NOW)
    assert raw_time(card, NOW + timedelta(seconds=now_s)) == NOW + timedelta(seconds=told_s)
