"""Sums from the `metric` table and figures of the moment become Prometheus families. Pure."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.utils import floatToGoString

from leadloop import __version__
from leadloop.texts import clean_text
from store.counters import BUCKETS_S
from store.figures import OPEN_CONVERSIONS, OTHER, Figures, Names

Sum = tuple[str, Mapping[str, str], float]
_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*\Z")
_OVERFLOW = {"other": "true"}  # what store/counters.py writes once there are too many series

# name → (labels, what it counts, values of the one label that are shown as 0 from the start, so that a first one counts)
COUNTERS: dict[str, tuple[tuple[str, ...], str, tuple[str, ...]]] = {
    "leadloop_notices_total": (
        ("verdict",),
        "POSTs to /webhooks/meta, by what became of them.",
        ("accepted", "repeated", "signature_missing", "signature_malformed", "signature_wrong", "not_stored"),
    ),
    "leadloop_events_read_total": (
        ("verdict",),
        "Kept notices that were read, by verdict.",
        ("read", "kept", "partly", "unreadable"),
    ),
    "leadloop_work_settled_total": (("kind", "state"), "Attempts of work rows, by the state they ended in.", ()),
    "leadloop_graph_calls_total": (
        ("edge", "code", "page"),
        "Calls to Meta's Graph API, by edge, code of the answer and Page or dataset.",
        (),
    ),
    "leadloop_crm_pushes_total": (
        ("connection", "result"),
        "Leads pushed to CRMs, by connection and kind of result.",
        (),
    ),
    "leadloop_alerts_maybe_repeated_total": (
        ("notifier",),
        "Alerts that may have been sent twice: no answer came, or a worker stopped between sending and noting.",
        (),
    ),
    "leadloop_conversions_decided_total": (
        ("state",),
        "Events that followed from outcomes, by the state in which they began.",
        ("queued", "held", "refused", "expired", "skipped"),
    ),
    "leadloop_conversions_settled_total": (
        ("dataset", "state"),
        "Events that went to Meta, by dataset and what became of them (queued: to be sent again).",
        (),
    ),
    "leadloop_ready_probes_total": (
        (),
        "Writes made to see whether a notice could be kept, for /readyz and the start page.",
        (),
    ),
}
HISTOGRAMS: dict[str, tuple[tuple[str, ...], str]] = {
    "leadloop_form_to_webhook_seconds": ((), "From the form being sent to Meta's notice (Meta's part)."),
    "leadloop_graph_seconds": (("edge",), "How long calls to Meta's Graph API took, by edge."),
    "leadloop_crm_push_seconds": (("connection",), "How long pushing one lead to a CRM took, with its further steps."),
    "leadloop_webhook_to_crm_seconds": (("connection",), "From Meta's notice to the lead being in the CRM."),
    "leadloop_webhook_to_alert_seconds": (("notifier",), "From Meta's notice to the sales team being rung."),
    "leadloop_outcome_to_meta_seconds": (("dataset",), "From an outcome coming in to Meta having its event."),
}
KINDS = (("event", "events"), ("fetch", "graph"), ("lead", "graph"), ("delivery", "crm"), ("notice", "alert"))


@dataclass(frozen=True)
class Families:
    """What prometheus_client's generate_latest() asks for its metrics."""

    sums: Sequence[Sum]
    figures: Figures

    def collect(self) -> Iterator[Metric]:
        yield InfoMetricFamily("leadloop_build", "The version that answers.", value={"version": __version__})
        yield from sum_families(self.sums, self.figures.names)
        yield from figure_families(self.figures)


def sum_families(sums: Iterable[Sum], names: Names) -> Iterator[Metric]:
    """Counters and histograms. Known ones are always there; others that the table holds are shown as they are, but for
    Pages and datasets that are in no configuration: these are "other"."""
    by_name: dict[str, list[tuple[Mapping[str, str], float]]] = {}
    for name, labels, value in sums:
        if _NAME.match(name):
            by_name.setdefault(name, []).append((_bounded(labels, names), value))
    for name in sorted(set(COUNTERS) | {name for name in by_name if name.endswith("_total")}):
        yield _counter(name, by_name.get(name, []))
    found = {name.removesuffix("_bucket") for name in by_name if name.endswith("_bucket")}
    for name in sorted(set(HISTOGRAMS) | found):
        yield _histogram(name, by_name.get(name + "_bucket", []), by_name.get(name + "_sum", []))


def _bounded(labels: Mapping[str, str], names: Names) -> Mapping[str, str]:
    """`page` is what a call of Graph's was about: a Page, or a dataset."""
    known = {"page": names.page_or_dataset, "dataset": names.dataset}
    return {name: known[name](str(text)) if name in known else text for name, text in labels.items()}


def _counter(name: str, rows: list[tuple[Mapping[str, str], float]]) -> Metric:
    known, words, zeros = COUNTERS.get(name, ((), "Counted by leadloop.", ()))
    labels = known or _label_names(rows)
    family = CounterMetricFamily(name, words, labels=labels)
    values: dict[tuple[str, ...], float] = {(zero,): 0.0 for zero in zeros} if labels else {(): 0.0}
    for given, value in rows:
        key = _values(labels, given)
        values[key] = values.get(key, 0.0) + value
    for key, value in sorted(values.items()):
        family.add_metric(key, value)
    return family


def _histogram(
    name: str, buckets: list[tuple[Mapping[str, str], float]], sums: list[tuple[Mapping[str, str], float]]
) -> Metric:
    """The table's counts stand in the one bucket they fell into; Prometheus wants each with all that are smaller."""
    known, words = HISTOGRAMS.get(name, ((), "Measured by leadloop, in seconds."))
    labels = known or _label_names(sums)
    family = HistogramMetricFamily(name, words, labels=labels)
    counts: dict[tuple[str, ...], dict[float, float]] = {}
    for given, value in buckets:
        # An overflow row has lost its edge: it counts, as one that is longer than every edge.
        edge = float(given.get("le", "+Inf"))
        series = counts.setdefault(_values(labels, given), {})
        series[edge] = series.get(edge, 0.0) + value
    totals: dict[tuple[str, ...], float] = {}
    for given, value in sums:
        key = _values(labels, given)
        totals[key] = totals.get(key, 0.0) + value
    if not labels:
        counts.setdefault((), {})
    for key, series in sorted(counts.items()):
        family.add_metric(key, list(_cumulative(series)), totals.get(key, 0.0))
    return family


def _cumulative(series: Mapping[float, float]) -> Iterator[tuple[str, float]]:
    total = 0.0
    for edge in sorted({*BUCKETS_S, *series, float("inf")}):
        total += series.get(edge, 0.0)
        yield floatToGoString(edge), total  # type: ignore[no-untyped-call]


def figure_families(figures: Figures) -> Iterator[Metric]:
    """Gauges: how things stand now."""
    yield from _work_families(figures)
    yield _gauge(
        "leadloop_queue_oldest_due_seconds",
        "For how long the first row that a worker could take has been due (lanes that rest or are held left out).",
        {(): figures.oldest_due_s},
    )
    yield from _lane_families(figures)
    yield _gauge("leadloop_leads", "Leads, by state.", _by(figures.leads), ("state",))
    yield _gauge(
        "leadloop_leads_unrouted", "Leads that no route matched: kept, and sent nowhere.", {(): figures.unrouted}
    )
    last = figures.last_notice_at
    yield _gauge(
        "leadloop_last_notice_timestamp_seconds",
        "When the last signed notice of Meta came in (Unix time; 0: never).",
        {(): last.timestamp() if last is not None else 0.0},
    )
    yield from _waiting_families(figures)
    yield _conversion_family(figures)


def _conversion_family(figures: Figures) -> Metric:
    names = figures.names
    rows: dict[tuple[str, ...], float] = {(one, state): 0.0 for one in names.datasets for state in OPEN_CONVERSIONS}
    for (dataset_id, state), count in figures.conversions.items():
        key = (names.dataset(dataset_id), state)
        rows[key] = rows.get(key, 0.0) + count
    words = "Events that Meta may still be told of, or of which nobody knows whether it was, by dataset and state."
    return _gauge("leadloop_conversions_open", words, rows, ("dataset", "state"))


def _work_families(figures: Figures) -> Iterator[Metric]:
    open_rows: dict[tuple[str, ...], float] = dict.fromkeys(KINDS, 0.0)
    stuck: dict[str, dict[tuple[str, ...], float]] = {
        state: {(kind,): 0.0 for kind, _lane in KINDS} for state in ("parked", "failed")
    }
    for one in figures.work:
        if one.state == "open":
            key: tuple[str, ...] = (one.kind, one.lane_kind)
            open_rows[key] = open_rows.get(key, 0.0) + one.rows
        elif one.state in stuck:
            stuck[one.state][one.kind,] = stuck[one.state].get((one.kind,), 0.0) + one.rows
    yield _gauge("leadloop_work_open", "Work rows still to be done.", open_rows, ("kind", "lane_kind"))
    yield _gauge("leadloop_work_parked", "Work rows parked for a person.", stuck["parked"], ("kind",))
    yield _gauge("leadloop_work_failed", "Work rows given up, until somebody retries them.", stuck["failed"], ("kind",))


def _lane_families(figures: Figures) -> Iterator[Metric]:
    held: dict[tuple[str, ...], float] = {}
    resting: dict[tuple[str, ...], float] = {}
    for lane in figures.lanes:
        if lane.hold or lane.rest_until > figures.now:
            chosen = held if lane.hold else resting
            key = (figures.names.lane(lane.name),)
            chosen[key] = chosen.get(key, 0.0) + 1
    yield _gauge("leadloop_lanes_held", "Lanes held until a person acts.", held, ("lane",))
    yield _gauge("leadloop_lanes_resting", "Lanes that rest for a while and go on by themselves.", resting, ("lane",))


def _waiting_families(figures: Figures) -> Iterator[Metric]:
    names = figures.names

    def waiting(lane_kind: str, known: Iterable[str], name_of: Callable[[str], str]) -> dict[str, float]:
        rows = dict.fromkeys(known, 0.0)
        for lane, open_rows in figures.open_in(lane_kind).items():
            name = name_of(lane.partition(":")[2].partition(":")[0])
            rows[name] = rows.get(name, 0.0) + open_rows
        return rows

    pages: dict[tuple[str, ...], float] = {
        (page_id, names.pages.get(page_id) or ""): rows
        for page_id, rows in waiting("graph", names.pages, names.page).items()
    }
    connections = _by(waiting("crm", names.connections.values(), names.connection))
    notifiers = _by(waiting("alert", names.notifiers.values(), names.notifier))
    yield _gauge("leadloop_page_waiting", "Leads still to be read, by Page.", pages, ("page", "name"))
    yield _gauge(
        "leadloop_connection_waiting", "Deliveries still to be made, by connection.", connections, ("connection",)
    )
    yield _gauge("leadloop_notifier_waiting", "Alerts still to be sent, by notifier.", notifiers, ("notifier",))


def _gauge(
    name: str, words: str, values: Mapping[tuple[str, ...], float], labels: tuple[str, ...] = ()
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, words, labels=labels)
    for key, value in sorted(values.items()):
        family.add_metric([clean_text(one) for one in key], value)
    return family


def _by(counts: Mapping[str, float]) -> dict[tuple[str, ...], float]:
    return {(name,): count for name, count in counts.items()}


def _label_names(rows: list[tuple[Mapping[str, str], float]]) -> tuple[str, ...]:
    return tuple(sorted({name for given, _value in rows if given != _OVERFLOW for name in given if _NAME.match(name)}))


def _values(labels: tuple[str, ...], given: Mapping[str, str]) -> tuple[str, ...]:
    if given.get("other") == "true" and not set(labels) & set(given):
        return tuple(OTHER for _label in labels)
    return tuple(clean_text(str(given.get(label, ""))) for label in labels)
