"""The body of POST /api/v1/outcomes becomes outcomes to keep, and a verdict on each. Pure; what was sent is not repeated."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from api.bodies import Doubled
from api.problems import CONTENT_TOO_LARGE, INVALID_OUTCOMES, Problem
from leadloop.conversions.findings import shown_key
from leadloop.conversions.outcome import OutcomeInput, OutcomeInvalid, read_outcome
from store.idempotency import RequestKey
from store.outcomes import MOST_TOGETHER, KeptOutcome

Verdict = dict[str, Any]  # the JSON of api/conversion_shapes.py, OutcomeVerdict
MOST_ERRORS = 20  # told of one outcome
_REPEATED = "The same outcome was kept before: nothing is done twice."
_BEFORE_LEAD = (
    "occurred_at is not later than the lead itself, so that Meta is not told: give the time at which the stage changed."
)
_UNREAD = "Kept. It goes on once the lead has been read from Meta."
_UNKNOWN = "Kept. It is joined to its lead when that comes."


@dataclass(frozen=True)
class Asked:
    """A request: what can be kept, with its place in the list, and the verdicts on what cannot."""

    is_list: bool
    inputs: tuple[tuple[int, OutcomeInput], ...] = field(repr=False)
    refused: tuple[Verdict, ...]
    now: datetime
    key: RequestKey | None = None


def read_request(data: Any, *, now: datetime, key: RequestKey | None = None) -> Asked:
    """Check every outcome of the body. Raises Problem when it holds none, or too many."""
    if not isinstance(data, list | dict | Doubled):
        raise Problem(INVALID_OUTCOMES, "The body must be an outcome (an object), or a list of 1 to 1,000 of them.")
    is_list = isinstance(data, list)
    given = data if isinstance(data, list) else [data]
    if not given:
        raise Problem(INVALID_OUTCOMES, "The list is empty: send 1 to 1,000 outcomes.")
    if len(given) > MOST_TOGETHER:
        raise Problem(
            CONTENT_TOO_LARGE, f"The list holds more than {MOST_TOGETHER:,} outcomes: send the rest by itself."
        )
    inputs: list[tuple[int, OutcomeInput]] = []
    refused: list[Verdict] = []
    for index, one in enumerate(given):
        try:
            inputs.append((index, _read_one(one, now)))
        except OutcomeInvalid as wrong:
            refused.append(_invalid(index, wrong.errors, is_list=is_list))
    return Asked(is_list, tuple(inputs), tuple(refused), now, key)


def give_verdicts(asked: Asked, kept: Sequence[KeptOutcome]) -> list[Verdict]:
    """A verdict for each outcome of the request in its order. `kept` are those on asked.inputs."""
    told = [_verdict(*given, one, is_list=asked.is_list) for given, one in zip(asked.inputs, kept, strict=True)]
    return sorted([*told, *asked.refused], key=lambda verdict: verdict["index"])


def is_all_invalid(verdicts: Sequence[Verdict]) -> bool:
    return all(verdict["status"] == "invalid" for verdict in verdicts)


def refuse_all(verdicts: list[Verdict]) -> Problem:
    """The answer when nothing could be kept."""
    first = verdicts[0]["errors"][0]
    what = f"{first['field']}: {first['message']}" if first["field"] else first["message"]
    others = (
        f" ({len(verdicts):,} outcomes in all; outcomes lists what is wrong with each.)" if len(verdicts) > 1 else ""
    )
    return Problem(INVALID_OUTCOMES, f"Nothing was kept. {what}{others}", more={"outcomes": verdicts})


def _read_one(data: Any, now: datetime) -> OutcomeInput:
    doubled = _doubled(data)
    if doubled:
        raise OutcomeInvalid(
            [(name, "Has one key twice, so that it may mean two things: send it once.") for name in doubled]
        )
    return read_outcome(data, now=now)


def _doubled(data: Any) -> list[str]:
    """The paths of objects that have one key twice, as deep as an outcome goes."""
    if isinstance(data, Doubled):
        return [""]
    if isinstance(data, Mapping):
        return [shown_key(name) for name, one in data.items() if isinstance(one, Doubled)]
    return []


def _verdict(index: int, given: OutcomeInput, kept: KeptOutcome, *, is_list: bool) -> Verdict:
    if kept.state == "refused":
        return _invalid(index, [(kept.field, _sentence(str(kept.fault)))], is_list=is_list)
    named = given.lead_value if given.lead_key == "leadgen_id" else None
    found: Verdict = _blank(index) | {"outcome_id": kept.outcome_id, "leadgen_id": kept.leadgen_id or named}
    found["warning"] = (
        f"The stage {kept.doubt}" if kept.doubt is not None else _BEFORE_LEAD if kept.before_lead else None
    )
    if not kept.new:
        return found | {"status": "repeated", "message": _REPEATED}
    if kept.state == "waiting":
        return found | {"status": "waiting", "message": _UNREAD if kept.leadgen_id else _UNKNOWN}
    return found | {"status": "accepted"}


def _invalid(index: int, errors: list[tuple[str, str]], *, is_list: bool) -> Verdict:
    told = [{"field": _path(index, name, is_list=is_list), "message": text} for name, text in errors[:MOST_ERRORS]]
    return _blank(index) | {"status": "invalid", "message": "Nothing of it was kept: see errors.", "errors": told}


def _blank(index: int) -> Verdict:
    return {
        "index": index,
        "status": "",
        "outcome_id": None,
        "leadgen_id": None,
        "message": None,
        "warning": None,
        "errors": [],
    }


def _path(index: int, name: str, *, is_list: bool) -> str:
    if not is_list:
        return name
    return f"[{index}].{name}" if name else f"[{index}]"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
