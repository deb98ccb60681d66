"""The checked configuration becomes rows: what differs is changed, what is not named is removed, the rest untouched."""

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from configuration.apply_accounts import apply_connections, apply_notifiers
from configuration.apply_datasets import apply_datasets
from configuration.apply_lanes import free_lanes
from configuration.apply_lists import apply_funnels, apply_mappings, apply_routes
from configuration.apply_pages import apply_pages
from configuration.configured import ADAPTER_CHANGED, Change
from configuration.entries import Config
from leadloop.ports import Vault

LOCK = 7_310_201_127  # one apply at a time on PostgreSQL; SQLite's BEGIN IMMEDIATE does the same


def apply(session: Session, config: Config, vault: Vault, now: datetime, *, system_token: str = "") -> list[Change]:
    """Make the database say what `config` says, within the caller's transaction, and tell what changed.

    Safe to repeat: a second time nothing is written. What the file no longer names is removed: connections and
    notifiers are marked so and come back when they are named again; Pages and datasets stay known, unconfigured and
    without their token. Lanes that were held for a token or settings that are others now are freed. `system_token` is
    META_ACCESS_TOKEN, which Pages without a token of their own are read with.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
    changes = [
        *apply_pages(session, config.pages, vault),
        *apply_connections(session, config.connections, vault, now),
        *apply_notifiers(session, config.notifiers, vault, now),
        *apply_routes(session, config.routes),
        *apply_mappings(session, config.mappings),
        *apply_datasets(session, config.datasets, vault, now),
        *apply_funnels(session, config.funnels),
    ]
    session.flush()
    other_adapter = {
        change.name for change in changes if change.kind == "connection" and ADAPTER_CHANGED in change.details
    }
    return changes + free_lanes(session, vault, now, system_token=system_token, other_adapter=other_adapter)
