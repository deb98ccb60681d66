"""Datasets at Meta: which there are, and the token that each is served with."""

from dataclasses import dataclass, field

from sqlalchemy import select
from sqlalchemy.orm import Session

from leadloop.ports import Vault
from store.conversion_models import Dataset
from store.models import Page


@dataclass(frozen=True)
class DatasetToServe:
    """A dataset whose events are to be sent. `page_tokens_sealed`: of Pages that name it as their own."""

    id: int
    dataset_id: str
    token_sealed: str | None = field(repr=False)
    page_tokens_sealed: tuple[str, ...] = field(default=(), repr=False)


def load_dataset(session: Session, row_id: int) -> DatasetToServe:
    return to_serve(session, session.get_one(Dataset, row_id))


def find_dataset(session: Session, dataset_id: str) -> DatasetToServe | None:
    row = session.scalar(select(Dataset).where(Dataset.dataset_id == dataset_id))
    return None if row is None else to_serve(session, row)


def to_serve(session: Session, row: Dataset) -> DatasetToServe:
    query = select(Page.token_sealed).where(Page.dataset_id == row.dataset_id, Page.token_sealed.is_not(None))
    tokens = session.scalars(query.order_by(Page.position, Page.id))
    return DatasetToServe(row.id, row.dataset_id, row.token_sealed, tuple(token for token in tokens if token))


def find_token(dataset: DatasetToServe, vault: Vault, system_token: str) -> str | None:
    """The dataset's own token, else the system user's, else that of a Page which names the dataset as its own."""
    if dataset.token_sealed:
        return vault.open(dataset.token_sealed)
    if system_token:
        return system_token
    return vault.open(dataset.page_tokens_sealed[0]) if dataset.page_tokens_sealed else None
