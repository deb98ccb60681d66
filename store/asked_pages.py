"""Pages whose leads are to be read from Meta's list, because a notice said that there are some and not which.

One `backfill` row for each Page, "page:<id>" in place of a form: its earliest `since`, and in `seen` how often it was asked
for, so that a notice which comes while the list is being read is not taken for answered.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, case, select, update
from sqlalchemy.orm import Session

from store.models import Backfill
from store.sql import MakeInsert, Prepared, table_of

_TABLE = table_of(Backfill)


@dataclass(frozen=True)
class AskedPage:
    """A Page to read since a time; `asks` as they were when this was loaded."""

    id: int
    page_id: str
    since: datetime
    asks: int


def _build_ask(insert: MakeInsert, _dialect: str) -> Any:
    statement = insert(_TABLE)
    told = statement.excluded
    unmet = _TABLE.c.finished_at.is_(None) & (_TABLE.c.since < told.since)
    return statement.on_conflict_do_update(
        index_elements=["form_id"],
        set_={
            "since": case((unmet, _TABLE.c.since), else_=told.since),
            "seen": _TABLE.c.seen + 1,
            "started_at": told.started_at,
            "updated_at": told.updated_at,
            "finished_at": None,
        },
    ).returning(_TABLE.c.id)


_ASK = Prepared(_build_ask)
_FINISH = Prepared(
    lambda _insert, _dialect: (
        update(_TABLE)
        .where(_TABLE.c.id == bindparam("asked_id"), _TABLE.c.seen == bindparam("asks"))
        .values({name: bindparam("at", type_=_TABLE.c[name].type) for name in ("finished_at", "updated_at")})
    )
)


def ask_for_page(session: Session, page_id: str, *, since: datetime, now: datetime) -> int:
    """Note that the leads of a Page are to be read; the id of what is noted. An earlier wish that is still open keeps the
    earlier of both times."""
    row = {
        "form_id": f"page:{page_id}",
        "page_id": page_id,
        "since": since,
        "after": None,
        "seen": 1,
        "added": 0,
        "started_at": now,
        "updated_at": now,
        "finished_at": None,
    }
    return int(_ASK.run(session, row).scalar_one())


def load_asked_page(session: Session, asked_id: int) -> AskedPage:
    row = session.execute(
        select(Backfill.id, Backfill.page_id, Backfill.since, Backfill.seen).where(Backfill.id == asked_id)
    ).one()
    return AskedPage(*row)


def finish_asked_page(session: Session, asked: AskedPage, *, now: datetime) -> bool:
    """Note that the list has been read. False when it was asked for again meanwhile: then once more."""
    return bool(_FINISH.run(session, {"asked_id": asked.id, "asks": asked.asks, "at": now}).rowcount)
