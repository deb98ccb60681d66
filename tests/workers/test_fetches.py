"""A Page read from Meta's list because a notice named no lead: asked for, read, and asked for again meanwhile."""

from datetime import datetime, timedelta
from typing import Any

from conftest import NOW, Clock
from fakes import FakeGraph, make_services
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from leadloop.ports import LeadPage, Services
from store.asked_pages import load_asked_page
from store.models import Backfill, Lead, Work
from store.work import add_work
from workers import fetches
from workers.drain import Drainer
from workers.holds import current_fingerprints
from workers.registry import JOBS

PAGE, FORM = "111111111111111", "333333333333333"


def ask(services: Services, sent_at: datetime | None, received_at: datetime = NOW) -> None:
    services.writer.write(
        lambda session: fetches.ask(session, PAGE, sent_at=sent_at, received_at=received_at, now=services.now())
    )


def lead(number: int) -> dict[str, Any]:
    return {
        "id": f"22222222222{number:04d}",
        "form_id": FORM,
        "created_time": "2026-11-22T08:26:30+0000",
        "field_data": [{"name": "full_name", "values": ["Zoë Test"]}],
    }


class ListGraph(FakeGraph):
    """Notes since when a list was asked for, and calls `meanwhile` while it is being read."""

    def __init__(self) -> None:
        super().__init__({"1": lead(1)}, {FORM: {"id": FORM, "name": "Offer", "questions": []}})
        self.since: list[datetime | None] = []
        self.meanwhile: Any = None

    def read_form_leads(
        self, form_id: str, *, token: str, page_id: str, since: datetime | None, after: str | None
    ) -> LeadPage:
        self.since.append(since)
        listed = super().read_form_leads(form_id, token=token, page_id=page_id, since=since, after=after)
        if self.meanwhile is not None:
            run, self.meanwhile = self.meanwhile, None
            run()
        return listed


def make(engine: Engine, clock: Clock) -> tuple[Services, ListGraph, Drainer]:
    graph = ListGraph()
    services = make_services(engine, graph=graph, now=clock, meta_access_token="EAATEST")
    return services, graph, Drainer(services, JOBS, threads=2)


def test_it_is_read_since_a_day_before_the_notice_was_sent(engine: Engine, clock: Clock) -> None:
    services, graph, drainer = make(engine, clock)
    for sent_at, since in [
        (NOW - timedelta(hours=2), NOW - timedelta(hours=26)),
        (None, NOW - timedelta(hours=24)),
        (NOW - timedelta(days=400), NOW - timedelta(hours=60)),
        (NOW + timedelta(days=400), NOW - timedelta(hours=24)),
    ]:
        ask(services, sent_at)
        drainer.drain()
        assert graph.since.pop() == since
    assert graph.since == []


def test_an_open_wish_keeps_the_earlier_time(engine: Engine, clock: Clock) -> None:
    services, graph, drainer = make(engine, clock)
    for hours in (5, 9, 1):
        ask(services, NOW - timedelta(hours=hours))
    with Session(engine) as session:
        assert len(list(session.scalars(select(Work)))) == 1
    drainer.drain()
    assert graph.since == [NOW - timedelta(hours=33)]


def test_asked_again_while_it_is_read_it_is_read_once_more(engine: Engine, clock: Clock) -> None:
    services, graph, drainer = make(engine, clock)

    def meanwhile() -> None:
        graph.leads["2"] = lead(2)
        ask(services, NOW)

    graph.meanwhile = meanwhile
    ask(services, NOW)
    drainer.drain()
    assert len(graph.since) == 2
    with Session(engine) as session:
        assert sorted(session.scalars(select(Lead.leadgen_id))) == [lead(1)["id"], lead(2)["id"]]
        assert list(session.scalars(select(Work))) == []
        assert session.scalars(select(Backfill.finished_at)).one() == clock()


def test_a_notice_in_the_transaction_that_ends_it_is_not_lost(engine: Engine, clock: Clock) -> None:
    services, graph, _drainer = make(engine, clock)
    ask(services, NOW)
    drainer = Drainer(services, JOBS, threads=2)
    real = services.writer.write

    def together(operation: Any) -> Any:
        """The settling of the row, and a notice right behind it, as one transaction."""

        def both(session: Session) -> Any:
            # A neighbour that adds work comes first, so that all adding is done before all settling.
            add_work(session, "other", [1], "other", now=services.now(), due_at=NOW + timedelta(days=1))
            done = operation(session)
            if session.scalars(select(Backfill.finished_at)).one() is not None and not again:
                again.append(True)
                fetches.ask(session, PAGE, sent_at=NOW, received_at=NOW, now=services.now())
            return done

        return real(both)

    again: list[bool] = []
    services.writer.write = together  # type: ignore[method-assign]
    drainer.drain()
    assert again
    assert len(graph.since) == 2


def test_without_a_token_the_page_is_held_and_freed_by_one(engine: Engine, clock: Clock) -> None:
    services = make_services(engine, graph=ListGraph(), now=clock)
    ask(services, NOW)
    Drainer(services, JOBS, threads=2).drain()
    with Session(engine) as session:
        work = session.scalars(select(Work)).one()
        assert (work.state, work.code) == ("open", "no_token")
        asked = load_asked_page(session, work.subject_id)
        assert asked.page_id == PAGE
        lanes = [f"graph:{PAGE}"]
        assert set(lanes) <= set(current_fingerprints(session, services, lanes))
