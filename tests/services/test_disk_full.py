"""The disk under the database is full: Meta is told 503, operators are told why, and nothing is lost once there is room."""

import tempfile
from pathlib import Path

import pytest
from servers import start_postgres
from services.conftest import Make
from services.disks import Fill, ballast, mounted
from services.notices import fill_in, one_by_one
from services.programs import wait_until
from services.system import QUICK, System, say

from sandbox.sender import build_body

pytestmark = [pytest.mark.services, pytest.mark.timeout(120)]


def test_a_full_disk_under_sqlite(new_system: Make, small_disk: tuple[Path, Fill]) -> None:
    disk, fill = small_disk
    system = new_system(database_url=f"sqlite:///{disk}/leadloop.db", environment=QUICK)
    system.start(system.run())
    survive_full_disk(system, fill)
    assert system.rows("PRAGMA integrity_check") == [("ok",)]


def test_a_full_disk_under_postgres(new_system: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    with mounted(120) as disk:
        if disk is None:
            pytest.skip("no file system may be mounted here (it takes root)")
        monkeypatch.setattr(tempfile, "tempdir", str(disk))
        server = start_postgres(["max_wal_size=32MB", "min_wal_size=32MB"])
        monkeypatch.undo()
        try:
            server.run_sql("CREATE DATABASE full_disk")
            system = new_system(database_url=server.url("full_disk"), environment=QUICK)
            system.start_connected(server, system.web(), ["worker"], ["clock"])
            survive_full_disk(system, lambda _system: ballast(disk))
            system.close()
        finally:
            server.stop()


def survive_full_disk(system: System, fill: Fill) -> None:
    leads = fill_in(system.sandbox, 260)
    sender = system.sender(again_after_s=1.0)
    sender.send(one_by_one(leads[:20]))
    system.wait_arrived(leads[:20])
    with fill(system):
        # The room there is in files that have been made is used up first; then nothing can be kept.
        sender.send([*large_notices(), *one_by_one(leads[20:220])], per_second=100)
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
    system.check_nothing_lost(leads, verdicts={"read", "kept"})
    assert all(program.is_running for program in system.programs)


def large_notices() -> list[bytes]:
    """Signed notices that leadloop keeps for later, of a hundred kilobytes each."""
    return [
        build_body({"object": "instagram", "entry": [{"id": "17841400000000000", "time": number, "x": "y" * 100_000}]})
        for number in range(10)
    ]
