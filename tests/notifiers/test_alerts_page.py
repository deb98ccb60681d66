"""docs/alerts.md stays true: its addresses are accepted, its example is what is sent."""

import re
from collections.abc import Callable
from pathlib import Path

from leadloop.leads import LeadCard
from notifiers.check import check_urls
from notifiers.message import build_message

from .conftest import NOW

PAGE = (Path(__file__).parents[2] / "docs" / "alerts.md").read_text()
BLOCKS = re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)


def test_every_address_on_the_page_is_a_good_one() -> None:
    addresses = [line for block in BLOCKS for line in block.splitlines() if "://" in line]
    assert len(addresses) > 15
    assert check_urls(addresses) == []


def test_the_example_is_what_arrives(make_card: Callable[..., LeadCard]) -> None:
    message = build_message(make_card(), None, now=NOW)
    assert f"{message.title}\n\n{message.body}\n" in BLOCKS


def test_what_the_page_calls_refused_is_refused() -> None:
    for address in ("syslog://", "dbus://", "mastodon://t@example.com", "bluesky://u@p", "json://h/?verify=no"):
        assert len(check_urls([address])) == 1
