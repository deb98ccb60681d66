"""Notes on deliveries and alerts."""

from datetime import datetime

import pytest
from conftest import NOW
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from store.deliveries import note_sent
from store.models import Lead, Notice, Notifier
from store.writer import GroupWriter


@pytest.fixture
def notice_id(engine: Engine) -> int:
    with Session(engine) as session, session.begin():
        lead = Lead(leadgen_id="1", page_id="2", received_at=NOW)
        notifier = Notifier(name="sales", urls_sealed="-", changed_at=NOW)
        session.add_all([lead, notifier])
        session.flush()
        notice = Notice(lead_id=lead.id, notifier_id=notifier.id, target="t", created_at=NOW)
        session.add(notice)
        session.flush()
        return notice.id


@pytest.mark.parametrize(
    ("first", "second", "marked"), [(False, False, False), (True, False, True), (False, True, True)]
)
def test_an_alert_that_may_have_rung_twice_stays_marked(
    engine: Engine, writer: GroupWriter, notice_id: int, first: bool, second: bool, marked: bool
) -> None:
    """Two workers had it, one after the other's lease: whoever notes last must not wipe out the mark."""

    def note(maybe_repeated: bool, now: datetime) -> None:
        writer.write(lambda s: note_sent(s, notice_id, target="t", maybe_repeated=maybe_repeated, now=now))

    note(first, NOW)
    note(second, NOW)
    with Session(engine) as session:
        found = session.scalars(select(Notice)).one()
    assert (found.state, found.attempts, found.maybe_repeated) == ("sent", 2, marked)
