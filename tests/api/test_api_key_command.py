"""`leadloop api-key`: made once, listed without the key, revoked by name."""

import json
import re
from contextlib import contextmanager

import pytest
from click.testing import CliRunner
from conftest import NOW

from leadloop.cli import api_key as command
from store.api_keys import create_key, find_key, mark_used


@pytest.fixture
def run(services, monkeypatch):
    """run(*arguments): the command on the test's database."""

    @contextmanager
    def use(_ctx):
        yield services

    monkeypatch.setattr(command, "_services", use)

    def run(*arguments):
        return CliRunner().invoke(command.api_key, arguments)

    return run


def test_key_is_printed_once_and_alone_on_stdout(run, services):
    result = run("create", "reporting")
    assert result.exit_code == 0
    assert re.fullmatch(r"ll_[A-Za-z0-9_-]{43}\n", result.stdout)
    assert "cannot be shown again" in result.stderr
    assert result.stdout.strip() not in result.stderr
    with services.read() as session:
        assert find_key(session, result.stdout.strip()).name == "reporting"
    assert result.stdout.strip() not in run("list").output


def test_create_for_programs(run):
    made = json.loads(run("create", "İstanbul", "--json").stdout)
    assert made["name"] == "İstanbul"
    assert made["key"].startswith("ll_")


def test_key_opens_the_api(run, client):
    plain = run("create", "reporting").stdout.strip()
    assert client.get("/api/v1/leads", headers={"Authorization": f"Bearer {plain}"}).status_code == 200
    assert run("revoke", "reporting").exit_code == 0
    assert client.get("/api/v1/leads", headers={"Authorization": f"Bearer {plain}"}).status_code == 401


@pytest.mark.parametrize("name", ["", "  ", "x" * 81])
def test_name_that_cannot_be_used(run, name):
    result = run("create", name)
    assert result.exit_code == 1
    assert "1 to 80 visible characters" in " ".join(result.stderr.replace("│", " ").split())
    assert run("revoke", name).exit_code == 1


def test_name_that_is_taken(run):
    run("create", "zapier")
    result = run("create", "zapier")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "zapier-2" in result.stderr


def test_list(run, services):
    assert "There is no key yet" in run("list").stdout
    services.writer.write(lambda session: create_key(session, "[red]one[/]", NOW))
    services.writer.write(lambda session: create_key(session, "two", NOW))
    services.writer.gather(mark_used, (2, NOW))
    run("revoke", "two")
    text = run("list").stdout
    assert "[red]one[/]" in text
    assert "never" in text
    assert "revoked" in text
    assert json.loads(run("list", "--json").stdout) == [
        {"name": "[red]one[/]", "created_at": "2026-11-22T09:00:00Z", "last_used_at": None, "revoked_at": None},
        {
            "name": "two",
            "created_at": "2026-11-22T09:00:00Z",
            "last_used_at": "2026-11-22T09:00:00Z",
            "revoked_at": "2026-11-22T09:00:00Z",
        },
    ]


def test_revoke(run):
    run("create", "zapier")
    assert "The key 'zapier' is revoked." in run("revoke", "zapier").stdout
    again = run("revoke", "zapier")
    assert (again.exit_code, again.stdout) == (1, "")
    assert "leadloop api-key list" in " ".join(again.stderr.replace("│", " ").split())
    run("create", "other")
    assert json.loads(run("revoke", "other", "--json").stdout) == {"name": "other", "revoked": True}


@pytest.mark.parametrize("arguments", [(), ("create",), ("revoke",), ("create", "a", "b"), ("nonsense",)])
def test_wrong_use(run, arguments):
    assert run(*arguments).exit_code == 2


def test_help_says_how_to_send_a_key(run):
    assert "Authorization: Bearer" in run("--help").stdout
