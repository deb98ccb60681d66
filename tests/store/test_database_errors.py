"""Why a database cannot be used is said with the mend, and without a password; on real files and a real server."""

from pathlib import Path

import pytest
from servers import free_port
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from store.database_errors import explain
from store.engine import make_engine


def why(url: str) -> str:
    """What is said when this database is connected to."""
    engine = make_engine(url)
    try:
        with engine.connect():
            raise AssertionError("it could be connected to")
    except SQLAlchemyError as caught:
        told = explain(caught, url)
    finally:
        engine.dispose()
    assert told.startswith("The database of DATABASE_URL cannot be reached: ")
    return told


def with_words(
    url: str, *, user: str = "", password: str = "hush", host: str = "", port: int = 0, name: str = ""
) -> str:
    from sqlalchemy.engine import make_url

    changes = {"username": user, "password": password, "host": host, "port": port, "database": name}
    return make_url(url).set(**{key: value for key, value in changes.items() if value}).render_as_string(False)


def test_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    assert f"the folder {tmp_path}/no does not exist" in why(f"sqlite:///{tmp_path}/no/leadloop.db")


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "leadloop.db").write_text("a text of some length, which is no database at all\n" * 30)
    assert "is no SQLite database" in why(f"sqlite:///{tmp_path}/leadloop.db")


def test_a_folder_in_place_of_a_file(tmp_path: Path) -> None:
    assert "cannot be opened" in why(f"sqlite:///{tmp_path}")


@pytest.mark.parametrize(
    ("code", "words"),
    [(8, "may only be read"), (5, "locked by another program"), (13, "is full"), (10, "OperationalError")],
)
def test_what_sqlite_says_with_a_code(tmp_path: Path, code: int, words: str) -> None:
    class Said(Exception):
        sqlite_errorcode = code

    assert words in explain(OperationalError("", {}, Said("hush")), f"sqlite:///{tmp_path}/leadloop.db")


def test_a_server_that_is_not_there() -> None:
    port = free_port()
    assert f"nothing answers at 127.0.0.1, port {port}" in why(f"postgresql+psycopg://u:hush@127.0.0.1:{port}/db")
    assert "the host name db.invalid is not known" in why("postgresql+psycopg://u:hush@db.invalid/db")


def test_what_a_server_refuses(postgres_url: str) -> None:
    assert "has no database of that name" in why(with_words(postgres_url, name="nothing"))
    told = why(with_words(postgres_url, user="nobody_of_that_name"))
    assert "refused the user or the password" in told
    assert "hush" not in told


def test_what_is_not_known_names_the_error_alone() -> None:
    told = explain(OperationalError("", {}, Exception("hush")), "postgresql+psycopg://u:hush@h/db", what="upgraded")
    assert told.startswith("The database of DATABASE_URL cannot be upgraded: OperationalError.")
    assert "hush" not in told
