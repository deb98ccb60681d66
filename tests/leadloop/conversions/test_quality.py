"""How good what was sent is: the arithmetic of nothing, of one event, and of a million."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from leadloop.conversions.quality import (
    Bin,
    EventQuality,
    KeyShare,
    Sampled,
    StateCount,
    add_up,
    frequency,
    freshness,
    measure_events,
    measure_keys,
    measure_messaging,
    payload_keys,
    percent,
    percentile,
)

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
CRM = "conversion_leads"


def count(state: str, events: int, code: str | None = None, **changes: Any) -> StateCount:
    out = state in ("accepted", "unknown")
    return StateCount("Lead", CRM, state, code, changes.pop("out", out), events, **changes)


@pytest.mark.parametrize(
    ("part", "whole", "share"),
    [
        (0, 0, None),
        (0, 5, 0.0),
        (5, 5, 100.0),
        (1, 3, 33.3),
        (999_999, 1_000_000, 99.9),  # not all, so not 100
        (1, 1_000_000, 0.1),  # some, so not 0
        (10**12, 10**12, 100.0),
    ],
)
def test_a_share_is_never_rounded_to_all_or_to_none(part: int, whole: int, share: float | None) -> None:
    assert percent(part, whole) == share


@pytest.mark.parametrize(
    ("bins", "share", "wanted"),
    [
        ([], 0.5, None),
        ([Bin(3, 3.2, 1)], 0.5, 3.2),
        ([Bin(3, 3.2, 1)], 0.95, 3.2),
        ([Bin(5, 5, 1), Bin(1, 1, 1)], 0.5, 1),  # in any order
        ([Bin(0, 0.4, 95), Bin(9, 9.9, 5)], 0.95, 0.4),
        ([Bin(0, 0.4, 94), Bin(9, 9.9, 6)], 0.95, 9.9),
        ([Bin(0, 1, 9), Bin(8, 9, 1)], 0.9, 1),  # 0.9 of ten is nine, whatever floats make of it
        ([Bin(0, 1, 999_999), Bin(700_000, 700_001, 1)], 0.95, 1),
        ([Bin(0, 1, 10**9), Bin(2, 3, 10**9)], 0.51, 3),
    ],
)
def test_a_percentile_is_the_nearest_rank(bins: list[Bin], share: float, wanted: float | None) -> None:
    assert percentile(bins, share) == wanted


@pytest.mark.parametrize(
    ("delay_s", "name"),
    [
        (0, "real_time"),
        (599.9, "real_time"),
        (600, "hourly"),
        (7_199, "hourly"),
        (7_200, "daily"),
        (86_399, "daily"),
        (86_400, "weekly"),
        (10**9, "weekly"),
    ],
)
def test_a_delay_is_named_as_meta_names_frequencies(delay_s: float, name: str) -> None:
    assert frequency(delay_s) == name


def test_freshness_of_nothing_is_nothing_and_of_one_event_is_its_own() -> None:
    assert freshness([]) is None
    (fresh,) = [freshness([Bin(60, 61.5, 1)])]
    assert fresh is not None
    assert (fresh.p50_s, fresh.p95_s, fresh.max_s, fresh.real_time, fresh.weekly) == (61.5, 61.5, 61.5, 100.0, 0.0)


def test_no_events_are_no_rows_and_a_total_of_zeros() -> None:
    assert measure_events([], {}, []) == []
    total = add_up([], [])
    assert total == EventQuality(None, "all")
    assert (total.acceptance, total.freshness) == (None, None)


def test_each_state_is_counted_where_it_belongs() -> None:
    (found,) = measure_events(
        [
            count("accepted", 90, dated=90, ordered=9),
            count("refused", 6, "graph_100_2804003", out=True, dated=6),
            count("refused", 4, "event_too_old"),
            count("held", 3, "value_unknown"),
            count("held", 2, "restricted_region"),
            count("expired", 1, "event_too_old"),
            count("skipped", 7, "already_sent"),
            count("skipped", 8, "not_sent"),
            count("unknown", 4, "maybe_sent", dated=4),
            count("queued", 5),
            count("sending", 1, out=True, dated=1),
        ],
        {("Lead", CRM): [Bin(0, 0.5, 90)]},
        [],
    )
    assert (found.sent, found.accepted, found.refused, found.refused_here) == (101, 90, 6, 4)
    assert (found.held, found.expired, found.skipped, found.unknown, found.queued) == (5, 1, 15, 4, 6)
    assert found.already_sent == 7
    assert found.refused_by == {"graph_100_2804003": 6}
    assert found.refused_here_by == {"event_too_old": 4}
    assert list(found.held_by.items()) == [("value_unknown", 3), ("restricted_region", 2)]
    assert (found.acceptance, found.with_event_id, found.with_order_id) == (93.8, 100.0, 8.9)


def test_the_same_name_on_two_routes_is_two_rows_and_the_most_sent_comes_first() -> None:
    rows = [
        count("accepted", 1),
        StateCount("Lead", "website", "accepted", None, True, 2),
        StateCount(None, CRM, "skipped", "stage_unknown", False, 9),
    ]
    found = measure_events(rows, {}, [])
    assert [(one.event_name, one.route, one.sent) for one in found] == [
        ("Lead", "website", 2),
        ("Lead", CRM, 1),
        (None, CRM, 0),
    ]
    total = add_up(found, [Bin(0, 1, 3)])
    assert (total.sent, total.skipped, total.freshness and total.freshness.events) == (3, 9, 3)


def test_a_million_events_add_up() -> None:
    rows = [StateCount(f"Stage {n}", CRM, "accepted", None, True, 100_000, 100_000) for n in range(10)]
    found = measure_events(rows, {(f"Stage {n}", CRM): [Bin(0, 1, 100_000)] for n in range(10)}, [])
    total = add_up(found, [Bin(0, 1, 10**6)])
    assert (total.sent, total.acceptance) == (10**6, 100.0)


# --- keys --------------------------------------------------------------------------------------------------------------


def keys(route: str, *events: str) -> dict[str, KeyShare]:
    return {one.key: one for one in measure_keys(route, [frozenset(event.split()) for event in events])}


def test_no_event_has_no_keys() -> None:
    assert measure_keys(CRM, []) == ()


def test_keys_are_told_with_metas_own_priority_and_no_number_of_ours() -> None:
    found = keys(CRM, "lead_id em ph", "lead_id em external_id", "lead_id em", "lead_id em", "lead_id")
    assert (found["lead_id"].percent, found["lead_id"].advice) == (100.0, "")
    assert (found["em"].percent, found["em"].priority) == (80.0, "highest")
    assert found["em"].advice == "1 of 5 events lack the hashed e-mail address. Meta calls its priority highest."
    assert (found["ph"].percent, found["ph"].priority) == (20.0, "high")
    assert found["ph"].advice == "4 of 5 events lack the hashed phone number. Meta calls its priority high."
    assert (found["fn"].percent, found["fn"].priority) == (0.0, "medium")
    assert (found["external_id"].percent, found["external_id"].priority, found["external_id"].advice) == (
        20.0,
        None,
        "",
    )


def test_a_key_that_few_events_lack_is_not_worth_a_word() -> None:
    found = keys(CRM, *["lead_id em"] * 9, "lead_id")
    assert (found["em"].percent, found["em"].advice) == (90.0, "")


@pytest.mark.parametrize(("route", "absent"), [("business_messaging", {"lead_id", "fbc"}), ("website", {"lead_id"})])
def test_keys_that_a_route_cannot_have_are_not_asked_for_and_its_order_is_said_to_be_unpublished(
    route: str, absent: set[str]
) -> None:
    found = keys(route, "client_user_agent")
    assert not absent & set(found)
    assert "publishes no order for this route" in found["em"].advice


@pytest.mark.parametrize(
    ("payload", "wanted"),
    [
        ({"user_data": {"em": ["a"], "ph": [], "fn": "", "lead_id": 12345678901234567, "ln": None}}, {"em", "lead_id"}),
        ({"user_data": []}, set()),
        ({}, set()),
        (None, set()),
        ([], set()),
    ],
)
def test_a_key_without_a_value_is_no_key(payload: Any, wanted: set[str]) -> None:
    assert payload_keys(payload) == wanted


def test_messaging_counts_purchases_signals_and_the_age_of_the_click() -> None:
    def seen(keys: str, clicked: timedelta | None) -> Sampled:
        at = None if clicked is None else NOW - clicked
        return Sampled("Purchase", "business_messaging", frozenset(keys.split()), NOW, at)

    events = [
        EventQuality("Purchase", "business_messaging", accepted=9),
        EventQuality("QualifiedLead", "business_messaging", accepted=41),
        EventQuality("Purchase", "website", accepted=500),
    ]
    sample = [
        seen("ctwa_clid whatsapp_business_account_id", timedelta(days=7)),
        seen("ctwa_clid", timedelta(days=7, seconds=1)),
        seen("em", None),
        Sampled("Purchase", "website", frozenset({"ctwa_clid"}), NOW, NOW),
    ]
    found = measure_messaging(events, sample)
    assert (found.signals, found.purchases) == (50, 9)
    assert (found.sampled, found.with_channel_id, found.clicks, found.in_window) == (3, 2, 2, 1)
