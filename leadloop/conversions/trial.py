"""The decision behind a test event: which event of a funnel is sent to try the way, and what it is worth. Pure.

Source: Meta conversions facts §9, read 2026-11-26.
"""

import secrets
from datetime import datetime
from decimal import Decimal

from leadloop.conversions.funnel import Decision, Funnel, StageRule, ladder
from leadloop.conversions.routes import Channel

STILL_COUNTS = (
    "Meta keeps test events: they count for targeting and measurement like all others, so send few. The code has to be the one"
    " that Events Manager shows now, under the dataset's Test Events; that is where the event appears."
)
MADE_UP_CLICK = (
    "Meta checks ctwa_clid against real clicks and refuses a made-up one (100/2804087): click on your own ad and write to the"
    " number."
)
STAGE = "test"
LONGEST_CODE = 100  # characters
_WORTH = Decimal(1)  # of an event that needs a value, where the funnel fixes none
_CURRENCY = "USD"


def decide_trial(funnel: Funnel, event_name: str | None, *, channel: Channel | None, now: datetime) -> Decision:
    """An event of the funnel as it would be told now: that of this name, else the first that needs no value.

    Each has an id of its own, so that no test is taken for a copy of another, or of a real event.
    """
    rules = [rule for rule in ladder(funnel) if rule.event is not None]
    rule = next((one for one in rules if one.event == event_name), None)
    if event_name is None:
        rule = next((one for one in rules if not _needs_value(one)), None) or next(iter(rules), None)
    name = event_name or (rule.event if rule is not None else None) or ("LeadSubmitted" if channel else "Lead")
    rule = rule or StageRule(STAGE, name)
    value = rule.fixed_value or rule.predicted_value or (_WORTH if _needs_value(rule) else None)
    return Decision(
        "send",
        rule.stage,
        -1,
        now.replace(microsecond=0),
        event_name=name,
        event_id=secrets.token_hex(16),
        value=value,
        currency=None if value is None else rule.currency or _CURRENCY,
    )


def _needs_value(rule: StageRule) -> bool:
    return rule.value == "required" or rule.event == "Purchase"
