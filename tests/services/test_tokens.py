"""A dead access token holds its Page once, with one clear reason; a new one lets everything flow by itself."""

import json
import signal
from typing import Any

import pytest
from servers import RedisServer, start_redis
from services.conftest import Make
from services.notices import fill_in, one_by_one
from services.programs import wait_until
from services.system import ATELIER, BIKES, System, build_config, say

pytestmark = [pytest.mark.services, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def redis_server():  # type: ignore[no-untyped-def]
    server: RedisServer = start_redis()
    yield server
    server.stop()


def held_lanes(system: System) -> list[dict[str, Any]]:
    found = system.work()
    assert found["work"] == [], "no row is parked: the lane is held as a whole"
    assert all(lane["held"] for lane in found["lanes"])
    return sorted(found["lanes"], key=lambda lane: str(lane["name"]))


def lines_about_holding(system: System) -> list[dict[str, Any]]:
    return [json.loads(line) for one in system.programs for line in one.lines() if '"lane_held"' in line]


def test_a_dead_token_holds_one_page_until_a_new_one_is_applied(
    new_system: Make, postgres_url: str, redis_server: RedisServer
) -> None:
    system = new_system(database_url=postgres_url, redis=redis_server)
    system.start(system.web(), ["worker", "--processes", "2"], ["clock"])
    state = system.sandbox.sandbox.state
    state.change_token(BIKES, "expired")
    dead, alive = fill_in(system.sandbox, 30, page_id=BIKES), fill_in(system.sandbox, 30, page_id=ATELIER)
    both = [lead for pair in zip(dead, alive, strict=True) for lead in pair]
    sender = system.sender()
    sender.send(one_by_one(both), per_second=60)
    system.wait_arrived(alive)
    wait_until(lambda: system.count("work WHERE kind = 'lead'") == len(dead), lambda: system.describe(both))
    (lane,) = held_lanes(system)
    say(f"held: {lane}")
    assert (lane["name"], lane["waiting"]) == (f"graph:{BIKES}", len(dead))
    assert lane["code"].startswith("graph_190")
    assert "token" in lane["message"].lower()
    assert lane["action"]
    assert len(lines_about_holding(system)) == 1
    assert system.in_crm(dead) == 0

    new_token = state.change_token(BIKES, "replaced").value
    told = system.apply(build_config(system.sandbox, tokens={BIKES: new_token}))
    took_s = system.wait_arrived(both, most_s=30)
    say(f"all arrived {took_s:.1f} s after the new token was applied\n{told}")
    system.wait_idle()
    system.check_nothing_lost(both)
    assert system.work() == {"work": [], "lanes": []}
    assert set(system.alerts().values()) == {1}


def test_a_dead_token_of_the_environment_is_replaced_by_a_restart(
    new_system: Make, postgres_url: str, redis_server: RedisServer
) -> None:
    system = new_system(database_url=postgres_url, redis=redis_server)
    state = system.sandbox.sandbox.state
    system.environment["META_ACCESS_TOKEN"] = state.current_token(None).value
    system.apply(build_config(system.sandbox, tokens={BIKES: "", ATELIER: ""}))
    system.start(system.web(), ["worker"], ["clock"])
    first = fill_in(system.sandbox, 6)
    sender = system.sender()
    sender.send(one_by_one(first))
    system.wait_arrived(first)
    new_token = state.change_token(None, "replaced").value
    state.tokens.pop(system.environment["META_ACCESS_TOKEN"])  # Meta does not know the old one any more
    later = fill_in(system.sandbox, 20)
    sender.send(one_by_one(later))
    wait_until(lambda: len(held_lanes(system)) == 2, lambda: system.describe(later))
    for lane in held_lanes(system):
        say(f"held: {lane}")
        assert lane["code"].startswith("graph_190")
        assert lane["action"]
    assert len(lines_about_holding(system)) == 2
    assert system.in_crm(later) == 0

    system.environment["META_ACCESS_TOKEN"] = new_token
    for program in system.programs:
        program.signal(signal.SIGTERM)
    for program in system.programs:
        assert program.wait(25)[0] == 0, program.tail()
        program.start()
    took_s = system.wait_arrived(later, most_s=40)
    say(f"all arrived {took_s:.1f} s after the restart with a new META_ACCESS_TOKEN")
    system.wait_idle()
    system.check_nothing_lost([*first, *later])
    assert system.work() == {"work": [], "lanes": []}
