"""Lists of leads: what is rare is found through an index of its own, however many leads there are."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any

import pytest
from conftest import NOW
from lead_rows import make_lead
from sqlalchemy import Engine, event, insert, text
from sqlalchemy.orm import Session

from store.leads import LeadFilter, list_leads
from store.models import Lead

MANY = 4000
Read = Callable[[], AbstractContextManager[Session]]


@pytest.fixture
def full(engine: Engine) -> Engine:
    """Thousands of leads, among them one of each rare kind, long ago."""
    common = {name: value for name, value in vars(make_lead("1", NOW)).items() if not name.startswith("_")}
    rows = [
        common | {"leadgen_id": str(number), "received_at": NOW + timedelta(seconds=number)} for number in range(MANY)
    ]
    rows[1]["state"], rows[2]["state"], rows[3]["is_test"], rows[4]["routed"] = "waiting", "gone", True, False
    with engine.begin() as connection:
        connection.execute(insert(Lead), rows)
    if engine.dialect.name == "postgresql":  # it looks at how many there are; SQLite does well without
        with engine.begin() as connection:
            connection.execute(text("ANALYZE lead"))
    return engine


def plan_of(read: Read, chosen: LeadFilter) -> str:
    """How the database goes about the list, in its own words."""
    seen: list[Any] = []
    with read() as session:
        connection = session.connection()

        def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_more: Any) -> None:
            seen.append((statement, parameters))

        event.listen(connection, "before_cursor_execute", note)
        list_leads(session, chosen, limit=51)
        event.remove(connection, "before_cursor_execute", note)
        explain = "EXPLAIN QUERY PLAN " if connection.dialect.name == "sqlite" else "EXPLAIN "
        statement, parameters = seen[0]
        return "\n".join(str(row[-1]) for row in connection.exec_driver_sql(explain + statement, parameters))


@pytest.mark.parametrize(
    ("chosen", "leadgen_id", "index"),
    [
        (LeadFilter(state="waiting"), "1", "ix_lead_unread"),
        (LeadFilter(state="gone"), "2", "ix_lead_unread"),
        (LeadFilter(test=True), "3", "ix_lead_test"),
        (LeadFilter(unrouted=True), "4", "ix_lead_unrouted"),
        (LeadFilter(state="gone", since=NOW, before=(NOW + timedelta(days=1), 10**6)), "2", "ix_lead_unread"),
    ],
    ids=["waiting", "gone", "test", "unrouted", "gone, second page"],
)
def test_what_is_rare_has_an_index_that_is_in_order(
    full: Engine, read: Read, chosen: LeadFilter, leadgen_id: str, index: str
) -> None:
    with read() as session:
        assert [lead.leadgen_id for lead in list_leads(session, chosen, limit=51)] == [leadgen_id]
    plan = plan_of(read, chosen)
    assert index in plan
    assert "TEMP B-TREE" not in plan
    assert "Sort" not in plan


def test_what_most_are_is_listed_from_the_newest(full: Engine, read: Read) -> None:
    for chosen in (LeadFilter(), LeadFilter(state="read"), LeadFilter(test=False)):
        with read() as session:
            found = [lead.leadgen_id for lead in list_leads(session, chosen, limit=3)]
        assert found == [str(MANY - 1), str(MANY - 2), str(MANY - 3)]
        assert "ix_lead_received" in plan_of(read, chosen)
