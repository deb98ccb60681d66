"""One lead to one CRM: push the record, note it, then the steps that follow, each noted as it is done."""

import json
from collections.abc import Mapping as MappingType
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import update
from sqlalchemy.orm import Session

from crm_adapters import UnknownAdapter, get_adapter
from crm_adapters.base import CrmAdapter, Earlier, RemoteRef, load_settings
from leadloop.errors import NeedsHuman, Verdict
from leadloop.lead_reading import card_from_row
from leadloop.leads import LeadCard
from leadloop.logs import get_logger
from leadloop.ports import Services
from leadloop.templates import parse_template
from store.leads import StoryLine, add_story
from store.models import Connection, Delivery, Lead
from store.routing import find_mapping
from store.vault import fingerprint
from store.work import WorkItem
from workers.jobs import Effect
from workers.leads import check_readable

log = get_logger(__name__)


@dataclass(frozen=True)
class _Loaded:
    delivery: Delivery
    lead: Lead
    connection: Connection
    fields: dict[str, str] | None


def run(item: WorkItem, services: Services) -> Effect:
    """Put one lead into one CRM. Safe to repeat: the adapter upserts, and what is noted as done is not done again."""
    loaded = _load(item.subject_id, services)
    delivery, connection = loaded.delivery, loaded.connection
    if connection.removed_at is not None:
        raise NeedsHuman(
            f"The connection {connection.name!r} is no longer in the configuration.",
            code="connection_removed",
            action="Add it again and retry, or leave this lead where it is.",
        )
    check_readable(loaded.lead)
    adapter = find_adapter(connection, services)
    card = make_card(adapter, loaded.lead, loaded.fields)
    earlier = Earlier(_noted_ref(delivery), maybe_pushed=delivery.attempts > 0 or item.lost > 0 or item.attempts > 1)
    ref = earlier.ref if earlier.ref and delivery.pushed_at else adapter.push_lead(card, earlier)
    done = list(delivery.steps)
    left = [step for step in adapter.steps if step not in done]
    for step in left:
        services.writer.write(lambda session: note_push(session, delivery.id, ref, done, now=services.now()))
        getattr(adapter, f"step_{step}")(card, ref)
        done.append(step)

    def effect(session: Session, now: datetime) -> None:
        note_push(session, delivery.id, ref, done, now=now)
        note_delivered(session, loaded, item, ref, now=now)

    _measure(services, loaded)
    return effect


def note_push(session: Session, delivery_id: int, ref: RemoteRef, steps: list[str], *, now: datetime) -> None:
    """The record exists in the CRM, and these steps are done."""
    session.execute(
        update(Delivery)
        .where(Delivery.id == delivery_id)
        .values(
            remote_kind=ref.kind[:100],
            remote_id=ref.id[:500],
            remote_url=ref.url,
            steps=list(steps),
            pushed_at=now,
        )
        .execution_options(synchronize_session=False)
    )


def note_delivered(session: Session, loaded: _Loaded, item: WorkItem, ref: RemoteRef, *, now: datetime) -> None:
    delivery = loaded.delivery
    session.execute(
        update(Delivery)
        .where(Delivery.id == delivery.id)
        .values(
            state="delivered",
            delivered_at=now,
            attempts=delivery.attempts + 1,
            code=None,
            message=None,
            action=None,
        )
        .execution_options(synchronize_session=False)
    )
    detail = {
        "connection": loaded.connection.name,
        "remote_kind": ref.kind,
        "remote_id": ref.id,
        "attempt": delivery.attempts + 1,
    }
    add_story(session, [StoryLine(delivery.lead_id, "delivered", now, detail)])


def fail(session: Session, item: WorkItem, verdict: Verdict, now: datetime) -> None:
    """Note a failed attempt on the delivery, and the first of its kind in the lead's story."""
    delivery = session.get(Delivery, item.subject_id, populate_existing=True)
    if delivery is None:
        return
    delivery.state = verdict.state if verdict.state in ("parked", "failed") else "waiting"
    delivery.attempts += 1
    delivery.code, delivery.message, delivery.action = verdict.code, verdict.message, verdict.action
    session.flush()
    connection = session.get_one(Connection, delivery.connection_id)
    detail = {
        "connection": connection.name,
        "code": verdict.code,
        "message": verdict.message,
        "action": verdict.action,
        "state": verdict.state,
    }
    key = f"delivery_failed:{delivery.id}:{verdict.code}:{verdict.state}"
    add_story(session, [StoryLine(delivery.lead_id, "delivery_failed", now, detail, dedup_key=key)])


def current_fingerprint(item: WorkItem, services: Services) -> str | None:
    """The fingerprint of the settings this connection works with now."""
    return connection_fingerprint(_load(item.subject_id, services).connection, services)


def connection_fingerprint(connection: Connection, services: Services) -> str:
    return fingerprint(services.vault.open(connection.settings_sealed))


def find_adapter(connection: Connection, services: Services) -> CrmAdapter:
    """The adapter of a connection, kept with its open HTTP connections until the settings change."""
    cache: dict[int, tuple[datetime, CrmAdapter]] = services.cached("adapters", dict)
    kept = cache.get(connection.id)
    if kept is None or kept[0] != connection.changed_at:
        kept = (connection.changed_at, make_adapter(connection, services))
        cache[connection.id] = kept
    return kept[1]


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
        services.writer.write(
            lambda session: session.execute(
                update(Connection)
                .where(Connection.id == connection.id)
                .values(state_sealed=sealed)
                .execution_options(synchronize_session=False)
            )
        )

    return adapter_class(settings, state=state, keep_state=keep_state, now=services.now)


def make_card(adapter: CrmAdapter, lead: Lead, fields: dict[str, str] | None) -> LeadCard:
    """The lead with the CRM's fields filled from the mapping, or from the adapter's defaults."""
    card = card_from_row(lead.card or {})
    templates = adapter.default_fields if fields is None else fields
    return card.with_mapped({name: parse_template(template).render(card) for name, template in templates.items()})


def _load(delivery_id: int, services: Services) -> _Loaded:
    with services.read() as session:
        delivery = session.get_one(Delivery, delivery_id)
        lead = session.get_one(Lead, delivery.lead_id)
        connection = session.get_one(Connection, delivery.connection_id)
        fields = find_mapping(session, connection=connection.name, form_id=lead.form_id)
    return _Loaded(delivery, lead, connection, fields)


def _noted_ref(delivery: Delivery) -> RemoteRef | None:
    if delivery.remote_id is None:
        return None
    return RemoteRef(delivery.remote_kind or "", delivery.remote_id, delivery.remote_url)


def _measure(services: Services, loaded: _Loaded) -> None:
    took_s = (services.now() - loaded.lead.received_at).total_seconds()
    services.counters.observe("leadloop_webhook_to_crm_seconds", took_s, connection=loaded.connection.name)
    log.info(
        "lead_delivered",
        lead_id=loaded.lead.id,
        connection=loaded.connection.name,
        since_webhook_ms=round(took_s * 1000),
    )
