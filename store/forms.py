"""Snapshots of instant forms, read once from Graph."""

from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Session

from store.models import Form


def save_form(session: Session, snapshot: dict[str, Any], *, now: datetime) -> None:
    """Keep what Graph says of a form (facts §5.3), replacing an older snapshot."""
    page = snapshot.get("page")
    values = {
        "page_id": _text(page.get("id")) if isinstance(page, dict) else None,
        "name": _text(snapshot.get("name")),
        "locale": _text(snapshot.get("locale")),
        "status": _text(snapshot.get("status")),
        "snapshot": snapshot,
        "read_at": now,
        "tried_at": now,
    }
    insert = sqlite_insert if session.get_bind().dialect.name == "sqlite" else postgresql_insert
    statement = insert(Form).values(form_id=str(snapshot.get("id")), **values)
    session.execute(statement.on_conflict_do_update(index_elements=["form_id"], set_=values))


def _text(value: Any) -> str | None:
    if not isinstance(value, str | int):
        return None
    cleaned = str(value).replace("\x00", "").encode("utf-8", "replace").decode()
    return cleaned[:500] or None


def list_forms(session: Session, *, page_id: str | None = None) -> list[Form]:
    query = select(Form).order_by(Form.form_id)
    return list(session.scalars(query.where(Form.page_id == page_id) if page_id else query))
