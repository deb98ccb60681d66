"""From the form to what Meta has learned: leads, outcomes and events over real HTTP, with the faults of both sides."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import requests
from sandbox_bench import post_control
from sqlalchemy import select
from sqlalchemy.orm import Session

from leadloop.conversions.outcome import read_outcome
from sandbox.datasets import CRM_DATASET_ID
from store.contacts import IdentityInput, keep_contact
from store.conversion_models import Conversion
from store.lanes import list_lanes
from store.models import Lead
from store.outcomes import add_outcomes
from workers.drain import Drainer
from workers.holds import free_changed_lanes
from workers.registry import JOBS

Flow = Any


def tell(flow: Flow, *outcomes: dict[str, Any], drain: bool = True) -> None:
    now = flow.services.now()
    inputs = [read_outcome({"occurred_at": now.isoformat()} | one, now=now) for one in outcomes]
    kept = flow.services.writer.write(lambda session: add_outcomes(session, inputs, source="api", now=now))
    assert all(one.state == "joined" for one in kept), kept
    if drain:
        flow.work()


def stage(leadgen_id: str, name: str, **more: Any) -> dict[str, Any]:
    return {"lead": {"leadgen_id": leadgen_id}, "connection": "sandbox-crm", "stage": name} | more


def at_meta(flow: Flow) -> list[tuple[str, str]]:
    """(event name, lead) of all that Meta has, in the order in which it came, a copy once more."""
    state = requests.get(f"{flow.running.url}/_sandbox/state", timeout=10).json()
    found = []
    for event in reversed(state["events"]):
        if event["state"] == "received":
            found += [(event["event_name"], event["leadgen_id"] or "")] * event.get("times", 1)
    return found


def refused_at_meta(flow: Flow) -> int:
    return len(requests.get(f"{flow.running.url}/_sandbox/state", timeout=10).json()["refused_batches"])


def states(flow: Flow) -> list[tuple[str | None, str, str | None]]:
    with Session(flow.services.engine) as session:
        rows = session.scalars(select(Conversion).order_by(Conversion.id))
        return [(row.event_name, row.state, row.code) for row in rows]


def arrive(flow: Flow, count: int = 1, **wanted: Any) -> list[str]:
    """Leads that were sent a minute ago and are all the way in."""
    created_at = (flow.services.now() - timedelta(minutes=1)).isoformat()
    ids: list[str] = flow.make_leads(count=count, created_at=created_at, **wanted)
    flow.post(flow.notice(*ids))
    flow.work()
    return ids


def test_a_lead_is_told_when_it_comes_and_at_each_stage_after(flow: Flow) -> None:
    (lead,) = arrive(flow)
    tell(flow, stage(lead, "qualified"))
    tell(flow, stage(lead, "won", value="12500.00", currency="TRY", order_id="DEAL-42"))
    tell(flow, stage(lead, "won", value="12500.00", currency="TRY", order_id="DEAL-42"))
    tell(flow, stage(lead, "lost"))
    assert at_meta(flow) == [("Raw Lead", lead), ("Qualified Lead", lead), ("Purchase", lead)]
    assert refused_at_meta(flow) == 0
    assert [state for _name, state, _code in states(flow)] == ["accepted", "accepted", "accepted", "skipped", "skipped"]


def test_a_whole_funnel_is_told_and_nothing_twice(flow: Flow) -> None:
    ids = arrive(flow, 40)
    tell(flow, *(stage(one, "qualified") for one in ids[:28]))
    tell(flow, *(stage(one, "demo") for one in ids[:12]), *(stage(one, "qualified") for one in ids[:28]))
    tell(flow, *(stage(one, "won", value="10", currency="EUR") for one in ids[:6]))
    found = at_meta(flow)
    assert len(found) == len(set(found)) == 40 + 28 + 12 + 6
    assert refused_at_meta(flow) == 0


def test_an_outcome_that_came_before_its_lead_is_told_once_the_lead_is_there(flow: Flow) -> None:
    now = flow.services.now()
    (lead,) = flow.make_leads(created_at=(now - timedelta(minutes=1)).isoformat())
    given = [read_outcome(stage(lead, "qualified") | {"occurred_at": now.isoformat()}, now=now)]
    (kept,) = flow.services.writer.write(lambda session: add_outcomes(session, given, source="api", now=now))
    assert kept.state == "waiting"
    flow.work()
    assert at_meta(flow) == []
    flow.post(flow.notice(lead))
    flow.work()
    assert sorted(at_meta(flow)) == [("Qualified Lead", lead), ("Raw Lead", lead)]


def test_an_answer_that_is_lost_after_storing_leaves_one_event_at_meta(make_flow: Callable[..., Flow]) -> None:
    flow = make_flow(retry_first_s=0.01)
    (lead,) = arrive(flow)
    flow.fault(where="graph", kind="half_body", operation="events", times=1, after=True)
    tell(flow, stage(lead, "qualified"))
    for _ in range(5):
        flow.work()
    assert at_meta(flow) == [("Raw Lead", lead), ("Qualified Lead", lead)]
    assert ("Qualified Lead", "unknown", "connection_broken") in states(flow)


def test_the_bad_event_of_a_batch_is_found_and_the_good_arrive(flow: Flow) -> None:
    """A lead that Meta does not know: our linter cannot see that, and Meta refuses all that goes with it."""
    ids = arrive(flow, 8)
    with Session(flow.services.engine) as session, session.begin():
        lead = session.scalars(select(Lead).where(Lead.leadgen_id == ids[3])).one()
        keys, card = dict(lead.match_keys or {}), dict(lead.card or {})
        lead.leadgen_id = "111122223333444"
        lead.match_keys, lead.card = keys | {"lead_id": "111122223333444"}, card | {"leadgen_id": "111122223333444"}
    strange = ["111122223333444" if one == ids[3] else one for one in ids]
    tell(flow, *(stage(one, "qualified") for one in strange))
    qualified = [lead_id for name, lead_id in at_meta(flow) if name == "Qualified Lead"]
    assert sorted(qualified) == sorted(one for one in ids if one != ids[3])
    (bad,) = [row for row in states(flow) if row[1] == "refused"]
    assert bad[0] == "Qualified Lead"
    assert str(bad[2]).startswith("graph_100_")


def test_a_dataset_that_is_not_assigned_is_held_and_flows_again_by_itself(make_flow: Callable[..., Flow]) -> None:
    flow = make_flow()
    (lead,) = arrive(flow)
    post_control(flow.running.url, "/datasets", {"dataset_id": CRM_DATASET_ID, "tasks": []})
    tell(flow, stage(lead, "qualified"))
    with Session(flow.services.engine) as session:
        ((lane, waiting),) = list_lanes(session)
    assert (lane.name, lane.hold, lane.code, waiting) == (f"graph:{CRM_DATASET_ID}", True, "graph_100_33", 1)
    assert states(flow)[-1] == ("Qualified Lead", "queued", "graph_100_33")
    post_control(flow.running.url, "/datasets", {"dataset_id": CRM_DATASET_ID, "tasks": ["UPLOAD"]})
    with Session(flow.services.engine) as session, session.begin():
        session.get_one(type(lane), lane.name).fingerprint = "of another token"
    free_changed_lanes(flow.services)
    flow.work()
    assert at_meta(flow)[-1] == ("Qualified Lead", lead)


def test_a_click_to_whatsapp_contact_is_told_by_its_click(flow: Flow) -> None:
    from sandbox.whatsapp_shapes import WABA_ID

    text = (
        f'[[funnels]]\nconnection = "*"\ndataset_id = "{CRM_DATASET_ID}"\nroute = "business_messaging"\n'
        'stages = [{ stage = "qualified", event = "QualifiedLead" }]\n'
    )
    flow.apply(f'[[datasets]]\nid = "{CRM_DATASET_ID}"\naccess_token = "{flow.running.options.system_token}"\n' + text)
    click = post_control(flow.running.url, "/clicks", {})["ctwa_clid"]
    given = [
        IdentityInput("wa_id", "905551112233", WABA_ID, {"ctwa_clid": click}),
        IdentityInput("phone", "+905551112233"),
    ]
    flow.services.writer.write(lambda session: keep_contact(session, given, now=flow.services.now()))
    tell(flow, {"lead": {"phone": "+905551112233"}, "stage": "qualified"})
    assert states(flow) == [("QualifiedLead", "accepted", None)]
    assert at_meta(flow) == [("QualifiedLead", "")]


def test_no_log_line_holds_anything_of_a_person(flow: Flow, capsys: Any) -> None:
    (lead,) = arrive(flow)
    tell(flow, stage(lead, "qualified", fields={"em": "someone@example.org", "owner": "Ayşe"}))
    with Session(flow.services.engine) as session:
        card = session.scalars(select(Lead)).one().card or {}
    printed = "".join(capsys.readouterr())
    assert "events_accepted" in printed
    for private in ("someone@example.org", "Ayşe", card["email"], card["phone"], card["full_name"]):
        assert private not in printed


def with_clock(flow: Flow, **ahead: float) -> Flow:
    """A second worker on the same database, on a machine whose clock is wrong."""
    services = replace(flow.services, now=lambda: datetime.now(UTC) + timedelta(**ahead))
    return replace(flow, services=services, drainer=Drainer(services, JOBS, threads=8))


def times_at_meta(flow: Flow) -> dict[str, datetime]:
    """By lead: when it was qualified, as Meta was told."""
    events = requests.get(f"{flow.running.url}/_sandbox/state", timeout=10).json()["events"]
    qualified = [one for one in events if one["event_name"] == "Qualified Lead"]
    return {one["leadgen_id"]: datetime.fromtimestamp(one["event_time"], UTC) for one in qualified}


def test_a_clock_an_hour_ahead_spoils_what_it_dates_and_none_that_goes_along(flow: Flow) -> None:
    """Meta refuses the future and all of a batch with it; nothing is dated anew to get round that."""
    ids = arrive(flow, 6)
    happened = datetime.now(UTC).replace(microsecond=0)
    fast = with_clock(flow, hours=1)
    told = [stage(one, "qualified", occurred_at=happened.isoformat()) for one in ids[:4]]
    tell(fast, *told, *(stage(one, "qualified") for one in ids[4:]))
    rows = [row for row in states(flow) if row[0] == "Qualified Lead"]
    assert [state for _name, state, _code in rows] == ["accepted"] * 4 + ["refused"] * 2
    assert {code for _name, state, code in rows if state == "refused"} == {"graph_100_2804905"}
    qualified = [lead_id for name, lead_id in at_meta(flow) if name == "Qualified Lead"]
    assert sorted(qualified) == sorted(ids[:4])
    assert {times_at_meta(flow)[one] for one in ids[:4]} == {happened}
    # Once the clock is right the stage may be told again, and goes under the same id.
    tell(flow, stage(ids[4], "qualified"))
    assert ("Qualified Lead", ids[4]) in at_meta(flow)


def test_a_worker_whose_clock_is_ten_minutes_behind_tells_what_happened_meanwhile(flow: Flow) -> None:
    (lead,) = arrive(flow)
    happened = datetime.now(UTC).replace(microsecond=0)
    tell(flow, stage(lead, "qualified", occurred_at=happened.isoformat()), drain=False)
    slow = with_clock(flow, minutes=-10)
    slow.work()
    flow.work()
    slow.work()
    assert at_meta(flow) == [("Raw Lead", lead), ("Qualified Lead", lead)]
    assert times_at_meta(flow) == {lead: happened}


def test_an_outcome_a_moment_ahead_is_taken_as_of_now(flow: Flow) -> None:
    """The clock of whoever tells it is a little fast; Meta would refuse the future, with all that goes along."""
    (lead,) = arrive(flow)
    tell(flow, stage(lead, "qualified", occurred_at=(datetime.now(UTC) + timedelta(seconds=40)).isoformat()))
    assert ("Qualified Lead", lead) in at_meta(flow)
    assert times_at_meta(flow)[lead] <= datetime.now(UTC)
