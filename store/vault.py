"""Secrets at rest: sealed with Fernet keys, the first of which seals, all of which open (so keys can be rotated)."""

import hashlib
import os
from functools import lru_cache
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from sqlalchemy.engine import make_url

from leadloop.errors import NeedsHuman, SettingsError


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


def fingerprint(plain: str) -> str:
    """A short fingerprint of a secret, to notice that it changed; it does not reveal the secret."""
    return hashlib.sha256(b"leadloop fingerprint\0" + plain.encode()).hexdigest()[:16]


def key_file_for(database_url: str) -> Path:
    """Where `leadloop run` keeps a key that it made itself: beside a SQLite database, else in the working folder."""
    url = make_url(database_url)
    if url.get_backend_name() == "sqlite" and url.database and url.database != ":memory:":
        return Path(url.database).with_suffix(".key")
    return Path("leadloop.key")


def read_or_make_key(path: Path, *, may_make: bool) -> tuple[str | None, bool]:
    """The key in `path`, made with mode 600 when it is missing and `may_make`. Returns (key, whether it is new)."""
    try:
        return path.read_text().strip(), False
    except FileNotFoundError:
        if not may_make:
            return None, False
    key = Fernet.generate_key().decode()
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text().strip(), False
    with os.fdopen(descriptor, "w") as file:
        file.write(key + "\n")
        file.flush()
        os.fsync(file.fileno())
    return key, True
