"""The command line in this process, against the sandbox: settings handed in, no token in what it prints."""

import json
from dataclasses import dataclass
from typing import Any

import requests
from click.testing import CliRunner, Result

from leadloop.cli import Context, cli
from sandbox import demo_config

BIKES, ATELIER = "101000000000001", "101000000000002"


class GivenContext(Context):
    """The command line's context with the settings handed in."""

    def __init__(self, settings: Any) -> None:
        self.__dict__["settings"] = settings


@dataclass
class Bench:
    flow: Any

    def run(self, *arguments: str, **changes: Any) -> Result:
        settings = self.flow.services.settings.with_(**changes)
        done = CliRunner().invoke(
            cli, list(arguments), obj=GivenContext(settings), env={"COLUMNS": "100"}, catch_exceptions=False
        )
        secrets = [self.flow.running.options.system_token, self.flow.running.options.page_token(BIKES)]
        assert not any(secret in done.output for secret in secrets)
        return done

    def find(self, *arguments: str, **changes: Any) -> tuple[int, dict[str, list[dict[str, Any]]]]:
        """The exit code, and the findings by their code."""
        done = self.run("doctor", "--json", *arguments, **changes)
        told = json.loads(done.stdout)
        assert told["ok"] == (done.exit_code == 0)
        found: dict[str, list[dict[str, Any]]] = {}
        for finding in told["findings"]:
            assert finding["why"].endswith((".", "CODE")), finding
            found.setdefault(finding["code"], []).append(finding)
        return done.exit_code, found

    @property
    def config(self) -> str:
        return demo_config(self.flow.running.options, self.flow.running.url)

    def apply(self, *more: str, config: str | None = None) -> None:
        self.flow.apply("\n".join([self.config if config is None else config, *more]))

    def knob(self, **knobs: Any) -> None:
        answer = requests.post(f"{self.flow.running.url}/_sandbox/settings", json=knobs, timeout=10)
        assert answer.status_code < 300, answer.text


def messaging(dataset_id: str, page_id: str = BIKES) -> str:
    return (
        f'[[funnels]]\nconnection = "sandbox-crm"\nroute = "business_messaging"\ndataset_id = "{dataset_id}"\n'
        f'when = {{ page = "{page_id}" }}\nstages = [{{ stage = "qualified", event = "QualifiedLead" }}]\n'
    )
