"""Standard output and error of a command: every terminal can show it, and an output that takes no more is said plainly."""

import contextlib
import errno
import os
import sys
from typing import NoReturn, TextIO

_OUTPUT_ERRORS = frozenset([errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG])


def prepare_streams(*, for_programs: bool) -> None:
    """JSON is UTF-8 wherever it goes; for people, letters that their terminal does not know become question marks."""
    for stream, encoding in ((sys.stdout, "utf-8" if for_programs else None), (sys.stderr, None)):
        reconfigure = getattr(stream, "reconfigure", None)  # None where stdout is closed, or not a file
        if reconfigure is not None:
            reconfigure(encoding=encoding, errors="replace")


def close_streams(caught: OSError | None = None) -> None:
    """Write out what is left. Raises SystemExit(1) when an output takes no more: quietly for a pipe whose reader left.

    `caught` is what was raised before; when that was no output's failure, it is raised again.
    """
    try:
        if caught is not None:
            raise caught
        for stream in (sys.stdout, sys.stderr):
            if stream is not None and not stream.closed:
                stream.flush()
    except OSError as failed:
        _give_up(failed)


def _give_up(failed: OSError) -> NoReturn:
    if failed.errno != errno.EPIPE and failed.errno not in _OUTPUT_ERRORS:
        raise failed
    if failed.errno != errno.EPIPE:
        with contextlib.suppress(OSError):
            os.write(2, f"leadloop: the output cannot be written: {failed.strerror}.\n".encode())
    for stream in (sys.stdout, sys.stderr):
        _silence(stream)
    sys.exit(1)


def _silence(stream: TextIO | None) -> None:
    """What is still in its buffer goes nowhere, so that Python does not try it again while it ends."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        assert stream is not None  # noqa: S101
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
