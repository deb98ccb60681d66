"""`leadloop conversions retry`: said what becomes of each, and asked before Meta may count one twice."""

import json
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from click.testing import CliRunner, Result
from conftest import Clock
from conversion_bench import DATASET, Bench, fill_bench, make_bench
from sqlalchemy import Engine

import leadloop.cli
from leadloop.cli import cli, conversion_retry
from leadloop.conversions.answers import EventsUnanswered
from leadloop.settings import Settings

Run = Callable[..., Result]


@pytest.fixture
def bench(engine: Engine) -> Iterator[Bench]:
    made = make_bench(engine, Clock(datetime.now(UTC)))
    fill_bench(made)
    yield made
    made.services.writer.close()


@pytest.fixture
def run(bench: Bench, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setattr(leadloop.cli.sys, "argv", ["leadloop"])
    for name in [name for name in os.environ if name.startswith(("LEADLOOP_", "META_", "REDIS_URL"))]:
        monkeypatch.delenv(name)

    def retry(*arguments: str, **more: Any) -> Result:
        context = leadloop.cli.Context()
        context.__dict__["settings"] = Settings(database_url=database_url)
        return CliRunner().invoke(cli, ["conversions", "retry", *arguments], obj=context, **more)

    return retry


def make_unknown(bench: Bench) -> int:
    bench.meta.says = [EventsUnanswered("No answer.", code="timeout", maybe_stored=True)]
    bench.tell(bench.outcome("qualified"))
    return bench.rows()[-1].id


def test_what_may_be_at_meta_is_not_sent_by_a_script_that_did_not_say_so(run: Run, bench: Bench) -> None:
    number = make_unknown(bench)
    done = run(str(number))
    assert done.exit_code == 2
    assert "say --yes" in done.output
    assert "Nothing: several events of one lead are normal" in done.output  # Meta's part on this route
    assert bench.rows()[0].state == "unknown"
    assert run(str(number), "--yes").exit_code == 0
    assert bench.rows()[0].state == "queued"


@pytest.mark.parametrize(("answer", "state", "code"), [("n\n", "unknown", 1), ("y\n", "queued", 0)])
def test_somebody_who_can_be_asked_is_asked(
    run: Run, bench: Bench, monkeypatch: pytest.MonkeyPatch, answer: str, state: str, code: int
) -> None:
    number = make_unknown(bench)
    monkeypatch.setattr(conversion_retry, "can_ask", lambda: True)
    done = run(str(number), input=answer)
    assert (done.exit_code, bench.rows()[0].state) == (code, state)
    assert "1 event may have reached Meta already" in done.output


def test_what_meta_refused_goes_without_a_question(run: Run, bench: Bench) -> None:
    bench.meta.bad = {"Lead"}
    bench.tell(*(bench.outcome("qualified", one) for one in bench.leads(3)))
    done = run("--dataset", DATASET, "--state", "refused")
    assert (done.exit_code, "3 events will be sent now" in done.output) == (0, True)
    bench.meta.bad = set()
    bench.drain(minutes=1)
    assert len(bench.meta.stored) == 3
    again = run("--dataset", DATASET, "--state", "refused")
    assert (again.exit_code, "nothing was sent" in again.output) == (0, True)


def test_each_that_does_not_go_is_told_with_the_reason(run: Run, bench: Bench) -> None:
    bench.tell(bench.outcome("qualified"), bench.outcome("won", order_id="D1"))
    first, second = (row.id for row in sorted(bench.rows(), key=lambda row: row.state))
    done = run(str(first), str(second), "--json")
    told = json.loads(done.output)["conversions"]
    assert done.exit_code == 1
    assert [(one["id"], one["state"], one["sent_again"], one["code"]) for one in told] == [
        (first, "accepted", False, "already_accepted"),
        (second, "held", False, "value_unknown"),
    ]
    assert "never sent again" in run(str(first)).output


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["1", "--dataset", DATASET, "--state", "held"],
        ["--dataset", DATASET],
        ["--state", "held"],
        ["1", "--state", "held"],
    ],
)
def test_it_is_asked_for_clearly_or_not_at_all(run: Run, arguments: list[str]) -> None:
    done = run(*arguments)
    assert (done.exit_code, "Give ids" in done.output) == (2, True)


def test_nothing_is_sent_when_an_id_is_wrong(run: Run, bench: Bench) -> None:
    number = make_unknown(bench)
    done = run(str(number), "999", "--yes")
    assert (done.exit_code, "There is no conversion 999" in done.output) == (1, True)
    assert bench.rows()[0].state == "unknown"
