"""Test events: one event about a real person goes to Meta at once, under the code of Events Manager > Test Events.

For the command and the API alike, which is why it stands here: the ways in know no workers. What was sent is kept as a
conversion marked as a test, which no figure counts and no funnel looks at. Source: Meta conversions facts §9.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from leadloop.conversions.answers import EventRefused, EventsUnanswered
from leadloop.conversions.funnel import Funnel
from leadloop.conversions.routes import Channel, Route
from leadloop.conversions.telling import Told, tell
from leadloop.conversions.trial import LONGEST_CODE, MADE_UP_CLICK, STAGE, STILL_COUNTS, decide_trial
from leadloop.errors import LeadloopError, NeedsHuman, Permanent
from leadloop.ports import Services
from store.conversion_lists import mask_person
from store.conversion_models import Conversion, Dataset, Identity
from store.conversions import Subject
from store.datasets import find_token, to_serve
from store.funnels import ANY, ConfiguredFunnel, read_funnels
from store.leads import LeadFilter, find_lead, list_leads
from store.outcome_facts import LeadFacts, list_wishes, read_contact_facts, read_lead_facts
from store.outcome_people import CHANNEL_KINDS, describe_person, last_wishes

OUR_NAME = "leadloop"
LOOKED_AT = 500  # identities, the newest; most who write on WhatsApp did not click on an ad
Reason = tuple[str, str, str]

DATASET_ID = re.compile(r"[0-9]{1,40}")
_CODE = re.compile(rf"[!-~]{{1,{LONGEST_CODE}}}")
_IN_DOUBT: Reason = (
    "maybe_sent",
    "It went out and no answer came, so that nobody knows whether Meta has it.",
    "Look for it in Events Manager under Test Events, and send another one.",
)
_NOT_RECEIVED: Reason = (
    "not_received",
    "Meta answered that all is well and that it has received no event.",
    "Look in Events Manager under the dataset's diagnostics. Meta drops test events that it can match to nobody.",
)


class NoTestEvent(Permanent):
    """There is nothing that could be sent, or it would be refused: nothing went out. `field` is what was asked wrongly."""

    def __init__(self, message: str, *, code: str, action: str, field: str = "") -> None:
        super().__init__(message, code=code, action=action)
        self.field = field


@dataclass(frozen=True)
class AskedTest:
    """About which person: the lead of `leadgen_id`, the newest contact of `channel`, or the newest lead. `event_name` None:
    the first event of the dataset's funnel."""

    dataset_id: str
    test_event_code: str
    leadgen_id: str | None = None
    channel: Channel | None = None
    event_name: str | None = None


@dataclass(frozen=True)
class SentTest:
    """A test event and Meta's answer. `state`: accepted, refused or unknown; `events_received` None: Meta did not say.

    `event` is as it was sent, but for what mask_person() takes out. `reason` is (code, message, action).
    """

    conversion_id: int
    asked: AskedTest
    state: str
    events_received: int | None
    event: Mapping[str, Any] = field(repr=False)
    answer: Mapping[str, Any] | None = field(repr=False)
    fbtrace_id: str | None = None
    reason: Reason | None = None
    warnings: tuple[Mapping[str, str], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The JSON of the API and of `leadloop conversions test --json`."""
        code, message, action = self.reason or (None, None, None)
        return {
            "conversion_id": self.conversion_id,
            "dataset_id": self.asked.dataset_id,
            "test_event_code": self.asked.test_event_code,
            "state": self.state,
            "events_received": self.events_received,
            "event": dict(self.event),
            "answer": None if self.answer is None else dict(self.answer),
            "fbtrace_id": self.fbtrace_id,
            "code": code,
            "message": message,
            "action": action or None,
            "warnings": [dict(one) for one in self.warnings],
            "note": STILL_COUNTS,
        }


@dataclass(frozen=True)
class _Prepared:
    subject: Subject
    configured: ConfiguredFunnel
    told: Told
    event_name: str
    event_time: datetime
    token: str = field(repr=False)


def send_one(services: Services, asked: AskedTest) -> SentTest:
    """Send it, and keep it with what Meta answered. Raises NoTestEvent when nothing went out for want of something, and
    NeedsHuman without a token. What Meta said against it is in the answer, and not raised."""
    if services.events_graph is None:
        raise RuntimeError("this process was started without a Graph client")
    _check(asked)
    with services.read() as session:
        prepared = _prepare(session, services, asked)
    number = services.writer.write(lambda session: _keep(session, prepared, services.now()))
    payload = dict(prepared.told.payload or {})
    state, reason, answer, received = "accepted", None, None, None
    try:
        received = services.events_graph.send_events(
            asked.dataset_id, [payload], token=prepared.token, test_event_code=asked.test_event_code
        )
    except LeadloopError as caught:
        in_doubt = isinstance(caught, EventsUnanswered) and caught.maybe_stored
        state = "unknown" if in_doubt else "refused"
        reason = caught.code, caught.message, _IN_DOUBT[2] if in_doubt else caught.action
        answer = _answer(caught)
    else:
        answer = dict(received.answer)
        if received.events != 1:
            state, reason = "refused", _NOT_RECEIVED
    trace = received.fbtrace_id if received is not None else (answer or {}).get("fbtrace_id")
    _settle(services, number, state, reason, answer, trace)
    return SentTest(
        number,
        asked,
        state,
        None if received is None else received.events,
        mask_person(payload) or {},
        answer,
        trace,
        reason,
        prepared.told.warnings,
    )


def _answer(caught: LeadloopError) -> dict[str, Any] | None:
    """Meta's own words, as far as there are any."""
    meta_code = {"meta_code": caught.meta_code} if isinstance(caught, EventRefused) and caught.meta_code else {}
    return meta_code | dict(caught.details) or None


def _check(asked: AskedTest) -> None:
    """Both go into the request to Meta, the id into its address."""
    if not DATASET_ID.fullmatch(asked.dataset_id):
        raise NoTestEvent(
            "This is no id of a dataset: it has only digits.",
            code="dataset_id_wrong",
            action="Copy it from Events Manager.",
            field="dataset_id",
        )
    if not _CODE.fullmatch(asked.test_event_code):
        raise NoTestEvent(
            "This is no test code.",
            code="test_code_wrong",
            action="Copy it from Events Manager > the dataset > Test Events; it looks like TEST12345.",
            field="test_event_code",
        )
    if asked.leadgen_id is not None and asked.channel is not None:
        raise NoTestEvent(
            "An event is about a lead or about a contact of a channel, not both.",
            code="two_persons",
            action="Name one of the two.",
            field="channel",
        )


def _prepare(session: Session, services: Services, asked: AskedTest) -> _Prepared:
    token = _find_token(session, services, asked.dataset_id)
    now = services.now()
    lead = None if asked.channel is not None else _find_lead(session, asked.leadgen_id)
    contact_id = None if asked.channel is None else _find_contact(session, asked.channel)
    contact = None if contact_id is None else read_contact_facts(session, contact_id)
    configured = _find_funnel(session, asked, () if lead is None else lead.crms)
    funnel = configured.funnel
    decision = decide_trial(funnel, asked.event_name, channel=asked.channel, now=now)
    subject = Subject(None if lead is None else lead.id, contact_id)
    person = describe_person(
        lead,
        contact,
        fields=last_wishes(list_wishes(session, subject)),
        at=now,
        route=funnel.route,
        consents=funnel.consent,
        channel=asked.channel,
    )
    source_name = OUR_NAME if configured.connection == ANY else configured.connection
    told = tell(funnel, decision, person, order_id=None, source_name=source_name, now=now)
    if told.payload is None or told.state != "queued":
        code, message, action = told.reason or ("", "", "")
        raise NoTestEvent(f"Nothing was sent: {message}", code=code, action=action)
    return _Prepared(subject, configured, told, str(decision.event_name), decision.occurred_at, token)


def _find_token(session: Session, services: Services, dataset_id: str) -> str:
    row = session.scalar(select(Dataset).where(Dataset.dataset_id == dataset_id))
    known = to_serve(session, row if row is not None else Dataset(id=0, dataset_id=dataset_id))
    token = find_token(known, services.vault, services.settings.meta_access_token)
    if token is None:
        raise NeedsHuman(
            "There is no access token for this dataset.",
            code="no_token",
            action="Add [[datasets]] with its id and access_token to the configuration file and apply it, or"
            " set META_ACCESS_TOKEN to the token of a system user to whom the dataset is assigned.",
        )
    return token


def _find_lead(session: Session, leadgen_id: str | None) -> LeadFacts:
    if leadgen_id is None:
        newest = list_leads(session, LeadFilter(state="read", test=False), limit=1)
        if not newest:
            raise NoTestEvent(
                "There is no lead yet about whom an event could be: Meta's own test leads are nobody.",
                code="no_lead",
                action="Fill in one of your forms yourself, and send the test when leadloop leads list shows it.",
                field="leadgen_id",
            )
        return read_lead_facts(session, newest[0].id)
    lead = find_lead(session, leadgen_id)
    if lead is None:
        raise NoTestEvent(
            "There is no lead with this leadgen_id here.",
            code="lead_unknown",
            action="leadloop leads list shows those there are.",
            field="leadgen_id",
        )
    if lead.is_test:
        raise NoTestEvent(
            "It is one of Meta's test leads, whose answers are of nobody: Meta drops test events that it cannot match.",
            code="test_lead",
            action="Take a lead of a real person, such as one of your own.",
            field="leadgen_id",
        )
    return read_lead_facts(session, lead.id)


def _find_contact(session: Session, channel: Channel) -> int:
    """The contact who was last first seen on the channel, and whom Meta can be told of."""
    kind = next(kind for kind, name in CHANNEL_KINDS.items() if name == channel)
    query = select(Identity.contact_id, Identity.detail).where(Identity.kind == kind)
    for contact_id, detail in session.execute(query.order_by(Identity.id.desc()).limit(LOOKED_AT)):
        if kind != "wa_id" or detail.get("ctwa_clid"):
            return int(contact_id)
    what = "who clicked on an ad (with a ctwa_clid)" if kind == "wa_id" else "yet"
    raise NoTestEvent(
        f"There is no contact of {channel} {what}, and so nobody whom a test event could be about.",
        code="no_contact",
        action=MADE_UP_CLICK if kind == "wa_id" else "Write to your account yourself, and send the test then.",
        field="channel",
    )


def _find_funnel(session: Session, asked: AskedTest, crms: tuple[str, ...]) -> ConfiguredFunnel:
    """The dataset's funnel for such a person, of the lead's own CRM if there are several; else one without stages."""
    messaging = asked.channel is not None
    mine = [
        one
        for one in read_funnels(session)
        if one.funnel.dataset_id == asked.dataset_id and (one.funnel.route == "business_messaging") == messaging
    ]
    own = [one for one in mine if one.connection in crms]
    route: Route = "business_messaging" if messaging else "conversion_leads"
    bare = ConfiguredFunnel(ANY, Funnel(asked.dataset_id, (), route=route))
    return next(iter(own or mine), bare)


def _keep(session: Session, prepared: _Prepared, now: datetime) -> int:
    """Before it is sent, as one of which nobody knows: so it stays should this process die now."""
    funnel, told = prepared.configured.funnel, prepared.told
    code, message, action = _IN_DOUBT
    row = Conversion(
        lead_id=prepared.subject.lead_id,
        contact_id=prepared.subject.contact_id,
        dataset_id=funnel.dataset_id,
        connection=prepared.configured.connection,
        route=funnel.route,
        stage=STAGE,
        event_name=prepared.event_name,
        event_id=(told.payload or {})["event_id"],
        event_time=prepared.event_time,
        deadline_at=told.deadline_at,
        state="unknown",
        code=code,
        message=message,
        action=action,
        warnings=[dict(one) for one in told.warnings],
        payload=dict(told.payload or {}),
        is_test=True,
        tries=1,
        created_at=now,
        sent_at=now,
    )
    session.add(row)
    session.flush()
    return row.id


def _settle(
    services: Services,
    number: int,
    state: str,
    reason: Reason | None,
    answer: Mapping[str, Any] | None,
    trace: str | None,
) -> None:
    def settle(session: Session) -> None:
        row = session.get(Conversion, number)
        if row is None:  # its lead was erased meanwhile
            return
        row.state, row.settled_at = state, services.now()
        row.code, row.message, row.action = reason or (None, None, None)
        row.answer, row.fbtrace_id = None if answer is None else dict(answer), trace

    services.writer.write(settle)
