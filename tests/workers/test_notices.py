"""One alert to one address, when it is not known whether it rang: once more for each reason, and not for ever."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from conftest import Clock
from fakes import make_services
from lead_rows import add, make_lead
from raw_http import Talk, ok, raw_server
from sqlalchemy import Engine, select, update
from sqlalchemy.orm import Session

from leadloop.ports import Services
from store.models import Lane, LeadEvent, Notice, Notifier, Work
from store.work import WorkItem, add_work, claim, wake
from workers import notices
from workers.alone import MOST_LOST
from workers.drain import Drainer
from workers.jobs import Job

COUNTED = "leadloop_alerts_maybe_repeated_total"


@dataclass
class Service:
    """An alert service. `says` is what each request in turn is answered; None: nothing, until the caller gives up."""

    port: int
    rung: int = 0
    says: list[bytes | None] = field(default_factory=list)

    def handle(self, talk: Talk) -> None:
        while talk.read() is not None:
            self.rung += 1
            answer = self.says.pop(0) if self.says else ok()
            if answer is None:
                return talk.hang()
            talk.send(answer)
        return None


@pytest.fixture
def service() -> Iterator[Service]:
    made = Service(0)
    with raw_server(made.handle) as server:
        made.port = server.port
        yield made


@dataclass
class Bench:
    services: Services
    clock: Clock
    drainer: Drainer
    lane: str

    def notice(self) -> Notice:
        with Session(self.services.engine) as session:
            return session.scalars(select(Notice)).one()

    def work(self) -> Work | None:
        with Session(self.services.engine) as session:
            return session.scalars(select(Work)).one_or_none()

    def counted(self) -> float:
        return float(self.services.counters.get(COUNTED, notifier="sales"))  # type: ignore[attr-defined]

    def later(self, **delta: float) -> None:
        """Time goes by, and the lane has rested."""
        self.clock.forward(**delta)
        self.drainer.drain()

    def lose(self) -> None:
        """The worker that has the row is killed: the lease ends."""
        self.services.writer.write(
            lambda session: session.execute(update(Work).values(holder="a worker that died", state="open")) and None
        )

    def claim(self) -> WorkItem:
        """As another worker, which has the row in hand from here on."""
        work, now = self.work(), self.clock()
        assert work is not None
        room = {work.queue: 1}
        (item,) = self.services.writer.write(
            lambda session: claim(session, room, holder="another worker", now=now, lease_s=0)
        )
        return item

    def ring_and_die(self) -> None:
        """A worker rings, and is killed before it notes that."""
        assert notices.run(self.claim(), self.services) is not None

    def set_url(self, url: str) -> None:
        sealed = self.services.vault.seal(json.dumps([url]))
        moved = {"urls_sealed": sealed, "changed_at": self.clock.forward(seconds=1)}
        self.services.writer.write(lambda session: session.execute(update(Notifier).values(moved)) and None)


@pytest.fixture
def bench(engine: Engine, clock: Clock, service: Service) -> Iterator[Bench]:
    services = make_services(engine, now=clock)
    url = f"json://127.0.0.1:{service.port}/hook?rto=0.2"
    add(
        services,
        Notifier(name="sales", urls_sealed=services.vault.seal(json.dumps([url])), changed_at=clock()),
        make_lead("1", clock()),
    )
    (target,) = notices.targets_of(1, clock(), services)
    lane = f"alert:1:{target.fingerprint}"
    add(services, Notice(lead_id=1, notifier_id=1, target=target.fingerprint, created_at=clock()))
    services.writer.write(lambda session: add_work(session, "notice", [1], lane, now=clock()))
    drainer = Drainer(services, {"notice": Job(notices.run, notices.fail, notices.current_fingerprint)}, threads=2)
    yield Bench(services, clock, drainer, lane)
    drainer.stop(1.0)
    services.writer.close()


def test_an_alert_without_an_answer_is_rung_once_more_and_no_more(bench: Bench, service: Service) -> None:
    service.says = [None] * 9
    bench.drainer.drain()
    assert (service.rung, bench.notice().code, bench.notice().state) == (1, "alert_unanswered", "waiting")
    bench.later(seconds=notices.PAUSE_S - 1)
    assert service.rung == 1, "a decent pause"
    bench.later(seconds=1)
    assert service.rung == 2
    notice = bench.notice()
    assert (notice.state, notice.code, notice.maybe_repeated) == ("parked", "alert_maybe_rung", True)
    assert "Look in the channel" in str(notice.action)
    for _ in range(9):
        bench.later(days=1)
    assert (service.rung, bench.counted()) == (2, 1)
    with Session(bench.services.engine) as session:
        assert [line.detail["code"] for line in session.scalars(select(LeadEvent).order_by(LeadEvent.id))] == [
            "alert_unanswered",
            "alert_maybe_rung",
        ]


def test_a_second_ring_that_is_answered_is_counted(bench: Bench, service: Service) -> None:
    service.says = [None]
    bench.drainer.drain()
    bench.later(seconds=60)
    assert (service.rung, bench.counted()) == (2, 1)
    assert (bench.notice().state, bench.notice().maybe_repeated, bench.work()) == ("sent", True, None)


def test_the_lane_knows_that_its_service_is_ill_but_wakes_no_alert_early(bench: Bench, service: Service) -> None:
    service.says = [None]
    bench.drainer.drain()
    with Session(bench.services.engine) as session:
        assert session.get_one(Lane, bench.lane).failures == 1
    work = bench.work()
    assert work is not None
    assert work.outage is False, "or a success of another alert in the lane would ring at once"


def test_half_an_answer_and_a_gateway_that_waited_in_vain_count_as_none(bench: Bench, service: Service) -> None:
    service.says = [b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", ok(status="504 Gateway Timeout")]
    bench.drainer.drain()
    bench.later(seconds=60)
    bench.later(days=1)
    assert (service.rung, bench.notice().code) == (2, "alert_maybe_rung")


def test_what_was_never_sent_is_tried_for_long_and_is_no_repeat(bench: Bench, service: Service) -> None:
    bench.set_url("json://127.0.0.1:9/hook")
    for _ in range(9):
        bench.later(minutes=30)
    assert (bench.notice().state, bench.notice().code) == ("waiting", "connection_refused")
    bench.set_url(f"json://127.0.0.1:{service.port}/hook?rto=0.2")
    bench.later(days=1)
    assert (service.rung, bench.counted()) == (1, 0)
    assert (bench.notice().state, bench.notice().maybe_repeated) == ("sent", False)


def test_a_failure_in_between_leaves_room_for_one_ring(bench: Bench, service: Service) -> None:
    service.says = [None, ok(status="503 Busy"), ok(status="503 Busy"), None]
    bench.drainer.drain()
    for _ in range(3):
        bench.later(seconds=61)
        assert bench.notice().maybe_repeated
    assert (service.rung, bench.notice().state, bench.notice().code) == (4, "parked", "alert_maybe_rung")


def test_a_worker_that_died_with_it_costs_one_ring_more(bench: Bench, service: Service) -> None:
    bench.lose()
    bench.drainer.drain()
    assert (service.rung, bench.counted()) == (1, 1)
    assert (bench.notice().state, bench.notice().maybe_repeated) == ("sent", True)


def test_a_worker_that_died_with_the_second_ring_too_parks_nothing(bench: Bench, service: Service) -> None:
    """A sales team that is rung three times for one lead loses less than one that is not rung, or has to look."""
    bench.ring_and_die()
    bench.ring_and_die()
    assert (service.rung, bench.notice().state) == (2, "waiting")
    bench.drainer.drain()
    assert service.rung == 3
    assert (bench.notice().state, bench.notice().maybe_repeated, bench.work()) == ("sent", True, None)
    with Session(bench.services.engine) as session:
        assert [line.detail["maybe_repeated"] for line in session.scalars(select(LeadEvent))] == [True]


def test_a_row_with_which_workers_die_is_rung_no_more_often_than_that(bench: Bench, service: Service) -> None:
    for _ in range(MOST_LOST):
        bench.ring_and_die()
    for _ in range(9):
        bench.later(days=1)
    assert service.rung == MOST_LOST
    notice = bench.notice()
    assert (notice.state, notice.code, notice.maybe_repeated) == ("parked", "worker_died", True)


def test_a_worker_that_died_is_not_taken_for_a_call_without_an_answer(bench: Bench, service: Service) -> None:
    service.says = [ok(), None, None]
    bench.ring_and_die()
    bench.drainer.drain()
    assert (service.rung, bench.notice().state, bench.notice().code) == (2, "waiting", "alert_unanswered")
    for _ in range(9):
        bench.later(days=1)
    assert (service.rung, bench.notice().state, bench.notice().code) == (3, "parked", "alert_maybe_rung")


def test_a_worker_that_died_with_the_ring_after_one_without_an_answer_parks_nothing(
    bench: Bench, service: Service
) -> None:
    service.says = [None]
    bench.drainer.drain()
    bench.clock.forward(seconds=60)
    bench.ring_and_die()
    bench.later(seconds=1)
    assert service.rung == 3
    assert (bench.notice().state, bench.notice().maybe_repeated, bench.work()) == ("sent", True, None)


def test_a_refused_ring_after_a_worker_that_died_stays_marked(bench: Bench, service: Service) -> None:
    service.says = [ok(), ok(status="400 Bad Request")]
    bench.ring_and_die()
    bench.drainer.drain()
    assert (service.rung, bench.notice().state, bench.notice().maybe_repeated) == (2, "parked", True)


def test_a_ring_that_was_noted_late_is_marked_when_another_worker_died_with_the_row_since(
    bench: Bench, service: Service
) -> None:
    """The first worker outlives its lease, the second rings too and is killed, the first notes, the third looks."""
    late = notices.run(bench.claim(), bench.services)
    assert late is not None
    bench.ring_and_die()
    bench.services.writer.write(lambda session: late(session, bench.clock()))
    assert (bench.notice().state, bench.notice().maybe_repeated) == ("sent", False)
    bench.drainer.drain()
    assert service.rung == 2
    assert (bench.notice().state, bench.notice().maybe_repeated, bench.work()) == ("sent", True, None)


def test_a_ring_that_was_noted_late_is_the_only_one_when_nobody_had_it_since(bench: Bench, service: Service) -> None:
    late = notices.run(bench.claim(), bench.services)
    assert late is not None
    bench.services.writer.write(lambda session: late(session, bench.clock()))
    bench.drainer.drain()
    assert (service.rung, bench.counted(), bench.notice().maybe_repeated, bench.work()) == (1, 0, False, None)


def test_a_worker_that_died_before_the_second_ring_is_no_reason_to_give_up(bench: Bench, service: Service) -> None:
    for _ in range(3):  # killed between claiming and ringing
        bench.services.writer.write(
            lambda session: session.execute(update(Work).values(lost=Work.lost + 1, holder=None)) and None
        )
    bench.drainer.drain()
    assert (service.rung, bench.notice().state, bench.notice().maybe_repeated) == (1, "sent", True)


def test_a_person_may_have_it_rung_again(bench: Bench, service: Service) -> None:
    service.says = [None, None]
    bench.drainer.drain()
    bench.later(seconds=60)
    assert bench.notice().state == "parked"
    bench.services.writer.write(lambda session: wake(session, now=bench.clock()))
    bench.later(seconds=1)
    assert (service.rung, bench.notice().state) == (3, "sent")
