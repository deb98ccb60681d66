"""The report on the quality of a dataset: nothing cut off but names, in a terminal of 80 columns."""

import io
import re
from datetime import timedelta

from conftest import NOW
from rich.console import Console

from leadloop.cli.quality_tables import print_report
from leadloop.conversions.quality import EventQuality, Freshness, KeyShare, LeadQuality, Stage
from leadloop.conversions.quality_meta import MetaKey, MetaQuality, MetaScore, Point
from leadloop.conversions.quality_report import Report
from leadloop.conversions.quality_rules import Measured

LONG = "A very long name of a stage that somebody typed \x1b[31m[red]in"
EVENT = EventQuality(
    LONG,
    "conversion_leads",
    sent=123_456,
    accepted=123_400,
    refused=50,
    refused_here=3,
    held=2,
    expired=1,
    skipped=7,
    unknown=6,
    queued=4,
    already_sent=5,
    refused_by={"graph_100_2804003": 50},
    refused_here_by={"event_too_old": 3},
    held_by={"value_unknown": 2},
    with_event_id=100.0,
    freshness=Freshness(123_400, 0.4, 700.0, 5_000_000.0, 90.0, 9.0, 0.9, 0.1),
    sampled=2_000,
    keys=(KeyShare("em", 50.0, "highest", "1000 of 2000 events lack em."), KeyShare("fn", 0.0, "medium", "none")),
)


def show(measured: Measured, *, name: str | None = "Acme", width: int = 80) -> str:
    output = io.StringIO()
    report = Report("900000000000001", name, NOW - timedelta(days=28), NOW, measured)
    print_report(report, Console(file=output, width=width, soft_wrap=True))
    return output.getvalue()


def line_with(text: str, shown: str) -> str:
    return next(line for line in shown.splitlines() if text in line)


def test_every_number_is_whole_at_80_columns() -> None:
    shown = show(Measured(("conversion_leads",), EVENT, [EVENT]))
    row = line_with("123,456", shown)
    told = row.partition("123,456")[2]
    assert re.split(r" {2,}", told.strip()) == ["123,400", "50", "17", "0.4 s", "12 min", "57.9 d"]
    assert len(row) <= 80
    told = line_with("refused before they went out (", shown)
    for part in (
        "50 refused by Meta (graph_100_2804003 50)",
        "3 refused before they went out (event_too_old 3)",
        "6 sent without an answer",
        "2 held (value_unknown 2)",
        "1 expired",
        "4 queued",
        "7 skipped (5 that Meta has already)",
    ):
        assert part in told


def test_what_somebody_typed_moves_nothing_and_styles_nothing() -> None:
    shown = show(Measured(("conversion_leads",), EVENT, [EVENT]), name="[bold]\x1b[2J")
    assert "\x1b" not in shown
    assert "[bold]" in shown
    assert "[red]in" in shown


def test_keys_are_told_with_what_is_worth_adding() -> None:
    shown = show(Measured(("conversion_leads",), EVENT, [EVENT]))
    assert "em 50; event_id 100" in shown
    assert "1000 of 2000 events lack em." in shown
    assert "of medium priority: fn." in shown


def test_stages_and_scores_have_their_tables() -> None:
    leads = LeadQuality(
        100, 90, 30, 260, 1, (Stage("Raw Lead", 90, 90.0, 0.0, is_raw=True), Stage(LONG, 30, 30.0, 12.3))
    )
    score = MetaScore(
        "web", "Lead", 6.4, 5.9, 61.0, 75.0, 58.0, "real_time", 12.3, keys=(MetaKey("phone", 20.0, 3.1, ""),)
    )
    refused = Point(NOW, None, "graph_190", "The token is dead.", "Enter a new one.")
    meta = MetaQuality(NOW, refused, NOW - timedelta(days=1), NOW - timedelta(days=8), (score,))
    shown = show(Measured(("website",), EVENT, [EVENT], leads, None, meta))
    assert re.search(r"A very long name.* +30 +30 % +12.3", shown)
    assert re.search(r"Lead +web +6.4 +5.9 +61 +58 +real_time +12.3", shown)
    assert "refused: The token is dead. Enter a new one." in shown
    assert "Meta says that more phone (now in 20 %) may bring 3.1 %" in shown
    assert "was: a week before (2026-11-14 09:00)" in shown


def test_nothing_sent_is_a_report_of_words() -> None:
    shown = show(Measured(("chat",), EventQuality(None, "all")), name=None)
    assert "Nothing to judge by yet." in shown
    assert "Meta publishes no quality score for events of chats." in shown
    assert "None" not in shown
