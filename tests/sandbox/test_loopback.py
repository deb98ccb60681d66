import socket
from typing import Any

import pytest

from sandbox.loopback import NotLoopback, Target, is_loopback, is_loopback_host, parse_target, resolve


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
def test_loopback_addresses(address: str) -> None:
    assert is_loopback(address)


@pytest.mark.parametrize(
    "address", ["", None, "0.0.0.0", "10.0.0.1", "169.254.1.1", "::", "::ffff:8.8.8.8", "8.8.8.8", "localhost", "x"]
)
def test_all_other_addresses_are_not(address: str | None) -> None:
    assert not is_loopback(address)


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("http://127.0.0.1:8000/webhooks/meta", Target("127.0.0.1", 8000, "/webhooks/meta")),
        ("http://localhost", Target("localhost", 80, "/")),
        ("http://[::1]:81/a?b=c", Target("::1", 81, "/a?b=c")),
    ],
)
def test_a_url_on_this_machine_is_taken_apart(url: str, target: Target) -> None:
    assert parse_target(url) == target


@pytest.mark.parametrize(
    "url",
    [
        "",
        "127.0.0.1:8000",
        "https://127.0.0.1/",
        "ftp://127.0.0.1/",
        "http://",
        "http:///path",
        "http://example.com/",
        "http://10.0.0.1/",
        "http://169.254.169.254/latest",
        "http://0.0.0.0:8000/",
        "http://[::]:8000/",
        "http://[::ffff:8.8.8.8]/",
        "http://127.0.0.1.example.com/",
        "http://localhost.example.com/",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://127.0.0.1@example.com/",
        "http://user:secret@127.0.0.1/",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1:8000/a b",
        "http://127.0.0.1:8000/\r\nHost: x",
        "http://127.0.0.1:8000/\x00",
        "http://١٢٧.0.0.1/",
        "http://[::1/",
    ],
)
def test_every_other_url_is_refused_in_plain_words(url: str) -> None:
    with pytest.raises(NotLoopback, match=r"^(must|leads)"):
        parse_target(url)


def test_a_name_that_leads_outside_is_refused() -> None:
    def elsewhere(*_: object, **__: object) -> list[tuple[Any, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("203.0.113.5", 80))]

    with pytest.raises(NotLoopback, match="outside this machine"):
        resolve(Target("localhost", 80, "/"), elsewhere)


def test_host_headers() -> None:
    assert all(map(is_loopback_host, ["localhost", "localhost:8001", "127.0.0.1:1", "[::1]:8001", "[::1]"]))
    assert not any(
        map(is_loopback_host, [None, "", "evil.example", "evil.example:8001", "127.0.0.1.evil.example", "[x"])
    )
