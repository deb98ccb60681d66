"""Small disks, and what fills them."""

import contextlib
import os
import resource
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from services.system import System

Fill = Callable[[System], contextlib.AbstractContextManager[None]]


@contextlib.contextmanager
def mounted(size_mb: int) -> Iterator[Path | None]:
    """A small file system of its own, in memory; None where none may be mounted."""
    folder = Path(tempfile.mkdtemp(prefix="leadloop-disk-"))
    mounting = ["mount", "-t", "tmpfs", "-o", f"size={size_mb}m,mode=777", "tmpfs", str(folder)]
    try:
        made = subprocess.run(mounting, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        made = False
    try:
        yield folder if made else None
    finally:
        if made:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)
        folder.rmdir()


@contextlib.contextmanager
def ballast(folder: Path) -> Iterator[None]:
    """Take every free byte."""
    path = folder / "ballast"
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        for size in (65_536, 4_096):
            with contextlib.suppress(OSError):
                while True:
                    file.write(b"\0" * size)
    assert os.statvfs(folder).f_bavail == 0
    yield
    path.unlink()


@contextlib.contextmanager
def file_limit(system: System, folder: Path) -> Iterator[None]:
    """No file may grow beyond the size of the largest there is."""
    largest = max(path.stat().st_size for path in folder.iterdir() if path.is_file())
    pids = [one.pid for program in system.programs for one in program.group()]
    limits = {pid: resource.prlimit(pid, resource.RLIMIT_FSIZE) for pid in pids}
    for pid, (_soft, hard) in limits.items():
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (largest, hard))
    yield
    for pid, limit in limits.items():
        resource.prlimit(pid, resource.RLIMIT_FSIZE, limit)
