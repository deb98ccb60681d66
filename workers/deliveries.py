"""One lead to one CRM: push the record, note it, then the steps that follow, each noted as it is done."""

import json
import threading
import time
from collections.abc import Iterator
from collections.abc import Mapping as MappingType
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import update
from sqlalchemy.orm import Session

from crm_adapters import UnknownAdapter, get_adapter
from crm_adapters.base import CrmAdapter, Earlier, RemoteRef, load_settings
from leadloop.conversions.outcome import LONGEST_ID
from leadloop.errors import LeadloopError, NeedsHuman, Permanent, Retryable, Verdict
from leadloop.lead_reading import card_from_row
from leadloop.leads import LeadCard
from leadloop.logs import get_logger
from leadloop.ports import Services
from leadloop.templates import parse_template
from store.deliveries import note_delivered, note_delivery_failed, note_made, note_pushed
from store.lanes import crm_lane
from store.lead_path import DeliveryToMake, load_delivery
from store.leads import StoryLine, add_story
from store.locks import exclusive
from store.models import Connection
from store.outcome_joining import join_record
from store.routing import find_mapping
from store.vault import fingerprint
from store.work import WorkItem
from workers import lane_caps
from workers.jobs import Effect, about_lead, working_with
from workers.leads import require_card
from workers.telling import tell_failure

log = get_logger(__name__)
RESULTS: MappingType[type[LeadloopError], str] = {
    Retryable: "retryable",
    NeedsHuman: "needs_human",
    Permanent: "permanent",
}


def run(item: WorkItem, services: Services) -> Effect | None:
    """Put one lead into one CRM. Safe to repeat: the adapter upserts, and what is noted as done is not done again."""
    with services.read() as session:
        delivery = load_delivery(session, item.subject_id)
        fields = find_mapping(session, connection=delivery.connection_name, form_id=delivery.form_id)
    about_lead(delivery.lead_id, delivery.leadgen_id)
    if delivery.state == "delivered":
        return None
    if delivery.removed_at is not None:
        raise NeedsHuman(
            f"The connection {delivery.connection_name!r} is no longer in the configuration.",
            code="connection_removed",
            action="Add it again and retry, or leave this lead where it is.",
        )
    with use_adapter(delivery, services) as (adapter, settings_fingerprint):
        card = make_card(adapter, require_card(delivery.card, delivery.leadgen_id), fields)
        with working_with(settings_fingerprint), _counting(services, delivery.connection_name):
            ref, steps = _push(item, services, delivery, adapter, card)
    _measure(services, delivery)

    def effect(session: Session, now: datetime) -> None:
        note_delivered(session, delivery.id, _ref_row(ref), steps, now=now)
        detail = {
            "connection": delivery.connection_name,
            "remote_kind": ref.kind,
            "remote_id": ref.id,
            "attempt": delivery.attempts + 1,
        }
        add_story(session, [StoryLine(delivery.lead_id, "delivered", now, detail)])
        join_record(
            session, delivery.lead_id, connection=delivery.connection_name, remote_id=ref.id[:LONGEST_ID], now=now
        )

    return effect


@contextmanager
def _counting(services: Services, connection: str) -> Iterator[None]:
    """Count one push by its result, and how long it took."""
    started, result = time.perf_counter(), "bug"
    try:
        yield
        result = "ok"
    except (Retryable, NeedsHuman, Permanent) as caught:
        result = next(word for kind, word in RESULTS.items() if isinstance(caught, kind))
        raise
    finally:
        services.counters.add("leadloop_crm_pushes_total", connection=connection, result=result)
        services.counters.observe("leadloop_crm_push_seconds", time.perf_counter() - started, connection=connection)


def _push(
    item: WorkItem, services: Services, delivery: DeliveryToMake, adapter: CrmAdapter, card: LeadCard
) -> tuple[RemoteRef, list[str]]:
    noted = _noted_ref(delivery)
    ref = noted if noted and delivery.pushed_at else adapter.push_lead(card, _earlier(item, services, delivery, noted))
    done = list(delivery.steps)
    for step in [step for step in adapter.steps if step not in done]:
        so_far = list(done)

        def note(session: Session, so_far: list[str] = so_far) -> None:
            note_pushed(session, delivery.id, _ref_row(ref), so_far, now=services.now())

        services.writer.write(note)  # a crash from here on repeats this step and nothing before it
        getattr(adapter, f"step_{step}")(card, ref)
        done.append(step)
    return ref, done


def _earlier(item: WorkItem, services: Services, delivery: DeliveryToMake, noted: RemoteRef | None) -> Earlier:
    """What earlier attempts left behind, and the way to note what this one makes before it is complete."""
    made = {str(kind): RemoteRef(str(kind), str(found), url) for kind, found, url in delivery.made}

    def keep_made(ref: RemoteRef) -> None:
        made[ref.kind] = ref
        rows = [_ref_row(one) for one in made.values()]
        services.writer.write(lambda session: note_made(session, delivery.id, rows))

    maybe_pushed = delivery.attempts > 0 or item.lost > 0 or item.attempts > 1
    return Earlier(noted, maybe_pushed=maybe_pushed, made=dict(made), keep_made=keep_made)


def fail(session: Session, item: WorkItem, verdict: Verdict, now: datetime) -> None:
    """Note a failed attempt on the delivery, and the first of its kind in the lead's story."""
    note_delivery_failed(session, item.subject_id, verdict)
    delivery = load_delivery(session, item.subject_id)
    who = {"connection": delivery.connection_name}
    tell_failure(session, delivery.lead_id, "delivery_failed", delivery.id, verdict, now=now, **who)


def current_fingerprint(item: WorkItem, services: Services) -> str | None:
    """The fingerprint of the settings this connection works with now."""
    with services.read() as session:
        delivery = load_delivery(session, item.subject_id)
        return connection_fingerprint(session.get_one(Connection, delivery.connection_id), services)


def connection_fingerprint(connection: Connection, services: Services) -> str:
    return fingerprint(services.vault.open(connection.settings_sealed))


@dataclass
class _Open:
    """The adapter of one connection, kept with its open HTTP connections until the settings change."""

    adapter: CrmAdapter
    changed_at: datetime
    fingerprint: str
    users: int = 0
    replaced: bool = False


@contextmanager
def use_adapter(delivery: DeliveryToMake, services: Services) -> Iterator[tuple[CrmAdapter, str]]:
    """The adapter of a connection and the fingerprint of its settings; one instance for all threads of this process.

    One that was replaced, as the settings changed, is closed when the last call through it has ended.
    """
    lock = services.cached(f"adapter_lock:{delivery.connection_id}", threading.Lock)
    with lock:
        opened = _current(delivery, services)
        opened.users += 1
    try:
        yield opened.adapter, opened.fingerprint
    finally:
        with lock:
            opened.users -= 1
            _close_unused(opened)


def _current(delivery: DeliveryToMake, services: Services) -> _Open:
    """Under the connection's lock."""
    cache: dict[int, _Open] = services.cached("adapters", dict)
    kept = cache.get(delivery.connection_id)
    if kept is not None and kept.changed_at == delivery.changed_at:
        return kept
    with services.read() as session:
        connection = session.get_one(Connection, delivery.connection_id)
    if kept is not None and kept.changed_at == connection.changed_at:
        return kept  # the delivery was read before the settings changed
    made = _Open(
        make_adapter(connection, services), connection.changed_at, connection_fingerprint(connection, services)
    )
    cache[delivery.connection_id] = made
    caps: dict[str, int] = services.cached(lane_caps.NAME, dict)
    caps[crm_lane(delivery.connection_id)] = made.adapter.max_in_flight
    if kept is not None:
        kept.replaced = True
        _close_unused(kept)
    return made


def _close_unused(opened: _Open) -> None:
    if opened.replaced and opened.users == 0:
        opened.adapter.close()


def make_adapter(connection: Connection, services: Services) -> CrmAdapter:
    """A new adapter from the stored settings. NeedsHuman when the adapter or its settings are not usable any more."""
    try:
        adapter_class = get_adapter(connection.adapter)
        settings = load_settings(adapter_class, json.loads(services.vault.open(connection.settings_sealed)))
    except (UnknownAdapter, ValueError) as caught:  # marshmallow's ValidationError is a ValueError
        raise NeedsHuman(
            f"The connection {connection.name!r} cannot be used: its adapter is missing or its settings are not valid.",
            code="connection_unusable",
            action="Run leadloop config check, correct the file and apply it again.",
            scope="lane",
        ) from caught
    state = json.loads(services.vault.open(connection.state_sealed)) if connection.state_sealed else None

    def keep_state(state: MappingType[str, Any]) -> None:
        sealed = services.vault.seal(json.dumps(dict(state)))
        change = update(Connection).where(Connection.id == connection.id).values(state_sealed=sealed)
        services.writer.write(
            lambda session: session.execute(change.execution_options(synchronize_session=False)) and None
        )

    @contextmanager
    def hold() -> Iterator[MappingType[str, Any]]:
        with exclusive(services.engine, f"connection:{connection.id}"):
            with services.read() as session:
                sealed = session.get_one(Connection, connection.id).state_sealed
            yield json.loads(services.vault.open(sealed)) if sealed else {}

    return adapter_class(settings, state=state, keep_state=keep_state, exclusive=hold, now=services.now)


def make_card(adapter: CrmAdapter, row: dict[str, Any], fields: dict[str, str] | None) -> LeadCard:
    """The lead with the CRM's fields filled from the mapping, or from the adapter's defaults."""
    card = card_from_row(row)
    templates = adapter.default_fields if fields is None else fields
    return card.with_mapped({name: parse_template(template).render(card) for name, template in templates.items()})


def _noted_ref(delivery: DeliveryToMake) -> RemoteRef | None:
    if delivery.remote_id is None:
        return None
    return RemoteRef(delivery.remote_kind or "", delivery.remote_id, delivery.remote_url)


def _ref_row(ref: RemoteRef) -> tuple[str, str, str | None]:
    return ref.kind, ref.id, ref.url


def _measure(services: Services, delivery: DeliveryToMake) -> None:
    """The first time only: a lead that is pushed again says nothing of how long a lead takes."""
    if delivery.delivered_at is not None:
        log.info("lead_delivered_again", lead_id=delivery.lead_id, connection=delivery.connection_name)
        return
    took_s = (services.now() - delivery.received_at).total_seconds()
    services.counters.observe("leadloop_webhook_to_crm_seconds", took_s, connection=delivery.connection_name)
    log.info(
        "lead_delivered",
        lead_id=delivery.lead_id,
        leadgen_id=delivery.leadgen_id,
        connection=delivery.connection_name,
        since_webhook_ms=round(took_s * 1000),
    )
