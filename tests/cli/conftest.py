"""Commands in a folder of their own, with nothing in their environment: in this process, or as one of their own."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from leadloop.cli import cli

ROOT = Path(__file__).parents[2]
OURS = ("META_", "LEADLOOP_", "DATABASE_URL", "REDIS_URL", "PORT", "WEB_CONCURRENCY")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(OURS)]:
        monkeypatch.delenv(name)
    return tmp_path


@pytest.fixture
def command(folder: Path) -> Callable[..., Result]:
    """command("leads", "list", NAME="value"): one `leadloop …` in this process."""

    def run(*arguments: str, **environ: str) -> Result:
        return CliRunner().invoke(cli, list(arguments), env={"COLUMNS": "100"} | environ, catch_exceptions=False)

    return run


@pytest.fixture
def process(folder: Path) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """The same as a process of its own, for what depends on where its output goes."""

    def run(*arguments: str, stdout: int = subprocess.PIPE, **environ: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "leadloop", *arguments],
            env={"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(ROOT)} | environ,
            cwd=folder,
            stdout=stdout,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            timeout=120,
            check=False,
        )

    return run
