"""Datasets of the file become rows of `dataset`."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from configuration.configured import Change, find_reordering, forget_account, keep_account
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
        changes.append(
            keep_account(
                row, entry, kind="dataset", name=entry.dataset_id, keys=("name",), position=position, vault=vault
            )
        )
    named = [entry.dataset_id for entry in entries]
    changes += [
        forget_account(rows[dataset_id], kind="dataset", name=dataset_id)
        for dataset_id in before
        if dataset_id not in named
    ]
    return [*filter(None, changes), *find_reordering("datasets", before, named)]
