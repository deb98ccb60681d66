from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest

from leadloop.conversions.names import MESSAGING_NAMES
from leadloop.conversions.routes import (
    ACTION_SOURCES,
    CHANNEL_KEYS,
    CHANNELS,
    RESTRICTED_COUNTRIES,
    ROUTES,
    Route,
    age_limit_s,
    deadline_of,
    may_resend,
)

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("route", "action_source", "days", "resent"),
    [
        ("conversion_leads", "system_generated", 7, False),
        ("business_messaging", "business_messaging", 7, False),
        ("website", "website", 7, False),
        ("physical_store", "physical_store", 62, True),
        ("phone_call", "phone_call", 7, False),
        ("email", "email", 7, False),
        ("chat", "chat", 7, False),
        ("other", "other", 7, False),
    ],
)
def test_the_table(route: Route, action_source: str, days: int, resent: bool) -> None:
    rules = ROUTES[route]
    assert rules.action_source == action_source
    assert rules.age_limit_s == age_limit_s(action_source) == days * 86_400
    assert NOW + timedelta(days=days, hours=-1) < deadline_of(route, NOW) < NOW + timedelta(days=days)
    assert may_resend(route, first_sent_at=NOW, now=NOW + timedelta(hours=1)) is resent
    assert may_resend(route, first_sent_at=NOW, now=NOW - timedelta(hours=1)) is resent  # a clock that went back
    assert rules.dedup


def test_the_table_is_complete() -> None:
    assert set(ROUTES) == set(get_args(Route))
    assert {route for route, rules in ROUTES.items() if rules.names is not None} == {"business_messaging"}
    assert ROUTES["business_messaging"].names == MESSAGING_NAMES
    assert set(CHANNEL_KEYS) == set(CHANNELS) == {"whatsapp", "messenger", "instagram"}
    assert len(ACTION_SOURCES) == 9


def test_an_offline_event_is_not_sent_again_once_meta_has_forgotten_it() -> None:
    assert may_resend("physical_store", first_sent_at=NOW, now=NOW + timedelta(days=6, hours=23))
    assert not may_resend("physical_store", first_sent_at=NOW, now=NOW + timedelta(days=7))


def test_restricted_countries() -> None:
    assert len(RESTRICTED_COUNTRIES) == 32
    assert {"DE", "FR", "GB", "JP", "NO", "IS", "LI"} <= RESTRICTED_COUNTRIES
    assert not {"TR", "US", "CH", "BR"} & RESTRICTED_COUNTRIES
