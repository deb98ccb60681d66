"""The shell lines of docs/connect-a-page.md, run in their order against the sandbox instead of Meta."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from servers import free_port

from sandbox import SandboxOptions, start_in_thread

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "connect-a-page.md"
PAGE_ID = "101000000000001"  # of the sandbox
SYSTEM_USER_ID = "100000000000555"
BETWEEN = "=====next====="
PUBLIC_NAME = "https://leads.example.com"


@dataclass(frozen=True)
class Both:
    """leadloop and a sandbox that plays its Meta."""

    leadloop_url: str
    graph_url: str
    options: SandboxOptions


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    folder, port = tmp_path_factory.mktemp("connect"), free_port()
    leadloop_url = f"http://127.0.0.1:{port}"
    options = SandboxOptions(webhook_url=f"{leadloop_url}/webhooks/meta", proof="check")
    sandbox = start_in_thread(options)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "META_GRAPH_URL": sandbox.url,
    } | options.to_environ()
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "leadloop", "run", "--port", str(port)],
            cwd=folder,
            env=environment | {"PYTHONPATH": str(ROOT)},
            stdout=log,
            stderr=log,
        )
        try:
            wait_until_ready(leadloop_url, process)
            yield Both(leadloop_url, f"{sandbox.url}/v26.0", options)
        finally:
            process.terminate()
            process.wait(timeout=40)
            sandbox.stop()


def wait_until_ready(url: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 30
    while True:
        assert process.poll() is None, "leadloop ended"
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=2):
                return
        except (urllib.error.URLError, OSError):
            assert time.monotonic() < deadline, "leadloop did not become ready"
            time.sleep(0.1)


def curl_blocks() -> list[str]:
    """The blocks that call Graph or leadloop, in the order of the page."""
    text = PAGE.read_text(encoding="utf-8")
    found = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [block for block in found if "curl " in block]


@pytest.mark.services
def test_every_line_does_what_the_page_says(both: Both) -> None:
    assert shutil.which("curl"), "curl is not installed: install it with apt-get install curl (or brew install curl)"
    script = f"\necho '{BETWEEN}'\n".join(curl_blocks()).replace(PUBLIC_NAME, both.leadloop_url)
    environment = both.options.to_environ() | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "GRAPH": both.graph_url,
        "PAGE_ID": PAGE_ID,
        "USER_ID": SYSTEM_USER_ID,
    }
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    app, token, access, public, subscribe, subscribed, page, page_subscribed = done.stdout.split(BETWEEN)
    assert "data" in json.loads(app)
    data = json.loads(token)["data"]
    assert data["is_valid"] is True
    assert data["expires_at"] == 0
    assert json.loads(access)["has_lead_access"]["can_access_lead"] is True
    assert public.split() == ["12345403"]
    assert json.loads(subscribe)["success"] is True
    rows = {row["object"]: row for row in json.loads(subscribed)["data"]}
    assert rows["page"]["active"] is True
    assert {field["name"] for field in rows["page"]["fields"]} == {"leadgen", "leadgen_update"}
    assert json.loads(page)["success"] is True
    assert "leadgen" in json.loads(page_subscribed)["data"][0]["subscribed_fields"]


def test_the_permissions_named_are_those_of_the_error_page() -> None:
    errors = (ROOT / "docs" / "graph-errors.md").read_text(encoding="utf-8")
    told = re.search(r"with your app and the permissions (.+?)\. Put it", errors)
    assert told is not None
    section = PAGE.read_text(encoding="utf-8").partition("## 2.")[2].partition("## 3.")[0]
    for permission in re.findall(r"\w+_\w+", told.group(1)):
        assert f"`{permission}`" in section
