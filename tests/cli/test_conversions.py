"""`leadloop conversions check`: what Meta would refuse, told before it does."""

import json
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from leadloop.cli import cli

GOOD = {
    "event_name": "Qualified",
    "event_id": "a" * 32,
    "action_source": "system_generated",
    "user_data": {"lead_id": 12345678901234567},
    "custom_data": {"event_source": "crm", "lead_event_source": "Acme CRM", "lead_stage": "qualified"},
}


def check(tmp_path: Path, body: object, *more: str) -> tuple[int, str]:
    file = tmp_path / "events.json"
    file.write_bytes(body if isinstance(body, bytes) else json.dumps(body).encode())
    done = CliRunner().invoke(cli, ["conversions", "check", str(file), *more])
    return done.exit_code, done.output


def event(**changes: object) -> dict[str, object]:
    return GOOD | {"event_time": int(time.time()) - 60} | changes


def test_what_meta_would_take_is_fine(tmp_path: Path) -> None:
    code, output = check(tmp_path, {"data": [event()]})
    assert (code, "nothing that Meta would refuse" in output) == (0, True)


def test_each_event_is_told_with_the_mend(tmp_path: Path) -> None:
    old = event(event_time=int(time.time()) - 8 * 86_400)
    bare = event(event_name="Purchase")
    code, output = check(tmp_path, {"data": [event(), old, bare]})
    assert code == 1
    assert "data[1].event_time" in output
    assert "2804003" in output
    assert "data[2].custom_data.value" in output
    assert "data[0]" not in output
    assert "2 events would be refused, and with them all others of the request." in output


def test_programs_get_json(tmp_path: Path) -> None:
    code, output = check(tmp_path, {"data": [event(user_data={})]}, "--json")
    told = json.loads(output)
    assert (code, told["sendable"]) == (1, False)
    assert told["findings"][0].keys() == {"event", "level", "code", "field", "message", "mend", "meta_code"}
    assert told["findings"][0]["event"] == 0


@pytest.mark.parametrize("country", ["DE", "Deutschland"])
def test_a_restricted_region_is_held_back(tmp_path: Path, country: str) -> None:
    told = {"page_id": "111111111111111", "page_scoped_user_id": "222222222222222"}
    messaging = event(
        event_name="QualifiedLead", action_source="business_messaging", messaging_channel="messenger", user_data=told
    )
    assert check(tmp_path, {"data": [messaging]})[0] == 0
    code, output = check(tmp_path, {"data": [messaging]}, "--page-country", country)
    assert (code, "would be held back" in output) == (1, True)


@pytest.mark.parametrize("body", [b"", b"\xff\xfe{}", b"[" * 100_000, b'{"data": [NaN]}', b"{'data': []}"])
def test_what_is_no_json_is_told_so(tmp_path: Path, body: bytes) -> None:
    code, output = check(tmp_path, body)
    assert (code, "refused" in output) == (1, True)
    assert "Traceback" not in output


def test_nothing_personal_is_repeated(tmp_path: Path) -> None:
    person = "zoe.person@example.com"
    _code, output = check(tmp_path, {"data": [event(user_data={"em": [person]}, custom_data={"note": person})]})
    assert person not in output


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["conversions", "check", str(tmp_path / "none.json")])
    assert done.exit_code == 1
    assert "cannot be read" in done.output
    wrong = CliRunner().invoke(cli, ["conversions", "check", "-", "--page-country", "Narnia"], input="{}")
    assert wrong.exit_code == 2
