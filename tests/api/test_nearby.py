"""Who is near: the figures are for this machine and private networks, under a name that only we can have."""

import socket

import pytest
from conftest import NOW
from lead_rows import add, make_lead

from api.nearby import is_near, is_near_address, is_near_name


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "127.9.9.9", "10.1.2.3", "172.31.0.1", "192.168.1.7", "169.254.1.1", "::1", "fd00::7",
     "fe80::1%eth0", "::ffff:10.0.0.5"],
)  # fmt: skip
def test_addresses_of_this_machine_and_of_private_networks_are_near(address):
    assert is_near_address(address)


@pytest.mark.parametrize(
    "address",
    [
        "8.8.8.8",
        "172.32.0.1",
        "100.64.0.1",
        "203.0.113.9",
        "0.0.0.0",
        "2606:4700::1",
        "::ffff:8.8.8.8",
        "None",
        "x",
        "",
    ],
)
def test_others_are_not(address):
    assert not is_near_address(address)


@pytest.mark.parametrize(
    "host",
    ["localhost:8000", "127.0.0.1", "127.0.0.1:8000", "[::1]:8000", "10.0.0.5:8000", "web:8000", "leadloop", "",
     "box.local", "web.shop.svc.cluster.local:8000", "vm.internal", "app.localhost", "nas.home.arpa", "LOCALHOST."],
)  # fmt: skip
def test_names_that_no_stranger_can_point_here_are_near(host):
    assert is_near_name(host)


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8000", "evil.example.", "127.0.0.1.evil.example", "localhost.evil.example",
     "notlocal.example", "8.8.8.8", "[2606:4700::1]", "[", "evil.example#localhost", "a@127.0.0.1", "x/.local"],
)  # fmt: skip
def test_names_of_the_world_are_not(host):
    assert not is_near_name(host)


def test_the_name_of_this_machine_is_near(monkeypatch):
    import api.nearby

    monkeypatch.setattr(socket, "gethostname", lambda: "Leads.Acme.example")
    api.nearby._own_name.cache_clear()
    assert is_near_name("leads.acme.example:8000")
    api.nearby._own_name.cache_clear()


def test_a_unix_socket_is_near_and_no_caller_at_all_is_not():
    assert is_near({"REMOTE_ADDR": "", "HTTP_HOST": "localhost"})
    assert not is_near({"HTTP_HOST": "localhost"})
    assert not is_near({"REMOTE_ADDR": "", "HTTP_HOST": "localhost", "HTTP_X_FORWARDED_FOR": "203.0.113.9"})


@pytest.mark.parametrize(
    "asked",
    [
        {"environ_base": {"REMOTE_ADDR": "203.0.113.9"}},
        {"environ_base": {"REMOTE_ADDR": "2606:4700::1"}},
        {"headers": {"Host": "evil.example"}},
        {"headers": {"X-Forwarded-For": "203.0.113.9"}},
    ],
    ids=["public address", "public IPv6 address", "public name", "proxy"],
)
def test_from_far_away_a_key_is_needed(client, services, key, asked):
    add(services, make_lead("1", NOW))
    headers = asked.get("headers", {})
    assert client.get("/metrics", **(asked | {"headers": headers})).status_code == 403
    page = client.get("/", **(asked | {"headers": headers}))
    assert page.status_code == 200
    assert "leads today" not in page.text
    with_key = headers | {"Authorization": f"Bearer {key}"}
    assert client.get("/metrics", **(asked | {"headers": with_key})).status_code == 200
    assert "leads today" in client.get("/", **(asked | {"headers": with_key})).text


def test_prometheus_in_the_same_compose_file_needs_none(client):
    answer = client.get("/metrics", headers={"Host": "web:8000"}, environ_base={"REMOTE_ADDR": "172.18.0.6"})
    assert answer.status_code == 200
