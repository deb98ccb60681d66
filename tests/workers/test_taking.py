"""A quiet drain takes what it adds in the same transaction; a busy one, or one in trouble, leaves it to be looked for."""

import threading

import pytest
from fakes import make_services
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from leadloop.ports import Services
from store.models import Work
from store.work import TAKING, Taking, WorkItem, add_work
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


def test_what_was_taken_in_a_transaction_that_failed_is_forgotten(engine: Engine) -> None:
    services = make_services(engine)
    places = [0]

    def reserve(_lane: str) -> bool:
        places[0] += 1
        return True

    def release(_lane: str) -> None:
        places[0] -= 1

    taking = Taking("me", 60, reserve=reserve, release=release)

    def fail(session: Session) -> None:
        taking.forget()
        session.info[TAKING] = taking
        add_work(session, "second", [1, 2], "b", now=services.now())
        assert len(taking.items) == 2
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        services.writer.write(fail)
    taking.forget()
    assert (places[0], taking.items) == (0, [])
    assert held(engine, "second") == []


def test_a_row_that_is_there_is_not_taken(engine: Engine) -> None:
    services = make_services(engine)
    services.writer.write(lambda session: add_work(session, "second", [1], "b", now=services.now()))
    places = [0]

    def reserve(_lane: str) -> bool:
        places[0] += 1
        return True

    def release(_lane: str) -> None:
        places[0] -= 1

    taking = Taking("me", 60, reserve=reserve, release=release)

    def again(session: Session) -> None:
        session.info[TAKING] = taking
        add_work(session, "second", [1], "b", now=services.now())

    services.writer.write(again)
    assert (places[0], taking.items) == (0, [])
    assert held(engine, "second") == [(None, 0)]
