"""API keys of programs: made once, kept as SHA-256 only, found by that hash, revoked by name."""

import hashlib
import re
import secrets
from datetime import datetime, timedelta

from sqlalchemy import or_, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Session

from leadloop.texts import tidy
from store.models import ApiKey
from store.sql import rows_changed

PREFIX = "ll_"
LONGEST_NAME = 80
NOTE_USE_EVERY = timedelta(minutes=1)
_SHAPE = re.compile(r"ll_[A-Za-z0-9_-]{43}\Z")


class ApiKeyError(ValueError):
    """A key cannot be made under that name: one sentence with the mend."""


def create_key(session: Session, name: str, now: datetime) -> str:
    """Add a key and return it in plain: the only time it can be seen. 256 random bits, url-safe.

    Raises ApiKeyError when the name is empty, too long or taken; a revoked key keeps its name, so that its past stays
    readable.
    """
    wanted = tidy_name(name)
    plain = PREFIX + secrets.token_urlsafe(32)
    insert = sqlite_insert if session.get_bind().dialect.name == "sqlite" else postgresql_insert
    statement = insert(ApiKey).values(name=wanted, key_sha256=hash_key(plain), created_at=now)
    added = statement.on_conflict_do_nothing(index_elements=["name"]).returning(ApiKey.id)
    if session.scalar(added) is None:
        raise ApiKeyError(
            f"There is a key named {wanted!r} already (revoked ones keep their name): choose another, such as"
            f" {wanted + '-2'!r}."
        )
    return plain


def keep_key(session: Session, name: str, plain: str, now: datetime) -> None:
    """Have this key in force under that name, whatever was kept there: for a program whose key is made from a secret."""
    if not has_key_shape(plain):
        raise ValueError("not the shape of a key")
    insert = sqlite_insert if session.get_bind().dialect.name == "sqlite" else postgresql_insert
    statement = insert(ApiKey).values(name=tidy_name(name), key_sha256=hash_key(plain), created_at=now)
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["name"], set_={"key_sha256": statement.excluded.key_sha256, "revoked_at": None}
        )
    )


def tidy_name(name: str) -> str:
    """The name as it is kept; ApiKeyError when nothing visible is left or it is longer than 80 characters."""
    wanted = tidy(name)
    if wanted is None or len(wanted) > LONGEST_NAME:
        raise ApiKeyError(f"A key's name has 1 to {LONGEST_NAME} visible characters, such as zapier or reporting.")
    return wanted


def has_key_shape(plain: str) -> bool:
    """Whether the text could be a key at all: "ll_" and 43 url-safe characters."""
    return _SHAPE.match(plain) is not None


def hash_key(plain: str) -> str:
    """SHA-256 of a key, lower-case hex."""
    return hashlib.sha256(plain.encode()).hexdigest()


def find_key(session: Session, plain: str) -> ApiKey | None:
    """The key, None when it is unknown or revoked.

    The index is asked for the hash, so how long that takes tells nothing of a key that is almost right.
    """
    if not has_key_shape(plain):
        return None
    query = select(ApiKey).where(ApiKey.key_sha256 == hash_key(plain), ApiKey.revoked_at.is_(None))
    return session.scalar(query)


def use_is_stale(key: ApiKey, now: datetime) -> bool:
    """Whether the time of last use is worth writing again."""
    return key.last_used_at is None or now - key.last_used_at >= NOTE_USE_EVERY


def mark_used(session: Session, uses: list[tuple[int, datetime]]) -> list[None]:
    """Note when keys were used: (id, time) each, those that arrive together in one go. Never sets a time back."""
    for key_id, at in sorted(dict(sorted(uses)).items()):
        session.execute(
            update(ApiKey)
            .where(ApiKey.id == key_id, or_(ApiKey.last_used_at.is_(None), ApiKey.last_used_at < at))
            .values(last_used_at=at)
            .execution_options(synchronize_session=False)
        )
    return [None] * len(uses)


def revoke_key(session: Session, name: str, now: datetime) -> bool:
    """Revoke a key from now on. False when no key of that name is in force; revoking twice changes nothing."""
    changed = session.execute(
        update(ApiKey)
        .where(ApiKey.name == tidy_name(name), ApiKey.revoked_at.is_(None))
        .values(revoked_at=now)
        .execution_options(synchronize_session=False)
    )
    return rows_changed(changed) > 0


def list_keys(session: Session) -> list[ApiKey]:
    """All keys, revoked ones too, oldest first."""
    return list(session.scalars(select(ApiKey).order_by(ApiKey.id)))
