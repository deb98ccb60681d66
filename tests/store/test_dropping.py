"""A parked row that somebody gives up: it goes, its subject ends, and the lead's story says so."""

from collections.abc import Callable
from typing import Any

import pytest
from conftest import NOW
from lead_rows import make_lead
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from leadloop.errors import Verdict
from store.dropping import drop_work
from store.models import Connection, Delivery, Lead, LeadEvent, Notice, Notifier, Work
from store.story_words import story_words
from store.work import add_work, claim, settle
from store.writer import GroupWriter

PARKED = Verdict("parked", code="http_422", message="It says no.", action="Look.")


@pytest.fixture
def write(writer: GroupWriter) -> Callable[[Any], Any]:
    return writer.write


@pytest.fixture
def subjects(write: Callable[[Any], Any]) -> dict[str, int]:
    """A lead with a delivery and an alert, none of which has work; their ids by kind of work."""

    def make(session: Session) -> dict[str, int]:
        lead = make_lead("222", NOW)
        crm = Connection(name="crm", adapter="webhook", settings_sealed="x", changed_at=NOW)
        sales = Notifier(name="sales", urls_sealed="x", changed_at=NOW)
        session.add_all([lead, crm, sales])
        session.flush()
        delivery = Delivery(lead_id=lead.id, connection_id=crm.id, created_at=NOW)
        notice = Notice(lead_id=lead.id, notifier_id=sales.id, target="t", created_at=NOW)
        session.add_all([delivery, notice])
        session.flush()
        return {"lead": lead.id, "delivery": delivery.id, "notice": notice.id, "event": 7}

    found: dict[str, int] = write(make)
    return found


def park(write: Callable[[Any], Any], kind: str, subject_id: int) -> int:
    write(lambda session: add_work(session, kind, [subject_id], "lane:1", now=NOW))

    def settle_all(session: Session) -> int:
        (item,) = claim(session, {"0:lane:1": 1}, now=NOW, lease_s=60, holder="w")
        assert settle(session, item, PARKED, now=NOW)
        return item.id

    found: int = write(settle_all)
    return found


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("lead", "Reading it from Meta was dropped by hand: it is not tried any more."),
        ("delivery", "Putting it into crm was dropped by hand: it is not tried any more."),
        ("notice", "Ringing sales was dropped by hand: it is not tried any more."),
    ],
)
def test_the_row_goes_and_the_story_says_so(
    write: Callable[[Any], Any], read: Any, subjects: dict[str, int], kind: str, words: str
) -> None:
    if kind == "lead":
        write(lambda session: session.execute(update(Lead).values(state="waiting")))
    work_id = park(write, kind, subjects[kind])
    assert write(lambda session: drop_work(session, work_id, now=NOW))
    with read() as session:
        assert session.scalars(select(Work)).all() == []
        (event,) = session.scalars(select(LeadEvent)).all()
        assert (event.lead_id, event.at, story_words(event.kind, event.detail)) == (subjects["lead"], NOW, words)
        states = [session.scalar(select(table.state)) for table in (Lead, Delivery, Notice)]
    ended = {"lead": ["gone", "waiting", "waiting"], "delivery": ["read", "failed", "waiting"]}
    assert states == ended.get(kind, ["read", "waiting", "failed"])
    assert not write(lambda session: drop_work(session, work_id, now=NOW))


def test_a_lead_that_was_read_stays_so_when_reading_it_again_is_given_up(
    write: Callable[[Any], Any], read: Any, subjects: dict[str, int]
) -> None:
    """Meta no longer has it, so its replay was parked; its answers are here, and it is to be found among the read ones."""
    work_id = park(write, "lead", subjects["lead"])
    assert write(lambda session: drop_work(session, work_id, now=NOW))
    with read() as session:
        assert session.scalars(select(Lead.state)).all() == ["read"]
        assert session.scalars(select(LeadEvent.kind)).all() == ["dropped"]


def test_a_notice_of_meta_has_no_story(write: Callable[[Any], Any], read: Any, subjects: dict[str, int]) -> None:
    work_id = park(write, "event", subjects["event"])
    assert write(lambda session: drop_work(session, work_id, now=NOW))
    with read() as session:
        assert session.scalars(select(Work)).all() == []
        assert session.scalars(select(LeadEvent)).all() == []


@pytest.mark.parametrize("values", [{"state": "open"}, {"holder": "w2"}])
def test_what_waits_for_no_person_stays(
    write: Callable[[Any], Any], read: Any, subjects: dict[str, int], values: dict[str, str]
) -> None:
    work_id = park(write, "delivery", subjects["delivery"])
    write(lambda session: session.execute(update(Work).values(values)))
    assert not write(lambda session: drop_work(session, work_id, now=NOW))
    assert not write(lambda session: drop_work(session, 999, now=NOW))
    with read() as session:
        assert session.scalar(select(Work.id)) == work_id
