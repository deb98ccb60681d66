"""Datasets of the file become rows of `dataset`."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from configuration.configured import Change, find_reordering, set_env_names, set_plain, set_position, set_token
from configuration.entries import DatasetEntry
from leadloop.ports import Vault
from store.conversion_models import Dataset


def apply_datasets(session: Session, entries: tuple[DatasetEntry, ...], vault: Vault, now: datetime) -> list[Change]:
    """Add, change and remove datasets. A removed one stays known (conversions name it), without its token."""
    rows = {row.dataset_id: row for row in session.scalars(select(Dataset).order_by(Dataset.position, Dataset.id))}
    before = [dataset_id for dataset_id, row in rows.items() if row.configured]
    changes: list[Change | None] = []
    for position, entry in enumerate(entries):
        row = rows.get(entry.dataset_id)
        if row is None:
            row = Dataset(dataset_id=entry.dataset_id, configured=False, position=position, created_at=now)
            session.add(row)
        changes.append(_apply_dataset(row, entry, position, vault))
    named = [entry.dataset_id for entry in entries]
    changes += [_remove(rows[dataset_id]) for dataset_id in before if dataset_id not in named]
    return [*filter(None, changes), *find_reordering("datasets", before, named)]


def _apply_dataset(row: Dataset, entry: DatasetEntry, position: int, vault: Vault) -> Change | None:
    details = set_plain(row, entry, ("name",))
    details += set_token(row, entry.access_token, entry.env_names, vault)
    set_env_names(row, entry.env_names)
    set_position(row, position)
    if not row.configured:
        row.configured = True
        return Change("dataset", entry.dataset_id, "added")
    return Change("dataset", entry.dataset_id, "changed", tuple(details)) if details else None


def _remove(row: Dataset) -> Change:
    row.configured = False
    row.token_sealed = None
    row.env_names = None
    return Change("dataset", row.dataset_id, "removed")
