"""From an outcome to what Meta has: decided once, sent in batches, split around a bad event, never sent twice."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from conftest import Clock
from conversion_bench import DATASET, Answer, Bench, fill_bench, make_bench
from lead_rows import add, make_lead
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from leadloop.conversions.answers import EventsUnanswered, Received
from leadloop.errors import NeedsHuman, Retryable
from leadloop.lead_reading import card_from_row
from store.contacts import IdentityInput, keep_contact
from store.conversions import take_events
from store.models import Delivery, Funnel, Lane, Lead, Page
from store.routing import Plan
from workers import conversions
from workers.holds import free_changed_lanes
from workers.lead_conversions import begin_conversions


@pytest.fixture
def bench(engine: Engine, clock: Clock) -> Iterator[Bench]:
    made = make_bench(engine, clock)
    fill_bench(made)
    yield made
    made.services.writer.close()


def test_an_outcome_becomes_an_event_as_conversion_leads_wants_it(bench: Bench) -> None:
    bench.tell(bench.outcome("won", value="12500.00", currency="TRY", order_id="DEAL-42"))
    (event,) = bench.meta.stored
    (row,) = bench.rows()
    assert (event["event_name"], event["action_source"]) == ("Purchase", "system_generated")
    assert event["user_data"]["lead_id"] == 222222222222222
    assert {"em", "ph", "external_id", "country"} <= event["user_data"].keys()
    assert event["custom_data"]["event_source"] == "crm"
    assert event["custom_data"]["lead_event_source"] == "crm"
    assert (event["custom_data"]["value"], event["custom_data"]["currency"]) == (12500, "TRY")
    assert event["event_time"] == int(bench.clock().timestamp())
    assert (row.state, row.event_id, row.fbtrace_id, row.tries) == ("accepted", event["event_id"], "trace-1", 1)
    assert row.answer == {"events_received": 1}
    assert row.payload == event
    assert bench.work() == []


def test_each_stage_is_told_once_however_often_and_in_whatever_words_it_is_reported(bench: Bench) -> None:
    bench.tell(bench.outcome("qualified"))
    bench.clock.forward(minutes=1)
    bench.tell(bench.outcome("qualified"), bench.outcome("Qualified "))
    bench.clock.forward(minutes=1)
    bench.tell({**bench.outcome("qualified"), "lead": {"email": "ZOE@example.com"}})
    assert bench.meta.names() == ["Lead"]
    assert [row.state for row in bench.rows()] == ["accepted", "skipped", "skipped", "skipped"]
    assert {row.code for row in bench.rows()[1:]} == {"already_sent"}


def test_outcomes_of_a_lead_that_come_together_are_decided_in_the_order_in_which_they_happened(bench: Bench) -> None:
    bench.funnel(fill_skipped=True)
    early = (bench.clock() - timedelta(minutes=30)).isoformat()
    bench.tell(
        bench.outcome("won", value="1.00", currency="TRY"),
        bench.outcome("qualified", occurred_at=early),
    )
    assert bench.meta.names() == ["Raw Lead", "Lead", "Demo Scheduled", "Purchase"]
    assert [row.filled for row in bench.rows()] == [True, False, True, False]
    bench.tell(bench.outcome("demo"))
    assert len(bench.meta.stored) == 4


def test_a_stage_without_an_event_and_one_that_nobody_knows_say_so(bench: Bench) -> None:
    bench.tell(bench.outcome("lost"), bench.outcome("wonn"))
    assert bench.states() == [(None, "skipped", "not_sent"), (None, "skipped", "unknown_stage")]
    assert bench.rows()[1].action == 'Write "won" if that was meant, or add the stage to the funnel.'


def test_a_purchase_waits_for_its_value_and_goes_under_the_same_id(bench: Bench) -> None:
    bench.tell(bench.outcome("won", order_id="D1"))
    (held,) = bench.rows()
    assert (held.state, held.code) == ("held", "value_unknown")
    bench.clock.forward(minutes=5)
    bench.tell(bench.outcome("won", order_id="D1", value="99.50", currency="EUR"))
    (row,) = bench.rows()
    assert (row.state, row.event_id) == ("accepted", held.event_id)
    assert bench.meta.stored[0]["custom_data"]["value"] == 99.5


def test_an_outcome_that_is_too_old_is_marked_so_and_never_sent(bench: Bench) -> None:
    add(bench.services, make_lead("333333333333333", bench.clock() - timedelta(days=30)))
    old = (bench.clock() - timedelta(days=7, seconds=1)).isoformat()
    bench.tell(bench.outcome("qualified", "333333333333333", occurred_at=old))
    assert bench.states() == [("Lead", "expired", "event_too_old")]
    assert bench.meta.sizes == []


def test_what_happened_before_the_lead_is_refused_here(bench: Bench) -> None:
    bench.tell(bench.outcome("qualified", occurred_at=(bench.clock() - timedelta(days=1)).isoformat()))
    assert bench.states() == [("Lead", "refused", "event_before_lead")]
    assert bench.meta.sizes == []


def test_consent_that_was_not_given_holds_everything_back(bench: Bench) -> None:
    bench.funnel(consent=["optional_1"])
    bench.tell(bench.outcome("qualified"))
    bench.funnel()
    bench.tell(bench.outcome("demo", fields={"consent": False}))
    assert [state for _name, state, code in bench.states() if code == "no_consent"] == ["refused", "refused"]
    assert bench.meta.sizes == []


def test_consent_that_was_taken_back_stays_so_until_it_is_given_again(bench: Bench) -> None:
    bench.tell(bench.outcome("qualified", fields={"consent": "no"}))
    bench.clock.forward(minutes=1)
    bench.tell(bench.outcome("demo", fields={"consent": "perhaps"}))
    assert [code for _name, _state, code in bench.states()] == ["no_consent", "no_consent"]
    bench.clock.forward(minutes=1)
    bench.tell(bench.outcome("won", value="9.00", currency="EUR", fields={"consent": True}))
    assert bench.meta.names() == ["Purchase"]


def test_an_outcome_that_comes_late_is_not_told_against_what_the_person_said_since(bench: Bench) -> None:
    late = bench.outcome("qualified")
    bench.clock.forward(minutes=1)
    bench.tell(bench.outcome("lost", fields={"consent": False, "opt_out": True}))
    bench.tell(late)
    assert ("Lead", "refused", "no_consent") in bench.states()
    assert bench.meta.sizes == []


def test_who_has_opted_out_is_told_for_attribution_alone_from_then_on(bench: Bench) -> None:
    bench.tell(bench.outcome("qualified", fields={"opt_out": True}))
    bench.clock.forward(minutes=1)
    bench.tell(bench.outcome("demo"))
    bench.clock.forward(minutes=1)
    bench.tell(bench.outcome("won", value="9.00", currency="EUR", fields={"opt_out": False}))
    assert [event.get("opt_out") for event in bench.meta.stored] == [True, True, None]


def test_what_still_waits_is_not_sent_once_consent_is_taken_back(bench: Bench) -> None:
    bench.meta.says = [NeedsHuman("No right.", code="graph_100_33", action="Assign it.", scope="lane")]
    bench.tell(bench.outcome("qualified"), bench.outcome("won"))
    assert sorted(state for _name, state, _code in bench.states()) == ["held", "queued"]
    bench.tell(bench.outcome("lost", fields={"consent": False}))
    bench.drain(minutes=20)
    assert bench.meta.stored == []
    assert [code for _name, state, code in bench.states() if state == "refused"] == ["no_consent", "no_consent"]


def test_a_test_lead_is_never_told(bench: Bench) -> None:
    add(bench.services, make_lead("444444444444444", bench.clock() - timedelta(hours=1), is_test=True))
    bench.tell(bench.outcome("qualified", "444444444444444"))
    assert bench.states() == [("Lead", "skipped", "test_lead")]


def test_many_go_together_in_small_batches_and_larger_ones_when_many_wait(bench: Bench) -> None:
    bench.tell(*(bench.outcome("qualified", one) for one in bench.leads(25)), drain=False)
    bench.drain()
    assert len(bench.meta.stored) == 25
    assert max(bench.meta.sizes) <= 10


def test_a_backlog_is_sent_in_larger_batches(bench: Bench) -> None:
    bench.meta.says = [NeedsHuman("No right.", code="graph_100_33", action="Assign it.", scope="lane")]
    bench.tell(*(bench.outcome("qualified", one) for one in bench.leads(130)))
    bench.meta.sizes.clear()
    bench.drain(minutes=20)
    assert len(bench.meta.stored) == 130
    assert bench.meta.sizes[0] == 40
    assert len(set(bench.meta.ids())) == 130


def test_one_bad_event_is_found_and_the_others_arrive_once(bench: Bench) -> None:
    bench.meta.bad = {"Demo Scheduled"}
    ids = bench.leads(9)
    bench.meta.says = [NeedsHuman("No right.", code="graph_100_33", action="Assign it.", scope="lane")]
    bench.tell(*(bench.outcome("demo" if one == ids[4] else "qualified", one) for one in ids))
    bench.drain(minutes=20)
    assert len(bench.meta.stored) == 8
    assert len(set(bench.meta.ids())) == 8
    assert [row.state for row in bench.rows()].count("accepted") == 8
    (bad,) = [row for row in bench.rows() if row.state == "refused"]
    assert (bad.event_name, bad.code, bad.action) == ("Demo Scheduled", "graph_100_2804003", "Mend it.")
    assert bad.answer == {"meta_code": "100/2804003"}
    assert bench.work() == []


def fewer(count: int) -> Answer:
    return lambda events: Received(count, "trace-0", (), {"events_received": count})


def test_two_hundred_and_nothing_received_is_no_success(bench: Bench) -> None:
    bench.meta.says = [fewer(0)]
    bench.tell(bench.outcome("qualified"))
    assert bench.states() == [("Lead", "refused", "not_received")]


def test_nothing_received_of_many_is_tried_in_halves_until_the_silent_one_stands_alone(bench: Bench) -> None:
    ids = bench.leads(3)
    bench.meta.says = [Retryable("Busy.", code="graph_4", scope="lane", retry_after_s=60)]
    bench.tell(*(bench.outcome("qualified", one) for one in ids))
    bench.meta.says = [fewer(0), fewer(0)]
    bench.meta.sizes.clear()
    bench.drain(minutes=5)
    assert bench.meta.sizes == [3, 1, 2]
    assert sorted(row.state for row in bench.rows()) == ["accepted", "accepted", "refused"]


def test_fewer_received_than_sent_leaves_all_in_doubt_and_none_is_sent_again(bench: Bench) -> None:
    ids = bench.leads(3)
    bench.meta.says = [Retryable("Busy.", code="graph_4", scope="lane", retry_after_s=60)]
    bench.tell(*(bench.outcome("qualified", one) for one in ids))
    bench.meta.says = [fewer(2)]
    bench.drain(minutes=5)
    bench.drain(days=1)
    assert {(row.state, row.code) for row in bench.rows()} == {("unknown", "fewer_received")}
    assert bench.meta.stored == []


def test_a_time_out_makes_it_unknown_and_it_is_not_sent_again(bench: Bench) -> None:
    bench.meta.says = [bench.meta.take_and_hang]
    bench.tell(bench.outcome("qualified"))
    for _ in range(5):
        bench.drain(hours=1)
    assert bench.states() == [("Lead", "unknown", "timeout")]
    assert bench.meta.names() == ["Lead"]
    bench.tell(bench.outcome("qualified"))
    assert bench.meta.names() == ["Lead"]


def test_while_meta_is_silent_it_is_asked_by_questions_that_leave_no_event_in_doubt(bench: Bench) -> None:
    first, second, third = bench.leads(3)
    bench.meta.says = [bench.meta.take_and_hang]
    bench.tell(bench.outcome("qualified", first))
    bench.meta.ill = Retryable("No answer.", code="timeout", outage=True)
    bench.tell(bench.outcome("qualified", second), bench.outcome("qualified", third))
    for _ in range(10):
        bench.drain(minutes=10)
    assert sorted(row.state for row in bench.rows()) == ["queued", "queued", "unknown"]
    assert bench.meta.sizes == [1]
    bench.meta.ill = NeedsHuman("The token may only send.", code="graph_100", action="None.", scope="lane")
    bench.drain(minutes=10)
    assert sorted(row.state for row in bench.rows()) == ["accepted", "accepted", "unknown"]
    assert bench.meta.asked > 1


def test_a_time_out_in_a_shop_is_sent_again_since_meta_drops_the_copy(bench: Bench) -> None:
    bench.funnel(route="physical_store")
    bench.meta.says = [bench.meta.take_and_hang]
    bench.tell(bench.outcome("qualified"))
    bench.drain(minutes=5)
    first, second = bench.meta.stored
    assert first == second
    assert [row.state for row in bench.rows()] == ["accepted"]


def test_what_was_surely_not_taken_goes_again_by_itself(bench: Bench) -> None:
    bench.meta.says = [EventsUnanswered("No connection.", code="connect", maybe_stored=False)] * 3
    bench.tell(bench.outcome("qualified"))
    assert bench.states() == [("Lead", "queued", "connect")]
    for _ in range(4):
        bench.drain(minutes=10)
    assert bench.states() == [("Lead", "accepted", None)]
    assert bench.rows()[0].tries == 4
    assert len(bench.meta.stored) == 1


def test_an_outage_of_two_days_loses_nothing_and_what_is_too_old_then_is_marked(bench: Bench) -> None:
    bench.meta.says = [EventsUnanswered("No connection.", code="connect", maybe_stored=False)] * 1_000
    nearly = (bench.clock() - timedelta(days=6)).isoformat()
    add(bench.services, make_lead("333333333333333", bench.clock() - timedelta(days=6, hours=1)))
    bench.tell(bench.outcome("qualified"), bench.outcome("qualified", "333333333333333", occurred_at=nearly))
    for _ in range(16):
        bench.drain(hours=3)
    bench.meta.says = []
    for _ in range(4):
        bench.drain(minutes=30)
    assert sorted(bench.states()) == [("Lead", "accepted", None), ("Lead", "expired", "event_too_old")]


def test_a_dataset_without_rights_is_held_and_flows_again_with_another_token(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.meta.says = [NeedsHuman("No right.", code="graph_100_33", action="Assign it.", scope="lane")]
    bench.tell(bench.outcome("qualified"))
    with Session(bench.services.engine) as session:
        (lane,) = session.scalars(select(Lane)).all()
    assert (lane.name, lane.hold, lane.action) == (f"graph:{DATASET}", True, "Assign it.")
    free_changed_lanes(bench.services)
    bench.drain(seconds=1)
    assert bench.meta.stored == []
    monkeypatch.setattr(conversions, "find_token", lambda *_: "system-token ")
    monkeypatch.setattr(bench.meta, "send_events", lambda _dataset, events, **_: bench.meta.take(events))
    free_changed_lanes(bench.services)
    bench.drain(seconds=1)
    assert bench.meta.names() == ["Lead"]


def test_without_any_token_the_dataset_is_held_and_nothing_is_lost(bench: Bench) -> None:
    bench.services.settings.__dict__["meta_access_token"] = ""
    bench.tell(bench.outcome("qualified"))
    assert bench.states() == [("Lead", "queued", None)]
    bench.services.settings.__dict__["meta_access_token"] = "system-token"
    free_changed_lanes(bench.services)
    bench.drain(seconds=1)
    assert bench.meta.names() == ["Lead"]


def test_what_a_killed_worker_had_in_hand_is_unknown_and_not_sent_again(bench: Bench) -> None:
    """Killed between marking and noting: nobody can tell whether the request went out."""
    bench.meta.says = [Retryable("Busy.", code="graph_4", scope="lane", retry_after_s=60)]
    bench.tell(bench.outcome("qualified"))
    assert bench.states() == [("Lead", "queued", "graph_4")]
    bench.services.writer.write(lambda session: take_events(session, DATASET, most=10, now=bench.clock()) and None)
    bench.drain(minutes=10)
    bench.drain(minutes=10)
    assert bench.states() == [("Lead", "unknown", "worker_died")]
    assert bench.meta.stored == []


def test_a_raw_lead_is_told_the_moment_it_is_read(bench: Bench) -> None:
    with Session(bench.services.engine) as session:
        lead = session.scalars(select(Lead)).one()
    add(bench.services, *_delivery(lead))
    _read_again(bench, lead)
    _read_again(bench, lead)
    assert bench.meta.names() == ["Raw Lead"]
    assert bench.meta.stored[0]["event_time"] == int(lead.received_at.timestamp())
    assert bench.meta.stored[0]["custom_data"]["lead_stage"] == "new"
    bench.tell(bench.outcome("new"))
    assert bench.meta.names() == ["Raw Lead"]


def _delivery(lead: Lead) -> list[Any]:
    return [Delivery(lead_id=lead.id, connection_id=1, remote_id="501", created_at=lead.received_at)]


def _read_again(bench: Bench, lead: Lead, plan: Plan = Plan((1,), ())) -> None:  # noqa: B008  frozen
    assert lead.card is not None
    card = card_from_row(lead.card)
    bench.services.writer.write(
        lambda session: begin_conversions(session, lead.id, card, plan, now=bench.clock(), priority=0)
    )
    bench.drain()


@pytest.mark.parametrize(
    ("identity", "channel", "keys"),
    [
        (
            IdentityInput("wa_id", "905321234567", "100000000000001", {"ctwa_clid": "ARclick"}),
            "whatsapp",
            {"whatsapp_business_account_id": "100000000000001", "ctwa_clid": "ARclick"},
        ),
        (
            IdentityInput("psid", "3000000000000001", "200000000000001"),
            "messenger",
            {"page_id": "200000000000001", "page_scoped_user_id": "3000000000000001"},
        ),
        (
            IdentityInput("igsid", "4000000000000001", "17840000000000001"),
            "instagram",
            {"instagram_business_account_id": "17840000000000001", "ig_sid": "4000000000000001"},
        ),
    ],
)
def test_a_conversation_is_told_by_the_ids_of_its_channel(
    bench: Bench, identity: IdentityInput, channel: str, keys: dict[str, str]
) -> None:
    stages = [{"stage": "qualified", "event": "QualifiedLead"}]
    bench.funnel(stages, connection="*", route="business_messaging")
    phone = IdentityInput("phone", "+905559876543")
    bench.services.writer.write(lambda session: keep_contact(session, [identity, phone], now=bench.clock()) and None)
    given = bench.outcome("qualified") | {"lead": {"phone": "+905559876543"}, "connection": None}
    bench.tell(given)
    (event,) = bench.meta.stored
    assert (event["action_source"], event["messaging_channel"]) == ("business_messaging", channel)
    assert keys.items() <= event["user_data"].items()
    assert "lead_id" not in event["user_data"]
    assert "ph" in event["user_data"]


@pytest.mark.parametrize("route", ["conversion_leads", "business_messaging"])
def test_a_caller_cannot_say_which_chat_or_lead_it_was(bench: Bench, route: str) -> None:
    bench.funnel([{"stage": "qualified", "event": "QualifiedLead"}], connection="*", route=route)
    known = [IdentityInput("psid", "3000000000000001", "200000000000001"), IdentityInput("phone", "+905559876543")]
    bench.services.writer.write(lambda session: keep_contact(session, known, now=bench.clock()) and None)
    said = {"lead_id": "111111111111111", "ctwa_clid": "invented", "page_id": "5", "ig_sid": "6"}
    said |= {"fbp": "fb.1.1788622000456.1098"}
    bench.tell(bench.outcome("qualified", fields=said) | {"lead": {"phone": "+905559876543"}, "connection": None})
    (event,) = bench.meta.stored
    assert event["user_data"].keys() & {"lead_id", "ctwa_clid", "ig_sid"} == set()
    assert event["user_data"].get("page_id") == ("200000000000001" if route == "business_messaging" else None)
    assert event["user_data"]["fbp"] == said["fbp"]


def test_what_happened_in_a_chat_may_be_earlier_than_a_form_that_the_person_sent_later(bench: Bench) -> None:
    bench.funnel([{"stage": "qualified", "event": "QualifiedLead"}], connection="*", route="business_messaging")
    known = [IdentityInput("psid", "3000000000000001", "200000000000001"), IdentityInput("email", "zoe@example.com")]
    bench.services.writer.write(lambda session: keep_contact(session, known, now=bench.clock()) and None)
    with Session(bench.services.engine) as session:
        created_at = session.scalars(select(Lead.created_at)).one()
    assert created_at is not None
    before = bench.outcome("qualified") | {"lead": {"email": "zoe@example.com"}, "connection": None}
    bench.tell(before | {"occurred_at": (created_at - timedelta(days=1)).isoformat()})
    assert bench.states() == [("QualifiedLead", "accepted", None)]


def test_a_page_in_a_restricted_region_is_held_with_the_way_round(bench: Bench) -> None:
    stages = [{"stage": "qualified", "event": "QualifiedLead"}]
    bench.funnel(stages, connection="*", route="business_messaging")
    add(bench.services, Page(page_id="200000000000001", business_country="DE"))
    given = [IdentityInput("psid", "3000000000000001", "200000000000001"), IdentityInput("phone", "+905321234567")]
    bench.services.writer.write(lambda session: keep_contact(session, given, now=bench.clock()) and None)
    bench.tell(bench.outcome("qualified") | {"lead": {"phone": "+905321234567"}, "connection": None})
    (row,) = bench.rows()
    assert (row.state, row.code) == ("held", "region_restricted")
    assert "conversion_leads" in (row.action or "")


def test_a_lead_without_a_conversation_cannot_go_by_messaging(bench: Bench) -> None:
    bench.funnel([{"stage": "qualified", "event": "QualifiedLead"}], route="business_messaging")
    bench.tell(bench.outcome("qualified"))
    assert bench.states() == [("QualifiedLead", "skipped", "no_conversation")]
    assert bench.meta.sizes == []


def test_of_several_funnels_only_those_that_know_the_stage_say_something(bench: Bench) -> None:
    other = [{"stage": "signed", "event": "Contract"}]
    add(bench.services, Funnel(position=1, connection="crm", dataset_id="900000000000009", stages=other, options={}))
    bench.tell(bench.outcome("qualified"), bench.outcome("nonsense"))
    assert bench.states() == [
        ("Lead", "accepted", None),
        (None, "skipped", "unknown_stage"),
        (None, "skipped", "unknown_stage"),
    ]


def test_a_funnel_that_cannot_be_read_keeps_no_other_back(bench: Bench) -> None:
    broken = [{"stage": "won", "event": "Purchase", "fixed_value": "many", "currency": "TRY"}, {"event": "Nameless"}]
    add(bench.services, Funnel(position=1, connection="crm", dataset_id="900000000000009", stages=broken, options={}))
    bench.tell(bench.outcome("qualified"))
    assert bench.states() == [("Lead", "accepted", None)]


def test_a_lead_that_is_sent_nowhere_is_told_to_no_dataset(bench: Bench) -> None:
    with Session(bench.services.engine) as session:
        lead = session.scalars(select(Lead)).one()
    _read_again(bench, lead, plan=Plan((), (), routed=False))
    assert bench.rows() == []
