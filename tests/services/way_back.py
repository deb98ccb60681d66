"""The way back on whole systems: known leads, outcomes that are told, and what of them Meta has."""

import csv
import json
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import requests
from lead_rows import make_lead
from services.conftest import Make
from services.programs import PATIENCE_S, wait_until
from services.system import BIKES, System, build_config, say
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from sandbox import RunningSandbox, start_in_thread
from sandbox.datasets import CRM_DATASET_ID
from sandbox.submissions import submit_lead

BATCH = 5
# Small batches, so that there are many moments to be hit; a short lease, so that the next worker comes soon.
MANY_BATCHES = {
    "LEADLOOP_EVENTS_BATCH": str(BATCH),
    "LEADLOOP_EVENTS_BATCH_MOST": str(BATCH),
    "LEADLOOP_LEASE_S": "2",
    "LEADLOOP_RETRY_FIRST_S": "0.3",
    "LEADLOOP_RETRY_LONGEST_S": "2",
}
STAGES = ("qualified", "demo")
IN_DOUBT = frozenset({"worker_died", "connection_broken", "timeout"})


@dataclass
class WayBack:
    """A system with leads that are known here and at Meta. `told` counts the outcomes, one event each."""

    system: System
    leads: list[str]
    told: int = 0
    _files: int = field(default=0, repr=False)

    # --- the way in ---------------------------------------------------------------------------------------------------

    def tell(self, leads: Sequence[str], *stages: str) -> None:
        """Outcomes of leads, through the command line; durable when this returns."""
        when = datetime.now(UTC).isoformat()
        path = self.system.folder / f"outcomes-{self._files}.csv"
        with path.open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["leadgen_id", "stage", "occurred_at", "connection"])
            rows.writerows([one, stage, when, "crm"] for one in leads for stage in stages)
        self._files += 1
        done = json.loads(self.system.command("outcomes", "import", str(path), "--json"))
        assert done["imported"] == len(leads) * len(stages), done
        self.told += done["imported"]

    def tell_by_api(self, key: str, leads: Sequence[str], *stages: str) -> None:
        """The same through the API."""
        now = datetime.now(UTC).isoformat()
        body = [
            {"lead": {"leadgen_id": one}, "stage": stage, "occurred_at": now, "connection": "crm"}
            for one in leads
            for stage in stages
        ]
        url = f"http://127.0.0.1:{self.system.port}/api/v1/outcomes"
        answer = requests.post(url, json=body, headers={"Authorization": f"Bearer {key}"}, timeout=20)
        assert answer.status_code == 202, answer.text
        self.told += len(body)

    # --- what is there ------------------------------------------------------------------------------------------------

    def states(self) -> Counter[str]:
        return Counter(dict(self.system.rows("SELECT state, count(*) FROM conversion GROUP BY state")))  # type: ignore[arg-type]

    def codes(self) -> Counter[str]:
        """Why events are in doubt."""
        query = "SELECT code, count(*) FROM conversion WHERE state = 'unknown' GROUP BY code"
        return Counter(dict(self.system.rows(query)))  # type: ignore[arg-type]

    def at_meta(self) -> Counter[str]:
        """Copies by event_id."""
        events = self.system.sandbox.sandbox.state.datasets.list_events(CRM_DATASET_ID)
        return Counter(str(event.event_id) for event in events)

    def sending(self) -> set[int]:
        """Events of which a request may be under way."""
        return {int(row[0]) for row in self.system.rows("SELECT id FROM conversion WHERE state = 'sending'")}

    def sender(self) -> int | None:
        """The process that has the dataset's row in hand."""
        rows = self.system.rows("SELECT holder FROM work WHERE kind = 'conversions' AND holder IS NOT NULL")
        return int(rows[0][0].split(":")[1]) if rows else None

    def tries_of_dataset(self) -> int:
        return int(self.system.rows("SELECT attempts FROM work WHERE kind = 'conversions'")[0][0])

    def is_settled(self) -> bool:
        return self.system.is_idle() and self.states().keys() <= {"accepted", "unknown"}

    def wait_settled(self, *, most_s: float = PATIENCE_S) -> float:
        return wait_until(self.is_settled, lambda: f"all settled\n{self.describe()}", most_s=most_s)

    def hold(self) -> None:
        """Until some are through and many are not."""
        some = self.told // 10
        wait_until(lambda: self.states()["accepted"] > some, self.describe)

    def check(self, *, doubts: int = 0) -> Counter[str]:
        """No outcome lost, no accepted event sent twice, and at most so many in doubt, which say so. The doubts by code."""
        there = self.at_meta()
        rows = self.system.rows("SELECT event_id, state, code FROM conversion")
        accepted = {event_id for event_id, state, _code in rows if state == "accepted"}
        assert self.system.count("outcome") == self.told
        assert self.system.count("outcome WHERE decided_at IS NULL") == 0, self.describe()
        assert len(rows) == self.told
        assert {state for _id, state, _code in rows} <= {"accepted", "unknown"}, self.describe()
        assert max(there.values()) == 1, f"sent twice: {[one for one, copies in there.items() if copies > 1][:5]}"
        assert accepted <= there.keys()
        codes = Counter(str(code) for _id, state, code in rows if state == "unknown")
        assert codes.keys() <= IN_DOUBT
        assert codes.total() <= doubts, f"{codes}, at most {doubts}"
        say(f"accepted {len(accepted)}, at Meta {len(there)}, in doubt {dict(codes)} of at most {doubts}")
        return codes

    def describe(self) -> str:
        return f"{self.states()} {self.codes()}\n{self.system.describe([])}"


def make_way_back(new_system: Make, leads: int, **how: Any) -> WayBack:
    """Nothing runs yet but the sandbox."""
    how["environment"] = MANY_BATCHES | how.get("environment", {})
    system = new_system(configure=with_funnel, **how)
    return WayBack(system, add_leads(system, leads))


def with_funnel(sandbox: RunningSandbox) -> str:
    stages = '{ stage = "qualified", event = "Qualified Lead" }, { stage = "demo", event = "Demo Scheduled" }'
    return build_config(
        sandbox,
        more=f"""
[[datasets]]
id = "{CRM_DATASET_ID}"
access_token = "{sandbox.options.system_token}"

[[funnels]]
connection = "crm"
dataset_id = "{CRM_DATASET_ID}"
stages = [{stages}]
""",
    )


def add_leads(system: System, count: int) -> list[str]:
    """Leads of an hour ago that have been read, here and at Meta."""
    state = system.sandbox.sandbox.state
    created_at = state.now() - timedelta(hours=1)
    form = next(form for form in state.forms.values() if form.page_id == BIKES)
    ids = [submit_lead(state, form, created_at=created_at).leadgen_id for _ in range(count)]
    engine = create_engine(system.environment["DATABASE_URL"])
    try:
        with Session(engine) as session, session.begin():
            session.add_all(
                make_lead(one, created_at + timedelta(seconds=3), page_id=BIKES, email=f"{one}@example.com")
                for one in ids
            )
    finally:
        engine.dispose()
    return ids


class Away:
    """Meta is away: nothing listens at its address, or something that is not Meta answers 503. back() ends it."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._port = int(system.sandbox.url.rpartition(":")[2])
        self._stand_in: ThreadingHTTPServer | None = None
        system.sandbox.stop()

    def answer_503(self) -> None:
        self._stand_in = ThreadingHTTPServer(("127.0.0.1", self._port), _Unavailable)
        threading.Thread(target=self._stand_in.serve_forever, daemon=True).start()

    def back(self) -> None:
        if self._stand_in is not None:
            self._stand_in.shutdown()
            self._stand_in.server_close()
        old = self._system.sandbox
        self._system.sandbox = start_in_thread(old.options, port=self._port, app=old.app)


class _Unavailable(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.do_GET()

    def do_GET(self) -> None:
        self.send_response(503)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        return
