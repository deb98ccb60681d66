"""Lanes that rest: who tells that one is held, and since when."""

import threading
from datetime import datetime, timedelta

import pytest
from conftest import NOW
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from store.lanes import Rest, find_lane, rest_lane

HOLD = Rest("graph:1", NOW + timedelta(hours=1), hold=True, code="graph_190", message="dead", action="new token")


def rest(engine: Engine, what: Rest, now: datetime) -> bool:
    with Session(engine) as session, session.begin():
        return rest_lane(session, what, now=now)


def test_a_lane_is_told_to_be_held_once_and_since_when(engine: Engine) -> None:
    assert rest(engine, HOLD, NOW)
    assert not rest(engine, HOLD, NOW + timedelta(seconds=5))
    with Session(engine) as session:
        lane = find_lane(session, "graph:1")
        assert lane is not None
        assert (lane.since, lane.failures, lane.hold) == (NOW, 2, True)


def test_a_lane_that_only_rested_is_held_since_it_was_held(engine: Engine) -> None:
    assert not rest(engine, Rest("graph:1", NOW + timedelta(seconds=2), code="http_503"), NOW)
    later = NOW + timedelta(seconds=30)
    assert rest(engine, HOLD, later)
    with Session(engine) as session:
        lane = find_lane(session, "graph:1")
        assert lane is not None
        assert (lane.since, lane.code) == (later, "graph_190")


def test_a_rest_does_not_undo_a_hold(engine: Engine) -> None:
    assert rest(engine, HOLD, NOW)
    assert not rest(engine, Rest("graph:1", NOW + timedelta(hours=9), code="http_503"), NOW + timedelta(seconds=5))
    with Session(engine) as session:
        lane = find_lane(session, "graph:1")
        assert lane is not None
        assert (lane.hold, lane.code, lane.rest_until) == (True, "graph_190", HOLD.until)


@pytest.mark.parametrize("known", [False, True])
def test_of_two_processes_at_the_same_moment_one_tells(engine: Engine, known: bool) -> None:
    if known:
        rest(engine, Rest("graph:1", NOW, code="http_503"), NOW - timedelta(minutes=1))
    told: list[bool] = []
    with Session(engine) as first:
        first.begin()
        told.append(rest_lane(first, HOLD, now=NOW))
        second = threading.Thread(target=lambda: told.append(rest(engine, HOLD, NOW + timedelta(milliseconds=3))))
        second.start()
        second.join(0.3)  # it waits for the first one's row
        first.commit()
        second.join(20)
    assert told == [True, False]
