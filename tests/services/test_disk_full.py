"""The disk under SQLite is full: Meta is told 503, operators are told why, and nothing is lost once there is room."""

import contextlib
import os
import resource
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from services.conftest import Make
from services.notices import fill_in, one_by_one
from services.programs import wait_until
from services.system import QUICK, System, say

pytestmark = [pytest.mark.services, pytest.mark.timeout(120)]
ROOM_MB = 48

Fill = Callable[[System], contextlib.AbstractContextManager[None]]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[tuple[Path, Fill]]:
    """A folder, and what fills the disk under it: a file system of its own where that may be mounted, else a limit on
    the size of files that the processes may write."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", f"size={ROOM_MB}m", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(mounting, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    yield folder, (lambda _system: ballast(folder)) if mounted else (lambda system: file_limit(system, folder))
    if mounted:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


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


def test_a_full_disk_is_told_and_nothing_is_lost(new_system: Make, small_disk: tuple[Path, Fill]) -> None:
    disk, fill = small_disk
    system = new_system(database_url=f"sqlite:///{disk}/leadloop.db", environment=QUICK)
    (run,) = system.start(system.run())
    leads = fill_in(system.sandbox, 260)
    sender = system.sender(again_after_s=1.0)
    sender.send(one_by_one(leads[:20]))
    system.wait_arrived(leads[:20])
    with fill(system):
        # What is left of the write-ahead log's room is used up first; then nothing can be kept.
        sender.send(one_by_one(leads[20:220]), per_second=100)
        wait_until(lambda: sender.answers["503"] >= 20, lambda: f"503: {sender.answers}")
        ready = system.get("/readyz")
        say(f"disk full: {dict(sender.answers)}; /readyz {ready.status_code} {ready.text}")
        assert set(sender.answers) == {"200", "503"}
        assert ready.status_code == 503
        assert "free space" in ready.json()["reasons"][0]
        assert system.get("/healthz").status_code == 200
        assert sender.unanswered > 0
    took_s = wait_until(lambda: sender.unanswered == 0, lambda: f"200 for all: {sender.answers}")
    sender.send(one_by_one(leads[220:]))
    arrived_s = system.wait_arrived(leads, most_s=60)
    system.wait_idle()
    extra, marked = system.check_repeats_counted(kills=1)
    say(f"room again: all kept after {took_s:.1f} s, arrived after {arrived_s:.1f} s more; {dict(sender.answers)};")
    say(f"alerts beyond one: {extra}, counted: {marked}")
    assert system.is_ready()
    system.check_nothing_lost(leads)
    assert system.rows("PRAGMA integrity_check") == [("ok",)]
    assert run.is_running
