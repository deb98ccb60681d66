"""Answers kept under an Idempotency-Key, so that a request that comes again is answered again and done once.

Source: the IETF draft "The Idempotency-Key HTTP Header Field" (httpapi, draft 07) [recalled].
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.orm import Session

from store.conversion_models import IdempotencyKey
from store.sql import Prepared, insert_new, rows_changed, table_of

KEPT_FOR = timedelta(days=7)
TOGETHER = 1_000
_NOT_YET = 0  # the status of a row whose request is under way: nobody outside that transaction ever sees it


@dataclass(frozen=True)
class RequestKey:
    """Whose key it is, and SHA-256 hex of the key and of the bytes that were sent with it."""

    api_key_id: int
    key_sha256: str
    body_sha256: str


@dataclass(frozen=True)
class KeptAnswer:
    """What was answered under a key, and to which body."""

    body_sha256: str
    status: int
    answer: dict[str, Any] = field(repr=False)


_table = table_of(IdempotencyKey)
_CLAIM = insert_new(IdempotencyKey, ["api_key_id", "key_sha256"], "id")
_FIND = Prepared(
    lambda _insert, _dialect: select(_table.c.body_sha256, _table.c.status, _table.c.answer).where(
        _table.c.api_key_id == bindparam("of_key_id"), _table.c.key_sha256 == bindparam("of_key")
    )
)


def find_answer(session: Session, key: RequestKey) -> KeptAnswer | None:
    """What was answered under this key, whatever was sent with it."""
    row = _FIND.run(session, {"of_key_id": key.api_key_id, "of_key": key.key_sha256}).one_or_none()
    return KeptAnswer(*row) if row is not None else None


def claim_key(session: Session, key: RequestKey, *, now: datetime) -> int | KeptAnswer:
    """The id of the row to keep the answer in, or the answer that is there.

    Of two requests at the same moment the second waits here until the first is committed (a unique key on PostgreSQL, the
    one writer on SQLite), and then finds its answer. The claim stands and falls with the transaction.
    """
    row = {
        "api_key_id": key.api_key_id,
        "key_sha256": key.key_sha256,
        "body_sha256": key.body_sha256,
        "status": _NOT_YET,
        "answer": {},
        "created_at": now,
    }
    while True:
        claimed = _CLAIM.run(session, [row]).scalar_one_or_none()
        found = claimed if claimed is not None else find_answer(session, key)
        if found is not None:  # else it was removed between the two statements
            return found


def keep_answer(session: Session, row_id: int, status: int, answer: dict[str, Any]) -> None:
    """What the request that claimed the row is answered, in the transaction that did what it asked for."""
    session.execute(update(_table).where(_table.c.id == row_id).values(status=status, answer=answer))


def give_up_key(session: Session, row_id: int) -> None:
    """The request failed: its key is free again."""
    session.execute(delete(_table).where(_table.c.id == row_id))


def remove_answers(session: Session, *, before: datetime) -> int:
    """Remove what was kept before that time, at most TOGETHER at once; how many."""
    old = select(_table.c.id).where(_table.c.created_at < before).order_by(_table.c.created_at).limit(TOGETHER)
    removed = session.execute(delete(_table).where(_table.c.id.in_(old)))
    return rows_changed(removed)
