"""The configurations of docs/conversion-leads.md and docs/other-routes.md, at work between the sandbox's CRM and its Meta."""

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import requests
from sandbox_bench import post_control
from sqlalchemy import select
from sqlalchemy.orm import Session

from leadloop.conversions.outcome import read_outcome
from sandbox.demo import CONNECTION, demo_config
from store.conversion_models import Conversion
from store.models import Lead
from store.outcomes import add_outcomes
from store.replay import replay_lead

Flow = Any
DOCS = Path(__file__).resolve().parents[2] / "docs"
SHOP, WEB, CALLS = "900000000000003", "900000000000004", "900000000000005"


def without_funnels(flow: Flow) -> str:
    text: str = demo_config(flow.running.options, flow.running.url)
    return text.partition("[[funnels]]")[0]


def blocks(flow: Flow, page: str) -> str:
    """The page's TOML for the sandbox's CRM and its token."""
    found = re.findall(r"^```toml\n(.*?)^```", (DOCS / page).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert found
    text = "\n".join(found).replace('connection = "crm"', f'connection = "{CONNECTION}"')
    text = re.sub(r"^access_token = .*$", "", text, flags=re.MULTILINE)
    token = flow.running.options.system_token
    return re.sub(r"^(\[\[datasets\]\])$", rf'\1\naccess_token = "{token}"', text, flags=re.MULTILINE)


def arrive(flow: Flow) -> str:
    (lead,) = flow.make_leads(created_at=(flow.services.now() - timedelta(minutes=1)).isoformat())
    flow.post(flow.notice(lead))
    flow.work()
    return str(lead)


def tell(flow: Flow, leadgen_id: str, stage: str, **more: Any) -> None:
    now = flow.services.now()
    told = {"lead": {"leadgen_id": leadgen_id}, "stage": stage, "occurred_at": now.isoformat()} | more
    given = [read_outcome(told, now=now)]
    (kept,) = flow.services.writer.write(lambda session: add_outcomes(session, given, source="api", now=now))
    assert kept.state == "joined"
    flow.work()


def sent(flow: Flow) -> list[tuple[str | None, str, str, str]]:
    """(event, where it is told that it happened, dataset, state) of all that is an event."""
    with Session(flow.services.engine) as session:
        rows = session.scalars(select(Conversion).where(Conversion.event_name.is_not(None)).order_by(Conversion.id))
        return [
            (row.event_name, (row.payload or {}).get("action_source", ""), row.dataset_id, row.state) for row in rows
        ]


def test_a_lead_from_before_the_funnel_is_told_by_a_replay_and_then_goes_its_way(flow: Flow) -> None:
    flow.apply(without_funnels(flow))
    lead = arrive(flow)
    rung = len(flow.alerts())
    flow.apply(without_funnels(flow) + blocks(flow, "conversion-leads.md"))
    assert sent(flow) == []
    with Session(flow.services.engine) as session, session.begin():
        row = session.scalars(select(Lead).where(Lead.leadgen_id == lead)).one()
        replay_lead(session, row, now=flow.services.now(), again=False)
    flow.work()
    assert len(flow.alerts()) == rung
    for stage in ("qualified", "demo", "lost"):
        tell(flow, lead, stage, connection=CONNECTION)
    tell(flow, lead, "Won", connection=CONNECTION, value="12500.00", currency="TRY", order_id="DEAL-42")
    names = ["Raw Lead", "Qualified Lead", "Demo Scheduled", "Purchase"]
    assert sent(flow) == [(name, "system_generated", "900000000000001", "accepted") for name in names]
    with Session(flow.services.engine) as session:
        raw = session.scalars(select(Conversion).where(Conversion.event_name == "Raw Lead")).one()
        came = session.scalars(select(Lead.received_at).where(Lead.leadgen_id == lead)).one()
    assert abs(raw.event_time - came) < timedelta(seconds=2)
    events = requests.get(f"{flow.running.url}/_sandbox/state", timeout=10).json()["events"]
    assert [event["is_crm"] for event in events] == [True] * 4
    payloads = [json.loads(event["payload"]) for event in events]
    assert {one["custom_data"]["lead_event_source"] for one in payloads} == {"Acme CRM"}


def test_shop_website_and_calls_are_told_where_they_happened(flow: Flow) -> None:
    for dataset_id in (SHOP, WEB, CALLS):
        post_control(flow.running.url, "/datasets", {"dataset_id": dataset_id, "tasks": ["UPLOAD"]})
    flow.apply(without_funnels(flow) + blocks(flow, "other-routes.md"))
    lead = arrive(flow)
    tell(flow, lead, "sold in shop", connection=CONNECTION, value="80.00")
    browser = {
        "event_source_url": "https://shop.example/thanks",
        "client_user_agent": "Mozilla/5.0 (synthetic)",
        "fbc": "fb.1.1788622000123.IwARsyntheticClickId",
    }
    tell(flow, lead, "ordered", value="80.00", currency="EUR", order_id="W-1001", fields=browser)
    tell(flow, lead, "reached", connection=CONNECTION)
    assert sent(flow) == [
        ("Purchase", "physical_store", SHOP, "accepted"),
        ("Purchase", "website", WEB, "accepted"),
        ("Contact", "phone_call", CALLS, "accepted"),
    ]
    with Session(flow.services.engine) as session:
        web = session.scalars(select(Conversion).where(Conversion.dataset_id == WEB)).all()
    (payload,) = [row.payload for row in web if row.payload]
    assert payload["user_data"]["fbc"] == browser["fbc"]
    assert payload["event_source_url"] == browser["event_source_url"]


def test_without_consent_nothing_goes_and_with_opt_out_it_goes_marked(flow: Flow) -> None:
    post_control(flow.running.url, "/datasets", {"dataset_id": CALLS, "tasks": ["UPLOAD"]})
    flow.apply(without_funnels(flow) + blocks(flow, "other-routes.md"))
    lead = arrive(flow)
    tell(flow, lead, "reached", connection=CONNECTION, fields={"consent": False})
    assert sent(flow) == [("Contact", "phone_call", CALLS, "refused")]
    tell(flow, lead, "reached", connection=CONNECTION, fields={"opt_out": True})
    assert sent(flow) == [("Contact", "phone_call", CALLS, "refused")]  # the last word on consent still holds
    tell(flow, lead, "reached", connection=CONNECTION, fields={"consent": True})
    assert sent(flow) == [("Contact", "phone_call", CALLS, "accepted")]
    (event,) = requests.get(f"{flow.running.url}/_sandbox/state", timeout=10).json()["events"]
    assert json.loads(event["payload"])["opt_out"] is True
