"""What is tested: an adapter, a CRM to test it against, the settings between them, and what it does otherwise and why."""

import contextlib
import io
import logging
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from crm_adapters.base import CrmAdapter, Earlier, RemoteRef, load_settings, secret_fields
from crm_adapters.conformance.people import NOW, fill, personal_texts
from crm_adapters.conformance.server import Crm, FakeCrm
from leadloop.errors import LeadloopError, NeedsHuman, Permanent, Retryable
from leadloop.http import HttpAnswer, HttpDoor
from leadloop.leads import LeadCard

Kind = Literal["delivered", "retryable", "held", "parked", "permanent"]


class NotConforming(AssertionError):
    """The adapter breaks a rule; the message says which, and what was seen (never personal data)."""


def demand(condition: object, message: str) -> None:
    """Raise NotConforming unless the condition holds."""
    if not condition:
        raise NotConforming(message)


@dataclass(frozen=True)
class Override:
    """What this CRM means by a failure, where it differs from the general rule, and why."""

    kind: Kind
    reason: str


@dataclass(frozen=True)
class Subject:
    """An adapter under test.

    `crm` makes a new, empty CRM; `settings` gives the raw settings that reach it. `overrides` is by the name of a
    failure (crm_adapters.conformance.FAILURES), each with its reason. `skip` names checks that cannot apply, with the
    reason. Both are refused when they name nothing, or when the reason is empty.
    """

    adapter: type[CrmAdapter]
    crm: Callable[[], Crm]
    settings: Callable[[Any], Mapping[str, Any]]
    overrides: Mapping[str, Override] = field(default_factory=dict)
    skip: Mapping[str, str] = field(default_factory=dict)

    @contextlib.contextmanager
    def running(self) -> "Iterator[Stage]":
        """A started CRM and what is needed to try the adapter on it; all is closed afterwards."""
        crm = self.crm()
        crm.start()
        stage = Stage(self, crm)
        try:
            yield stage
        finally:
            stage.close()
            crm.stop()


class HastyDoor(HttpDoor):
    """The usual door, that gives up after a moment instead of 15 s: for CRMs that are told to hang."""

    def request(self, method: str, url: str, **options: Any) -> HttpAnswer:
        return super().request(method, url, **(options | {"connect_s": 0.5, "read_s": 0.15, "total_s": 5.0}))


@dataclass
class Stage:
    """One running CRM with adapters connected to it. While `hasty`, new adapters do not wait long for an answer."""

    subject: Subject
    crm: Crm
    adapters: list[CrmAdapter] = field(default_factory=list)
    hasty: bool = False

    @property
    def fake(self) -> FakeCrm:
        if not isinstance(self.crm, FakeCrm):
            raise TypeError("this check needs a CRM that speaks HTTP")
        return self.crm

    @property
    def raw(self) -> dict[str, Any]:
        return dict(self.subject.settings(self.crm))

    def connect(self) -> CrmAdapter:
        """A new instance, as after a restart."""
        settings = load_settings(self.subject.adapter, self.raw)
        made = self.subject.adapter(settings, http=HastyDoor() if self.hasty else HttpDoor(), now=lambda: NOW)
        self.adapters.append(made)
        return made

    def close(self) -> None:
        for made in self.adapters:
            made.close()

    def secrets(self) -> list[str]:
        """The texts of all secret settings, as given and as loaded."""
        loaded = load_settings(self.subject.adapter, self.raw)
        names = secret_fields(self.subject.adapter)
        return sorted({text for source in (self.raw, loaded) for name in names for text in _texts(source.get(name))})

    def push(self, lead: LeadCard, *, adapter: CrmAdapter | None = None, earlier: Earlier | None = None) -> RemoteRef:
        """Push with the default mapping, and check that the answer is a record."""
        used = adapter or self.connect()
        ref = used.push_lead(fill(used, lead), earlier or Earlier())
        demand(isinstance(ref, RemoteRef), f"push_lead() returned {type(ref).__name__} instead of a RemoteRef")
        demand(
            isinstance(ref.id, str) and 0 < len(ref.id) <= 500, "the record's id must be a text of 1 to 500 characters"
        )
        demand(isinstance(ref.kind, str) and 0 < len(ref.kind) <= 100, "the record's kind must be a short text")
        return ref

    def steps(self, lead: LeadCard, ref: RemoteRef, *, adapter: CrmAdapter | None = None) -> None:
        used = adapter or self.connect()
        for step in used.steps:
            getattr(used, f"step_{step}")(fill(used, lead), ref)

    def one_record(self, when: str, *, expected: int = 1) -> None:
        count = len(self.crm.records())
        demand(count == expected, f"{when}: the CRM holds {count} records, not {expected}")


@dataclass
class Watch:
    """Everything an adapter let out while it was watched: log lines of all levels, and what it printed."""

    lines: list[str] = field(default_factory=list)


@contextlib.contextmanager
def watching() -> Iterator[Watch]:
    """Listen to all logs at DEBUG and to stdout."""
    watch, root, printed = Watch(), logging.getLogger(), io.StringIO()
    handler = _Listener(watch.lines)
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            yield watch
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
        watch.lines.append(printed.getvalue())


class _Listener(logging.Handler):
    def __init__(self, lines: list[str]) -> None:
        super().__init__(logging.DEBUG)
        self.lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


def demand_private(texts: list[str], lead: LeadCard, secrets: list[str], where: str) -> None:
    """Nothing personal of the lead and none of the secrets is in any of the texts."""
    found = "\n".join(texts).casefold()
    for personal in personal_texts(lead):
        demand(personal.casefold() not in found, f"{where} holds personal data of the lead")
    for secret in secrets:
        demand(secret.casefold() not in found, f"{where} holds a secret setting")


def error_texts(error: BaseException) -> list[str]:
    """Every text by which an error is shown somewhere: message, repr, arguments, action, code, traceback."""
    texts = [str(error), repr(error), *map(str, error.args), "".join(traceback.format_exception(error))]
    if isinstance(error, LeadloopError):
        texts += [error.message, error.action, error.code]
    return texts


def kind_of(error: LeadloopError) -> Kind:
    if isinstance(error, Retryable):
        return "retryable"
    if isinstance(error, NeedsHuman):
        return "held" if error.scope == "lane" else "parked"
    demand(isinstance(error, Permanent), f"{type(error).__name__} is none of the three kinds")
    return "permanent"


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str) and len(value) >= 4:
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)
