"""A whole leadloop on this machine: its processes, its database, the sandbox that plays Meta, CRM and alert inbox."""

import json
import os
import random
import sys
from collections import Counter
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from servers import PostgresServer, RedisServer
from services.notices import MetaSender
from services.programs import PATIENCE_S, ROOT, Program, run_command, steady_port, wait_until
from sqlalchemy import create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from sandbox import RunningSandbox, SandboxOptions, start_in_thread
from sandbox.faults import Fault
from sandbox.forms import PAGES
from sandbox.state import Lead

KEY = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
APP_SECRET = "0123456789abcdef0123456789abcdef"
BIKES, ATELIER = (page.page_id for page in PAGES)

ALERTS_IN_HAND = 8  # at most, in each process (workers/lanes.py)

# Short, so that what a dead worker had in hand is taken up soon, and retries come quickly.
QUICK = {"LEADLOOP_LEASE_S": "4", "LEADLOOP_RETRY_FIRST_S": "0.3", "LEADLOOP_RETRY_LONGEST_S": "5"}


@dataclass
class System:
    """leadloop on one database. `environment` is what every process of it gets."""

    folder: Path
    sandbox: RunningSandbox
    environment: dict[str, str] = field(repr=False)
    port: int
    programs: list[Program] = field(default_factory=list)
    senders: list[MetaSender] = field(default_factory=list)
    others: list[RunningSandbox] = field(default_factory=list)

    # --- set-up -------------------------------------------------------------------------------------------------------

    def command(self, *arguments: str, ok: Sequence[int] = (0,)) -> str:
        """One `leadloop …` command; what it printed."""
        done = run_command(list(arguments), self.environment, self.folder)
        assert done.returncode in ok, f"leadloop {' '.join(arguments)}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def apply(self, config: str) -> str:
        path = self.folder / "leadloop.toml"
        path.write_text(config, encoding="utf-8")
        return self.command("config", "apply", str(path))

    def program(self, *arguments: str) -> Program:
        """Not started yet; ended with the system."""
        number = 1 + sum(one.name == arguments[0] for one in self.programs)
        made = Program(list(arguments), self.environment, self.folder, number)
        self.programs.append(made)
        return made

    def start(self, *commands: Sequence[str]) -> list[Program]:
        """Start programs, and wait until the web answers that it is ready, if one was started."""
        started = [self.program(*command).start() for command in commands]
        if any(program.name in ("web", "run") for program in started):
            self.wait_ready()
        return started

    def start_connected(self, server: PostgresServer | RedisServer, *commands: Sequence[str]) -> list[Program]:
        """Start programs, and wait until each of their processes is connected to `server`: until it is up."""
        started = self.start(*commands)
        wait_until(lambda: all(program.is_up(server.port) for program in started), self.tails)
        return started

    def web(self) -> list[str]:
        return ["web", "--host", "127.0.0.1", "--port", str(self.port), "--processes", "1"]

    def run(self) -> list[str]:
        return ["run", "--port", str(self.port)]

    def sender(self, **how: Any) -> MetaSender:
        made = MetaSender(self.sandbox, self.port, **how)
        self.senders.append(made)
        return made

    def other_sandbox(self, **options: Any) -> RunningSandbox:
        """One more CRM and alert inbox, whose knobs are its own."""
        made = start_in_thread(SandboxOptions(app_secret=APP_SECRET, verify_token="verify", **options))
        self.others.append(made)
        return made

    def close(self) -> None:
        for sender in self.senders:
            sender.close()
        for program in self.programs:
            program.end()
        for other in [*self.others, self.sandbox]:
            other.stop()

    # --- faults -------------------------------------------------------------------------------------------------------

    def fault(self, where: Any, kind: str, **narrowed: Any) -> None:
        state = self.sandbox.sandbox.state
        self.sandbox.sandbox.board.add(Fault(state.new_number(), where, kind, **narrowed))

    def mend(self) -> None:
        """All faults are over."""
        self.sandbox.sandbox.board.clear()

    # --- what is there ------------------------------------------------------------------------------------------------

    def get(self, path: str, *, timeout_s: float = 15.0) -> requests.Response:
        return requests.get(f"http://127.0.0.1:{self.port}{path}", timeout=timeout_s)

    def is_ready(self) -> bool:
        try:
            return self.get("/readyz", timeout_s=5).status_code == 200
        except requests.RequestException:
            return False

    def wait_ready(self) -> float:
        return wait_until(self.is_ready, lambda: f"/readyz\n{self.tails()}")

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What a query finds in leadloop's database, on a connection of its own."""
        engine = create_engine(self.environment["DATABASE_URL"])
        try:
            with engine.connect() as connection:
                return [tuple(row) for row in connection.execute(text(query))]
        finally:
            engine.dispose()

    def count(self, query: str) -> int:
        return int(self.rows(f"SELECT count(*) FROM {query}")[0][0])

    def work(self) -> dict[str, Any]:
        """`leadloop work list --parked --json`."""
        found: dict[str, Any] = json.loads(self.command("work", "list", "--parked", "--json", ok=(0, 1)))
        return found

    def in_crm(self, leads: Sequence[Lead], sandbox: RunningSandbox | None = None) -> int:
        """How many of these leads have a record in the CRM."""
        crm = (sandbox or self.sandbox).sandbox.state.crm
        return sum(one.leadgen_id in crm and crm[one.leadgen_id].data is not None for one in leads)

    def alerts(self) -> Counter[str]:
        """Alerts by leadgen_id; the template says which lead each is about."""
        state = self.sandbox.sandbox.state
        with state.locked():
            return Counter(alert.leadgen_id or "?" for alert in state.alerts)

    def alerted(self, leads: Sequence[Lead]) -> int:
        alerts = self.alerts()
        return sum(alerts[lead.leadgen_id] > 0 for lead in leads)

    def has_arrived(self, leads: Sequence[Lead]) -> bool:
        return self.in_crm(leads) == len(leads) and self.alerted(leads) == len(leads)

    def is_idle(self) -> bool:
        """No work row is left."""
        try:
            return self.count("work") == 0
        except SQLAlchemyError:
            return False

    def wait_arrived(self, leads: Sequence[Lead], *, most_s: float = PATIENCE_S) -> float:
        """Until every lead is in the CRM and has been alerted; the seconds it took."""
        return wait_until(lambda: self.has_arrived(leads), lambda: f"the leads\n{self.describe(leads)}", most_s=most_s)

    def wait_idle(self, *, most_s: float = PATIENCE_S) -> float:
        return wait_until(self.is_idle, lambda: f"an empty work table\n{self.describe([])}", most_s=most_s)

    def check_nothing_lost(self, leads: Sequence[Lead], *, verdicts: Set[str] = frozenset(["read"])) -> None:
        """Each lead is one record and was alerted; all that is kept of it says so; nothing is left to do."""
        assert self.in_crm(leads) == len(leads), self.describe(leads)
        assert set(self.sandbox.sandbox.state.crm) == {lead.leadgen_id for lead in leads}
        assert set(self.alerts()) == {lead.leadgen_id for lead in leads}, self.describe(leads)
        assert self.rows("SELECT state, count(*) FROM lead GROUP BY state") == [("read", len(leads))]
        assert self.rows("SELECT state, count(*) FROM delivery GROUP BY state") == [("delivered", len(leads))]
        assert self.rows("SELECT state, count(*) FROM notice GROUP BY state") == [("sent", len(leads))]
        assert {row[0] for row in self.rows("SELECT DISTINCT verdict FROM raw_event")} == verdicts
        assert self.rows("SELECT kind, state, code FROM work") == []

    def check_repeats_counted(self, *, kills: int) -> tuple[int, int]:
        """Whoever was rung more than once is marked so, and a kill repeats no more than what was in hand.

        Returns (alerts beyond one for each lead, notices marked).
        """
        marked = {row[0] for row in self.rows(
            "SELECT lead.leadgen_id FROM notice JOIN lead ON lead.id = notice.lead_id WHERE notice.maybe_repeated"
        )}  # fmt: skip
        repeated = {leadgen_id: count for leadgen_id, count in self.alerts().items() if count > 1}
        assert set(repeated) <= marked, f"rung twice without a word: {set(repeated) - marked}"
        assert max(repeated.values(), default=1) <= 1 + kills
        extra = sum(count - 1 for count in repeated.values())
        assert extra <= kills * 2 * ALERTS_IN_HAND
        return extra, len(marked)

    # --- for people ---------------------------------------------------------------------------------------------------

    def describe(self, leads: Sequence[Lead]) -> str:
        """Where things stand, for the message of a failure."""
        lines = [f"{self.in_crm(leads)} of {len(leads)} in the CRM, {self.alerted(leads)} alerted"]
        missing = [lead for lead in leads if not self.in_crm([lead]) or not self.alerted([lead])]
        lines.append(f"missing: {[lead.leadgen_id for lead in missing[:5]]}")
        for query in (
            "SELECT kind, state, lane, code, count(*), min(due_at), max(attempts), max(lost), count(holder) FROM work"
            " GROUP BY kind, state, lane, code",
            "SELECT name, rest_until, hold, failures, code, message FROM lane",
            "SELECT verdict, count(*) FROM raw_event GROUP BY verdict",
            "SELECT state, count(*) FROM lead GROUP BY state",
        ):
            try:
                lines += [str(row) for row in self.rows(query)]
            except SQLAlchemyError as caught:
                lines.append(f"{type(caught).__name__}: {query}")
        return "\n".join([*lines, self.tails()])

    def tails(self) -> str:
        return "\n".join(program.tail() for program in self.programs)


def build_config(
    sandbox: RunningSandbox, *, tokens: dict[str, str] | None = None, more: str = "", connections: str = '"crm"'
) -> str:
    """The sandbox's Pages, CRM and alert inbox. `tokens`: by Page, "" for none of its own."""
    options = sandbox.options
    tokens = {page.page_id: options.page_token(page.page_id) for page in PAGES} | (tokens or {})
    pages = "".join(
        f'[[pages]]\nid = "{page.page_id}"\nname = "{page.name}"\ndefault_country = "{page.country}"\n'
        + (f'access_token = "{tokens[page.page_id]}"\n' if tokens[page.page_id] else "")
        for page in PAGES
    )
    host = sandbox.url.removeprefix("http://")
    return f"""{pages}
{connection("crm", sandbox)}
[[notifiers]]
name = "sales"
urls = ["json://{host}/alerts"]
template = "New lead {{leadgen_id}}: {{full_name}}"

[[routes]]
pages = ["*"]
forms = ["*"]
connections = [{connections}]
notifiers = ["sales"]
{more}"""


def connection(name: str, sandbox: RunningSandbox) -> str:
    settings = f'url = "{sandbox.url}/crm/leads", secret = "{sandbox.options.crm_secret}", allow_private = true'
    return f'[[connections]]\nname = "{name}"\nadapter = "webhook"\nsettings = {{ {settings} }}\n'


def make_system(
    folder: Path,
    *,
    database_url: str,
    redis: RedisServer | None = None,
    options: dict[str, Any] | None = None,
    environment: dict[str, str] | None = None,
    configure: Callable[[RunningSandbox], str] = build_config,
) -> System:
    """A system with its tables and configuration, and nothing running yet but the sandbox."""
    sandbox = start_in_thread(SandboxOptions(app_secret=APP_SECRET, verify_token="verify", **(options or {})))
    made = System(
        folder,
        sandbox,
        {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "PYTHONPATH": str(ROOT),
            "DATABASE_URL": database_url,
            "META_APP_ID": sandbox.options.app_id,
            "META_APP_SECRET": APP_SECRET,
            "META_VERIFY_TOKEN": "verify",
            "META_GRAPH_URL": sandbox.url,
            "LEADLOOP_SECRET_KEY": KEY,
            "LOG_FORMAT": "json",
            "LEADLOOP_WORKER_THREADS": "32",
        }
        | ({"REDIS_URL": redis.url} if redis else {})
        | (environment or {}),
        steady_port(),
    )
    try:
        made.command("db", "upgrade")
        made.apply(configure(sandbox))
    except BaseException:
        made.close()
        raise
    return made


def say(summary: str) -> None:
    """Shown when a test fails, and with pytest -s."""
    print(summary, file=sys.stderr)


def seeded(seed: int) -> random.Random:
    return random.Random(seed)
