"""Raw events: identical bytes once, also when they come together; work for the new ones only."""

from conftest import NOW
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from store.models import RawEvent, Work
from store.raw_events import ReceivedEvent, add_raw_events, count_verdicts, mark_read


def received(body: bytes, source: str = "meta") -> ReceivedEvent:
    return ReceivedEvent(source, "page", body, {"User-Agent": "x"}, NOW)


def add(engine: Engine, *bodies: bytes) -> list[bool]:
    with Session(engine) as session, session.begin():
        ids = add_raw_events(session, [received(body) for body in bodies])
    with Session(engine) as session:
        for body, event_id in zip(bodies, ids, strict=True):
            assert event_id is None or session.get_one(RawEvent, event_id).body == body
    return [event_id is not None for event_id in ids]


def test_each_new_body_is_a_row_with_work(engine: Engine) -> None:
    assert add(engine, b"a", b"b") == [True, True]
    with Session(engine) as session:
        events = list(session.scalars(select(RawEvent).order_by(RawEvent.id)))
        work = list(session.scalars(select(Work).order_by(Work.id)))
    assert {event.body for event in events} == {b"a", b"b"}
    assert [event.verdict for event in events] == ["new", "new"]
    assert [(row.kind, row.subject_id) for row in work] == [("event", event.id) for event in events]


def test_the_same_bytes_are_one_row_that_counts_them(engine: Engine) -> None:
    assert add(engine, b"a", b"a", b"b") == [True, False, True]
    assert add(engine, b"a") == [False]
    with Session(engine) as session:
        repeats = {event.body: event.repeats for event in session.scalars(select(RawEvent))}
        assert repeats == {b"a": 2, b"b": 0}
        assert len(list(session.scalars(select(Work)))) == 2


def test_a_repeat_of_what_was_read_is_no_new_work(engine: Engine) -> None:
    add(engine, b"a")
    with Session(engine) as session, session.begin():
        session.delete(session.scalars(select(Work)).one())
        mark_read(session, session.scalars(select(RawEvent.id)).one(), verdict="read", reason=None, now=NOW)
    assert add(engine, b"a") == [False]
    with Session(engine) as session:
        assert list(session.scalars(select(Work))) == []
        assert count_verdicts(session) == {"read": 1}


def test_bytes_of_every_kind_come_back_as_they_were(engine: Engine) -> None:
    bodies = [bytes(range(256)), b"\x00", b"", "İ ı 😀 \u202e".encode(), b"x" * 3_000_000]
    assert add(engine, *bodies) == [True] * len(bodies)
    with Session(engine) as session:
        assert {event.body for event in session.scalars(select(RawEvent))} == set(bodies)
