"""What the database counts of a dataset's events: only its own, only of the period, no tests, on both databases."""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from conftest import NOW
from lead_rows import PAGE, make_lead, on_sqlite
from sqlalchemy import Engine, event, insert, select
from sqlalchemy.orm import Session

from leadloop.conversions.quality import SAMPLE
from store.contacts import IdentityInput, keep_contact
from store.conversion_models import Conversion, Dataset, QualityPoint
from store.models import Connection, Funnel, Page, Route
from store.quality import count_events, has_sent, sample_events
from store.quality_leads import find_pages, measure_leads
from store.quality_points import add_point, find_point, prune_points, read_meta_quality
from store.quality_reports import PERIOD, find_known, list_known, read_report

DATASET, OTHER = "900000000000001", "900000000000002"
SINCE = NOW - PERIOD
STAGES = [
    {"stage": "new", "event": "Raw Lead"},
    {"stage": "demo", "event": "Demo"},
    {"stage": "won", "event": "Purchase", "value": "required"},
]
_number = iter(range(10**9))


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    with Session(engine) as made, made.begin():
        made.add(Page(page_id=PAGE, name="Acme"))
        made.add(Connection(name="crm", adapter="webhook", settings_sealed="-", changed_at=NOW))
        made.add(Funnel(position=0, connection="crm", dataset_id=DATASET, stages=STAGES, options={}))
        made.add(Route(position=0, pages=["*"], forms=["*"], connections=["crm"], notifiers=[]))
        made.add(Dataset(dataset_id=DATASET, name="Acme CRM", configured=True, created_at=NOW))
        made.flush()
        yield made


def conversion(state: str = "accepted", **changes: Any) -> Conversion:
    at = changes.pop("at", NOW - timedelta(hours=1))
    out = changes.pop("out", state in ("accepted", "unknown", "sending"))
    name = changes.pop("event_name", "Demo")
    row: dict[str, Any] = {
        "dataset_id": DATASET,
        "connection": "crm",
        "route": "conversion_leads",
        "stage": "demo",
        "event_name": name,
        "event_id": f"event-{next(_number)}",
        "event_time": at - timedelta(seconds=5),
        "deadline_at": at + timedelta(days=7),
        "state": state,
        "payload": {"event_name": name, "user_data": {"lead_id": 222222222222222, "em": ["a"]}},
        "created_at": at,
        "sent_at": at if out else None,
        "settled_at": at,
    }
    return Conversion(**(row | changes))


def add(session: Session, *rows: Any) -> None:
    session.add_all(rows)
    session.flush()


def lead(session: Session, leadgen_id: str, at: datetime, **changes: Any) -> int:
    made = make_lead(leadgen_id, at, **changes)
    add(session, made)
    return made.id


def test_only_events_of_the_dataset_and_the_period_count_and_no_test_events(session: Session) -> None:
    add(
        session,
        conversion(order_id="DEAL-1"),
        conversion(at=SINCE),
        conversion(at=SINCE - timedelta(seconds=1)),
        conversion(dataset_id=OTHER),
        conversion(is_test=True),
        conversion("refused", out=True, code="graph_100_2804003"),
        conversion("refused", code="event_too_old"),
        conversion("skipped", code="already_sent", event_id=None, event_name=None, payload=None),
        conversion("queued", out=True, settled_at=None),  # went out, was turned away, and waits: not sent
    )
    found = {
        (one.event_name, one.state, one.code, one.went_out): (one.events, one.dated, one.ordered)
        for one in count_events(session, DATASET, SINCE)[0]
    }
    assert found == {
        ("Demo", "accepted", None, True): (2, 2, 1),
        ("Demo", "refused", "graph_100_2804003", True): (1, 1, 0),
        ("Demo", "refused", "event_too_old", False): (1, 1, 0),
        (None, "skipped", "already_sent", False): (1, 0, 0),
        ("Demo", "queued", None, False): (1, 1, 0),
    }


def test_delays_are_binned_with_their_most_and_a_clock_that_is_ahead_is_no_delay(session: Session) -> None:
    def late(**delta: float) -> Conversion:
        at = NOW - timedelta(hours=1)
        return conversion(at=at, event_time=at - timedelta(**delta))

    add(session, late(milliseconds=1_234), late(milliseconds=1_250), late(seconds=-30), late(days=3), late(minutes=10))
    add(session, conversion("held"), conversion("accepted", event_name="Won"))
    _counts, found = count_events(session, DATASET, SINCE)
    demo = sorted((one.least, one.most, one.events) for one in found["Demo", "conversion_leads"])
    assert demo == [(0, 0, 1), (1.2, 1.25, 2), (600, 600, 1), (259_200, 259_200, 1)]
    assert [one.events for one in found["Won", "conversion_leads"]] == [1]


def test_the_sample_is_of_the_newest_events_that_went_out_and_bounded(session: Session) -> None:
    columns = str.split(
        "dataset_id connection route stage event_name event_id event_time deadline_at state payload created_at sent_at settled_at"
    )
    made = [conversion(at=NOW - timedelta(minutes=n % 60)) for n in range(SAMPLE + 50)]
    rows = [{name: getattr(one, name) for name in columns} for one in made]
    session.execute(insert(Conversion), rows)
    add(
        session,
        conversion(at=NOW, payload={"user_data": {"fbc": "x"}}),
        conversion("held", at=NOW),
        conversion(at=NOW, payload=None),
    )
    found = sample_events(session, DATASET, SINCE)
    assert len(found) == SAMPLE
    assert [one.keys for one in found[:2]] == [frozenset(), {"fbc"}]
    assert min(one.event_time for one in found) > NOW - timedelta(minutes=60)


@pytest.mark.parametrize(
    ("clicked_at", "known"),
    [
        ((NOW - timedelta(days=2)).isoformat(), True),
        (str(int((NOW - timedelta(days=2)).timestamp())), True),
        (int((NOW - timedelta(days=2)).timestamp()), True),
        ("2026-11-20T09:00:00", False),  # without an offset it is no moment
        ("yesterday", False),
        (True, False),
        ([], False),
        (10**30, False),
        (None, False),
    ],
)
def test_the_click_is_known_where_a_whatsapp_contact_has_its_time(
    session: Session, clicked_at: Any, known: bool
) -> None:
    detail = {"ctwa_clid": "click", "clicked_at": clicked_at}
    contact_id = keep_contact(session, [IdentityInput("wa_id", "905321234567", "waba", detail)], now=NOW)
    add(session, conversion(route="business_messaging", contact_id=contact_id, event_name="Purchase"))
    (found,) = sample_events(session, DATASET, SINCE)
    assert found.clicked_at == (NOW - timedelta(days=2) if known else None)


# --- leads -------------------------------------------------------------------------------------------------------------


def test_pages_are_those_whose_leads_go_to_the_dataset(session: Session) -> None:
    add(session, Page(page_id="2", position=1), Page(page_id="3", position=2, dataset_id=OTHER))
    assert find_pages(session, DATASET) == [PAGE, "2", "3"]
    session.execute(select(Route)).scalars().one().pages = [PAGE]
    session.flush()
    # A lead that no connection of a funnel gets is told to no dataset, as begin_conversions has it.
    assert find_pages(session, DATASET) == [PAGE]
    add(
        session,
        Connection(name="crm2", adapter="webhook", settings_sealed="-", changed_at=NOW),
        Funnel(position=1, connection="crm2", dataset_id=OTHER, stages=STAGES, options={}),
        Route(position=1, pages=["2", "3"], forms=["*"], connections=["crm2"], notifiers=[]),
    )
    session.info.clear()
    assert find_pages(session, DATASET) == [PAGE]
    assert find_pages(session, OTHER) == ["2", "3"]
    assert find_pages(session, "1") == []


def test_a_messaging_funnel_brings_no_pages(session: Session) -> None:
    session.execute(select(Funnel)).scalars().one().options = {"route": "business_messaging"}
    session.flush()
    assert find_pages(session, DATASET) == []


def test_coverage_stages_and_days_are_of_real_leads_of_the_period(session: Session) -> None:
    day = timedelta(days=1)
    both = lead(session, "1", NOW - 10 * day)
    raw_only = lead(session, "2", NOW - 10 * day)
    lead(session, "3", NOW - 10 * day)  # Meta never heard of it
    refused = lead(session, "4", NOW - 10 * day)
    test = lead(session, "5", NOW - 10 * day, is_test=True)
    old = lead(session, "6", NOW - 40 * day)
    month = lead(session, "7", NOW - 29 * day)
    strange = lead(session, "8", NOW - 10 * day, page_id="999")
    add(
        session,
        *(conversion(lead_id=one, event_name="Raw Lead", at=NOW - 9 * day) for one in (both, raw_only, test, strange)),
        conversion(lead_id=both, at=NOW - 2 * day),
        conversion(lead_id=both, at=NOW - 1 * day, order_id="DEAL-2"),  # the same stage of another deal
        conversion("refused", lead_id=refused, out=True),
        conversion(lead_id=refused, is_test=True),
        conversion(lead_id=refused, route="website"),
        conversion(lead_id=refused, dataset_id=OTHER),
        conversion(lead_id=old, event_name="Purchase", at=NOW - 1 * day),
        conversion(lead_id=month, event_name="Raw Lead", at=NOW - 29 * day),
    )
    found = measure_leads(session, DATASET, SINCE, now=NOW, sample=sample_events(session, DATASET, SINCE))
    assert (found.leads, found.covered, found.deep, found.month, found.pages) == (4, 2, 1, 5, 1)
    assert found.coverage == 50.0
    stages = {one.event_name: one for one in found.stages}
    assert list(stages) == ["Raw Lead", "Demo", "Purchase"]  # in the order of the funnel
    assert (stages["Raw Lead"].leads, stages["Raw Lead"].is_raw, stages["Raw Lead"].percent) == (2, True, 50.0)
    assert (stages["Demo"].leads, stages["Demo"].percent, stages["Demo"].is_raw) == (1, 25.0, False)
    assert stages["Demo"].p90_days == pytest.approx(8, abs=0.1)  # the first time, not that of the second deal
    # No lead of the period, and still the days count: a period cannot be long enough for its own leads.
    assert (stages["Purchase"].leads, stages["Purchase"].p90_days) == (0, pytest.approx(39, abs=0.1))


# --- the series --------------------------------------------------------------------------------------------------------


def test_a_point_is_kept_when_something_changed_and_once_a_day(session: Session) -> None:
    def keep(hours: float, **given: Any) -> bool:
        return add_point(session, DATASET, now=NOW + timedelta(hours=hours), **given)

    no = ("graph_190", "The token is dead.", "Enter a new one.")
    assert keep(0, answer={"web": [1]})
    assert not keep(6, answer={"web": [1]})
    assert keep(12, answer={"web": [2]})
    assert keep(13, answer={})
    assert not keep(19, answer={})
    assert keep(20, reason=no)
    assert not keep(26, reason=no)
    assert keep(44, reason=no)  # a day later
    assert keep(45, answer={})
    assert keep(0, answer={})  # the clock was set back
    newest = find_point(session, DATASET, until=NOW + timedelta(hours=44))
    assert newest is not None
    assert (newest.answer, newest.code, newest.message, newest.action) == (None, *no)
    assert find_point(session, OTHER) is None


def test_nothing_to_see_is_an_answer(session: Session) -> None:
    add_point(session, DATASET, now=NOW, answer={})
    found = read_meta_quality(session, DATASET)
    assert (found.polled_at, found.answered_at, found.failed, found.scores) == (NOW, NOW, None, ())


def test_scores_are_compared_with_the_point_that_held_a_week_before(session: Session) -> None:
    def web(score: float) -> dict[str, Any]:
        return {"web": [{"event_name": "Lead", "event_match_quality": {"composite_score": score}}]}

    for days, score in ((30, 3.0), (8, 5.0), (6, 6.0), (0, 6.4)):
        add_point(session, DATASET, now=NOW - timedelta(days=days), answer=web(score))
    found = read_meta_quality(session, DATASET)
    assert (found.scores[0].score, found.scores[0].before, found.before_at) == (6.4, 5.0, NOW - timedelta(days=8))
    prune_points(session, now=NOW + timedelta(days=393))
    assert read_meta_quality(session, DATASET).before_at is None


def test_a_point_of_long_ago_is_no_week_before(session: Session) -> None:
    add_point(session, DATASET, now=NOW - timedelta(days=30), answer={"web": []})
    add_point(session, DATASET, now=NOW, answer={})
    assert read_meta_quality(session, DATASET).before_at is None


def test_points_are_kept_for_400_days(session: Session) -> None:
    for days in (0, 400, 401):
        add_point(session, DATASET, now=NOW - timedelta(days=days), answer={"days": days})
    assert prune_points(session, now=NOW) == 1
    kept = session.scalars(select(QualityPoint).order_by(QualityPoint.at)).all()
    assert [row.answer for row in kept] == [{"days": 400}, {"days": 0}]


# --- all of it ---------------------------------------------------------------------------------------------------------


def test_a_dataset_without_an_event_has_a_report_without_a_score(session: Session) -> None:
    known = find_known(session, DATASET)
    assert known is not None
    told = read_report(session, known, since=SINCE, now=NOW).to_json()
    assert (told["total"]["sent"], told["events"], told["meta"]["polled_at"]) == (0, [], None)
    assert {one["state"] for one in told["verdicts"]} <= {"unknown", "short"}
    assert any("publishes no quality score for Conversion Leads" in note for note in told["notes"])
    assert told["business_messaging"] is None


def test_datasets_of_funnels_are_known_before_anything_is_sent(session: Session) -> None:
    add(session, Funnel(position=1, connection="*", dataset_id=OTHER, stages=STAGES, options={"route": "website"}))
    session.info.clear()
    assert [(one.dataset_id, one.configured, one.routes) for one in list_known(session)] == [
        (DATASET, True, ("conversion_leads",)),
        (OTHER, False, ("website",)),
    ]
    known = find_known(session, OTHER)
    assert known is not None
    told = read_report(session, known, since=SINCE, now=NOW).to_json()
    assert told["conversion_leads"] is None
    assert any("Pixel" in note for note in told["notes"])


def test_a_report_names_nobody(session: Session) -> None:
    one = lead(session, "222222222222222", NOW)
    add(session, conversion(lead_id=one, payload={"user_data": {"em": ["488ca96571b758"], "ph": ["7e3308"]}}))
    known = find_known(session, DATASET)
    assert known is not None
    told = str(read_report(session, known, since=SINCE, now=NOW).to_json())
    assert "488ca96571b758" not in told
    assert "222222222222222" not in told


def test_the_number_of_queries_does_not_grow_with_the_events(session: Session, engine: Engine) -> None:
    known = find_known(session, DATASET)
    assert known is not None

    def queries() -> int:
        counted: list[str] = []

        def note(_c: Any, _cursor: Any, statement: str, *_more: Any) -> None:
            counted.append(statement)

        event.listen(engine, "before_cursor_execute", note)
        read_report(session, known, since=SINCE, now=NOW)
        event.remove(engine, "before_cursor_execute", note)
        return len(counted)

    read_report(session, known, since=SINCE, now=NOW)
    few = queries()
    for number in range(40):
        one = lead(session, f"{number}", NOW - timedelta(days=1))
        add(session, conversion(lead_id=one, event_name=f"Stage {number % 7}"))
    assert queries() == few <= 14


def test_whether_a_dataset_had_events_is_about_what_went_out(session: Session) -> None:
    assert not has_sent(session, DATASET, SINCE)
    add(
        session,
        conversion("held"),
        conversion("skipped"),
        conversion(at=SINCE - timedelta(days=1)),
        conversion(dataset_id=OTHER),
    )
    assert not has_sent(session, DATASET, SINCE)
    add(session, conversion("refused", out=True))
    assert has_sent(session, DATASET, SINCE)


@on_sqlite
def test_no_query_goes_through_all_events_or_leads(session: Session, engine: Engine) -> None:
    asked: list[tuple[str, Any]] = []

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, *_more: Any) -> None:
        asked.append((statement, parameters))

    known = find_known(session, DATASET)
    assert known is not None
    event.listen(engine, "before_cursor_execute", note)
    read_report(session, known, since=SINCE, now=NOW)
    has_sent(session, DATASET, SINCE)
    event.remove(engine, "before_cursor_execute", note)
    looked = [one for one in asked if "FROM conversion" in one[0] or "FROM lead" in one[0]]
    assert len(looked) >= 6
    for statement, parameters in looked:
        plan = str(session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all())
        assert not re.search(r"SCAN (conversion|lead)\b", plan), statement
