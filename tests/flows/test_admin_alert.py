"""A dead token, from Meta's answer to the admin's phone: all of leadloop, with the sandbox's alert inbox."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from sandbox import demo_config
from store.admin_alerts import GATHER_S
from store.models import Work


def test_a_dead_token_rings_the_admin_once(make_flow: Callable[..., Any]) -> None:
    flow = make_flow()
    config = demo_config(flow.running.options, flow.running.url)
    flow.apply(config.replace('name = "sandbox-sales"', 'name = "sandbox-sales"\nadmin = true', 1))
    flow.fault(where="graph", kind="token_expired")
    (leadgen_id,) = flow.make_leads()
    flow.post(flow.notice(leadgen_id))
    flow.work()
    assert flow.alerts() == []
    with Session(flow.services.engine) as session:
        waits = session.scalars(select(Work).where(Work.kind == "admin_alert")).one()
        assert timedelta(0) < waits.due_at - flow.services.now() <= timedelta(seconds=GATHER_S)
    flow.services.writer.write(
        lambda session: (
            session.execute(update(Work).where(Work.kind == "admin_alert").values(due_at=flow.services.now())) and None
        )
    )
    flow.work()
    (alert,) = flow.alerts()
    assert "leadloop needs you: graph:101000000000001 is held" in str(alert)
    assert "Waiting: 1 row of work" in str(alert)
    assert flow.crm() == {}
    flow.work()
    assert len(flow.alerts()) == 1
