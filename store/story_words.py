"""A line of a lead's story in plain English. Pure; what is said holds names of connections and codes, nothing personal."""

from collections.abc import Callable, Mapping
from typing import Any

Detail = Mapping[str, Any]


def story_words(kind: str, detail: Detail) -> str:
    """One or two sentences. A kind that has no words yet is named as it is."""
    say = _WORDS.get(kind)
    return say(detail) if say is not None else kind.replace("_", " ").capitalize() + "."


def _received(detail: Detail) -> str:
    ways = {
        "backfill": "Found in Meta's list of leads.",
        "changed_fields": "Meta's notice named no lead; it was found in Meta's list.",
        "leadgen_update": "First heard of through Meta's notice that it had changed.",
    }
    return ways.get(str(detail.get("source")), "Meta's notice reached leadloop.")


def _updated(detail: Detail) -> str:
    what = " ".join(str(detail[name]) for name in ("area", "event") if detail.get(name))
    return f"Meta says that it changed ({what})." if what else "Meta says that it changed."


def _read(detail: Detail) -> str:
    where = "Meta's list of leads" if detail.get("source") == "backfill" else "Meta"
    words = f"Read from {where}{_tries(detail)}."
    if detail.get("form_known") is False:
        words += " Its form could not be read, so its answers are understood by their names alone."
    return words


def _delivered(detail: Detail) -> str:
    record = " ".join(str(detail[name]) for name in ("remote_kind", "remote_id") if detail.get(name))
    return f"Put into {_name(detail, 'connection')}{f' as {record}' if record else ''}{_tries(detail)}."


def _alerted(detail: Detail) -> str:
    to = f" ({detail['to']})" if detail.get("to") else ""
    words = f"{detail.get('notifier') or 'A notifier'}{to} was rung."
    if detail.get("maybe_repeated"):
        words += " Perhaps not for the first time: an earlier ring was not answered, or not noted."
    return words


def _outcome(detail: Detail) -> str:
    follows = [_FOLLOWS[state] for state in _FOLLOWS if state in (detail.get("states") or ())]
    if len(follows) > 1 and "skipped" in detail["states"]:
        follows.remove(_FOLLOWS["skipped"])  # one of several funnels kept silent
    told = " ".join(follows) or "No funnel knows it, so Meta is not told."
    return f"{_teller(detail)} reported the stage {detail.get('stage') or 'without a name'}. {told}"


def _teller(detail: Detail) -> str:
    source = str(detail.get("source") or "")
    known = {"api": "A program", "import": "An imported file"}
    name = str(detail.get("connection") or "")
    if source in known:
        return f"{known[source]}, for {name}," if name else known[source]
    return name or source.partition(":")[2] or "Somebody"


_FOLLOWS = {
    "queued": "Meta is told.",
    "held": "What Meta is told waits for something that is missing.",
    "refused": "Meta would not take the event, so it is not sent.",
    "expired": "It is too old for Meta to be told.",
    "skipped": "Meta is not told of it.",
}


def _replayed(detail: Detail) -> str:
    also = ", and to be pushed again to CRMs that have it" if detail.get("deliveries_again") else ""
    return f"Somebody asked for it to be read again{also}."


def _dropped(detail: Detail) -> str:
    what = {
        "lead": "Reading it from Meta",
        "delivery": f"Putting it into {_name(detail, 'connection')}",
        "notice": f"Ringing {_name(detail, 'notifier')}",
    }.get(str(detail.get("work")), "Something parked")
    return f"{what} was dropped by hand: it is not tried any more."


def _failing(what: Callable[[Detail], str]) -> Callable[[Detail], str]:
    def say(detail: Detail) -> str:
        reason = str(detail.get("message") or detail.get("code") or "no reason was given").rstrip(".")
        end = {
            "parked": "It waits for a person.",
            "failed": "It is given up until somebody retries it.",
        }.get(str(detail.get("state")), "It is tried again.")
        return f"{what(detail)} did not work: {reason}. {end}"

    return say


def _tries(detail: Detail) -> str:
    attempt = detail.get("attempt")
    return f" at attempt {attempt}" if isinstance(attempt, int) and attempt > 1 else ""


def _name(detail: Detail, key: str) -> str:
    return str(detail.get(key) or f"a {key}")


_WORDS: dict[str, Callable[[Detail], str]] = {
    "form_sent": lambda _detail: "The form was sent.",
    "received": _received,
    "announced_again": lambda _detail: "Meta announced it again; nothing is done twice.",
    "leadgen_update": _updated,
    "sample": lambda _detail: (
        "A sample of Meta's Test button: its ids belong to nobody, so that there is nothing to read."
    ),
    "read": _read,
    "read_failed": _failing(lambda _detail: "Reading it from Meta"),
    "unrouted": lambda _detail: "No route matches its Page and form: it is kept here and sent nowhere.",
    "delivered": _delivered,
    "delivery_failed": _failing(lambda detail: f"Putting it into {_name(detail, 'connection')}"),
    "alerted": _alerted,
    "alert_failed": _failing(lambda detail: f"Ringing {_name(detail, 'notifier')}"),
    "outcome": _outcome,
    "replayed": _replayed,
    "dropped": _dropped,
}
