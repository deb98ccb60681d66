"""The sandbox over real connections: broken answers, delays, and the server in threads."""

import http.client
import json
import socket
import time
import urllib.request
from collections.abc import Iterator

import pytest
from sandbox_bench import connect, post_control, read_me

from sandbox import PortTaken, RunningSandbox, SandboxOptions, create_sandbox, serve, start_in_thread
from sandbox.server import open_listener, url_of


@pytest.fixture(scope="module")
def running() -> Iterator[RunningSandbox]:
    with start_in_thread(SandboxOptions(crm_secret="")) as made:
        yield made


def check_broken_answers(url: str, options: SandboxOptions) -> None:
    post_control(url, "/faults", {"where": "graph", "kind": "refuse", "times": 1})
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
        read_me(connect(url), options)
    post_control(url, "/faults", {"where": "graph", "kind": "half_body", "times": 1})
    with pytest.raises(http.client.IncompleteRead) as caught:
        read_me(connect(url), options)
    assert caught.value.partial.startswith(b'{"')
    assert caught.value.expected
    post_control(url, "/faults", {"where": "crm", "kind": "refuse", "times": 1, "after": True})
    event = json.dumps({"type": "lead.created", "data": {"leadgen_id": "77"}})
    connection = connect(url)
    connection.request("POST", "/crm/leads", event, {"Content-Type": "application/json"})
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
        connection.getresponse()
    with urllib.request.urlopen(url + "/crm/leads/77", timeout=10) as answer:
        assert json.load(answer)["data"] == {"leadgen_id": "77"}
    assert json.loads(read_me(connect(url), options))["name"] == "Sandbox system user"


def test_answers_break_off(running: RunningSandbox) -> None:
    check_broken_answers(running.url, running.options)
    statuses = [call.status for call in running.sandbox.state.calls]
    assert statuses == [0, 0, 200]


def test_slowness_adds_up(running: RunningSandbox) -> None:
    post_control(running.url, "/settings", {"graph_delay_ms": 60})
    post_control(running.url, "/faults", {"where": "graph", "kind": "slow", "delay_ms": 90, "times": 1})
    started = time.monotonic()
    read_me(connect(running.url), running.options)
    assert time.monotonic() - started >= 0.15
    post_control(running.url, "/settings", {"graph_delay_ms": 0})
    assert running.sandbox.state.calls[-1].took_ms >= 150


def test_a_taken_port_gives_one_clear_sentence() -> None:
    with open_listener("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(
            PortTaken, match=rf"^Port {port} on 127\.0\.0\.1 is already in use; choose another with --port\.$"
        ):
            start_in_thread(port=port)
        with pytest.raises(PortTaken):
            serve(create_sandbox(), "127.0.0.1", port)


def test_an_address_of_another_machine_cannot_be_listened_on() -> None:
    with pytest.raises(PortTaken, match="cannot be used"):
        start_in_thread(host="203.0.113.1")


def test_a_stopped_sandbox_answers_no_more() -> None:
    made = start_in_thread()
    host, port = made.url.removeprefix("http://").split(":")
    made.stop()
    made.stop()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)), timeout=5)


def test_urls_that_a_browser_reaches() -> None:
    with open_listener("0.0.0.0", 0) as listener:
        assert url_of(listener) == f"http://127.0.0.1:{listener.getsockname()[1]}"
