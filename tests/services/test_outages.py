"""Graph, the CRM or the alerts are down for longer than the first retries, or slow: the others go on, and all catches up."""

import time
from collections.abc import Iterator

import pytest
from services.notices import fill_in, one_by_one
from services.programs import wait_until
from services.system import System, build_config, connection, make_system, say

pytestmark = [pytest.mark.services, pytest.mark.timeout(120)]
# So long that a row which waited for its own back-off would not be done in time.
OWN_BACKOFF = {"LEADLOOP_RETRY_FIRST_S": "300"}
SOON_S = 45.0  # a lane that was ill is tried every 30 s at the latest; after a short outage sooner


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """`leadloop run` on SQLite; every test leaves it idle."""
    folder = tmp_path_factory.mktemp("outages")
    made = make_system(folder, database_url=f"sqlite:///{folder}/leadloop.db", environment=OWN_BACKOFF)
    made.start(made.run())
    made.sender()
    yield made
    made.close()


def test_graph_is_down_and_comes_back(system: System) -> None:
    system.fault("graph", "http_500")
    leads = fill_in(system.sandbox, 60)
    system.senders[0].send(one_by_one(leads), per_second=10)
    wait_until(lambda: system.count("work WHERE kind = 'lead' AND code IS NOT NULL") >= 8, "failed reads")
    time.sleep(5)
    assert system.in_crm(leads) == 0
    system.mend()
    took_s = system.wait_arrived(leads, most_s=SOON_S)
    say(f"Graph down: {len(leads)} leads arrived {took_s:.1f} s after it was back")
    system.wait_idle()


def test_the_crm_is_down_while_alerts_flow(system: System) -> None:
    system.fault("crm", "http_500")
    leads = fill_in(system.sandbox, 60)
    system.senders[0].send(one_by_one(leads), per_second=10)
    alerted_s = wait_until(lambda: system.alerted(leads) == len(leads), lambda: system.describe(leads), most_s=20)
    time.sleep(2)
    assert system.in_crm(leads) == 0
    system.mend()
    took_s = system.wait_arrived(leads, most_s=SOON_S)
    say(f"CRM down: all alerted after {alerted_s:.1f} s; in the CRM {took_s:.1f} s after it was back")
    system.wait_idle()


def test_lone_leads_arrive_without_a_fresh_one_that_shows_the_way(system: System) -> None:
    """Nothing else comes in after the outage: the rows that wait have to find out that it is over."""
    system.fault("crm", "unavailable", retry_after_s=2)
    read = fill_in(system.sandbox, 2)
    system.senders[0].send(one_by_one(read))
    wait_until(lambda: system.alerted(read) == 2, lambda: system.describe(read))
    system.fault("graph", "http_500")
    unread = fill_in(system.sandbox, 2)
    system.senders[0].send(one_by_one(unread))
    wait_until(lambda: system.count("work WHERE code IS NOT NULL") == 4, lambda: system.describe(read))
    system.mend()
    took_s = system.wait_arrived([*read, *unread], most_s=SOON_S)
    say(f"lone leads arrived {took_s:.1f} s after Graph and the CRM were back")
    system.wait_idle()


def test_alerts_are_down_while_the_crm_flows(system: System) -> None:
    system.fault("alerts", "http_500")
    leads = fill_in(system.sandbox, 30)
    system.senders[0].send(one_by_one(leads))
    pushed_s = wait_until(lambda: system.in_crm(leads) == len(leads), lambda: system.describe(leads), most_s=15)
    time.sleep(5)
    assert system.alerted(leads) == 0
    system.mend()
    took_s = system.wait_arrived(leads, most_s=SOON_S)
    say(f"alerts down: CRM after {pushed_s:.1f} s; alerted {took_s:.1f} s after they were back")
    system.wait_idle()
    alerts = system.alerts()
    assert {alerts[lead.leadgen_id] for lead in leads} == {1}


def test_one_slow_crm_holds_up_neither_the_other_nor_the_alerts(system: System) -> None:
    slow = system.other_sandbox(crm_delay_ms=20_000)
    system.apply(build_config(system.sandbox, connections='"crm", "slow"') + connection("slow", slow))
    leads = fill_in(system.sandbox, 120)
    system.senders[0].send(one_by_one(leads), per_second=30)
    took_s = system.wait_arrived(leads, most_s=20)
    say(f"one CRM takes 20 s for an answer: {len(leads)} leads in the other one and alerted in {took_s:.1f} s")
    assert system.in_crm(leads, slow) < len(leads)
    system.apply(build_config(system.sandbox))
