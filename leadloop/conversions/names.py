"""Names of events: which Meta knows, which a route allows, and the allowed one that comes nearest to a forbidden one.

Sources: Meta conversions facts §4 (Meta Pixel Reference; Conversions API for Business Messaging), read 2026-11-22.
"""

from collections.abc import Collection
from difflib import get_close_matches

from leadloop.conversions.findings import Fault
from leadloop.conversions.personal import holds_personal_data
from leadloop.texts import fold

STANDARD_NAMES = frozenset(
    {
        "AddPaymentInfo",
        "AddToCart",
        "AddToWishlist",
        "CompleteRegistration",
        "Contact",
        "CustomizeProduct",
        "Donate",
        "FindLocation",
        "InitiateCheckout",
        "Lead",
        "PageView",
        "Purchase",
        "Schedule",
        "Search",
        "StartTrial",
        "SubmitApplication",
        "Subscribe",
        "ViewContent",
    }
)
MESSAGING_NAMES = frozenset(
    {
        "AddToCart",
        "CartAbandoned",
        "InitiateCheckout",
        "LeadSubmitted",
        "OrderCanceled",
        "OrderCreated",
        "OrderDelivered",
        "OrderReturned",
        "OrderShipped",
        "Purchase",
        "QualifiedLead",
        "RatingProvided",
        "ReviewProvided",
        "ViewContent",
    }
)
LONGEST_NAME = 50  # characters; facts §4.1

# What comes nearest in meaning, tried in this order. A row: names that mean it, the words that say it within a name.
_MEANINGS: tuple[tuple[tuple[str, ...], frozenset[str]], ...] = (
    (("OrderCanceled",), frozenset({"canceled", "cancelled", "cancellation", "cancel"})),
    (("OrderReturned",), frozenset({"returned", "return", "refund", "refunded"})),
    (("OrderShipped",), frozenset({"shipped", "dispatched", "shipment"})),
    (("OrderDelivered",), frozenset({"delivered", "delivery"})),
    (("CartAbandoned",), frozenset({"abandoned", "abandonment"})),
    (("RatingProvided",), frozenset({"rating", "rated", "stars"})),
    (("ReviewProvided",), frozenset({"review", "reviewed", "feedback"})),
    (
        ("Purchase",),
        frozenset(str.split("purchase purchased sale sold won paid payment converted customer subscribe donate")),
    ),
    (("OrderCreated", "Purchase"), frozenset({"order", "ordered", "booking", "booked"})),
    (("QualifiedLead", "Schedule"), frozenset(str.split("schedule scheduled demo meeting appointment visit trial"))),
    (("QualifiedLead", "Lead"), frozenset(str.split("qualified qualifiedlead mql sql sal opportunity"))),
    (
        ("InitiateCheckout",),
        frozenset(str.split("checkout proposal quote offer negotiation contract addpaymentinfo paymentinfo")),
    ),
    (("AddToCart",), frozenset({"cart", "basket", "wishlist"})),
    (
        ("LeadSubmitted", "Lead"),
        frozenset(
            str.split("lead leads new raw contact contacted registration signup register application enquiry inquiry")
        ),
    ),
    (("ViewContent",), frozenset(str.split("view viewed pageview search findlocation customizeproduct content"))),
)
# Standard names whose words would mislead the table above.
_BY_NAME = {
    "addpaymentinfo": "InitiateCheckout",
    "addtowishlist": "AddToCart",
    "completeregistration": "LeadSubmitted",
    "contact": "LeadSubmitted",
    "customizeproduct": "ViewContent",
    "donate": "Purchase",
    "findlocation": "ViewContent",
    "lead": "LeadSubmitted",
    "pageview": "ViewContent",
    "schedule": "QualifiedLead",
    "search": "ViewContent",
    "starttrial": "QualifiedLead",
    "submitapplication": "LeadSubmitted",
    "subscribe": "Purchase",
}
_NEGATIVE = frozenset(str.split("lost no not unqualified disqualified rejected dead spam junk lose"))
_STANDARD_BY_KEY = {name.lower(): name for name in STANDARD_NAMES}


def find_nearest(name: str, allowed: Collection[str]) -> str | None:
    """The allowed name that comes nearest to `name`: in spelling but for case and signs, then in meaning, then in spelling.

    None when nothing fits: a lost deal is no event at all on a route that has none for it.
    """
    words = fold(name[:200]).split("_")
    key = "".join(words)
    by_key = {known.lower(): known for known in allowed}
    if key in by_key:
        return by_key[key]
    if not _NEGATIVE.isdisjoint(words):
        return None
    if _BY_NAME.get(key) in allowed:
        return _BY_NAME[key]
    for meant, said in _MEANINGS:
        target = next((one for one in meant if one in allowed), None)
        if target is not None and (key in said or not said.isdisjoint(words)):
            return target
    near = get_close_matches(key, by_key, n=1, cutoff=0.7)
    return by_key[near[0]] if near else None


def find_misspelt_standard(name: str) -> str | None:
    """The standard name that "purchase" or "Complete Registration" was meant to be. Meta takes these as custom events."""
    if name in STANDARD_NAMES or name in MESSAGING_NAMES:
        return None
    return _STANDARD_BY_KEY.get("".join(letter for letter in name[: 2 * LONGEST_NAME].lower() if letter.isalnum()))


def check_name(name: object, allowed: Collection[str] | None = None) -> Fault | None:
    """What is wrong with the name of an event. `allowed`: the only names of the route; None where names are free."""
    if not isinstance(name, str):
        return Fault("must be text", 'write a name such as "Lead"')
    if name in (STANDARD_NAMES if allowed is None else allowed):
        return None
    if allowed is not None:
        near = find_nearest(name, allowed)
        return Fault(
            "is not one of the names that this route allows",
            f'use "{near}", the nearest of them' if near else "leave the stage without an event, as none of them fits",
        )
    return _check_free_name(name)


def _check_free_name(name: str) -> Fault | None:
    if not name.strip():
        return Fault("is blank", 'write a name such as "Lead"')
    if len(name) > LONGEST_NAME:
        return Fault(f"has more than {LONGEST_NAME} characters", "shorten it")
    if name != name.strip():
        return Fault("begins or ends with a blank", "take the blank out: Meta would take it as part of the name")
    if not name.isprintable():
        return Fault("holds characters that cannot be seen", "write it again by hand")
    personal = holds_personal_data(name)
    if personal:
        return Fault(f"holds {personal}", "name what happened, never a person")
    return None
