"""Checks that one lead is one record, whatever was repeated or broke off, and that every kind of lead is taken."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from crm_adapters.base import Earlier, RemoteRef
from crm_adapters.conformance.people import make_lead, sample_leads
from crm_adapters.conformance.server import FakeCrm, Reply
from crm_adapters.conformance.subject import Stage, Subject, demand, demand_private, watching
from leadloop.errors import LeadloopError
from leadloop.leads import LeadCard

REPEATED = Earlier(maybe_pushed=True)


def count_requests(subject: Subject, lead: LeadCard) -> tuple[int, int]:
    """How many requests a push makes, and how many the steps after a restart, when nothing goes wrong."""
    with subject.running() as stage:
        ref = stage.push(lead)
        pushed = len(stage.fake.received)
        stage.steps(lead, ref)
        return pushed, len(stage.fake.received) - pushed


def pushed_twice(subject: Subject) -> None:
    """The same lead again leaves one record, under the same id."""
    lead = make_lead()
    with subject.running() as stage:
        adapter = stage.connect()
        first = stage.push(lead, adapter=adapter)
        again = [
            stage.push(lead, adapter=adapter, earlier=Earlier(ref=first)),
            stage.push(lead, adapter=adapter, earlier=REPEATED),
            stage.push(lead, earlier=REPEATED),
        ]
        stage.one_record("pushed four times")
        demand({ref.id for ref in again} == {first.id}, "the same lead came back under another id")


def two_leads_two_records(subject: Subject) -> None:
    """Two people are two records, and each record holds its own."""
    with subject.running() as stage:
        refs = [stage.push(make_lead(number)) for number in (1, 2)]
        stage.one_record("two leads", expected=2)
        demand(refs[0].id != refs[1].id, "two leads came back under one id")
        _own_data(stage, [make_lead(1), make_lead(2)])


def crash_between_push_and_note(subject: Subject) -> None:
    """The record was made, then the process died before it noted that: after the restart there is one record."""
    lead = make_lead()
    with subject.running() as stage:
        stage.push(lead)
        ref = stage.push(lead, earlier=REPEATED)
        stage.steps(lead, ref)
        stage.one_record("pushed again after a crash")
        _one_note(stage)


def crash_after_a_step(subject: Subject) -> None:
    """The steps were done, then the process died before it noted that: they are repeated without doubling anything."""
    lead = make_lead()
    with subject.running() as stage:
        adapter = stage.connect()
        ref = stage.push(lead, adapter=adapter)
        stage.steps(lead, ref, adapter=adapter)
        stage.steps(lead, ref)
        stage.steps(lead, ref)
        stage.one_record("steps repeated after a crash")
        _one_note(stage)


def answer_lost(subject: Subject) -> None:
    """The CRM did what was asked, but its answer was lost on the way: trying again leaves one record and one note."""
    lead = make_lead()
    pushes, steps = count_requests(subject, lead)
    for position in range(pushes):
        with subject.running() as stage:
            stage.fake.fail(Reply(manner="drop"), skip=position, after=True, times=2)
            _orderly(partial(stage.push, lead))
            stage.fake.heal()
            ref = stage.push(lead, earlier=REPEATED)
            stage.steps(lead, ref)
            stage.one_record(f"the answer to request {position + 1} of the push was lost")
            _one_note(stage)
    for position in range(steps):
        with subject.running() as stage:
            ref = stage.push(lead)
            stage.fake.fail(Reply(manner="drop"), skip=position, after=True, times=2)
            _orderly(partial(stage.steps, lead, ref))
            stage.fake.heal()
            stage.steps(lead, ref)
            stage.one_record(f"the answer to request {position + 1} of the steps was lost")
            _one_note(stage)


def takes_lead(name: str) -> Callable[[Subject], None]:
    """A check that the sample lead of that name is pushed and its steps done, and that nothing of it leaks."""

    def check(subject: Subject) -> None:
        lead = sample_leads()[name]
        with subject.running() as stage, watching() as watch:
            ref = stage.push(lead)
            stage.steps(lead, ref)
            stage.push(lead, earlier=Earlier(ref=ref))
            stage.one_record(f"the lead {name!r}, pushed twice")
            targets = [request.target for request in stage.crm.received] if isinstance(stage.crm, FakeCrm) else []
        demand_private([*watch.lines, repr(ref)], lead, stage.secrets(), "a log line or the record's reference")
        demand_private(targets, lead, [], "an address that was called")

    check.__doc__ = f"The sample lead {name!r} is taken."
    return check


def threads(subject: Subject) -> None:
    """One instance serves several threads at once, and no lead ends up in another's record."""
    leads = [make_lead(number) for number in range(1, 41)]
    with subject.running() as stage:
        adapter = stage.connect()
        with ThreadPoolExecutor(min(8, adapter.max_in_flight)) as pool:
            refs = list(pool.map(lambda lead: _push_all(stage, adapter, lead), leads))
        stage.one_record("40 leads from several threads", expected=40)
        demand(len({ref.id for ref in refs}) == 40, "several threads were given the same record")
        _own_data(stage, leads)
        notes = stage.crm.notes()
        demand(notes is None or len(notes) in (0, 40), "several threads made too many or too few notes")


def _push_all(stage: Stage, adapter: Any, lead: LeadCard) -> RemoteRef:
    ref = stage.push(lead, adapter=adapter)
    stage.steps(lead, ref, adapter=adapter)
    return ref


def _own_data(stage: Stage, leads: list[LeadCard]) -> None:
    texts = [json.dumps(record, default=str) for record in stage.crm.records()]
    for lead in leads:
        holding = sum(json.dumps(lead.email) in text or str(lead.email) in text for text in texts)
        demand(holding == 1, f"a lead's e-mail address is in {holding} records instead of its own")


def _one_note(stage: Stage) -> None:
    notes = stage.crm.notes()
    if notes is not None:
        demand(len(notes) == 1, f"the CRM holds {len(notes)} notes, not 1")


def _orderly(action: Callable[[], Any]) -> None:
    """Run it; an error of ours is fine, anything else is not."""
    try:
        action()
    except LeadloopError:
        return
