"""Reading one lead: what the notice told and Graph does not, and a Page that is in no configuration; on both databases."""

from datetime import timedelta
from typing import Any

import pytest
from conftest import NOW, Clock
from fakes import FakeGraph, make_services
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from leadloop.errors import Retryable
from leadloop.ports import Services
from store.lanes import list_lanes
from store.leads import LeadNotice, add_leads
from store.models import Lead, Page, Work
from workers.drain import Drainer
from workers.registry import JOBS

PAGE, FORM, LEAD = "111111111111111", "333333333333333", "222222222222222"
SENT_AT = NOW - timedelta(minutes=1)
ANSWER = {"id": LEAD, "form_id": FORM, "field_data": [{"name": "full_name", "values": ["Zoë Test"]}]}
SNAPSHOT = {"id": FORM, "name": "Offer", "questions": [{"key": "full_name", "type": "FULL_NAME"}]}


def announce(services: Services, **known: Any) -> None:
    notice = LeadNotice(LEAD, PAGE, **{"form_id": FORM, "created_at": SENT_AT} | known)
    services.writer.write(lambda session: add_leads(session, [notice], received_at=services.now(), now=services.now()))


def lead_of(engine: Engine) -> Lead:
    with Session(engine) as session:
        return session.scalars(select(Lead)).one()


def work_of(engine: Engine) -> list[tuple[str, str | None, int]]:
    with Session(engine) as session:
        return [(row.state, row.code, row.attempts) for row in session.scalars(select(Work))]


def test_what_graph_does_not_say_stays_as_the_notice_told_it(engine: Engine, clock: Clock) -> None:
    graph = FakeGraph({LEAD: {name: value for name, value in ANSWER.items() if name != "form_id"}}, {FORM: SNAPSHOT})
    services = make_services(engine, graph=graph, now=clock, meta_access_token="EAATEST")
    announce(services, ad_id="120210000000000001")
    Drainer(services, JOBS, threads=2).drain()
    lead = lead_of(engine)
    assert (lead.state, lead.created_at, lead.form_id, lead.ad_id) == ("read", SENT_AT, FORM, "120210000000000001")
    assert lead.card is not None
    assert lead.card["created_at"] == SENT_AT.isoformat()


def test_graphs_own_time_counts_where_it_has_one(engine: Engine, clock: Clock) -> None:
    graph = FakeGraph({LEAD: ANSWER | {"created_time": "2026-11-22T08:26:30+0000"}}, {FORM: SNAPSHOT})
    services = make_services(engine, graph=graph, now=clock, meta_access_token="EAATEST")
    announce(services)
    Drainer(services, JOBS, threads=2).drain()
    assert lead_of(engine).created_at == NOW.replace(hour=8, minute=26, second=30)


@pytest.mark.parametrize(("scope", "state"), [("lane", "read"), ("item", "waiting")])
def test_a_lead_that_was_read_does_not_wait_for_its_forms_limit(
    engine: Engine, clock: Clock, scope: Any, state: str
) -> None:
    limit = Retryable("A limit.", code="graph_80005", scope=scope, retry_after_s=3_600)
    services = make_services(
        engine, graph=FakeGraph({LEAD: ANSWER}, {FORM: limit}), now=clock, meta_access_token="EAATEST"
    )
    announce(services)
    Drainer(services, JOBS, threads=2).drain()
    assert lead_of(engine).state == state


def test_a_page_nobody_configured_is_held_and_its_lead_parked_after_six_hours(engine: Engine, clock: Clock) -> None:
    services = make_services(engine, graph=FakeGraph(), now=clock)
    announce(services)
    drainer = Drainer(services, JOBS, threads=2)
    drainer.drain()
    assert work_of(engine) == [("open", "no_token", 0)]
    clock.forward(hours=5, minutes=59)
    drainer.drain()
    assert work_of(engine) == [("open", "no_token", 0)]
    clock.forward(minutes=16)
    drainer.drain()
    assert [row[:2] for row in work_of(engine)] == [("parked", "no_token")]
    with Session(engine) as session:
        ((lane, _waiting),) = list_lanes(session)
        assert lane.hold, "a token that comes later frees the lane, and wakes what is parked in it"


def test_a_configured_page_waits_for_its_token_as_long_as_it_takes(engine: Engine, clock: Clock) -> None:
    services = make_services(engine, graph=FakeGraph(), now=clock)
    with Session(engine) as session, session.begin():
        session.add(Page(page_id=PAGE, configured=True, position=0))
    announce(services)
    drainer = Drainer(services, JOBS, threads=2)
    drainer.drain()
    clock.forward(days=3)
    drainer.drain()
    assert work_of(engine) == [("open", "no_token", 0)]
