"""Whether the funnels of a file can work, by themselves and beside each other, and what is probably not meant in them."""

from collections.abc import Mapping
from dataclasses import replace
from difflib import get_close_matches
from typing import Any

from configuration.configured import canonical
from configuration.crosscheck import Found, rows_of
from configuration.locate import Path
from configuration.mistakes import Fault, show
from configuration.rows import Row, is_within
from leadloop.conversions import findings
from leadloop.conversions.funnel import Funnel, StageRule, When, parse_funnel, parse_stage
from leadloop.conversions.funnel_check import Place, check_funnel, doubt_funnel
from leadloop.conversions.routes import RESTRICTED_COUNTRIES

FACTS = ("pipeline", "page", "form", "owner")  # what conditions may look at besides the fields of an outcome
_OF_RAW_LEADS = frozenset({"page", "form", "ad", "source", "stage", "channel"})  # what is known when a lead comes
_ANY = "*"
_NEAR = 0.85
_MOST_COMPARED = 100  # funnels of one dataset: a doubt is not worth quadratic time
_ANY_CASE = 'add when = { pipeline = "…" } to each, or put the stages into one'


def find_funnel_mistakes(rows: list[Row]) -> Found:
    """What would be refused at Meta or here, and funnels that say the same twice."""
    seen: dict[tuple[str, str, str, str], Row] = {}
    for row in rows_of(rows, "funnels"):
        yield from _alone(row)
        if not {"connection", "dataset_id"} <= row.good.keys():
            continue
        funnel = _read(row)
        key = (row.good["connection"], funnel.dataset_id, funnel.route, canonical(_sorted(funnel.when)))
        first = seen.setdefault(key, row)
        if first is not row:
            message = f"there is a funnel for this connection, dataset and route already (number {first.index + 1})"
            yield row, (), Fault(message, "put the stages into one funnel, or give each its own conditions (when)")


def _alone(row: Row) -> Found:
    faulty = [path for path, _ in row.faults]
    stages = {path[1] for path in faulty if len(path) > 1 and path[0] == "stages"}
    for place, fault in check_funnel(_read(row)):
        index, key = place
        follows = index in stages and key not in ("stage", "event")  # of a key beside it, which could not be read
        if not is_within(_path(place), faulty) and not follows and not (faulty and place == (None, "stages")):
            yield row, _path(place), _fault(fault)


def find_funnel_doubts(rows: list[Row]) -> Found:
    """Of funnels without mistakes."""
    funnels = [(row, _read(row)) for row in rows_of(rows, "funnels")]
    pages = {row.good["id"]: row for row in rows_of(rows, "pages")}
    for row, funnel in funnels:
        for place, fault in doubt_funnel(funnel):
            yield row, _path(place), _fault(fault)
        yield from _keys_of_other_routes(row, funnel)
        yield from _odd_conditions(row, pages)
        yield from _raw_leads_kept_back(row, funnel)
        yield from _restricted(row, funnel, pages)
    yield from _overlaps(funnels)


def _read(row: Row) -> Funnel:
    """The funnel as far as it is right. Amounts are not fitted to their currency yet, which check_funnel does."""
    good = dict(row.good)
    stages = tuple(_read_stage(index, stage) for index, stage in enumerate(good.pop("stages", None) or []))
    return replace(parse_funnel(good.pop("dataset_id", "0"), [], good), stages=stages)


def _read_stage(index: int, stage: Mapping[str, Any]) -> StageRule:
    """A stage whose name could not be read is like no other."""
    named = {"stage": f"\0{index}"} | {key: value for key, value in stage.items() if key != "currency"}
    return replace(parse_stage(named), currency=stage.get("currency"))


def _path(place: Place) -> Path:
    index, key = place
    return (key,) if index is None else ("stages", index, key)


def _fault(found: findings.Fault) -> Fault:
    return Fault(found.message, found.mend)


def _sorted(when: When) -> dict[str, list[str]]:
    return {name: sorted(values) for name, values in sorted(when.items())}


def _keys_of_other_routes(row: Row, funnel: Funnel) -> Found:
    if funnel.route == "conversion_leads":
        return
    if funnel.raw_event is not None:
        message = f"is for the moment an instant form arrives, and such leads do not go by the route {funnel.route}"
        yield row, ("raw_event",), Fault(message, 'take it out, or write route = "conversion_leads"')
    if funnel.lead_event_source is not None:
        message = f"is told on the route conversion_leads only, and this funnel's is {funnel.route}"
        yield row, ("lead_event_source",), Fault(message, "take it out")


def _odd_conditions(row: Row, pages: Mapping[str, Row]) -> Found:
    tables: list[tuple[Path, Any]] = [(("when",), row.good.get("when"))]
    tables += [(("stages", index, "when"), stage.get("when")) for index, stage in enumerate(row.good["stages"])]
    for path, when in tables:
        for name, wanted in (when or {}).items():
            near = get_close_matches(name.casefold(), FACTS, n=1, cutoff=_NEAR)
            if near and name not in FACTS:
                message = f"is looked for among the outcome's fields, as only {', '.join(FACTS)} mean something else"
                yield row, (*path, name), Fault(message, f'write "{near[0]}", if that was meant')
            for value in [wanted] if isinstance(wanted, str) else wanted:
                fault = _find_odd_id(name, value, pages)
                if fault is not None:
                    yield row, (*path, name), fault


def _raw_leads_kept_back(row: Row, funnel: Funnel) -> Found:
    """A lead that has only just come has no fields of a CRM, and Meta wants the raw event of every lead: facts §5.3."""
    for name in funnel.when if funnel.raw_event is not None and funnel.route == "conversion_leads" else ():
        if name not in _OF_RAW_LEADS:
            message = "is not known yet when a lead comes, so that this funnel tells Meta of no raw lead"
            mend = "put the condition on the stages it is for (when = { … } within a stage), or take raw_event out"
            yield row, ("when", name), Fault(message, mend)


def _find_odd_id(name: str, value: str, pages: Mapping[str, Row]) -> Fault | None:
    if value == _ANY:
        return None
    if name == "page" and value not in pages:
        return Fault(f"there is no Page {show(value)} in this file", "name Pages by Meta's id, as in [[pages]]")
    if name == "form" and not value.isdecimal():
        return Fault(f"{show(value)} is not the id of a form", "name forms by Meta's id, which has digits only")
    return None


def _restricted(row: Row, funnel: Funnel, pages: Mapping[str, Row]) -> Found:
    """Facts §6.6: Pages and Instagram accounts of these countries. A funnel is for the Pages of its conditions or of its
    dataset; where it says neither, for all."""
    if funnel.route != "business_messaging":
        return
    named = [pages[page_id] for page_id in funnel.when.get("page", ()) if page_id in pages]
    of_dataset = [page for page in pages.values() if page.good.get("dataset_id") == funnel.dataset_id]
    for page in named or of_dataset or pages.values():
        country = page.good.get("business_country")
        if country in RESTRICTED_COUNTRIES:
            message = f"Page {page.good['id']} is registered in {country}, whose Pages may not send messaging events"
            mend = (
                'tell Meta of its instant-form leads by their lead id (a funnel with route = "conversion_leads"), or name'
                " other Pages with when = { page = [ … ] }"
            )
            yield row, ("route",), Fault(message, mend)
            return


def _overlaps(funnels: list[tuple[Row, Funnel]]) -> Found:
    seen: dict[tuple[str, str], list[tuple[Row, Funnel]]] = {}
    for row, funnel in funnels:
        same = seen.setdefault((funnel.dataset_id, funnel.route), [])
        for other, earlier in same[:_MOST_COMPARED]:
            names = {row.good["connection"], other.good["connection"]}
            if (len(names) == 1 or _ANY in names) and not _is_apart(funnel.when, earlier.when):
                message = f"an outcome may be for this funnel and for number {other.index + 1}, of the same dataset"
                yield row, (), Fault(message, _ANY_CASE)
                break
        same.append((row, funnel))


def _is_apart(one: When, other: When) -> bool:
    """Whether no outcome can meet both: some key has other values in each."""
    for name in one.keys() & other.keys():
        if _ANY not in one[name] and _ANY not in other[name] and _folded(one[name]).isdisjoint(_folded(other[name])):
            return True
    return False


def _folded(values: tuple[str, ...]) -> set[str]:
    return {" ".join(value.split()).casefold() for value in values}
