"""Outcomes at the door: kept once each, joined to whom they are about, now or when the lead comes."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from conftest import NOW
from lead_rows import make_lead
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from leadloop.conversions.outcome import OutcomeInput, read_outcome
from store.contacts import IdentityInput, find_contacts, keep_contact, list_identities
from store.conversion_models import Outcome
from store.models import Connection, Delivery, Funnel, Lead, Work
from store.outcome_joining import READ_AT_THE_LATEST, join_late, join_lead, join_record
from store.outcomes import KeptOutcome, add_outcomes, check_outcomes

STAGES = [{"stage": "new", "event": "Raw Lead"}, {"stage": "won", "event": "Purchase", "value": "required"}]


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    with Session(engine) as made, made.begin():
        made.add(Connection(name="crm", adapter="webhook", settings_sealed="-", changed_at=NOW))
        made.add(Funnel(position=0, connection="crm", dataset_id="900000000000001", stages=STAGES, options={}))
        made.flush()
        yield made


def outcome(lead: dict[str, Any], **changes: Any) -> OutcomeInput:
    data = {"lead": lead, "stage": "won", "occurred_at": NOW.isoformat(), "value": "12500.00", "currency": "TRY"}
    return read_outcome(data | changes, now=NOW)


def keep(session: Session, *inputs: OutcomeInput) -> list[KeptOutcome]:
    return add_outcomes(session, inputs, source="api", now=NOW)


def add_lead(session: Session, leadgen_id: str, **changes: Any) -> Lead:
    lead = make_lead(leadgen_id, NOW - timedelta(minutes=5), **changes)
    session.add(lead)
    session.flush()
    return lead


def works(session: Session) -> list[int]:
    return list(session.scalars(select(Work.subject_id).where(Work.kind == "outcome").order_by(Work.subject_id)))


def test_the_same_notice_of_a_clock_that_is_ahead_is_one(session: Session) -> None:
    add_lead(session, "222")
    ahead = {
        "lead": {"leadgen_id": "222"},
        "stage": "qualified",
        "occurred_at": (NOW + timedelta(seconds=40)).isoformat(),
    }
    for later_s in (0, 7, 90):
        now = NOW + timedelta(seconds=later_s)
        add_outcomes(session, [read_outcome(ahead, now=now)], source="api", now=now)
    (row,) = session.scalars(select(Outcome))
    assert row.occurred_at == NOW


@pytest.mark.parametrize("named", [{"leadgen_id": "222"}, {"email": "Zoe@example.com"}, {"phone": "+905321234567"}])
def test_a_known_lead_is_found_by_each_of_its_names(session: Session, named: dict[str, Any]) -> None:
    lead = add_lead(session, "222")
    (verdict,) = keep(session, outcome(named))
    row = session.scalars(select(Outcome)).one()
    assert (verdict.state, verdict.new, verdict.leadgen_id, verdict.doubt) == ("joined", True, "222", None)
    assert (row.lead_id, row.stage, row.value, row.currency, row.decided_at) == (
        lead.id,
        "won",
        "12500.00",
        "TRY",
        None,
    )
    assert works(session) == [row.id]


def test_the_same_notice_is_one_outcome_within_a_call_and_over_calls(session: Session) -> None:
    add_lead(session, "222")
    given = outcome({"leadgen_id": "222"})
    first = keep(session, given, outcome({"leadgen_id": "222"}), outcome({"leadgen_id": "222"}, stage="new"))
    again = keep(session, outcome({"leadgen_id": "222"}, value="12500.0"))
    assert [one.new for one in first] == [True, False, True]
    assert [one.new for one in again] == [False]
    assert first[0].outcome_id == first[1].outcome_id == again[0].outcome_id
    assert len(works(session)) == 2


def test_a_stage_that_changes_three_times_is_three_outcomes(session: Session) -> None:
    add_lead(session, "222")
    times = [(NOW - timedelta(hours=hour)).isoformat() for hour in (3, 2, 1)]
    keep(session, *(outcome({"leadgen_id": "222"}, occurred_at=at) for at in times))
    assert len(session.scalars(select(Outcome)).all()) == 3


def test_two_leads_of_one_address_are_refused_by_name_and_nothing_is_kept(session: Session) -> None:
    add_lead(session, "222")
    add_lead(session, "223")
    (verdict,) = keep(session, outcome({"email": "zoe@example.com"}))
    assert (verdict.state, verdict.code, verdict.field) == ("refused", "lead_ambiguous", "lead.email")
    assert "222, 223" in str(verdict.fault)
    assert "zoe" not in str(verdict.fault)
    assert session.scalars(select(Outcome)).all() == []


def test_a_connection_that_does_not_exist_is_refused_and_a_stage_that_does_not_is_kept_with_a_doubt(
    session: Session,
) -> None:
    add_lead(session, "222")
    strange, misspelt = keep(
        session,
        outcome({"leadgen_id": "222"}, connection="hubspot"),
        outcome({"leadgen_id": "222"}, connection="crm", stage="wonn"),
    )
    assert (strange.state, strange.field) == ("refused", "connection")
    assert "crm" in str(strange.fault)
    assert misspelt.state == "joined"
    assert '"won"' in str(misspelt.doubt)


def test_an_outcome_waits_for_a_lead_that_is_not_known_or_not_read(session: Session) -> None:
    lead = Lead(leadgen_id="222", page_id="111", received_at=NOW)
    session.add(lead)
    session.flush()
    unread, unknown = keep(session, outcome({"leadgen_id": "222"}), outcome({"leadgen_id": "999"}))
    assert (unread.state, unread.leadgen_id) == ("waiting", "222")
    assert (unknown.state, unknown.leadgen_id) == ("waiting", None)
    assert works(session) == []
    join_lead(session, lead.id, leadgen_id="222", email="zoe@example.com", phone=None, now=NOW)
    assert works(session) == [unread.outcome_id]
    assert session.get_one(Outcome, unread.outcome_id).lead_id == lead.id


@pytest.mark.parametrize("named", [{"email": "zoe@example.com"}, {"phone": "+905321234567"}])
def test_a_lead_that_comes_later_is_joined_by_its_address(session: Session, named: dict[str, Any]) -> None:
    (verdict,) = keep(session, outcome(named))
    lead = add_lead(session, "222")
    join_lead(session, lead.id, leadgen_id="222", email=lead.email, phone=lead.phone, now=NOW)
    join_lead(session, lead.id, leadgen_id="222", email=lead.email, phone=lead.phone, now=NOW)
    assert works(session) == [verdict.outcome_id]


def test_a_lead_without_an_address_joins_nobodys_outcome(session: Session) -> None:
    keep(session, outcome({"email": "zoe@example.com"}))
    lead = add_lead(session, "222", email=None, phone=None)
    join_lead(session, lead.id, leadgen_id="222", email=None, phone=None, now=NOW)
    assert works(session) == []


def add_delivery(session: Session, lead: Lead, remote_id: str) -> None:
    connection = session.scalars(select(Connection)).one()
    session.add(Delivery(lead_id=lead.id, connection_id=connection.id, remote_id=remote_id, created_at=NOW))
    session.flush()


def test_a_record_with_several_forms_means_the_newest_that_had_come_by_then(session: Session) -> None:
    old, new = add_lead(session, "222"), add_lead(session, "223")
    old.received_at, new.received_at = NOW - timedelta(days=3), NOW - timedelta(days=1)
    add_delivery(session, old, "501")
    add_delivery(session, new, "501")
    between, later, before = keep(
        session,
        *(
            outcome({"crm_id": "501"}, connection="crm", occurred_at=(NOW - timedelta(days=days)).isoformat())
            for days in (2, 0, 4)
        ),
    )
    assert (between.leadgen_id, later.leadgen_id, before.leadgen_id) == ("222", "223", "222")


def test_a_record_that_is_made_later_is_joined(session: Session) -> None:
    (verdict,) = keep(session, outcome({"crm_id": "501"}, connection="crm"))
    lead = add_lead(session, "222")
    join_record(session, lead.id, connection="other", remote_id="501", now=NOW)
    assert works(session) == []
    join_record(session, lead.id, connection="crm", remote_id="501", now=NOW)
    assert works(session) == [verdict.outcome_id]


def test_what_two_transactions_missed_is_found_later(session: Session) -> None:
    (missed, unknown) = keep(session, outcome({"leadgen_id": "222"}), outcome({"leadgen_id": "999"}))
    add_lead(session, "222")
    assert join_late(session, since=NOW - timedelta(hours=1), now=NOW) == (1, None)
    assert works(session) == [missed.outcome_id]
    assert session.get_one(Outcome, unknown.outcome_id).state == "waiting"


def test_all_that_waits_is_looked_at_bit_by_bit_also_what_came_in_the_same_moment(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("store.outcome_joining.TOGETHER", 2)
    missed = keep(session, *(outcome({"leadgen_id": str(number)}) for number in range(221, 226)))
    session.get_one(Outcome, missed[0].outcome_id).received_at = NOW + timedelta(seconds=5)
    session.get_one(Outcome, missed[4].outcome_id).received_at = NOW - timedelta(seconds=5)
    session.flush()
    add_lead(session, "221")
    add_lead(session, "225")
    since, counts, after = NOW - timedelta(hours=1), [], None
    while True:
        count, after = join_late(session, since=since, now=NOW, after=after)
        counts.append(count)
        if after is None:
            break
    assert counts == [1, 0, 1]
    assert works(session) == [missed[0].outcome_id, missed[4].outcome_id]


def test_a_lead_that_stays_unread_for_days_is_taken_as_it_is(session: Session) -> None:
    session.add(Lead(leadgen_id="222", page_id="111", received_at=NOW))
    (verdict,) = keep(session, outcome({"leadgen_id": "222"}))
    assert join_late(session, since=NOW - timedelta(hours=1), now=NOW + READ_AT_THE_LATEST) == (0, None)
    late = NOW + READ_AT_THE_LATEST + timedelta(seconds=1)
    assert join_late(session, since=NOW - timedelta(hours=1), now=late) == (1, None)
    assert works(session) == [verdict.outcome_id]


def test_a_dry_run_says_the_same_and_keeps_nothing(session: Session) -> None:
    add_lead(session, "222")
    inputs = [outcome({"leadgen_id": "222"}), outcome({"leadgen_id": "999"}), outcome({"crm_id": "1"}, connection="no")]
    assert [one.state for one in check_outcomes(session, inputs)] == ["joined", "waiting", "refused"]
    assert session.scalars(select(Outcome)).all() == []


def test_a_thousand_at_once_are_kept_and_more_are_not_taken(session: Session) -> None:
    inputs = [outcome({"leadgen_id": str(100_000 + number)}, value=Decimal(number)) for number in range(1_001)]
    assert sum(one.new for one in keep(session, *inputs[:1_000])) == 1_000
    with pytest.raises(ValueError, match="1000"):
        keep(session, *inputs)


def test_a_contact_without_a_lead_is_found_by_address_and_by_record(session: Session) -> None:
    contact_id = keep_contact(
        session,
        [IdentityInput("psid", "4000000000000001", "111"), IdentityInput("phone", "+905321234567")],
        now=NOW,
    )
    keep_contact(session, [IdentityInput("phone", "+905321234567"), IdentityInput("crm", "77", "crm")], now=NOW)
    by_phone, by_record = keep(
        session, outcome({"phone": "+905321234567"}), outcome({"crm_id": "77"}, connection="crm")
    )
    assert by_phone.state == by_record.state == "joined"
    assert {row.contact_id for row in session.scalars(select(Outcome))} == {contact_id}


def test_contacts_that_turn_out_to_be_one_become_the_older_and_keep_their_first_click(session: Session) -> None:
    click = {"ctwa_clid": "ARfirst", "clicked_at": NOW.isoformat()}
    first = keep_contact(session, [IdentityInput("wa_id", "905321234567", "100", click)], now=NOW)
    second = keep_contact(session, [IdentityInput("email", "zoe@example.com")], now=NOW)
    (verdict,) = keep(session, outcome({"email": "zoe@example.com"}))
    later = [
        IdentityInput("wa_id", "905321234567", "100", {"ctwa_clid": "ARsecond"}),
        IdentityInput("email", "zoe@example.com"),
    ]
    assert first != second
    assert keep_contact(session, later, now=NOW + timedelta(days=1)) == first
    session.expire_all()
    assert [row.detail for row in list_identities(session, first) if row.kind == "wa_id"] == [click]
    assert find_contacts(session, "email", ["zoe@example.com"]) == {"zoe@example.com": first}
    assert session.get_one(Outcome, verdict.outcome_id).contact_id == first


def test_an_outcome_and_its_lead_in_one_transaction_find_each_other(session: Session) -> None:
    other, lead = add_lead(session, "111"), add_lead(session, "222", email=None, phone=None)
    join_lead(session, other.id, leadgen_id="111", email=None, phone=None, now=NOW)  # when nothing waited yet
    lead.state = "waiting"
    session.flush()
    (verdict,) = keep(session, outcome({"leadgen_id": "222"}))
    assert verdict.state == "waiting"
    assert join_lead(session, lead.id, leadgen_id="222", email=None, phone=None, now=NOW) == 1
    assert works(session) == [verdict.outcome_id]
