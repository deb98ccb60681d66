"""A recorded walk: commands of the pages, run for real against the sandbox, with what they really print.

    python docs/walk.py            run it and write commands and output between the markers of the pages
    python docs/walk.py --check    run it and say where a page no longer tells the truth (exit code 1)
    python docs/walk.py --picture  also take docs/images/sandbox.png with Chromium

Everything happens in a temporary folder, on free ports of 127.0.0.1, with an empty environment. Two runs differ in ids,
times and the order of what happens side by side; --check looks past these and at nothing else.
"""

import argparse
import difflib
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "docs" / "images" / "sandbox.png"
WIDTH = 100
READY_WITHIN_S = 30.0
TRAVELS_WITHIN_S = 20.0
COMMAND_WITHIN_S = 30.0
PAGE_ID = "101000000000001"  # the sandbox's first
DEAL = {"value": "12500.00", "currency": "TRY", "order_id": "DEAL-42"}
ANOTHER_FORM = "301000000000002"  # for the picture: a lead in another language
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")


@dataclass(frozen=True)
class Step:
    """One command of a walk. LEADGEN_ID in it stands for the lead that travelled.

    `most`: so many lines of its output are shown. `code`: the exit code it is to end with. `set_up`: not run, only shown.
    `first`: what happens at Meta, or is waited for, before it.
    """

    line: str
    most: int = 40
    code: int = 0
    set_up: bool = False
    first: "Callable[[Running], None] | None" = None


@dataclass(frozen=True)
class Walk:
    """Commands shown one after the other in one page, between the markers that carry the walk's name."""

    name: str
    page: str
    steps: tuple[Step, ...]


def kill_token(here: "Running") -> None:
    """The Page's token expires, and a lead comes in."""
    call(f"{here.sandbox_url}/_sandbox/tokens", {"page_id": PAGE_ID, "action": "expire"})
    call(f"{here.sandbox_url}/_sandbox/leads", {})
    wait_until(lambda: bool(waiting(here)["lanes"]), TRAVELS_WITHIN_S, "the Page is held")


def mend_token(here: "Running") -> None:
    call(f"{here.sandbox_url}/_sandbox/tokens", {"page_id": PAGE_ID, "action": "restore"})


def win_the_deal(here: "Running") -> None:
    """The CRM says what became of the lead: qualified, then won."""
    leadgen_id = call(f"{here.sandbox_url}/_sandbox/state?limit=1")["leads"][0]["leadgen_id"]
    tell(here, leadgen_id, "qualified")
    tell(here, leadgen_id, "won", **DEAL)
    wait_for_all(here)


def wait_for_all(here: "Running") -> None:
    wait_until(lambda: not waiting(here)["work"], TRAVELS_WITHIN_S, "nothing waits")


WALKS = (
    Walk(
        "try",
        "README.md",
        (
            Step(". .venv/bin/activate", set_up=True),
            Step("leadloop leads list"),
            Step("leadloop leads show LEADGEN_ID"),
            Step("leadloop conversions list", first=win_the_deal),
            Step("leadloop work list"),
            Step("leadloop crm try sandbox-crm --dry-run", most=12),
        ),
    ),
    Walk(
        "check",
        "docs/connect-a-page.md",
        (
            Step("cp leadloop.example.toml leadloop.toml", set_up=True),
            Step("leadloop config check leadloop.toml", code=1),
        ),
    ),
    Walk("crm", "docs/map-a-crm.md", (Step("leadloop crm list"),)),
    Walk(
        "held",
        "docs/troubleshoot.md",
        (
            Step("leadloop work list --parked", code=1, first=kill_token),
            Step("leadloop work retry --all", first=mend_token),
            Step("leadloop work list", first=wait_for_all),
        ),
    ),
)


@dataclass(frozen=True)
class Running:
    """leadloop with its sandbox: where it works, and where both answer."""

    folder: Path
    port: int
    sandbox_port: int
    environment: dict[str, str]

    @property
    def sandbox_url(self) -> str:
        return f"http://127.0.0.1:{self.sandbox_port}"


@contextmanager
def running() -> Iterator[Running]:
    """`leadloop run --sandbox` from nothing; it is stopped, and its folder removed, at the end."""
    with tempfile.TemporaryDirectory(prefix="leadloop-walk-") as name:
        folder = Path(name)
        shutil.copy(ROOT / "leadloop.example.toml", folder / "leadloop.toml")
        environment = {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": name,
            "LANG": "C.UTF-8",
            "COLUMNS": str(WIDTH),
            "NO_COLOR": "1",
            "PYTHONPATH": str(ROOT),
        }
        port, sandbox_port = free_ports(2)
        here = Running(folder, port, sandbox_port, environment)
        command = ["run", "--sandbox", "--port", str(here.port), "--sandbox-port", str(here.sandbox_port)]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "leadloop", *command], cwd=folder, env=environment, stdout=log, stderr=log
            )
            try:
                wait_until(lambda: is_up(here, process, folder / "log"), READY_WITHIN_S, "leadloop answers")
                yield here
            finally:
                stop(process)


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on now."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [int(one.getsockname()[1]) for one in sockets]
    for one in sockets:
        one.close()
    return ports


def is_up(here: Running, process: "subprocess.Popen[bytes]", log: Path) -> bool:
    if process.poll() is not None:
        raise SystemExit(f"leadloop ended with {process.returncode}:\n{log.read_text()}")
    try:
        call(f"http://127.0.0.1:{here.port}/readyz")
        call(f"{here.sandbox_url}/_sandbox/state?limit=1")
    except (urllib.error.URLError, OSError):
        return False
    return True


def stop(process: "subprocess.Popen[bytes]") -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout=40)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def wait_until(is_so: Any, most_s: float, what: str) -> None:
    deadline = time.monotonic() + most_s
    while not is_so():
        if time.monotonic() > deadline:
            raise SystemExit(f"Waited {most_s:.0f} s in vain until {what}.")
        time.sleep(0.1)


def call(url: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=5) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


def submit(here: Running, **given: Any) -> str:
    """Press the sandbox's button, and wait until the lead is in the CRM and rang. Its leadgen_id."""
    before = call(f"{here.sandbox_url}/_sandbox/state?limit=1")["counts"]["reached"]
    leadgen_id = str(call(f"{here.sandbox_url}/_sandbox/leads", given)["leadgen_ids"][0])

    def has_arrived() -> bool:
        reached = call(f"{here.sandbox_url}/_sandbox/state?limit=1")["counts"]["reached"]
        return all(reached[place] > before[place] for place in ("crm", "alert"))

    wait_until(has_arrived, TRAVELS_WITHIN_S, "the lead is in the CRM and the alert has rung")
    wait_for_all(here)
    return leadgen_id


def tell(here: Running, leadgen_id: str, stage: str, **deal: str) -> None:
    """Press one of the buttons under CRM records, and wait until Meta has one event more."""
    before = call(f"{here.sandbox_url}/_sandbox/state?limit=1")["counts"]["events_received"]
    call(f"{here.sandbox_url}/_sandbox/outcomes", {"leadgen_id": leadgen_id, "stage": stage, **deal})

    def has_arrived() -> bool:
        received: int = call(f"{here.sandbox_url}/_sandbox/state?limit=1")["counts"]["events_received"]
        return received > before

    wait_until(has_arrived, TRAVELS_WITHIN_S, f"Meta has the event of {stage}")


def waiting(here: Running) -> dict[str, Any]:
    """What `leadloop work list --json` tells: rows of work and lanes. Its exit code depends on what it found."""
    found: dict[str, Any] = json.loads(start("leadloop work list --json", here).stdout)
    return found


def run(line: str, here: Running, *, code: int = 0) -> str:
    """What a command prints, on both of its outputs, as a person sees it. It must end with the exit code told."""
    done = start(line, here)
    if done.returncode != code:
        raise SystemExit(f"{line} ended with {done.returncode}:\n{done.stdout}")
    return done.stdout


def start(line: str, here: Running) -> "subprocess.CompletedProcess[str]":
    program, *arguments = shlex.split(line)
    assert program == "leadloop", line
    return subprocess.run(
        [sys.executable, "-m", "leadloop", *arguments],
        cwd=here.folder,
        env=here.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=COMMAND_WITHIN_S,
        text=True,
        check=False,
    )


def record(here: Running, leadgen_id: str, steps: tuple[Step, ...]) -> str:
    """The commands with their output, as one fenced block. Ports are those of `make run`."""
    parts = []
    for step in steps:
        if step.first is not None:
            step.first(here)
        line = step.line.replace("LEADGEN_ID", leadgen_id)
        shown = [] if step.set_up else [row.rstrip() for row in run(line, here, code=step.code).rstrip().splitlines()]
        if len(shown) > step.most:
            shown = [*shown[: step.most - 1], "…"]
        parts.append("\n".join([f"$ {line}", *shown]))
    text = "\n".join(part if step.set_up else part + "\n" for step, part in zip(steps, parts, strict=True))
    text = text.replace(str(here.sandbox_port), "8001").replace(str(here.port), "8000")
    return f"```console\n{text.rstrip()}\n```"


_CHANGING = (
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?Z?"), "TIME"),
    (re.compile(r"\b\d+ (s|min|h) ago"), "AGO"),
    (re.compile(r"\b\d+\.\d{3} s\b"), "SECONDS"),
    (re.compile(r"(\b|msg_)\d{9,}\b|\bcrm-\d+\b"), "ID"),
    (re.compile(r"\b[A-Z][\w-]{16,}"), "TRACE"),  # fbtrace_id
    (re.compile(r"[ \t]+"), " "),
)


def shape(block: str) -> list[str]:
    """What must stay the same from run to run: each command, and its lines without ids and times, in any order."""
    commands: list[list[str]] = [[]]
    for line in block.splitlines():
        for pattern, placeholder in _CHANGING:
            line = pattern.sub(placeholder, line)
        if line.startswith("$ "):
            commands.append([])
        commands[-1].append(line.strip())
    return [line for rows in commands for line in (rows[:1] + sorted(rows[1:]))]


def find_block(text: str, name: str) -> tuple[int, int]:
    """Where the block of a walk stands in its page, between its markers."""
    found = re.search(rf"<!-- walk: {re.escape(name)} -->\n(.*?)<!-- end of walk -->", text, re.DOTALL)
    if found is None:
        raise SystemExit(
            f"README.md has no markers for the walk {name!r}: <!-- walk: {name} --> … <!-- end of walk -->"
        )
    return found.span(1)


def put(text: str, name: str, block: str) -> str:
    begin, end = find_block(text, name)
    return f"{text[:begin]}\n{block}\n\n{text[end:]}"


def compare(text: str, name: str, block: str) -> list[str]:
    """The lines in which page and run differ, as a diff; none when the page tells the truth."""
    begin, end = find_block(text, name)
    told, real = shape(text[begin:end].strip()), shape(block)
    return list(difflib.unified_diff(told, real, "what the page says", "what the commands print now", lineterm="", n=1))


def take_picture(here: Running, path: Path) -> None:
    """The sandbox's page, as a person sees it after leads have travelled and one of them was won."""
    leadgen_id = submit(here)
    submit(here, form_id=ANOTHER_FORM)
    tell(here, leadgen_id, "qualified")
    tell(here, leadgen_id, "won", **DEAL)
    browser = next((found for name in CHROMIUM if (found := shutil.which(name))), None)
    if browser is None:
        raise SystemExit("Chromium is not installed: apt-get install chromium (or brew install --cask chromium).")
    path.parent.mkdir(exist_ok=True)
    command = [browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--lang=en-US"]
    command += [f"--user-data-dir={here.folder}/chromium", "--window-size=1320,1010", "--virtual-time-budget=6000"]
    command += [f"--screenshot={path}", here.sandbox_url]
    environment = {"PATH": os.environ["PATH"], "HOME": str(here.folder), "LANG": "en_US.UTF-8"}
    subprocess.run(command, env=environment, cwd=here.folder, timeout=60, check=True, capture_output=True)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="docs/walk.py", description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing; exit code 1 when a page is not true")
    parser.add_argument("--picture", action="store_true", help="also take docs/images/sandbox.png with Chromium")
    chosen = parser.parse_args(arguments)
    texts = {walk.page: (ROOT / walk.page).read_text(encoding="utf-8") for walk in WALKS}
    differences: list[str] = []
    with running() as here:
        leadgen_id = submit(here)
        for walk in WALKS:
            block = record(here, leadgen_id, walk.steps)
            differences += compare(texts[walk.page], walk.name, block)
            texts[walk.page] = put(texts[walk.page], walk.name, block)
    if chosen.picture:
        with running() as here:  # from nothing, as a person begins
            take_picture(here, PICTURE)
    if chosen.check:
        print("\n".join(differences) or "The recorded walk is true.")
        return 1 if differences else 0
    for page, text in texts.items():
        (ROOT / page).write_text(text, encoding="utf-8")
    print("The pages have the walk of just now." if differences else "The walk was true; its ids and times are new.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
