"""Lists of conversions and outcomes: what they pick, what they show, and how the databases find it."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any

import pytest
from conftest import NOW
from conversion_rows import DATASET, make_conversion, make_held_lane, make_outcome
from lead_rows import make_lead
from sqlalchemy import Engine, event, insert, text
from sqlalchemy.orm import Session

from store import outcome_lists
from store.conversion_lists import (
    MASKED,
    ConversionFilter,
    find_conversion,
    list_conversions,
    list_of_lead,
    mask_person,
)
from store.conversion_models import Conversion
from store.outcome_lists import OutcomeFilter, list_outcomes

OTHER = "900000000000002"
MANY = 3000
Read = Callable[[], AbstractContextManager[Session]]


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    with Session(engine) as made, made.begin():
        made.add_all([make_lead("222", NOW), make_lead("333", NOW)])
        made.flush()
        yield made


def keep(session: Session, *rows: Any) -> None:
    for row in rows:
        session.add(row)
        session.flush()


def listed(session: Session, **chosen: Any) -> list[int]:
    return [one.id for one in list_conversions(session, ConversionFilter(**chosen), limit=50)]


def later(seconds: float) -> Any:
    return NOW + timedelta(seconds=seconds)


def test_conversions_are_listed_newest_first_and_each_filter_picks_its_own(session: Session) -> None:
    keep(
        session,
        make_conversion(later(1), event_id="a", lead_id=1, state="accepted"),
        make_conversion(later(2), event_id="b", lead_id=2, dataset_id=OTHER, state="accepted"),
        make_conversion(later(2), event_id="c", state="refused", event_name="Lead"),
        make_conversion(later(3), event_id=None, state="skipped", event_name=None),
    )
    assert listed(session) == [4, 3, 2, 1]
    assert listed(session, leadgen_id="333") == [2]
    assert listed(session, leadgen_id="444") == []
    assert listed(session, dataset_id=OTHER) == [2]
    assert listed(session, event_name="Lead") == [3]
    assert listed(session, state="accepted") == [2, 1]
    assert listed(session, state="refused") == [3]
    assert listed(session, state="skipped") == [4]
    assert listed(session, since=later(2)) == [4, 3, 2]
    assert listed(session, until=later(2)) == [1]
    assert listed(session, before=(later(2), 3)) == [2, 1]
    assert listed(session, dataset_id=DATASET, state="accepted", leadgen_id="222") == [1]


def test_a_queued_conversion_of_a_held_dataset_is_held_for_its_reason(session: Session) -> None:
    keep(
        session,
        make_conversion(NOW, event_id="a"),
        make_conversion(
            NOW, event_id="b", state="held", code="restricted_region", message="Own reason.", action="Own."
        ),
        make_conversion(NOW, event_id="c", state="sending"),
        make_conversion(NOW, event_id="d", dataset_id=OTHER),
        make_held_lane(NOW),
        make_held_lane(NOW, OTHER, hold=False),
    )
    shown = {
        one.id: (one.state, one.code, one.message, one.action)
        for one in list_conversions(session, ConversionFilter(), limit=9)
    }
    assert shown == {
        1: ("held", "token_dead", "The token is not valid any more.", "Enter a new one."),
        2: ("held", "restricted_region", "Own reason.", "Own."),
        3: ("sending", None, None, None),
        4: ("queued", None, None, None),  # its dataset only rests for a while
    }
    assert listed(session, state="held") == [2, 1]
    assert listed(session, state="queued") == [4]
    assert listed(session, state="sending") == [3]


def test_a_payload_is_shown_only_when_asked_for_and_without_address_and_browser(session: Session) -> None:
    keep(session, make_conversion(NOW, event_id="a", lead_id=1, answer={"events_received": 1}))
    (bare,) = list_conversions(session, ConversionFilter(), limit=9)
    assert (bare.payload, bare.answer) == (None, None)
    assert not {"payload", "answer"} & bare.to_json().keys()
    full = find_conversion(session, 1, payload=True)
    assert full is not None
    told = full.to_json(payload=True)
    assert told["payload"]["user_data"] == {
        "em": ["0" * 64],
        "lead_id": "222222222222222",
        "client_ip_address": MASKED,
        "client_user_agent": MASKED,
    }
    assert told["answer"] == {"events_received": 1}
    assert (told["leadgen_id"], told["event_time"]) == ("222", "2026-11-22T08:59:00Z")
    assert "Zoe" not in repr(full) + str(told)
    assert find_conversion(session, 2) is None


@pytest.mark.parametrize("payload", [None, {}, {"user_data": None}, {"user_data": []}, {"user_data": {"em": []}}])
def test_a_payload_with_nothing_to_mask_stays_as_it_is(payload: dict[str, Any] | None) -> None:
    assert mask_person(payload) == payload


def test_outcomes_are_listed_with_what_followed_from_them(session: Session) -> None:
    keep(
        session,
        make_outcome(later(1), key="a", lead_id=1, named_kind="email", named_value="zoe@example.com", value="12.50"),
        make_outcome(later(2), key="b", named_value="444"),
        make_outcome(later(3), key="c", named_kind="phone", named_value="+905321234567", stage="lost"),
        make_conversion(NOW, event_id="a", lead_id=1, outcome_id=1),
        make_conversion(NOW, event_id="b", lead_id=1, outcome_id=1, dataset_id=OTHER),
    )

    def found(**chosen: Any) -> list[int]:
        return [one.id for one in list_outcomes(session, OutcomeFilter(**chosen), limit=50)]

    assert found() == [3, 2, 1]
    assert found(leadgen_id="222") == [1]
    assert found(leadgen_id="444") == [2]  # it waits for that lead
    assert found(leadgen_id="333") == []
    assert found(state="waiting") == [3, 2]
    assert found(stage="lost") == [3]
    assert found(since=later(2), until=later(3)) == [2]
    assert found(before=(later(2), 2)) == [1]
    by_phone, waiting, joined = (one.to_json() for one in list_outcomes(session, OutcomeFilter(), limit=50))
    assert (joined["conversions"], joined["leadgen_id"], joined["named_by"], joined["value"]) == (
        [1, 2],
        "222",
        "email",
        "12.50",
    )
    assert (waiting["conversions"], waiting["leadgen_id"], waiting["state"]) == ([], "444", "waiting")
    assert by_phone["leadgen_id"] is None
    assert "zoe@" not in str(joined)
    assert "+90" not in str(by_phone)


def test_a_lead_has_its_outcomes_in_the_order_in_which_they_happened(session: Session) -> None:
    keep(
        session,
        make_outcome(later(1), key="a", lead_id=1, occurred_at=later(-5)),
        make_outcome(later(2), key="b", lead_id=1, occurred_at=later(-9)),
        make_outcome(later(3), key="c", lead_id=2),
        make_outcome(later(4), key="d", named_value="222", occurred_at=later(-2)),
        make_conversion(NOW, event_id="a", lead_id=1, outcome_id=2),
        make_conversion(NOW, event_id="b", lead_id=2, outcome_id=3),
    )
    assert [(one.id, one.conversions) for one in outcome_lists.list_of_lead(session, 1, "222")] == [
        (2, ((1, "Purchase", "queued"),)),
        (1, ()),
        (4, ()),
    ]
    assert [one.id for one in list_of_lead(session, 1)] == [1]


@pytest.fixture
def full(engine: Engine) -> Engine:
    """Thousands of conversions that Meta took, and among the oldest one that it refused."""
    rows = [
        {name: value for name, value in vars(make_conversion(later(n), event_id=str(n))).items() if name[0] != "_"}
        | {"state": "refused" if n == 1 else "accepted"}
        for n in range(MANY)
    ]
    with engine.begin() as connection:
        connection.execute(insert(Conversion), rows)
    if engine.dialect.name == "postgresql":  # it looks at how many there are; SQLite does well without
        with engine.begin() as connection:
            connection.execute(text("ANALYZE conversion"))
    return engine


@pytest.mark.parametrize(
    ("chosen", "first", "index"),
    [
        (ConversionFilter(), MANY, "ix_conversion_newest"),
        (ConversionFilter(state="accepted", since=later(5)), MANY, "ix_conversion_newest"),
        (ConversionFilter(state="refused"), 2, "ix_conversion_not_told"),
        (ConversionFilter(state="refused", before=(later(9), 9)), 2, "ix_conversion_not_told"),
    ],
    ids=["all", "most", "few", "few, second page"],
)
def test_lists_are_read_from_an_index_that_holds_little_else(
    full: Engine, read: Read, chosen: ConversionFilter, first: int, index: str
) -> None:
    with read() as session:
        assert list_conversions(session, chosen, limit=51)[0].id == first
    plan = plan_of(read, chosen)
    assert index in plan
    assert "TEMP B-TREE" not in plan
    assert "Seq Scan on conversion" not in plan


def plan_of(read: Read, chosen: ConversionFilter) -> str:
    """How the database goes about the list, in its own words."""
    seen: list[Any] = []
    with read() as session:
        connection = session.connection()

        def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_more: Any) -> None:
            seen.append((statement, parameters))

        event.listen(connection, "before_cursor_execute", note)
        list_conversions(session, chosen, limit=51)
        event.remove(connection, "before_cursor_execute", note)
        explain = "EXPLAIN QUERY PLAN " if connection.dialect.name == "sqlite" else "EXPLAIN "
        statement, parameters = seen[0]
        return "\n".join(str(row[-1]) for row in connection.exec_driver_sql(explain + statement, parameters))
