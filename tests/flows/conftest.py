"""leadloop in this process against the sandbox over real HTTP: a Flask client sends what Meta would, a drain works it off."""

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests
from fakes import KEY
from flask.testing import FlaskClient
from sqlalchemy import Engine

from configuration.apply import apply
from configuration.check import check_text
from leadloop.cli.services import close_services, open_services
from leadloop.ports import Services
from leadloop.settings import Settings
from sandbox import demo_config, demo_environ
from sandbox.datasets import CRM_DATASET_ID
from sandbox.options import SandboxOptions
from sandbox.server import RunningSandbox, start_in_thread
from webhooks.signature import sign
from workers.bell import SilentBell
from workers.drain import Drainer
from workers.registry import JOBS
from wsgi import create_app


@dataclass
class Flow:
    """Everything a flow test needs: send what Meta sends, work it off, look at what arrived where."""

    services: Services
    client: FlaskClient
    running: RunningSandbox
    drainer: Drainer

    def post(self, body: bytes | dict[str, Any], *, secret: str | None = None, **headers: str) -> int:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        signature = sign(content, secret or self.services.settings.meta_app_secrets[0])
        sent = {"X-Hub-Signature-256": signature, "Content-Type": "application/json"} | headers
        return self.client.post("/webhooks/meta", data=content, headers=sent).status_code

    def make_leads(self, **wanted: Any) -> list[str]:
        """Leads at "Meta", without a webhook; their ids."""
        answer = requests.post(f"{self.running.url}/_sandbox/leads", json={"send": False} | wanted, timeout=10)
        assert answer.status_code < 300, answer.text
        found: list[str] = answer.json()["leadgen_ids"]
        return found

    def notice(self, *leadgen_ids: str, page_id: str | None = None) -> dict[str, Any]:
        entries = []
        for leadgen_id in leadgen_ids:
            lead = self.running.sandbox.state.find_lead(leadgen_id)
            page = page_id or (lead.page_id if lead else "101000000000001")
            value = {"leadgen_id": leadgen_id, "page_id": page, "created_time": 1763799990}
            if lead:
                value["form_id"] = lead.form_id
            entries.append({"id": page, "time": 1763800000, "changes": [{"field": "leadgen", "value": value}]})
        return {"object": "page", "entry": entries}

    def work(self) -> int:
        return self.drainer.drain(max_s=30)

    def fault(self, **fault: Any) -> None:
        answer = requests.post(f"{self.running.url}/_sandbox/faults", json=fault, timeout=10)
        assert answer.status_code < 300, answer.text

    def no_faults(self) -> None:
        requests.delete(f"{self.running.url}/_sandbox/faults", timeout=10)

    def crm(self) -> dict[str, Any]:
        rows = requests.get(f"{self.running.url}/crm/leads", timeout=10).json()["leads"]
        return {row["leadgen_id"]: row for row in rows}

    def alerts(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = requests.get(f"{self.running.url}/alerts", timeout=10).json()["alerts"]
        return found

    def apply(self, text: str) -> None:
        checked = check_text(text, {})
        assert checked.config is not None, checked.mistakes
        config = checked.config
        self.services.writer.write(
            lambda session: apply(session, config, self.services.vault, self.services.now(), system_token="")
        )


@pytest.fixture
def running() -> Iterator[RunningSandbox]:
    sandbox = start_in_thread(SandboxOptions())
    yield sandbox
    sandbox.stop()


@pytest.fixture
def make_flow(engine: Engine, database_url: str, running: RunningSandbox) -> Iterator[Callable[..., Flow]]:
    """make_flow(**settings): a Flow on an empty database with the sandbox's configuration applied."""
    with contextlib.ExitStack() as stack:

        def make(*, configure: bool = True, **changes: Any) -> Flow:
            environ = demo_environ(running.options, running.url)
            settings = Settings(
                database_url=database_url,
                meta_app_id=environ["META_APP_ID"],
                meta_app_secrets=(environ["META_APP_SECRET"],),
                meta_verify_token=environ["META_VERIFY_TOKEN"],
                meta_graph_url=environ["META_GRAPH_URL"],
                leadloop_secret_keys=(KEY,),
                worker_threads=8,
                retry_first_s=0.05,
            ).with_(**changes)
            services = open_services(settings, bell=SilentBell())
            stack.callback(close_services, services)
            drainer = Drainer(services, JOBS, threads=8)
            stack.callback(drainer.stop, 5.0)
            flow = Flow(services, create_app(settings, services).test_client(), running, drainer)
            if configure:
                flow.apply(demo_config(running.options, running.url) + _dataset_token(running.options.system_token))
            return flow

        yield make


def _dataset_token(token: str) -> str:
    """For the events only, so that tests choose the Pages' tokens."""
    return f'[[datasets]]\nid = "{CRM_DATASET_ID}"\naccess_token = "{token}"\n'


@pytest.fixture
def flow(make_flow: Callable[..., Flow]) -> Flow:
    return make_flow()
