"""Events that a person sends again: decided anew where Meta was not told, as they were where it may have been, never twice."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from conftest import Clock
from conversion_bench import DATASET, STAGES, Bench, fill_bench, make_bench, refused
from sqlalchemy import Engine, delete, update

from leadloop.conversions.answers import EventsUnanswered
from store.conversion_models import Conversion
from store.conversion_retries import Retried, find_retryable
from store.models import Funnel, Lead
from workers.retries import retry_conversion


@pytest.fixture
def bench(engine: Engine, clock: Clock) -> Iterator[Bench]:
    made = make_bench(engine, clock)
    fill_bench(made)
    yield made
    made.services.writer.close()


def retry(bench: Bench, conversion_id: int, *, drain: bool = True) -> Retried:
    found = bench.services.writer.write(lambda session: retry_conversion(session, conversion_id, now=bench.clock()))
    assert found is not None
    if drain:
        bench.drain()
    return found


def change(bench: Bench, **values: Any) -> None:
    bench.services.writer.write(lambda session: session.execute(update(Conversion).values(**values)))


def make_unknown(bench: Bench) -> Conversion:
    bench.meta.says = [EventsUnanswered("No answer.", code="timeout", maybe_stored=True)]
    bench.tell(bench.outcome("qualified"))
    bench.drain(minutes=30)  # the dataset is well again
    (row,) = bench.rows()
    assert (row.state, bench.work()) == ("unknown", [])
    return row


def test_what_went_out_without_an_answer_goes_once_more_exactly_as_it_went(bench: Bench) -> None:
    row = make_unknown(bench)
    bench.clock.forward(days=1)
    bench.funnel([{"stage": "qualified", "event": "Another Name"}])
    found = retry(bench, row.id)
    assert (found.state, found.done, found.reason) == ("queued", True, None)
    (after,) = bench.rows()
    assert (after.state, after.tries, after.code, after.message, after.action) == ("accepted", 2, None, None, None)
    assert bench.meta.stored == [row.payload]
    assert bench.work() == []


def test_a_refused_event_is_decided_anew_under_its_id_and_time(bench: Bench) -> None:
    bench.meta.bad = {"Lead"}
    bench.tell(bench.outcome("qualified"))
    (row,) = bench.rows()
    assert row.state == "refused"
    bench.clock.forward(hours=5)
    bench.funnel([{"stage": "qualified", "event": "Qualified Lead"}])
    assert retry(bench, row.id).state == "queued"
    (after,) = bench.rows()
    (event,) = bench.meta.stored
    assert (after.id, after.state, after.event_name) == (row.id, "accepted", "Qualified Lead")
    assert (event["event_name"], event["event_id"]) == ("Qualified Lead", row.event_id)
    assert event["event_time"] == int(row.event_time.timestamp())
    assert (after.event_time, after.deadline_at, after.created_at) == (row.event_time, row.deadline_at, row.created_at)


def test_a_held_event_goes_when_the_funnel_has_what_it_lacked(bench: Bench) -> None:
    bench.tell(bench.outcome("won", order_id="D1"))
    (row,) = bench.rows()
    still = retry(bench, row.id)
    assert (still.state, still.done, still.reason and still.reason[0]) == ("held", True, "value_unknown")
    assert bench.meta.sizes == []
    bench.funnel([{"stage": "won", "event": "Purchase", "value": "required", "fixed_value": "10", "currency": "EUR"}])
    assert retry(bench, row.id).state == "queued"
    assert bench.meta.stored[0]["custom_data"]["value"] == 10
    assert [one.state for one in bench.rows()] == ["accepted"]


def test_consent_that_was_demanded_by_mistake_can_be_taken_out(bench: Bench) -> None:
    bench.funnel(consent=["optional_1"])
    bench.tell(bench.outcome("qualified"))
    bench.funnel()
    assert retry(bench, bench.rows()[0].id).state == "queued"
    assert bench.meta.names() == ["Lead"]


def test_a_stage_that_was_jumped_over_is_decided_as_such(bench: Bench) -> None:
    bench.funnel([*STAGES[:2], {"stage": "demo", "event": "Demo", "value": "optional"}, *STAGES[3:]], fill_skipped=True)
    bench.meta.bad = {"Demo"}
    bench.tell(bench.outcome("won", value="9.00", currency="EUR"))
    (row,) = [one for one in bench.rows() if one.state == "refused"]
    assert (row.event_name, row.filled) == ("Demo", True)
    bench.meta.bad = set()
    assert retry(bench, row.id).state == "queued"
    assert bench.meta.names().count("Demo") == 1
    assert "value" not in bench.meta.stored[-1]["custom_data"]
    assert {one.state for one in bench.rows()} == {"accepted"}
    assert len(bench.rows()) == 4


@pytest.mark.parametrize(
    "before",
    [
        {"stage": "another", "event": "Lead"},
        {"stage": "qualified"},
        {"stage": "qualified", "event": "Lead", "when": {"pipeline": "b2b"}},
    ],
)
def test_a_stage_that_the_funnel_lacked_is_told_once_the_funnel_has_it(bench: Bench, before: dict[str, Any]) -> None:
    bench.funnel([before])
    bench.tell(bench.outcome("qualified"))
    (row,) = bench.rows()
    assert (row.state, row.event_id) == ("skipped", None)
    bench.clock.forward(days=2)
    bench.funnel([{"stage": "qualified", "event": "Lead"}])
    assert retry(bench, row.id).state == "queued"
    (after,) = bench.rows()
    (event,) = bench.meta.stored
    assert (after.id, after.state, after.event_name, after.event_id) == (row.id, "accepted", "Lead", event["event_id"])
    assert event["event_time"] == int(row.event_time.timestamp())
    bench.tell(bench.outcome("qualified"))
    assert bench.meta.names() == ["Lead"]


def test_two_that_were_skipped_of_one_stage_are_told_once(bench: Bench) -> None:
    bench.funnel([{"stage": "other", "event": "Other"}])
    bench.tell(bench.outcome("qualified"))
    bench.clock.forward(minutes=1)
    bench.tell(bench.outcome("qualified"))
    first, second = bench.rows()
    bench.funnel()
    bench.meta.bad = {"Lead"}
    assert retry(bench, first.id).state == "queued"
    found = retry(bench, second.id)  # the first was refused, and has the id
    assert (found.state, found.done, found.reason and found.reason[0]) == ("skipped", False, "decided_elsewhere")
    bench.meta.bad = set()
    retry(bench, first.id)
    found = retry(bench, second.id)
    assert (found.state, found.reason and found.reason[0]) == ("skipped", "already_sent")
    assert bench.meta.names() == ["Lead"]


def test_of_the_skipped_those_are_found_that_may_still_be_told(bench: Bench) -> None:
    bench.funnel([{"stage": "other", "event": "Other"}])
    bench.tell(bench.outcome("qualified"))
    (row,) = bench.rows()
    bench.funnel()
    bench.tell(bench.outcome("won", value="9.00", currency="EUR"))
    bench.clock.forward(minutes=1)
    bench.tell(bench.outcome("won", value="9.00", currency="EUR"))
    assert [one.code for one in bench.rows() if one.state == "skipped"] == ["unknown_stage", "already_sent"]
    with bench.services.read() as session:
        assert find_retryable(session, DATASET, "skipped", now=bench.clock()) == [row.id]
        assert find_retryable(session, DATASET, "skipped", now=bench.clock() + timedelta(days=7)) == []


def test_nothing_is_told_of_a_stage_that_the_funnel_keeps_silent_about_by_now(bench: Bench) -> None:
    bench.meta.bad = {"Lead"}
    bench.tell(bench.outcome("qualified"))
    bench.funnel([{"stage": "qualified"}])
    found = retry(bench, bench.rows()[0].id)
    assert (found.state, found.reason and found.reason[0]) == ("skipped", "not_sent")
    assert bench.meta.stored == []


def test_an_event_that_was_told_under_another_name_since_is_not_told_again(bench: Bench) -> None:
    bench.meta.bad = {"Lead"}
    bench.tell(bench.outcome("qualified"))
    (row,) = bench.rows()
    bench.funnel([{"stage": "qualified", "event": "Qualified Lead"}])
    bench.clock.forward(minutes=1)
    bench.tell(bench.outcome("qualified"))
    assert bench.meta.names() == ["Qualified Lead"]
    bench.clock.forward(minutes=1)
    found = retry(bench, row.id)
    assert found.state in ("skipped", "refused")
    assert bench.meta.names() == ["Qualified Lead"]


def test_a_name_that_another_event_of_the_stage_has_is_left_to_that(bench: Bench) -> None:
    bench.meta.bad = {"Lead", "Qualified Lead"}
    bench.tell(bench.outcome("qualified"))
    (row,) = bench.rows()
    bench.funnel([{"stage": "qualified", "event": "Qualified Lead"}])
    bench.clock.forward(minutes=1)
    bench.tell(bench.outcome("qualified"))
    other = bench.rows()[1]
    assert other.event_id == row.event_id
    found = retry(bench, row.id)
    assert (found.state, found.done, found.reason and found.reason[0]) == ("refused", False, "decided_elsewhere")
    assert found.reason is not None
    assert f"conversion {other.id}" in found.reason[1]


@pytest.mark.parametrize("state", ["accepted", "queued", "sending", "expired"])
def test_other_states_are_left_alone_with_the_reason(bench: Bench, state: str) -> None:
    row = make_unknown(bench)
    change(bench, state=state)
    found = retry(bench, row.id, drain=False)
    assert (found.state, found.done) == (state, False)
    assert found.reason is not None
    assert bench.rows()[0].state == state
    assert bench.work() == []


@pytest.mark.parametrize("state", ["unknown", "refused", "held", "skipped"])
def test_what_is_too_old_can_never_be_sent(bench: Bench, state: str) -> None:
    row = make_unknown(bench)
    change(bench, state=state)
    bench.clock.forward(days=7)
    found = retry(bench, row.id)
    assert (found.done, found.reason and found.reason[0]) == (False, "event_too_old")
    assert bench.meta.stored == []


def test_a_test_event_is_never_sent_again(bench: Bench) -> None:
    row = make_unknown(bench)
    change(bench, is_test=True)
    found = retry(bench, row.id)
    assert (found.done, found.reason and found.reason[0]) == (False, "test_event")
    with bench.services.read() as session:
        assert find_retryable(session, DATASET, "unknown", now=bench.clock()) == []
    assert bench.meta.stored == []


def test_without_a_funnel_it_stays_as_it_is(bench: Bench) -> None:
    bench.meta.bad = {"Lead"}
    bench.tell(bench.outcome("qualified"))
    bench.services.writer.write(lambda session: session.execute(delete(Funnel)))
    found = retry(bench, bench.rows()[0].id)
    assert (found.state, found.done, found.reason and found.reason[0]) == ("refused", False, "no_funnel")


def test_the_linter_looks_again_and_what_it_refuses_stays_here(bench: Bench) -> None:
    bench.meta.says = [refused()]
    bench.tell(bench.outcome("qualified"))
    late = bench.clock() + timedelta(days=1)
    bench.services.writer.write(lambda session: session.execute(update(Lead).values(created_at=late)))
    found = retry(bench, bench.rows()[0].id)
    assert (found.state, found.reason and found.reason[0]) == ("refused", "event_before_lead")
    assert bench.meta.stored == []


def test_two_people_who_retry_at_the_same_time_send_it_once(bench: Bench) -> None:
    row = make_unknown(bench)
    first, second = retry(bench, row.id, drain=False), retry(bench, row.id, drain=False)
    assert (first.done, second.done, second.reason and second.reason[0]) == (True, False, "on_its_way")
    bench.drain()
    assert bench.meta.ids() == [row.event_id]


def test_a_dataset_is_taken_up_state_by_state_oldest_first(bench: Bench) -> None:
    bench.meta.bad = {"Lead"}
    bench.tell(*(bench.outcome("qualified", one) for one in bench.leads(3)))
    bench.tell(bench.outcome("won", order_id="D1"))
    with bench.services.read() as session:
        assert find_retryable(session, DATASET, "refused", now=bench.clock()) == [
            row.id for row in bench.rows() if row.state == "refused"
        ]
        assert len(find_retryable(session, DATASET, "held", now=bench.clock())) == 1
        assert find_retryable(session, "900000000000009", "refused", now=bench.clock()) == []
