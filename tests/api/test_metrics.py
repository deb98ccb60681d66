"""GET /metrics, read the way Prometheus reads it."""

import dataclasses
import threading
from contextlib import contextmanager
from datetime import timedelta

import pytest
from conftest import NOW
from lead_rows import PAGE, add, make_lead, on_both
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import event, text
from sqlalchemy.exc import OperationalError

from api import access
from api.exposition import COUNTERS, HISTOGRAMS, sum_families
from store.conversion_models import Conversion, Dataset
from store.counters import BUCKETS_S, DatabaseCounters
from store.figures import Names, read_figures
from store.models import Connection, Lane, Metric, Notifier, Page, RawEvent, Work


def scrape(client, **headers):
    answer = client.get("/metrics", headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.content_type == "text/plain; version=0.0.4; charset=utf-8"
    samples = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in samples, f"{key} stands there twice"
            samples[key] = sample.value
    return samples


def value(samples, name, /, **labels):
    return samples[name, tuple(sorted(labels.items()))]


def test_empty_installation(client):
    samples = scrape(client)
    assert value(samples, "leadloop_notices_total", verdict="accepted") == 0
    assert value(samples, "leadloop_work_open", kind="delivery", lane_kind="crm") == 0
    assert value(samples, "leadloop_leads", state="waiting") == 0
    assert value(samples, "leadloop_form_to_webhook_seconds_count") == 0
    assert value(samples, "leadloop_last_notice_timestamp_seconds") == 0


def test_everything_asked_for_is_there(client):
    answer = client.get("/metrics")
    described = {line.split()[2] for line in answer.text.splitlines() if line.startswith("# TYPE")}
    gauges = {
        "leadloop_work_open",
        "leadloop_work_parked",
        "leadloop_queue_oldest_due_seconds",
        "leadloop_lanes_held",
        "leadloop_leads",
        "leadloop_leads_unrouted",
        "leadloop_last_notice_timestamp_seconds",
        "leadloop_page_waiting",
        "leadloop_connection_waiting",
    }
    assert gauges | set(COUNTERS) | set(HISTOGRAMS) <= described
    assert answer.text.count("# HELP") == len(described)


@on_both
def test_sums_of_several_processes_are_one(client, services, writer):
    for _process in range(3):
        counters = DatabaseCounters(writer)
        counters.add("leadloop_notices_total", verdict="accepted")
        counters.add("leadloop_graph_calls_total", edge="lead", code="graph_190_463", page="9")
        counters.observe("leadloop_webhook_to_crm_seconds", 0.4, connection="crm")
        counters.flush()
    samples = scrape(client)
    assert value(samples, "leadloop_notices_total", verdict="accepted") == 3
    assert value(samples, "leadloop_graph_calls_total", edge="lead", code="graph_190_463", page="other") == 3
    assert value(samples, "leadloop_webhook_to_crm_seconds_count", connection="crm") == 3
    assert value(samples, "leadloop_webhook_to_crm_seconds_sum", connection="crm") == pytest.approx(1.2)


@on_both
def test_pages_of_no_configuration_are_one(client, services):
    add(services, Page(page_id=PAGE, configured=True), Page(page_id="998", configured=False))
    for page_id in (PAGE, "998", "999", "other"):
        services.counters.add("leadloop_graph_calls_total", edge="lead", code="ok", page=page_id)
    services.counters.flush()
    samples = scrape(client)
    assert value(samples, "leadloop_graph_calls_total", edge="lead", code="ok", page=PAGE) == 1
    assert value(samples, "leadloop_graph_calls_total", edge="lead", code="ok", page="other") == 3


def test_histogram_is_cumulative_with_every_edge(client, services):
    took_s = [0.05, 0.1, 0.3, 0.3, 7.0, 7.5, 100_000.0, -5.0]
    for seconds in took_s:
        services.counters.observe("leadloop_webhook_to_alert_seconds", seconds, notifier="sales")
    services.counters.flush()
    samples = scrape(client)
    for edge in (*BUCKETS_S, float("inf")):
        label = "+Inf" if edge == float("inf") else str(edge)
        expected = sum(max(0.0, seconds) <= edge for seconds in took_s)
        assert value(samples, "leadloop_webhook_to_alert_seconds_bucket", le=label, notifier="sales") == expected
    assert value(samples, "leadloop_webhook_to_alert_seconds_count", notifier="sales") == len(took_s)
    assert value(samples, "leadloop_webhook_to_alert_seconds_sum", notifier="sales") == pytest.approx(100_015.25)


@on_both
def test_gauges(client, services):
    def work(lane, subject_id, kind, state="open", due_s=0):
        due_at = NOW + timedelta(seconds=due_s)
        return Work(
            kind=kind, subject_id=subject_id, lane=lane, queue=f"0:{lane}", state=state, due_at=due_at, added_at=NOW
        )

    add(
        services,
        Page(page_id=PAGE, name='Acme "Istanbul" \\ \n', configured=True),
        Connection(name="crm", adapter="webhook", settings_sealed="x", changed_at=NOW),
        Connection(name="idle", adapter="webhook", settings_sealed="x", changed_at=NOW),
        Notifier(name="sales", urls_sealed="x", changed_at=NOW),
        make_lead("1", NOW),
        make_lead("2", NOW, routed=False),
        work("crm:1", 1, "delivery", due_s=-30),
        work("crm:1", 2, "delivery", state="parked"),
        work("crm:9", 3, "delivery"),
        work("crm:8", 4, "delivery"),
        work("alert:1:aaaa", 1, "notice"),
        work("alert:1:bbbb", 2, "notice"),
        work(f"graph:{PAGE}", 1, "lead"),
        work("graph:999", 2, "lead", state="failed"),
        work("graph:999", 3, "lead"),
        work("events", 1, "event", due_s=900),
        Lane(name="alert:1:aaaa", rest_until=NOW, since=NOW, hold=True),
        Lane(name="alert:1:bbbb", rest_until=NOW, since=NOW, hold=True),
        Lane(name="graph:999", rest_until=NOW + timedelta(seconds=5), since=NOW),
        Lane(name="crm:8", rest_until=NOW - timedelta(seconds=5), since=NOW),
        RawEvent(
            source="meta", body=b"", body_sha256="a", size=0, headers={}, received_at=NOW, verdict="new", repeats=0
        ),
    )
    samples = scrape(client)
    assert value(samples, "leadloop_work_open", kind="delivery", lane_kind="crm") == 3
    assert value(samples, "leadloop_work_open", kind="event", lane_kind="events") == 1
    assert value(samples, "leadloop_work_parked", kind="delivery") == 1
    assert value(samples, "leadloop_work_failed", kind="lead") == 1
    assert value(samples, "leadloop_queue_oldest_due_seconds") == 30
    assert value(samples, "leadloop_lanes_held", lane="alert:sales") == 2
    assert value(samples, "leadloop_lanes_resting", lane="graph:other") == 1
    assert ("leadloop_lanes_resting", (("lane", "crm:other"),)) not in samples
    assert value(samples, "leadloop_leads", state="read") == 2
    assert value(samples, "leadloop_leads_unrouted") == 1
    assert value(samples, "leadloop_last_notice_timestamp_seconds") == NOW.timestamp()
    assert value(samples, "leadloop_page_waiting", page=PAGE, name='Acme "Istanbul" \\ \n') == 1
    assert value(samples, "leadloop_page_waiting", page="other", name="") == 1
    assert value(samples, "leadloop_connection_waiting", connection="crm") == 1
    assert value(samples, "leadloop_connection_waiting", connection="idle") == 0
    assert value(samples, "leadloop_connection_waiting", connection="other") == 2
    assert value(samples, "leadloop_notifier_waiting", notifier="sales") == 2


def conversion(number, dataset_id, state, **changes):
    row = {"route": "conversion_leads", "stage": "won", "event_name": "Purchase", "event_id": f"{number:032x}"}
    row |= {"connection": "crm", "event_time": NOW, "deadline_at": NOW, "created_at": NOW}
    return Conversion(dataset_id=dataset_id, state=state, **row | changes)


@on_both
def test_conversions_are_counted_by_datasets_that_are_known(client, services):
    states = ["queued", "queued", "held", "unknown", "accepted", "refused", "expired", "skipped"]
    add(
        services,
        Dataset(dataset_id="900", configured=True, created_at=NOW),
        *(conversion(number, "900", state) for number, state in enumerate(states)),
        conversion(20, "900", "unknown", is_test=True),
        conversion(21, "901", "held"),
        conversion(22, "902", "held"),
    )
    for dataset in ("900", "901"):
        services.counters.add("leadloop_conversions_settled_total", 2, dataset=dataset, state="accepted")
        services.counters.add("leadloop_graph_calls_total", edge="events", code="ok", page=dataset)
        services.counters.observe("leadloop_outcome_to_meta_seconds", 0.3, dataset=dataset)
    services.counters.add("leadloop_conversions_decided_total", 3, state="queued")
    services.counters.flush()
    samples = scrape(client)
    found = {key[1]: count for key, count in samples.items() if key[0] == "leadloop_conversions_open"}
    assert {(dict(labels)["dataset"], dict(labels)["state"]): count for labels, count in found.items()} == {
        ("900", "queued"): 2,
        ("900", "sending"): 0,
        ("900", "held"): 1,
        ("900", "unknown"): 1,
        ("other", "held"): 2,
    }
    for dataset in ("900", "other"):
        assert value(samples, "leadloop_conversions_settled_total", dataset=dataset, state="accepted") == 2
        assert value(samples, "leadloop_graph_calls_total", edge="events", code="ok", page=dataset) == 1
        assert value(samples, "leadloop_outcome_to_meta_seconds_count", dataset=dataset) == 1
    assert value(samples, "leadloop_conversions_decided_total", state="queued") == 3
    assert value(samples, "leadloop_conversions_decided_total", state="held") == 0


def test_open_conversions_are_counted_from_an_index_alone(services):
    asked = []
    event.listen(services.engine, "before_cursor_execute", lambda *given: asked.append(given[2:4]))
    with services.read() as session:
        read_figures(session, now=NOW)
    statement, values = next(one for one in asked if "FROM conversion" in one[0])
    with services.engine.connect() as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values).all()
    assert "COVERING INDEX ix_conversion_open" in str(plan)


def test_unknown_pages_and_removed_connections_add_no_series(client, services):
    add(
        services,
        *(
            Work(kind="lead", subject_id=n, lane=f"graph:{n}", queue=f"0:graph:{n}", due_at=NOW, added_at=NOW)
            for n in range(40)
        ),
    )
    add(services, *(Lane(name=f"graph:{n}", rest_until=NOW, since=NOW, hold=True) for n in range(40)))
    samples = scrape(client)
    assert len([key for key in samples if key[0] in ("leadloop_page_waiting", "leadloop_lanes_held")]) == 2


def test_metric_that_this_page_does_not_know_is_shown_as_it_is(client, services):
    services.counters.add("leadloop_conversions_total", event="Lead", code="ok")
    services.counters.observe("leadloop_crm_to_meta_seconds", 3, hop="900")
    services.counters.flush()
    samples = scrape(client)
    assert value(samples, "leadloop_conversions_total", event="Lead", code="ok") == 1
    assert value(samples, "leadloop_crm_to_meta_seconds_bucket", hop="900", le="2.5") == 0
    assert value(samples, "leadloop_crm_to_meta_seconds_bucket", hop="900", le="5.0") == 1


def test_overflow_is_counted_as_other(client, services):
    add(
        services,
        Metric(name="leadloop_graph_calls_total", labels='{"other":"true"}', value=5),
        Metric(name="leadloop_webhook_to_crm_seconds_bucket", labels='{"other":"true"}', value=2),
        Metric(name="leadloop_webhook_to_crm_seconds_sum", labels='{"other":"true"}', value=9),
    )
    samples = scrape(client)
    assert value(samples, "leadloop_graph_calls_total", edge="other", code="other", page="other") == 5
    assert value(samples, "leadloop_webhook_to_crm_seconds_count", connection="other") == 2
    assert value(samples, "leadloop_webhook_to_crm_seconds_sum", connection="other") == 9


@on_both
def test_odd_rows_break_nothing(client, services):
    add(
        services,
        Metric(name="not a name_total", labels="{}", value=1),
        Metric(name="leadloop_x_total", labels='{"not a label":"x"}', value=1),
        Metric(name="leadloop_notices_total", labels='{"verdict":"\\ud800\\u0000\\n\\"","extra":"y"}', value=2),
        Metric(name="leadloop_notices_total", labels='{"verdict":7}', value=3),
        Metric(name="leadloop_graph_calls_total", labels='{"edge":"lead","code":"ok","page":[7]}', value=1),
    )
    samples = scrape(client)
    assert value(samples, "leadloop_notices_total", verdict='\ufffd\n"') == 2
    assert value(samples, "leadloop_notices_total", verdict="7") == 3


def test_rows_that_differ_only_in_unknown_labels_are_added_up():
    rows = [("leadloop_notices_total", {"verdict": "accepted", "extra": one}, 2.0) for one in ("a", "b")]
    family = next(family for family in sum_families(rows, Names()) if family.name == "leadloop_notices")
    assert {sample.labels["verdict"]: sample.value for sample in family.samples}["accepted"] == 4.0


@pytest.mark.parametrize(
    "accept",
    [
        "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5",
        "application/openmetrics-text;version=abc;escaping=x",
        "application/openmetrics-text",
    ],
)
def test_openmetrics_for_those_who_ask(client, services, accept):
    services.counters.observe("leadloop_webhook_to_crm_seconds", 3, connection="crm")
    services.counters.flush()
    answer = client.get("/metrics", headers={"Accept": accept})
    assert answer.content_type == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    families = {family.name: family for family in parse_openmetrics(answer.text)}
    assert families["leadloop_webhook_to_crm_seconds"].type == "histogram"
    assert families["leadloop_notices"].type == "counter"


@pytest.mark.parametrize("accept", ["text/plain;version=abc", "*/*;q=x", "", "text/plain;version=1.0.0", "\u00ff;;;,"])
def test_plain_text_for_everybody_else(client, accept):
    assert scrape(client, Accept=accept)


def test_nothing_of_a_person(client, services):
    add(services, make_lead("222222222222222", NOW))
    text = client.get("/metrics").text
    assert "zoe" not in text.lower()
    assert "222222222222222" not in text


def test_through_a_proxy_a_key_is_needed(client, key):
    assert client.get("/metrics", headers={"X-Forwarded-For": "203.0.113.9"}).status_code == 403
    answer = client.get("/metrics", headers={"X-Forwarded-For": "203.0.113.9", "Authorization": f"Bearer {key}"})
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"


@contextmanager
def hanging_reads(monkeypatch, app, services):
    """An application whose reads of the database do not come back, and the threads that wait for them."""
    monkeypatch.setattr(access, "READ_WITHIN_S", 0.05)
    release, threads = threading.Event(), []

    @contextmanager
    def read():
        threads.append(threading.current_thread())
        release.wait(20)
        with services.read() as session:
            yield session

    app.extensions["leadloop"] = dataclasses.replace(services, read=read, caches={})
    try:
        yield threads
    finally:
        release.set()
        for thread in threads:
            thread.join(10)


def test_reads_that_hang_are_given_up_and_hold_one_thread(app, services, key, monkeypatch):
    with hanging_reads(monkeypatch, app, services) as threads:
        client = app.test_client()
        far = {"X-Forwarded-For": "203.0.113.9", "Authorization": f"Bearer {key}"}
        for headers in ({}, far) * 5:
            answer = client.get("/metrics", headers=headers)
            assert (answer.status_code, answer.text) == (503, "The database does not answer; see /readyz.\n")
            assert client.get("/", headers=headers).status_code == 200
        assert len(threads) == 1
    monkeypatch.setattr(access, "READ_WITHIN_S", 30)
    app.extensions["leadloop"].caches.clear()
    assert client.get("/metrics").status_code == 200


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_table_that_somebody_locks_is_waited_for_so_long_and_no_longer(client, services, engine, monkeypatch):
    monkeypatch.setattr(access, "READ_WITHIN_S", 0.2)
    with engine.begin() as other:
        other.execute(text("LOCK TABLE lead IN ACCESS EXCLUSIVE MODE"))
        assert client.get("/metrics").status_code == 503
    monkeypatch.setattr(access, "READ_WITHIN_S", 30)
    services.caches.clear()  # the read that was given up ends by itself, now that the lock is gone
    assert client.get("/metrics").status_code == 200


def test_database_away(app, services):
    def read():
        raise OperationalError("SELECT", {}, Exception("gone"))

    app.extensions["leadloop"] = dataclasses.replace(services, read=read)
    answer = app.test_client().get("/metrics")
    assert (answer.status_code, answer.text) == (503, "The database does not answer; see /readyz.\n")
