"""Secrets at rest: sealed with Fernet keys, the first of which seals, all of which open (so keys can be rotated)."""

import hashlib
import os
from functools import lru_cache
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from leadloop.errors import NeedsHuman, SettingsError
from store.engine import sqlite_file

NO_KEY = (
    "LEADLOOP_SECRET_KEY is not set, and leadloop seals every stored secret with it. leadloop run makes one in a file beside"
    " the database (leadloop config apply does, too, when it makes a SQLite database); for processes elsewhere make one"
    ' with: python -c "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())"'
)


class SecretUnopened(NeedsHuman, SettingsError):
    """A stored secret does not open with the keys there are: everything that needs it is held until it does."""

    def __init__(self) -> None:
        NeedsHuman.__init__(
            self,
            "A stored secret does not open with LEADLOOP_SECRET_KEY.",
            code="secret_unopened",
            action="Put the key that sealed it back (several keys are allowed, separated by commas), or apply the"
            " configuration file again.",
            scope="lane",
        )

    def __str__(self) -> str:
        return f"{self.message} {self.action}"


class FernetVault:
    """Seals and opens short texts (tokens, settings as JSON)."""

    def __init__(self, keys: tuple[str, ...]) -> None:
        fernet = MultiFernet([Fernet(key) for key in keys])
        self._seal = fernet.encrypt
        self._open = lru_cache(maxsize=256)(lambda sealed: fernet.decrypt(sealed.encode()).decode())

    def seal(self, plain: str) -> str:
        return self._seal(plain.encode()).decode()

    def open(self, sealed: str) -> str:
        """Raises SecretUnopened when none of the keys fits."""
        try:
            return self._open(sealed)
        except InvalidToken:
            raise SecretUnopened from None


class KeylessVault:
    """Stands where there is no key: nothing is amiss until a secret is to be sealed or opened."""

    def seal(self, plain: str) -> str:
        raise SettingsError(NO_KEY)

    def open(self, sealed: str) -> str:
        raise SettingsError(NO_KEY)


def fingerprint(plain: str) -> str:
    """A short fingerprint of a secret, to notice that it changed; it does not reveal the secret."""
    return hashlib.sha256(b"leadloop fingerprint\0" + plain.encode()).hexdigest()[:16]


def key_file_for(database_url: str) -> Path:
    """Where `leadloop run` keeps a key that it made itself: beside a SQLite database, else in the working folder."""
    file = sqlite_file(database_url)
    return file.with_suffix(".key") if file is not None else Path("leadloop.key")


def read_or_make_key(path: Path, *, may_make: bool) -> tuple[str | None, bool]:
    """The key in `path`, made with mode 600 when it is missing and `may_make`. Returns (key, whether it is new).

    Raises SettingsError when the file cannot be read or written, or holds no key.
    """
    try:
        return _read_key(path), False
    except FileNotFoundError:
        if not may_make:
            return None, False
    key = Fernet.generate_key().decode()
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return _read_key(path), False
    except OSError as caught:
        raise SettingsError(
            f"The key that seals secrets cannot be written to {path.absolute()} ({caught.strerror}): start leadloop in a"
            " folder that it may write to, or set LEADLOOP_SECRET_KEY and DATABASE_URL."
        ) from caught
    with os.fdopen(descriptor, "w") as file:
        file.write(key + "\n")
        file.flush()
        os.fsync(file.fileno())
    return key, True


def _read_key(path: Path) -> str:
    try:
        key = path.read_text(encoding="utf-8").strip()
        Fernet(key)
    except FileNotFoundError:
        raise
    except OSError as caught:
        raise SettingsError(
            f"{path.absolute()}, the key that seals secrets, cannot be read ({caught.strerror}): give the user that leadloop"
            " runs as the right to read it."
        ) from caught
    except ValueError as caught:
        raise SettingsError(
            f"{path.absolute()} holds no Fernet key: put the one back that was in it, or remove the file and apply the"
            " configuration file again."
        ) from caught
    return key
