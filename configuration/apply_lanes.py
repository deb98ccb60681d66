"""Lanes that were held for a token or settings which are others now go on at once."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from configuration.configured import ADAPTER_CHANGED, Change, open_sealed
from leadloop.errors import SettingsError
from leadloop.ports import Vault
from store.conversion_models import Dataset
from store.datasets import find_token, to_serve
from store.lanes import crm_lane, free_changed, graph_lane
from store.models import Connection, Notifier, Page
from store.vault import fingerprint


def free_lanes(
    session: Session, vault: Vault, now: datetime, *, system_token: str, other_adapter: set[str]
) -> list[Change]:
    """Free what is held and works with something else now. Fingerprints are those of the sealed text, opened.

    `other_adapter` are connections whose adapter changed: those go on although their settings may be the same.
    """
    named: dict[str, tuple[str, str]] = {}
    fingerprints: dict[str, str] = {}
    for page in session.scalars(select(Page)):
        lane = graph_lane(page.page_id)
        named[lane] = ("page", page.page_id)
        fingerprints[lane] = fingerprint(open_sealed(vault, page.token_sealed) or system_token)
    for connection in session.scalars(select(Connection).where(Connection.removed_at.is_(None))):
        lane = crm_lane(connection.id)
        named[lane] = ("connection", connection.name)
        settings = open_sealed(vault, connection.settings_sealed) or ""
        fingerprints[lane] = ADAPTER_CHANGED if connection.name in other_adapter else fingerprint(settings)
    for notifier in session.scalars(select(Notifier).where(Notifier.removed_at.is_(None))):
        lane = f"alert:{notifier.id}"  # all its addresses
        named[lane] = ("notifier", notifier.name)
        fingerprints[lane] = fingerprint(open_sealed(vault, notifier.urls_sealed) or "")
    for dataset in session.scalars(select(Dataset)):
        lane = graph_lane(dataset.dataset_id)
        named[lane] = ("dataset", dataset.dataset_id)
        fingerprints[lane] = fingerprint(_dataset_token(session, vault, dataset, system_token))
    freed = free_changed(session, fingerprints, now=now)
    whose = dict.fromkeys(named.get(lane) or named[lane.rpartition(":")[0]] for lane in freed)
    return [Change(kind, name, "freed") for kind, name in whose]


def _dataset_token(session: Session, vault: Vault, dataset: Dataset, system_token: str) -> str:
    try:
        return find_token(to_serve(session, dataset), vault, system_token) or ""
    except SettingsError:  # no key opens it any more
        return ""
