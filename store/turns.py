"""Whose turn it is to write to a SQLite file: processes queue at a lock of the kernel instead of asking again and again.

SQLite lets one process write at a time; the others ask with pauses of up to a tenth of a second, and whoever writes most
always finds it free. A lock of the kernel wakes the next one at once.
"""

import fcntl
import os
from types import TracebackType

from sqlalchemy import Engine


class Turn:
    """Enter before a writing transaction, leave after it. For PostgreSQL, and where no file can be made or
    locked, it does nothing.

    One for each writer, used by one thread. A process that dies gives its turn away.
    """

    def __init__(self, engine: Engine) -> None:
        path = engine.url.database if engine.dialect.name == "sqlite" else None
        self._path = f"{path}.turn" if path and path != ":memory:" else None
        self._file: int | None = None

    def __enter__(self) -> None:
        if self._path is not None and self._file is None:
            try:
                self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            except OSError:
                self._path = None  # SQLite's own lock is enough, only slower
        if self._file is not None:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX)
            except OSError:  # a file system without such locks (some network and FUSE ones)
                self._path = None
                self.close()

    def __exit__(
        self, _kind: type[BaseException] | None, _caught: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            os.close(file)
