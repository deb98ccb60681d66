"""Pages of the file become rows of `page`."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from configuration.configured import (
    Change,
    find_reordering,
    set_env_names,
    set_plain,
    set_position,
    set_token,
)
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
        changes.append(_apply_page(row, entry, position, vault))
    named = [entry.page_id for entry in entries]
    changes += [_remove(rows[page_id]) for page_id in before if page_id not in named]
    return [*filter(None, changes), *find_reordering("pages", before, named)]


def _apply_page(row: Page, entry: PageEntry, position: int, vault: Vault) -> Change | None:
    details = set_plain(row, entry, _PLAIN_KEYS)
    details += set_token(row, entry.access_token, entry.env_names, vault)
    set_env_names(row, entry.env_names)
    set_position(row, position)
    if not row.configured:
        row.configured = True
        return Change("page", entry.page_id, "added")
    return Change("page", entry.page_id, "changed", tuple(details)) if details else None


def _remove(row: Page) -> Change:
    row.configured = False
    row.token_sealed = None
    row.env_names = None
    return Change("page", row.page_id, "removed")
