"""A hold is told to the admin: once, by name, with the mend, together with what is held beside it, and only while it lasts."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from conftest import Clock
from fakes import make_services
from lead_rows import add
from raw_http import Talk, ok, raw_server
from sqlalchemy import Engine, select, update
from sqlalchemy.orm import Session

from leadloop.errors import NeedsHuman, Retryable
from leadloop.ports import Services
from notifiers.admin_message import Held, build_admin_message
from notifiers.formats import named_format
from store.admin_alerts import GATHER_S
from store.conversion_models import AdminAlert
from store.lanes import alert_lane, crm_lane, free_lane
from store.models import Connection, Lane, Notifier, Page, Work
from store.work import WorkItem, add_work
from store.work_subjects import describe_subjects
from workers import admin_alerts
from workers.drain import Drainer
from workers.jobs import Job
from workers.notices import PAUSE_S, targets_of
from workers.timekeeping import Timekeeper

CRM = crm_lane(1)


@dataclass
class Phone:
    """An alert service. `says` is what each request in turn is answered; None: nothing, until the caller gives up."""

    port: int
    messages: list[str] = field(default_factory=list)
    says: list[bytes | None] = field(default_factory=list)

    def handle(self, talk: Talk) -> None:
        while (request := talk.read()) is not None:
            told = json.loads(request.partition(b"\r\n\r\n")[2])
            self.messages.append(f"{told['title']}\n{told['message']}".replace("\u200b", ""))
            answer = self.says.pop(0) if self.says else ok()
            if answer is None:
                return talk.hang()
            talk.send(answer)
        return None

    @property
    def url(self) -> str:
        return f"json://127.0.0.1:{self.port}/hook?rto=0.2"


@pytest.fixture
def phone() -> Iterator[Phone]:
    made = Phone(0)
    with raw_server(made.handle) as server:
        made.port = server.port
        yield made


class Bench:
    """Work of which each row fails with what stands in `trouble` for its lane, and a drain that rings for real."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self.clock = clock
        self.services: Services = make_services(engine, now=clock)
        self.trouble: dict[str, Exception] = {}
        jobs = {
            "thing": Job(self._work),
            "admin_alert": Job(admin_alerts.run, admin_alerts.fail, admin_alerts.current_fingerprint),
        }
        self.drainer = Drainer(self.services, jobs, threads=4)
        self.things = 0

    def _work(self, item: WorkItem, _services: Services) -> None:
        if item.lane in self.trouble:
            raise self.trouble[item.lane]

    def notifier(self, name: str, *urls: str, admin: bool = True) -> None:
        sealed = self.services.vault.seal(json.dumps(urls))
        add(self.services, Notifier(name=name, urls_sealed=sealed, admin=admin, changed_at=self.clock()))

    def change_notifier(self, **changes: Any) -> None:
        changes |= {"changed_at": self.clock.forward(seconds=1)}
        if "urls" in changes:
            changes["urls_sealed"] = self.services.vault.seal(json.dumps(changes.pop("urls")))
        self.services.writer.write(lambda session: session.execute(update(Notifier).values(changes)) and None)

    def hold(self, *lanes: str, code: str = "http_401", rows: int = 1) -> None:
        for lane in lanes:
            self.trouble[lane] = NeedsHuman(
                f"{lane} does not accept its token.", code=code, action="Put a valid one.", scope="lane"
            )
            for _ in range(rows):
                self.add_thing(lane)
        self.drainer.drain()

    def add_thing(self, lane: str) -> None:
        self.things += 1
        self.services.writer.write(lambda session: add_work(session, "thing", [self.things], lane, now=self.clock()))

    def mend(self, lane: str) -> None:
        self.trouble.pop(lane, None)
        self.services.writer.write(lambda session: free_lane(session, lane, now=self.clock()))

    def later(self, seconds: float) -> None:
        self.clock.forward(seconds=seconds)
        self.drainer.drain()

    def rows(self, table: Any) -> list[Any]:
        with Session(self.services.engine) as session:
            return list(session.scalars(select(table)))

    def alert_work(self) -> list[Work]:
        return [row for row in self.rows(Work) if row.kind == "admin_alert"]


@pytest.fixture
def bench(engine: Engine, clock: Clock) -> Iterator[Bench]:
    made = Bench(engine, clock)
    sealed = made.services.vault.seal("{}")
    add(made.services, Connection(name="hubspot", adapter="webhook", settings_sealed=sealed, changed_at=clock()))
    yield made
    made.drainer.stop(1.0)
    made.services.writer.close()


def test_a_hold_is_told_once_with_name_reason_mend_and_what_waits(bench: Bench, phone: Phone) -> None:
    bench.notifier("ops", phone.url)
    bench.hold(CRM, rows=3)
    assert phone.messages == [], "its neighbours may be held by the same thing"
    bench.later(GATHER_S)
    (told,) = phone.messages
    for part in (
        "leadloop needs you: crm:hubspot is held",
        "Why: crm:1 does not accept its token.",
        "Mend: Put a valid one.",
        "Since: 2026-11-22 09:00:00 UTC, 20 s ago",
        "Waiting: 3 rows of work",
    ):
        assert part in told
    assert [alert.sent_at for alert in bench.rows(AdminAlert)] == [bench.clock()]
    for _ in range(9):
        bench.later(3600)  # each hour a probe fails
    assert len(phone.messages) == 1
    assert bench.alert_work() == []


def test_the_alert_is_there_as_soon_as_the_hold(bench: Bench, phone: Phone) -> None:
    bench.notifier("ops", phone.url)
    bench.hold(CRM)
    (lane,), (alert,), (work,) = bench.rows(Lane), bench.rows(AdminAlert), bench.alert_work()
    assert (alert.lane, alert.since, alert.sent_at) == (lane.name, lane.since, None)
    assert (work.lane, (work.due_at - bench.clock()).total_seconds()) == (alert_lane(1, alert.target), GATHER_S)
    with Session(bench.services.engine) as session:
        assert describe_subjects(session, [work]) == {work.id: "tell ops what is held"}


def test_an_alert_that_waits_for_its_neighbours_is_not_taken_for_one_that_a_wrong_clock_put_off(
    bench: Bench, phone: Phone
) -> None:
    bench.notifier("ops", phone.url)
    bench.hold(CRM)
    Timekeeper(bench.services).look()
    bench.later(GATHER_S / 2)
    assert phone.messages == []


def test_only_admin_notifiers_that_are_still_there_are_rung(bench: Bench, phone: Phone) -> None:
    bench.notifier("sales", phone.url, admin=False)
    bench.hold(CRM)
    bench.change_notifier(admin=True, removed_at=bench.clock())
    bench.hold("graph:111111111111111")
    bench.later(60)
    assert (phone.messages, bench.rows(AdminAlert), bench.alert_work()) == ([], [], [])


def test_what_one_dead_token_holds_is_told_in_one_message(bench: Bench, phone: Phone) -> None:
    bench.notifier("ops", phone.url)
    pages = [f"10{number}" for number in range(20)]
    add(bench.services, *(Page(page_id=page, name="Acme") for page in pages))
    for page in pages:
        bench.hold(f"graph:{page}", code="graph_190")
        bench.later(0.5)
    bench.hold(CRM, code="http_401")
    bench.later(GATHER_S)
    (told,) = phone.messages
    assert "21 things are held" in told
    assert all(f"graph:{page}" in told for page in pages)
    assert told.count("Why:") == 2, "one for the token, one for the CRM"
    assert "Waiting: 20 rows of work" in told


def test_holds_that_go_on_for_long_do_not_put_the_first_alert_off(bench: Bench, phone: Phone) -> None:
    bench.notifier("ops", phone.url)
    for number in range(8):
        bench.hold(f"graph:{number}")
        bench.later(GATHER_S / 4)
    assert phone.messages
    bench.later(GATHER_S)
    assert len(phone.messages) == 2, phone.messages
    assert {alert.sent_at is None for alert in bench.rows(AdminAlert)} == {False}


def test_a_hold_that_ended_before_is_not_told_and_one_that_comes_again_is(bench: Bench, phone: Phone) -> None:
    bench.notifier("ops", phone.url)
    bench.hold(CRM)
    bench.later(GATHER_S - 1)
    bench.mend(CRM)
    bench.later(GATHER_S)
    assert (phone.messages, bench.alert_work()) == ([], [])
    bench.hold(CRM)
    bench.later(GATHER_S)
    assert len(phone.messages) == 1
    bench.mend(CRM)
    bench.later(3600)
    assert len(phone.messages) == 1, "an end is not announced"


def test_an_address_that_is_down_hears_of_it_later_and_of_what_came_since(bench: Bench, phone: Phone) -> None:
    bench.notifier("ops", phone.url)
    phone.says = [ok(status="503 Busy")] * 2
    bench.hold(CRM)
    bench.later(GATHER_S)
    (alert,) = bench.rows(AdminAlert)
    assert (alert.sent_at, alert.code) == (None, "http_503")
    bench.hold("graph:7")
    for _ in range(4):
        bench.later(600)
    assert len(phone.messages) == 3
    assert "2 things are held" in phone.messages[-1]
    assert {(alert.sent_at is None, alert.code) for alert in bench.rows(AdminAlert)} == {(False, None)}


def test_without_an_answer_it_is_rung_once_more_and_then_counts_as_told(bench: Bench, phone: Phone) -> None:
    bench.notifier("ops", phone.url)
    phone.says = [None] * 9
    bench.hold(CRM)
    bench.later(GATHER_S)
    assert len(phone.messages) == 1
    bench.later(PAUSE_S - 1)
    assert len(phone.messages) == 1
    for _ in range(9):
        bench.later(3600)
    assert len(phone.messages) == 2
    (alert,) = bench.rows(AdminAlert)
    assert (alert.sent_at is None, alert.code) == (False, "alert_unanswered")
    assert bench.alert_work() == []


def test_another_failure_in_between_leaves_room_for_one_ring(bench: Bench, phone: Phone) -> None:
    bench.notifier("ops", phone.url)
    phone.says = [None, ok(status="503 Busy"), None, None]
    bench.hold(CRM)
    for _ in range(9):
        bench.later(3600)
    assert len(phone.messages) == 3


def test_a_worker_that_died_with_it_costs_one_ring_more(bench: Bench, phone: Phone) -> None:
    bench.notifier("ops", phone.url)
    bench.hold(CRM)
    bench.services.writer.write(
        lambda session: (
            session.execute(update(Work).where(Work.kind == "admin_alert").values(holder="a worker that died")) and None
        )
    )
    bench.later(GATHER_S)
    bench.later(3600)
    assert (len(phone.messages), bench.alert_work()) == (1, [])


def test_a_dead_admin_address_is_told_to_the_other_one_and_nothing_loops(bench: Bench, phone: Phone) -> None:
    with raw_server(lambda talk: talk.read() and talk.send(ok(status="404 Not Found"))) as gone:
        bench.notifier("ops", f"json://127.0.0.1:{gone.port}/gone?rto=0.2", phone.url)
        bench.hold(CRM)
        bench.later(GATHER_S)
        for _ in range(40):
            bench.later(900)
        told = "\n".join(phone.messages)
        assert (told.count("Held: alert:ops"), told.count("Held: crm:hubspot")) == (1, 1)
        assert 2 <= len(gone.requests) <= 41, "a probe every quarter of an hour"
    told_of = {(alert.lane, alert.sent_at is None) for alert in bench.rows(AdminAlert)}
    dead = next(row.name for row in bench.rows(Lane) if row.name.startswith("alert:"))
    assert told_of == {(CRM, True), (CRM, False), (dead, False)}
    assert [row.lane for row in bench.alert_work()] == [dead]


def test_the_only_admin_address_being_dead_is_told_nobody(bench: Bench) -> None:
    with raw_server(lambda talk: talk.read() and talk.send(ok(status="404 Not Found"))) as gone:
        bench.notifier("ops", f"json://127.0.0.1:{gone.port}/gone?rto=0.2")
        bench.hold(CRM)
        for _ in range(5):
            bench.later(900)
    assert [(alert.lane, alert.code) for alert in bench.rows(AdminAlert)] == [(CRM, "http_404")]
    assert len(bench.alert_work()) == 1


def test_an_address_that_was_put_in_its_place_is_rung_instead(bench: Bench, phone: Phone) -> None:
    bench.notifier("ops", "json://127.0.0.1:9/nobody")
    bench.hold(CRM)
    bench.later(GATHER_S)
    bench.change_notifier(urls=[phone.url])
    bench.later(7200)
    bench.later(GATHER_S)
    assert len(phone.messages) == 1
    (target,) = targets_of(1, bench.clock(), bench.services)
    (alert,) = bench.rows(AdminAlert)
    assert (alert.target, alert.sent_at is None) == (target.fingerprint, False)


def test_an_address_added_later_is_not_rung_twice_for_one_taken_away(bench: Bench, phone: Phone) -> None:
    bench.notifier("ops", "json://127.0.0.1:9/nobody", phone.url)
    bench.hold(CRM)
    bench.later(GATHER_S)
    assert len(phone.messages) == 1
    bench.change_notifier(urls=[phone.url])
    for _ in range(3):
        bench.later(7200)
    assert (len(phone.messages), bench.alert_work()) == (1, [])


def test_a_notifier_that_is_no_longer_the_admins_stays_silent(bench: Bench, phone: Phone) -> None:
    bench.notifier("ops", phone.url)
    bench.hold(CRM)
    bench.change_notifier(admin=False)
    bench.later(GATHER_S)
    assert (phone.messages, bench.rows(AdminAlert), bench.alert_work()) == ([], [], [])


def test_an_outage_is_no_hold(bench: Bench, phone: Phone) -> None:
    bench.notifier("ops", phone.url)
    bench.trouble[CRM] = Retryable("No answer.", code="timeout", outage=True)
    for _ in range(9):
        bench.add_thing(CRM)
        bench.later(60)
    assert (phone.messages, bench.rows(AdminAlert)) == ([], [])


def test_two_holds_at_once_make_one_row_of_work_for_an_address(bench: Bench, phone: Phone) -> None:
    """On PostgreSQL several workers hold Pages in transactions of their own; here on four threads."""
    bench.notifier("ops", phone.url)
    for number in range(16):
        bench.trouble[f"graph:{number}"] = NeedsHuman("Dead.", code="graph_190", action="New one.", scope="lane")
        bench.add_thing(f"graph:{number}")
    bench.drainer.drain()
    assert len(bench.rows(AdminAlert)) == 16
    assert len(bench.alert_work()) == 1
    bench.later(GATHER_S)
    assert len(phone.messages) == 1


def test_a_text_that_does_not_fit_ends_with_an_ellipsis_and_begins_with_what_matters(clock: Clock) -> None:
    held = [Held(f"graph:{n}", clock(), f"c{n}", "w" * 900, f"Mend {n} " + "m" * 900, n) for n in range(30)]
    sms = replace(named_format("text"), body_maxlen=160, title_maxlen=0)
    message = build_admin_message(held, now=clock(), body_format=sms)
    assert len(message.body) <= 160
    assert message.title == ""
    assert message.body.startswith("leadloop needs you: 30 things are held\nHeld: graph:29")
    assert message.body.endswith("…")
