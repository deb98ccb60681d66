import threading
from datetime import UTC, datetime

from sandbox.forms import BIKES, ENGLISH
from sandbox.options import SandboxOptions
from sandbox.rows import Attempt, Lead, Send
from sandbox.state import MOST_LEADS, MOST_SENDS, SandboxState

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


def make_state() -> SandboxState:
    return SandboxState(SandboxOptions(app_secret="s" * 32), now=lambda: NOW)


def make_lead(state: SandboxState, number: int = 1) -> Lead:
    field_data = (("email", (f"person.{number}@example.com",)),)
    return Lead(state.new_leadgen_id(), BIKES.page_id, ENGLISH.form_id, NOW, None, "fb", False, field_data)


def test_ids_stay_unique_when_many_ask_at_once() -> None:
    state = make_state()
    found: list[str] = []

    def ask() -> None:
        found.extend(state.new_leadgen_id() for _ in range(500))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 4_000


def test_ids_are_unlike_those_of_an_earlier_sandbox() -> None:
    earlier = SandboxState(SandboxOptions(), now=lambda: datetime(2026, 11, 22, 8, 59, 59, tzinfo=UTC))
    assert {earlier.new_leadgen_id() for _ in range(1_000)}.isdisjoint({make_state().new_leadgen_id()})


def test_memory_is_bounded() -> None:
    state = make_state()

    assert MOST_LEADS >= 10_000
    leads = [make_lead(state, number) for number in range(MOST_LEADS + 5)]
    for lead in leads:
        state.add_lead(lead)
    assert len(state.leads) == len(state.journeys) == MOST_LEADS
    assert state.find_lead(leads[4].leadgen_id) is None
    assert state.find_lead(leads[5].leadgen_id) is leads[5]
    assert state.add_alert("", "person.0@example.com", "info").leadgen_id is None


def test_a_lead_holds_its_answers_out_of_repr() -> None:
    lead = make_lead(make_state())
    assert "person.1" not in repr(lead)


def test_noting_an_unknown_lead_does_nothing() -> None:
    state = make_state()
    state.note("read", ["1"])
    assert state.journeys == {}


def test_counting_hops_from_many_threads_loses_none() -> None:
    state = make_state()
    lead = make_lead(state)
    state.add_lead(lead)

    def note() -> None:
        for _ in range(300):
            state.note("read", [lead.leadgen_id])

    threads = [threading.Thread(target=note) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert state.journeys[lead.leadgen_id].count("read") == 1_800


def test_a_notice_that_waits_is_never_forgotten() -> None:
    state = make_state()
    for number in range(MOST_SENDS + 2):
        state.add_send(Send(number, "leadgen", 1, (), NOW))
    assert len(state.sends) == MOST_SENDS + 2
    settled = Attempt(NOW, 200, None, 1.0)
    assert state.settle_send(0, "delivered", settled)
    assert state.settle_send(1, "delivered", settled)
    state.add_send(Send(MOST_SENDS + 2, "leadgen", 1, (), NOW))
    assert next(iter(state.sends)) == 2
    assert not state.settle_send(0, "delivered", settled)
