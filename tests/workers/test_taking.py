"""A quiet drain takes what it adds in the same transaction; a busy one, or one in trouble, leaves it to be looked for."""

import threading

import pytest
from fakes import make_services
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from leadloop.ports import Services
from store.models import Work
from store.taking import Taking
from store.work import TAKING, WorkItem, add_work
from workers.drain import BUSY, Drainer
from workers.jobs import Effect, Job


def adds(kind: str, subject_id: int, lane: str = "crm:1") -> Effect:
    return lambda session, now: add_work(session, kind, [subject_id], lane, now=now)


def held(engine: Engine, kind: str) -> list[tuple[str | None, int]]:
    with Session(engine) as session:
        rows = session.execute(select(Work.holder, Work.attempts).where(Work.kind == kind))
        return [(holder, attempts) for holder, attempts in rows]


@pytest.mark.parametrize("others", [0, BUSY])
def test_only_a_quiet_drain_takes_what_it_adds(engine: Engine, others: int) -> None:
    services = make_services(engine)
    go, seen = threading.Event(), []

    def first(item: WorkItem, _services: Services) -> Effect | None:
        if item.subject_id == 1:
            return adds("second", 1)
        go.wait(10)
        return None

    def second(item: WorkItem, _services: Services) -> None:
        seen.append(item)
        go.set()

    drainer = Drainer(services, {"first": Job(first), "second": Job(second)}, threads=4 * BUSY)
    taken: list[int] = []
    take = Taking.take

    def spy(self: Taking, *arguments: object, **more: object) -> list[int]:
        left = take(self, *arguments, **more)  # type: ignore[arg-type]
        taken.append(len(self.items))
        return left

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Taking, "take", spy)
        services.writer.write(
            lambda session: add_work(session, "first", list(range(1, others + 2)), "graph:1", now=services.now())
        )
        drainer.drain()
    assert taken == ([1] if not others else [0])
    assert [(item.subject_id, item.attempts, item.lost) for item in seen] == [(1, 1, 0)]
    assert held(engine, "second") == []


class Places:
    """As many as are wanted; how many are kept."""

    def __init__(self) -> None:
        self.kept = 0
        self.taking = Taking("me", 60, reserve=self.reserve, release=self.release)

    def reserve(self, _lane: str) -> bool:
        self.kept += 1
        return True

    def release(self, _lane: str) -> None:
        self.kept -= 1


def test_what_was_taken_in_a_transaction_that_failed_is_forgotten(engine: Engine) -> None:
    services, places = make_services(engine), Places()
    taking = places.taking

    def fail(session: Session) -> None:
        taking.forget()
        session.info[TAKING] = taking
        add_work(session, "second", [1, 2], "b", now=services.now())
        assert len(taking.items) == 2
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        services.writer.write(fail)
    taking.forget()
    assert (places.kept, taking.items) == (0, [])
    assert held(engine, "second") == []


def test_a_row_that_is_there_is_not_taken(engine: Engine) -> None:
    services, places = make_services(engine), Places()
    services.writer.write(lambda session: add_work(session, "second", [1], "b", now=services.now()))

    def again(session: Session) -> None:
        session.info[TAKING] = places.taking
        add_work(session, "second", [1], "b", now=services.now())

    services.writer.write(again)
    assert (places.kept, places.taking.items) == (0, [])
    assert held(engine, "second") == [(None, 0)]
