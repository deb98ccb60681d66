"""API keys: only their hash is kept."""

import hashlib
import re
from datetime import timedelta

import pytest
from conftest import NOW
from lead_rows import on_sqlite
from sqlalchemy import select

from store.api_keys import (
    ApiKeyError,
    create_key,
    find_key,
    has_key_shape,
    keep_key,
    list_keys,
    mark_used,
    revoke_key,
    use_is_stale,
)
from store.models import ApiKey


def create(writer, name, now=NOW):
    return writer.write(lambda session: create_key(session, name, now))


def test_key_has_256_random_bits_and_only_its_hash_is_kept(writer, read):
    plain, other = create(writer, "one"), create(writer, "two")
    assert re.fullmatch(r"ll_[A-Za-z0-9_-]{43}", plain)
    assert plain != other
    with read() as session:
        rows = session.execute(select(*ApiKey.__table__.columns).where(ApiKey.name == "one")).all()
    assert rows[0].key_sha256 == hashlib.sha256(plain.encode()).hexdigest()
    assert plain not in repr(rows)


def test_key_is_found_until_it_is_revoked(writer, read):
    plain = create(writer, "reporting")
    with read() as session:
        assert find_key(session, plain).name == "reporting"
    assert writer.write(lambda session: revoke_key(session, "reporting", NOW))
    with read() as session:
        assert find_key(session, plain) is None
        assert list_keys(session)[0].revoked_at == NOW


@on_sqlite
@pytest.mark.parametrize(
    "plain",
    ["", "ll_", "x", "ll_" + "A" * 43, "ll_" + "A" * 44, "LL_" + "A" * 43, "ll_" + "ü" * 43, "ll_\x00", "\ud800"],
)
def test_what_is_no_key_is_not_found(writer, read, plain):
    create(writer, "one")
    with read() as session:
        assert find_key(session, plain) is None


def test_key_with_more_around_it_is_not_found(writer, read):
    plain = create(writer, "one")
    for changed in (plain + "\n", " " + plain, plain[:-1], plain + "A", plain.swapcase()):
        assert not has_key_shape(changed) or changed == plain.swapcase()
        with read() as session:
            assert find_key(session, changed) is None


def test_name_is_unique_also_after_revoking(writer):
    create(writer, "zapier")
    with pytest.raises(ApiKeyError, match="'zapier-2'"):
        create(writer, " zapier ")
    writer.write(lambda session: revoke_key(session, "zapier", NOW))
    with pytest.raises(ApiKeyError, match="revoked ones keep their name"):
        create(writer, "zapier")


@on_sqlite
@pytest.mark.parametrize("name", ["", "   ", "\x00", "\u200b", "x" * 81])
def test_name_that_cannot_be_read_is_refused(writer, name):
    with pytest.raises(ApiKeyError, match="1 to 80 visible characters"):
        create(writer, name)


@on_sqlite
@pytest.mark.parametrize("name", ["İstanbul 😀", "a\x00b\nc", "x" * 80, "مفتاح"])
def test_odd_names_are_kept_tidy(writer, read, name):
    plain = create(writer, name)
    with read() as session:
        assert find_key(session, plain).name == name.replace("\x00", "").replace("\n", " ")


def test_revoking_needs_the_name_of_a_key_in_force(writer):
    create(writer, "one")
    assert not writer.write(lambda session: revoke_key(session, "ONE", NOW))
    assert writer.write(lambda session: revoke_key(session, "one", NOW))
    assert not writer.write(lambda session: revoke_key(session, "one", NOW + timedelta(days=1)))


def test_last_use_goes_forward_only(writer, read):
    plain = create(writer, "one")
    later = NOW + timedelta(minutes=5)
    assert writer.gather(mark_used, (1, later)) is None
    writer.gather(mark_used, (1, NOW))
    with read() as session:
        found = find_key(session, plain)
    assert found.last_used_at == later
    assert not use_is_stale(found, later + timedelta(seconds=59))
    assert use_is_stale(found, later + timedelta(seconds=60))


def test_uses_that_arrive_together_are_noted_in_one_go(writer, read):
    create(writer, "one")
    create(writer, "two")
    times = [(2, NOW), (1, NOW), (2, NOW + timedelta(seconds=3)), (99, NOW)]
    assert writer.write(lambda session: mark_used(session, times)) == [None] * 4
    with read() as session:
        assert [key.last_used_at for key in list_keys(session)] == [NOW, NOW + timedelta(seconds=3)]


def test_a_key_that_is_made_from_a_secret_is_in_force_whatever_was_there(writer, read):
    old, new = "ll_" + "a" * 43, "ll_" + "b" * 43
    create(writer, "other")
    for plain in (old, new, new):
        writer.write(lambda session, plain=plain: keep_key(session, "sandbox", plain, NOW))
    writer.write(lambda session: revoke_key(session, "sandbox", NOW))
    writer.write(lambda session: keep_key(session, "sandbox", new, NOW))
    with read() as session:
        assert find_key(session, old) is None
        assert find_key(session, new).name == "sandbox"
        assert [key.name for key in list_keys(session)] == ["other", "sandbox"]
    with pytest.raises(ValueError, match="shape"):
        writer.write(lambda session: keep_key(session, "sandbox", "secret", NOW))
