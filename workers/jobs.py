"""The kinds of work: what runs for each, and what is noted on its subject when it fails.

A job reads what it needs, calls out, and returns an Effect: what to write down. The drain writes it in the same transaction
that settles the row, so that a fact and the work it causes are never apart.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlalchemy.orm import Session

from leadloop.errors import LeadloopError, Verdict
from leadloop.ports import Services
from store.work import WorkItem

Effect = Callable[[Session, datetime], None]
Run = Callable[[WorkItem, Services], Effect | None]
Fail = Callable[[Session, WorkItem, Verdict, datetime], None]


STOPPING: ContextVar[threading.Event | None] = ContextVar("stopping", default=None)


def is_stopping() -> bool:
    """Whether the worker that runs this job was told to stop: a job with many steps ends after the one in hand."""
    stopping = STOPPING.get()
    return stopping is not None and stopping.is_set()


def about_lead(lead_id: int, leadgen_id: str) -> None:
    """Every log line of this attempt names the lead, also one of a failure."""
    structlog.contextvars.bind_contextvars(lead_id=lead_id, leadgen_id=leadgen_id)


@contextmanager
def working_with(fingerprint: str) -> Iterator[None]:
    """Whatever is raised inside was met with this token or these settings, although they may be others by now."""
    try:
        yield
    except LeadloopError as caught:
        caught.fingerprint = caught.fingerprint or fingerprint
        raise


def note_nothing(session: Session, item: WorkItem, verdict: Verdict, now: datetime) -> None:
    """For kinds whose failure is told by the work row alone."""


@dataclass(frozen=True)
class Job:
    """`run` does it and may raise; `fail` notes a failed attempt on the subject.

    `fingerprint` gives the fingerprint of what the lane works with now (a token, settings), to notice a change.
    """

    run: Run
    fail: Fail = note_nothing
    fingerprint: Callable[[WorkItem, Services], str | None] = lambda _item, _services: None


Jobs = Mapping[str, Job]
