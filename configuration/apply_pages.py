"""Pages of the file become rows of `page`."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from configuration.configured import Change, find_reordering, forget_account, keep_account
from configuration.entries import PageEntry
from leadloop.ports import Vault
from store.models import Page

_PLAIN_KEYS = ("name", "default_country", "business_country", "dataset_id")


def apply_pages(session: Session, entries: tuple[PageEntry, ...], vault: Vault) -> list[Change]:
    """Add, change and remove Pages. A removed one stays known (it may still write to us), without its token."""
    rows = {row.page_id: row for row in session.scalars(select(Page).order_by(Page.position, Page.id))}
    before = [page_id for page_id, row in rows.items() if row.configured]
    changes: list[Change | None] = []
    for position, entry in enumerate(entries):
        row = rows.get(entry.page_id)
        if row is None:
            row = Page(page_id=entry.page_id, configured=False, position=position)
            session.add(row)
        changes.append(
            keep_account(row, entry, kind="page", name=entry.page_id, keys=_PLAIN_KEYS, position=position, vault=vault)
        )
    named = [entry.page_id for entry in entries]
    changes += [forget_account(rows[page_id], kind="page", name=page_id) for page_id in before if page_id not in named]
    return [*filter(None, changes), *find_reordering("pages", before, named)]
