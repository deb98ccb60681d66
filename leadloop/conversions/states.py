"""What each state of a conversion means: for the command line, and for docs/conversions.md, which a test holds to it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class StateWords:
    """`means` what it says, `ours` what leadloop does about it, `yours` what a person can do. Sentences."""

    means: str
    ours: str
    yours: str


STATES: Mapping[str, StateWords] = MappingProxyType(
    {
        "queued": StateWords(
            "It is to be sent and has not been, or was not taken yet.",
            "Sends it at once, together with others of its dataset; while Meta does not answer or asks for rest, it tries again.",
            "Nothing. If it stays so, leadloop work list says what it waits for.",
        ),
        "sending": StateWords(
            "A request with it is under way at this moment.",
            "Notes what Meta answers. If the worker dies meanwhile, the event becomes unknown, or queued where Meta drops second"
            " copies.",
            "Nothing.",
        ),
        "accepted": StateWords(
            "Meta has said that it received it.",
            "Nothing more: it is never sent again.",
            "Nothing. Whether Meta could match it to a person, its Events Manager shows.",
        ),
        "refused": StateWords(
            "Meta will not take it as it is, or leadloop knew so before sending it.",
            "Keeps it with the reason. The other events of the same request were sent without it.",
            "Mend what the reason names, then send it again: leadloop conversions retry ID.",
        ),
        "held": StateWords(
            "It waits until something is known or mended: its value, a right, a token.",
            "Sends it as soon as the outcome comes with its value, or the dataset works again; the event's time stays.",
            "Do what the reason says. What is held for itself, and not with its dataset: leadloop conversions retry ID.",
        ),
        "expired": StateWords(
            "It is older than Meta takes: 7 days, 62 in a shop.",
            "Nothing: it is never re-dated.",
            "Nothing can be done for this one. Find out why it came so late.",
        ),
        "skipped": StateWords(
            "Meta is not to be told: the funnel says so, or it was told of the stage already.",
            "Keeps it, so that you see why.",
            "If that is wrong: change the funnel, then leadloop conversions retry ID.",
        ),
        "unknown": StateWords(
            "It went out, and no answer came that tells whether Meta has it.",
            "Nothing: sent again, it might count twice. Where Meta drops second copies it is sent again by itself.",
            "Look for it in Events Manager; if it is not there after an hour, send it again: leadloop conversions retry ID.",
        ),
    }
)
