"""The queue of a dataset: found by its index however long the history is, and settled by the truth in whatever order it comes."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from conftest import NOW
from sqlalchemy import Engine, event, insert, select, text
from sqlalchemy.orm import Session

from store.conversion_models import Conversion
from store.conversions import (
    GIVEN_UP,
    Event,
    count_queued,
    expire,
    list_left_behind,
    settle_events,
    take_events,
)

DATASET = "900000000000001"
REASON = ("connect", "No connection.", "Wait.")


def add_events(engine: Engine, count: int, state: str = "queued", *, name: str = "Lead", **changes: Any) -> None:
    row = {
        "dataset_id": DATASET,
        "connection": "crm",
        "route": "conversion_leads",
        "stage": "qualified",
        "event_name": name,
        "event_time": NOW,
        "deadline_at": NOW + timedelta(days=6),
        "state": state,
        "payload": {"x": "y" * 300},
        "created_at": NOW,
    } | changes
    rows = [row | {"event_id": f"{state}-{name}-{number}"} for number in range(count)]
    with engine.begin() as connection:
        connection.execute(insert(Conversion), rows)


def take(engine: Engine, most: int = 10, **later: float) -> list[Event]:
    with Session(engine) as session, session.begin():
        return take_events(session, DATASET, most=most, now=NOW + timedelta(**later))


def settle(engine: Engine, events: list[Event], state: str, **how: Any) -> None:
    with Session(engine) as session, session.begin():
        settle_events(session, events, state, now=NOW, **how)


def states(engine: Engine) -> list[tuple[str, str | None, int]]:
    with Session(engine) as session:
        query = select(Conversion.state, Conversion.code, Conversion.tries).order_by(Conversion.id)
        return [tuple(row) for row in session.execute(query)]


Look = Callable[[Session], object]


@pytest.mark.parametrize(
    "look",
    [
        lambda session: take_events(session, DATASET, most=50, now=NOW),
        lambda session: count_queued(session, DATASET, most=50),
        lambda session: list_left_behind(session, DATASET),
        lambda session: expire(session, now=NOW),
    ],
    ids=["take", "count", "left behind", "expire"],
)
def test_the_history_is_not_read_to_find_what_is_queued(engine: Engine, look: Look) -> None:
    """Much of it queued, behind a long history: there PostgreSQL would hope to find some soon in the order of ids."""
    add_events(engine, 8_000, "accepted")
    add_events(engine, 3_000)
    said: list[tuple[str, Any]] = []
    event.listen(engine, "before_cursor_execute", lambda _c, _cur, sql, values, _x, _many: said.append((sql, values)))
    with Session(engine) as session, session.begin():
        if engine.dialect.name == "postgresql":
            session.execute(text("ANALYZE conversion"))
        said.clear()
        look(session)
        sql, values = next(one for one in said if one[0].startswith(("SELECT", "UPDATE")))
        explain = "EXPLAIN QUERY PLAN " if engine.dialect.name == "sqlite" else "EXPLAIN "
        cursor = session.connection().connection.cursor()
        cursor.execute(explain + sql, values)
        plan = "\n".join(str(row) for row in cursor.fetchall())
    assert "ix_conversion_open" in plan or "ix_conversion_not_told" in plan, plan
    assert "pk_conversion" not in plan
    assert "Seq Scan" not in plan


def test_what_is_too_old_is_marked_on_the_way_to_what_is_not(engine: Engine) -> None:
    add_events(engine, 25, name="Old", deadline_at=NOW)
    add_events(engine, 3)
    assert len(take(engine)) == 3
    found = states(engine)
    assert [row[0] for row in found] == ["expired"] * 25 + ["sending"] * 3
    assert {row[2] for row in found[:25]} == {0}
    assert take(engine) == []


def test_the_time_of_the_first_try_is_kept(engine: Engine) -> None:
    """From it is counted for how long Meta drops a copy: else an event in doubt might go again for ever."""
    add_events(engine, 1)
    first = take(engine)
    settle(engine, first, "queued", reason=REASON)
    (again,) = take(engine, hours=30)
    assert (again.tries, again.sent_at) == (2, NOW)


def test_what_meta_has_taken_is_accepted_whatever_was_noted_meanwhile(engine: Engine) -> None:
    add_events(engine, 4)
    taken = take(engine)
    settle(engine, taken[:1], "unknown", reason=(GIVEN_UP, "", ""))
    settle(engine, taken[1:2], "unknown", reason=("timeout", "", ""))
    settle(engine, taken[2:3], "queued")
    settle(engine, taken, "accepted", fbtrace_id="T")
    assert states(engine) == [("accepted", None, 1)] * 4
    settle(engine, taken, "unknown", reason=("timeout", "", ""))
    settle(engine, taken, "queued")
    settle(engine, taken, "refused")
    assert states(engine) == [("accepted", None, 1)] * 4
    assert take(engine) == []


@pytest.mark.parametrize("state", ["queued", "refused"])
def test_what_was_given_up_is_no_longer_unknown_once_that_try_has_an_answer(engine: Engine, state: str) -> None:
    add_events(engine, 1)
    taken = take(engine)
    settle(engine, taken, "unknown", reason=(GIVEN_UP, "", ""))
    settle(engine, [replace(taken[0], tries=2)], state, reason=REASON)
    assert states(engine) == [("unknown", GIVEN_UP, 1)]
    settle(engine, taken, "unknown", reason=("timeout", "", ""))
    assert states(engine) == [("unknown", GIVEN_UP, 1)]
    settle(engine, taken, state, reason=REASON)
    assert states(engine) == [(state, "connect", 1)]


def test_the_end_of_an_earlier_try_is_not_taken_for_that_of_a_later_one(engine: Engine) -> None:
    add_events(engine, 1)
    first = take(engine)
    settle(engine, first, "queued")
    second = take(engine)
    settle(engine, first, "queued", reason=REASON)
    settle(engine, first, "unknown", reason=("timeout", "", ""))
    assert states(engine) == [("sending", None, 2)]
    settle(engine, second, "unknown", reason=("timeout", "", ""))
    settle(engine, second, "queued", reason=REASON)
    assert states(engine) == [("unknown", "timeout", 2)]
