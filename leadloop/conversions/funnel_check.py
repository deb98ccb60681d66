"""Whether a funnel can work, before anything is sent by it: for `leadloop config check`, and later the console."""

from collections.abc import Iterator

from leadloop.conversions.findings import Fault
from leadloop.conversions.funnel import Funnel, StageRule, ladder
from leadloop.conversions.money import MoneyInvalid, fit_currency, is_currency
from leadloop.conversions.names import check_name, find_misspelt_standard
from leadloop.conversions.routes import ROUTES

Place = tuple[int | None, str]  # (number of the stage from 0, None: the funnel; the key)


def check_funnel(funnel: Funnel) -> list[tuple[Place, Fault]]:
    """What would be refused, at Meta or here, with the nearest that works."""
    return list(_check(funnel))


def doubt_funnel(funnel: Funnel) -> list[tuple[Place, Fault]]:
    """What works and was perhaps not meant."""
    found: list[tuple[Place, Fault]] = []
    for index, rule in enumerate(funnel.stages):
        meant = find_misspelt_standard(rule.event) if rule.event else None
        if meant is not None:
            message = "is nearly a standard name, and becomes a custom event"
            found.append(((index, "event"), Fault(message, f'write "{meant}", if that was meant')))
    sent = sum(rule.event is not None for rule in ladder(funnel))
    if funnel.route == "conversion_leads" and sent < 2:
        message = "sends one event only, and Meta learns from at least two: the raw lead and one later stage"
        found.append(((None, "stages"), Fault(message, 'add raw_event = "Raw Lead", or an event to another stage')))
    return found


def _check(funnel: Funnel) -> Iterator[tuple[Place, Fault]]:
    if not funnel.dataset_id:
        yield (None, "dataset_id"), Fault("is missing", "add the id of the dataset that gets the events")
    if not any(rule.event for rule in ladder(funnel)):
        yield (None, "stages"), Fault("has no stage with an event", 'add event = "Purchase" to the stage that is won')
    if funnel.raw_event is not None:
        yield from _check_name((None, "raw_event"), funnel.raw_event, funnel)
    yield from _check_twice(funnel.stages)
    for index, rule in enumerate(funnel.stages):
        if rule.event is not None:
            yield from _check_name((index, "event"), rule.event, funnel)
        yield from _check_money(index, rule)


def _check_name(place: Place, name: str, funnel: Funnel) -> Iterator[tuple[Place, Fault]]:
    fault = check_name(name, ROUTES[funnel.route].names)
    if fault is not None:
        yield place, fault


def _check_twice(rules: tuple[StageRule, ...]) -> Iterator[tuple[Place, Fault]]:
    first: dict[str, int] = {}
    for index, rule in enumerate(rules):
        before = first.setdefault(" ".join(rule.stage.split()).casefold(), index)
        if before != index:
            message = f"is a stage already (number {before + 1}); a funnel goes one way, and case makes no difference"
            yield (index, "stage"), Fault(message, "take one of the two out")


def _check_money(index: int, rule: StageRule) -> Iterator[tuple[Place, Fault]]:
    amounts = {"fixed_value": rule.fixed_value, "predicted_value": rule.predicted_value}
    given = [key for key, amount in amounts.items() if amount is not None]
    for key in [*given, *(["currency"] if rule.currency else [])]:
        if rule.event is None:
            yield (index, key), Fault("is given, but the stage has no event", f"add event, or take {key} out")
    if rule.currency is not None and not is_currency(rule.currency):
        yield (index, "currency"), Fault("is no currency that is in use", 'write an ISO 4217 code such as "TRY"')
        return
    for key in given:
        if rule.currency is None:
            yield (index, key), Fault("has no currency", 'add currency = "TRY", or what it is')
    for key, amount in amounts.items():
        if amount is None or rule.currency is None:
            continue
        try:
            fit_currency(amount, rule.currency)
        except MoneyInvalid as wrong:
            yield (index, key), wrong.fault
