"""Outcomes: the one door by which they come in, from programs, files and CRM adapters alike, and how they find their lead.

An outcome is kept as history before anybody is answered. Whom it is about may be known only later: it waits for its lead.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from operator import itemgetter
from typing import Any, Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from leadloop.conversions.findings import Fault
from leadloop.conversions.outcome import OutcomeInput
from leadloop.emails import email_key
from store.conversion_models import Outcome
from store.funnels import doubt_stage, funnels_for, read_funnels
from store.models import Connection, Delivery
from store.outcome_subjects import Named, find_subjects
from store.sql import insert_new
from store.work import BACKFILL, FRESH, add_work

OUTCOME_LANE = "events:outcomes"  # a kind of lane with threads of its own: nothing that hangs holds up deciding
MOST_TOGETHER = 1_000
SOME_WAIT = "outcomes_wait"  # in Session.info: whether some outcome waits for its lead
KeptState = Literal["joined", "waiting", "refused"]


@dataclass(frozen=True)
class KeptOutcome:
    """What became of one outcome at the door.

    `state` "joined": its lead or contact is known; "waiting": kept, and joined when the lead has been read; "refused": not
    kept, for `code` and `fault`, which then say what is wrong and with which field. `new` False: the same was kept before.
    `doubt`: kept, and still nothing will follow from it. `before_lead`: likewise, as it happened before its lead came
    (that of a person who also wrote may be told as a message).
    """

    state: KeptState
    new: bool = False
    outcome_id: int | None = None
    leadgen_id: str | None = None
    lead_id: int | None = None
    contact_id: int | None = None
    code: str = ""
    field: str = ""
    fault: Fault | None = None
    doubt: Fault | None = None
    before_lead: bool = False


def add_outcomes(
    session: Session, inputs: Sequence[OutcomeInput], *, source: str, now: datetime, fresh: bool = True
) -> list[KeptOutcome]:
    """Keep outcomes with the work that follows from them; a verdict for each, in their order.

    `source` says who brought them ("api", "import", "crm:hubspot"). At most MOST_TOGETHER at once. `fresh` False: an import,
    which stands behind what happens now. Durable once the transaction is; safe to repeat, since the same outcome is one row.
    """
    if len(inputs) > MOST_TOGETHER:
        raise ValueError(f"at most {MOST_TOGETHER} outcomes at once")
    verdicts = check_outcomes(session, inputs)
    wanted = [index for index, verdict in enumerate(verdicts) if verdict.state != "refused"]
    rows = {dedup_key(inputs[index]): index for index in reversed(wanted)}
    ids, new = _keep(session, [_row(inputs[index], verdicts[index], key, source, now) for key, index in rows.items()])
    kept = list(verdicts)
    for index in wanted:
        key = dedup_key(inputs[index])
        is_new = key in new and rows[key] == index
        kept[index] = replace(verdicts[index], outcome_id=ids[key], new=is_new)
    if any(one.new and one.state == "waiting" for one in kept):
        session.info[SOME_WAIT] = True
    to_decide = [one.outcome_id for one in kept if one.new and one.state == "joined" and one.outcome_id is not None]
    add_work(session, "outcome", to_decide, OUTCOME_LANE, now=now, priority=FRESH if fresh else BACKFILL)
    return kept


def check_outcomes(session: Session, inputs: Sequence[OutcomeInput]) -> list[KeptOutcome]:
    """What add_outcomes() would say, without keeping anything: for a dry run. `new` and `outcome_id` are not known then."""
    subjects = find_subjects(session, [_named(given) for given in inputs])
    doubts = _Doubts(session, [subject.lead_id for subject in subjects if subject.lead_id is not None])
    verdicts = []
    for given, subject in zip(inputs, subjects, strict=True):
        refused = subject.refused or doubts.refuse(given)
        if refused is not None:
            verdicts.append(KeptOutcome("refused", code=refused[0], field=refused[1], fault=refused[2]))
            continue
        verdicts.append(
            KeptOutcome(
                "joined" if subject.known else "waiting",
                leadgen_id=subject.leadgen_id,
                lead_id=subject.lead_id,
                contact_id=subject.contact_id,
                doubt=doubts.doubt(given, subject.lead_id),
                before_lead=subject.contact_id is None and _is_before(given.occurred_at, subject.created_at),
            )
        )
    return verdicts


def _is_before(occurred_at: datetime, created_at: datetime | None) -> bool:
    """By whole seconds, as Meta has both: facts §1.4."""
    return created_at is not None and int(occurred_at.timestamp()) <= int(created_at.timestamp())


def _named(given: OutcomeInput) -> Named:
    return Named(given.lead_key, _value(given), given.connection, given.occurred_at)


def _value(given: OutcomeInput) -> str:
    return email_key(given.lead_value) if given.lead_key == "email" else given.lead_value


def dedup_key(given: OutcomeInput) -> str:
    """The same for the same notice, whoever brings it."""
    told = [
        given.lead_key,
        _value(given),
        given.connection,
        given.stage,
        (given.said_at or given.occurred_at).isoformat(),
        None if given.value is None else str(given.value.normalize()),
        given.currency,
        given.order_id,
        sorted(given.fields.items()),
    ]
    return hashlib.sha256(json.dumps(told, ensure_ascii=True, default=str).encode("ascii")).hexdigest()


_ADD = insert_new(Outcome, ["dedup_key"], "id", "dedup_key")


def _keep(session: Session, rows: list[dict[str, Any]]) -> tuple[dict[str, int], set[str]]:
    """Id by dedup key of all, and the keys of those that are new. In one order everywhere, so that two never wait in a
    circle."""
    if not rows:
        return {}, set()
    added = _ADD.run(session, sorted(rows, key=itemgetter("dedup_key"))).all()
    ids = {key: outcome_id for outcome_id, key in added}
    new = set(ids)
    old = [row["dedup_key"] for row in rows if row["dedup_key"] not in new]
    if old:
        there = session.execute(select(Outcome.dedup_key, Outcome.id).where(Outcome.dedup_key.in_(old)))
        ids |= dict(there.all())
    return ids, new


def _row(given: OutcomeInput, verdict: KeptOutcome, key: str, source: str, now: datetime) -> dict[str, Any]:
    return {
        "source": source,
        "connection": given.connection,
        "lead_id": verdict.lead_id,
        "contact_id": verdict.contact_id,
        "named_kind": given.lead_key,
        "named_value": _value(given),
        "stage": given.stage,
        "occurred_at": given.occurred_at,
        "value": None if given.value is None else str(given.value),
        "currency": given.currency,
        "order_id": given.order_id,
        "fields": dict(given.fields),
        "received_at": now,
        "dedup_key": key,
        "state": verdict.state,
    }


def add_raw_outcome(
    session: Session, lead_id: int, leadgen_id: str, *, stage: str, occurred_at: datetime, now: datetime, priority: int
) -> None:
    """The outcome that a lead is by itself: it has come. Once for each lead."""
    row = {
        "source": "lead",
        "lead_id": lead_id,
        "named_kind": "leadgen_id",
        "named_value": leadgen_id,
        "stage": stage,
        "occurred_at": occurred_at,
        "fields": {},
        "received_at": now,
        "dedup_key": f"raw:{leadgen_id}",
        "state": "joined",
    }
    added = _ADD.run(session, [row]).all()
    add_work(session, "outcome", [outcome_id for outcome_id, _key in added], OUTCOME_LANE, now=now, priority=priority)


class _Doubts:
    """What is wrong or doubtful about an outcome beside whom it is about: its connection and its stage."""

    def __init__(self, session: Session, lead_ids: list[int]) -> None:
        self._funnels = read_funnels(session)
        names = session.execute(select(Connection.name).where(Connection.removed_at.is_(None))).scalars()
        self._connections = set(names) | {one.connection for one in self._funnels}
        self._of_lead: dict[int, set[str]] = {}
        if lead_ids and self._funnels:
            query = select(Delivery.lead_id, Connection.name).join(Connection).where(Delivery.lead_id.in_(lead_ids))
            for lead_id, name in session.execute(query):
                self._of_lead.setdefault(lead_id, set()).add(name)

    def refuse(self, given: OutcomeInput) -> tuple[str, str, Fault] | None:
        if given.connection is None or given.connection in self._connections:
            return None
        known = ", ".join(sorted(self._connections - {"*"})[:12]) or "none yet"
        fault = Fault("is no connection of the configuration", f"use one of them ({known}), or add it to the file")
        return "connection_unknown", "connection", fault

    def doubt(self, given: OutcomeInput, lead_id: int | None) -> Fault | None:
        of_lead = self._of_lead.get(lead_id, set()) if lead_id is not None else set()
        return doubt_stage(funnels_for(self._funnels, given.connection, of_lead=of_lead), given.stage)
