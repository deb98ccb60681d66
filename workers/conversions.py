"""The queued events of one dataset go to Meta, many together, and what it answers is noted on each.

One row of work for each dataset. Before a request goes out its events are marked as being sent, durably: a worker that dies
leaves events of which nobody knows whether they arrived, and never events that are sent twice. Rules and sources: decisions
0051 and 0052; Meta conversions facts §1.5 to §1.8, §7, read 2026-11-26.
"""

import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from leadloop.conversions.answers import EventRefused, EventsUnanswered, Received
from leadloop.conversions.routes import may_resend
from leadloop.errors import LeadloopError, NeedsHuman, Retryable
from leadloop.logs import get_logger
from leadloop.ports import EventsGraph, Services
from store.conversions import (
    GIVEN_UP,
    Event,
    count_queued,
    list_left_behind,
    settle_events,
    take_events,
    want_sending,
)
from store.datasets import DatasetToServe, find_token, load_dataset
from store.lanes import find_lane
from store.vault import fingerprint
from store.work import WorkItem, is_held
from workers.jobs import Effect, is_stopping, working_with
from workers.noting import write_again

log = get_logger(__name__)
TURN_S = 20.0  # a dataset with a long queue gives its thread back in between
NOTE_TRIES = 8  # half a minute in which the database may be away: then nobody knows what Meta answered
BACKLOG = 10  # so many small batches waiting, and larger ones are sent
Reason = tuple[str, str, str]

MAYBE_SENT = (
    "maybe_sent",
    "It went out and no answer came, so that nobody knows whether Meta has it.",
    "Look in Events Manager; if it is not there after an hour, send it again: leadloop conversions retry ID. On this route"
    " Meta would count a second copy.",
)
WORKER_DIED = (
    GIVEN_UP,
    "The worker ended while it was being sent, so that nobody knows whether Meta has it.",
    MAYBE_SENT[2],
)
NOT_RECEIVED = (
    "not_received",
    "Meta answered that all is well and that it has received no event.",
    "Look in Events Manager under the dataset's diagnostics, and check the event: leadloop conversions check.",
)
FEWER_RECEIVED = (
    "fewer_received",
    "Meta answered that it has received fewer events than were sent with this one, and not which.",
    "Look in Events Manager whether it is there; if not, send it again: leadloop conversions retry ID.",
)


def run(item: WorkItem, services: Services) -> Effect | None:
    """Send what is queued for one dataset, for at most TURN_S. Not safe to repeat by itself: what is marked as being sent and
    not settled was in the hands of a worker that died. Raises what Graph raises when nothing more can be sent now.

    Where a worker died with it, one batch is enough: that one is out of the way, and done says that this was not the cause.
    """
    with services.read() as session:
        dataset = load_dataset(session, item.subject_id)
        lane = find_lane(session, item.lane)
    seems_ill = lane is not None and lane.failures > 0 and not lane.hold
    token = token_of(dataset, services)
    if token is None:
        raise no_token(dataset.dataset_id)
    _settle_left_behind(services, dataset.dataset_id)
    sender = _Sender(services, item, dataset.dataset_id, token)
    until = time.monotonic() + (0.0 if item.lost else TURN_S)
    with working_with(fingerprint(token)):
        if seems_ill:
            sender.ask_first()
        while sender.send_some():
            if time.monotonic() > until or is_stopping():
                return _go_on(dataset.dataset_id)
    return None


def current_fingerprint(item: WorkItem, services: Services) -> str | None:
    """The fingerprint of the token this dataset would be served with now."""
    with services.read() as session:
        return dataset_fingerprint(load_dataset(session, item.subject_id), services)


def dataset_fingerprint(dataset: DatasetToServe, services: Services) -> str:
    return fingerprint(token_of(dataset, services) or "")


def token_of(dataset: DatasetToServe, services: Services) -> str | None:
    """The token that this dataset is served with now; None when there is none."""
    return find_token(dataset, services.vault, services.settings.meta_access_token)


def no_token(dataset_id: str) -> NeedsHuman:
    return NeedsHuman(
        f"There is no access token for dataset {dataset_id}, so its events cannot be sent.",
        code="no_token",
        action=f'Add [[datasets]] with id = "{dataset_id}" and access_token to the configuration file and apply it, or set'
        " META_ACCESS_TOKEN to the token of a system user to whom the dataset is assigned.",
        scope="lane",
    )


def _go_on(dataset_id: str) -> Effect:
    def effect(session: Session, now: datetime) -> None:
        want_sending(session, [dataset_id], now=now)

    return effect


def _settle_left_behind(services: Services, dataset_id: str) -> None:
    """What a worker that died had in hand: sent again where Meta drops a second copy, else unknown."""

    def settle(session: Session) -> tuple[int, int]:
        now = services.now()
        left = list_left_behind(session, dataset_id)
        again = [one for one in left if may_resend(one.route, first_sent_at=one.sent_at, now=now)]
        unknown = [one for one in left if not may_resend(one.route, first_sent_at=one.sent_at, now=now)]
        settle_events(session, again, "queued", now=now)
        settle_events(session, unknown, "unknown", now=now, reason=WORKER_DIED)
        return len(again), len(unknown)

    again, unknown = services.writer.write(settle)
    if again or unknown:
        log.warning("events_left_behind", dataset_id=dataset_id, sent_again=again, unknown=unknown)


class _Sender:
    """Sends one dataset's events with one token."""

    def __init__(self, services: Services, item: WorkItem, dataset_id: str, token: str) -> None:
        self._services = services
        self._item = item
        self._dataset_id = dataset_id
        self._token = token

    def ask_first(self) -> None:
        """Where Meta seemed ill, a question that costs nothing: a request with events may leave them in doubt. Raises while
        it is not answered; an answer of any kind, a refusal too, will do."""
        try:
            self._graph().read_dataset(self._dataset_id, token=self._token)
        except Retryable as caught:
            if caught.outage:
                raise
        except LeadloopError as caught:
            log.info("dataset_answers", dataset_id=self._dataset_id, code=caught.code)

    def send_some(self) -> bool:
        """One batch, oldest first. False when nothing was queued, or the work is another worker's by now."""
        settings = self._services.settings
        waiting = self._count()
        most = settings.events_batch if waiting < BACKLOG * settings.events_batch else settings.events_batch_most

        events = self._take(most)
        if events:
            self._send(events)
        return bool(events)

    def _take(self, most: int) -> list[Event]:
        tried: list[bool] = []

        def take(session: Session) -> list[Event]:
            if not is_held(session, self._item):
                log.warning("dataset_taken_over", dataset_id=self._dataset_id, note="the lease ended meanwhile")
                return []
            # When the database went away in a commit it may have kept what nobody was told: those are taken, and not sent.
            taken = list_left_behind(session, self._dataset_id) if tried else []
            tried.append(True)
            return taken or take_events(session, self._dataset_id, most=most, now=self._services.now())

        return self._services.writer.write(take)

    def _graph(self) -> EventsGraph:
        if self._services.events_graph is None:
            raise RuntimeError("this process was started without a Graph client")
        return self._services.events_graph

    def _count(self) -> int:
        with self._services.read() as session:
            return count_queued(session, self._dataset_id, most=BACKLOG * self._services.settings.events_batch)

    def _send(self, events: Sequence[Event]) -> None:
        graph = self._graph()
        try:
            received = graph.send_events(self._dataset_id, [event.payload for event in events], token=self._token)
        except EventRefused as refused:
            self._narrow(events, refused)
        except EventsUnanswered as caught:
            if caught.maybe_stored:
                self._settle_unknown(events, _reason(caught))
            else:
                self._settle(events, "queued", reason=_reason(caught))
            raise
        except LeadloopError as caught:  # a limit, a token, a right: nothing was taken, and all of it waits
            self._settle(events, "queued", reason=_reason(caught))
            raise
        else:
            self._note(events, received)

    def _narrow(self, events: Sequence[Event], refused: EventRefused) -> None:
        """One bad event has all refused and Meta does not say which: halve until it stands alone. Facts §1.5, §1.6."""
        if len(events) > 1:
            self._send_halves(events)
            return
        answer = {"meta_code": refused.meta_code} | dict(getattr(refused, "details", None) or {})
        self._settle(events, "refused", reason=_reason(refused), answer=answer)
        log.warning("event_refused", dataset_id=self._dataset_id, conversion_id=events[0].id, code=refused.code)

    def _send_halves(self, events: Sequence[Event]) -> None:
        """The second half goes back into the queue when the first cannot be sent at all."""
        middle = len(events) // 2
        try:
            self._send(events[:middle])
        except LeadloopError as caught:
            self._settle(events[middle:], "queued", reason=_reason(caught))
            raise
        self._send(events[middle:])

    def _note(self, events: Sequence[Event], received: Received) -> None:
        if received.events >= len(events):
            self._settle(events, "accepted", answer=received.answer, fbtrace_id=received.fbtrace_id)
            self._measure(events)
        elif received.events > 0:
            self._settle_unknown(events, FEWER_RECEIVED, answer=received.answer, fbtrace_id=received.fbtrace_id)
        elif len(events) > 1:
            self._send_halves(events)
        else:
            self._settle(events, "refused", reason=NOT_RECEIVED, answer=received.answer, fbtrace_id=received.fbtrace_id)

    def _settle_unknown(self, events: Sequence[Event], reason: Reason, **noted: Any) -> None:
        """Sent again where Meta drops a second copy; elsewhere nobody may send it but a person who has looked."""
        now = self._services.now()
        again = [one for one in events if may_resend(one.route, first_sent_at=one.sent_at, now=now)]
        self._settle(again, "queued", reason=reason)
        unknown = [one for one in events if one not in again]
        self._settle(unknown, "unknown", reason=(reason[0], reason[1] or MAYBE_SENT[1], MAYBE_SENT[2]), **noted)

    def _settle(
        self,
        events: Sequence[Event],
        state: str,
        *,
        reason: Reason | None = None,
        answer: Mapping[str, Any] | None = None,
        fbtrace_id: str | None = None,
    ) -> None:
        if not events:
            return

        def settle(session: Session) -> None:
            now = self._services.now()
            settle_events(session, events, state, now=now, reason=reason, answer=answer, fbtrace_id=fbtrace_id)
            if state == "queued" and not is_held(session, self._item):
                want_sending(session, [self._dataset_id], now=now)  # whoever has it by now may be done already

        write_again(self._services, settle, tries=NOTE_TRIES)
        self._services.counters.add(
            "leadloop_conversions_settled_total", len(events), dataset=self._dataset_id, state=state
        )

    def _measure(self, events: Sequence[Event]) -> None:
        now = self._services.now()
        for event in events:
            took_s = (now - event.created_at).total_seconds()
            self._services.counters.observe("leadloop_outcome_to_meta_seconds", took_s, dataset=self._dataset_id)
        log.info("events_accepted", dataset_id=self._dataset_id, events=len(events))


def _reason(caught: LeadloopError) -> Reason:
    return caught.code, caught.message, caught.action
