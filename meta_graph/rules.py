"""What each of Meta's codes means and which click mends it: one table, read from the top, the first that fits counts.

docs/graph-errors.md is this table for people. Source: Meta ingestion facts §6.3, §5.2, §5.6, §5.8, read 2026-11-22.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from leadloop.errors import LeadloopError, Scope
from leadloop.http import HttpAnswer
from meta_graph.errors import (
    GIVE_UP_UNKNOWN_S,
    GIVE_UP_UNREADABLE_S,
    BadRequest,
    Blocked,
    ErrorBody,
    GraphUnavailable,
    LeadNotReadable,
    NotReadable,
    ObjectGone,
    PermissionMissing,
    ProofRejected,
    RateLimited,
    Refused,
    TokenExpired,
    TokenRejected,
    TooMuchData,
    UnknownGraphError,
    build,
    describe,
    garbage,
    limited,
    of_page,
    parse_error,
)
from meta_graph.usage import regain_s

LEAD = "lead"  # the edge that reads one lead


@dataclass(frozen=True)
class Rule:
    """One line of the table.

    `codes` is one code or a range (both ends included); `subcodes` empty means any. `where` "lead" fits only when one
    lead was asked for, "other" only when not: what is final for a message must never lose a lead. `scope` "page" holds
    the Page's whole lane, but only when a lead was asked for: a missing right to list forms, say, must not stop leads
    that can be read. `rest_s` is how long a limit lasts unless Meta says. `maybe_stored` is of events alone (event_rules.py).
    """

    codes: int | tuple[int, int]
    kind: type[LeadloopError]
    says: str
    action: str
    subcodes: frozenset[int] = frozenset()
    where: Literal["lead", "other"] | None = None
    scope: Literal["item", "lane", "page"] = "item"
    rest_s: float | None = None
    give_up_s: float | None = None
    app_wide: bool = False
    of_ads: bool = False
    outage: bool = False
    answered: bool = False
    once_more: bool = False
    maybe_stored: bool = False

    def fits(self, code: int, subcode: int, edge: str) -> bool:
        first, last = self.codes if isinstance(self.codes, tuple) else (self.codes, self.codes)
        return (
            first <= code <= last
            and (not self.subcodes or subcode in self.subcodes)
            and (self.where is None or (self.where == LEAD) == (edge == LEAD))
        )


WAITS = "Nothing: leadloop waits as long as Meta says and goes on by itself."
RETRIES = "Nothing: leadloop tries again. If it goes on for long, look at metastatus.com."
RENEW = (
    "Make a new token: Business settings > Users > System users > your system user > Generate new token, with your app and"
    " the permissions leads_retrieval, pages_show_list, pages_read_engagement, pages_manage_metadata, pages_manage_ads and"
    " ads_management. Put it into access_token of the Page (or META_ACCESS_TOKEN) and apply the configuration. What waits"
    " then goes on by itself."
)
LEADS_ACCESS = (
    "Business settings > Integrations > Leads access > the Page: assign your app and the token's user, or restore the"
    " default access; the token needs leads_retrieval. Then: leadloop work retry --all."
)
GRANT = (
    "Give the token what is missing: generate it anew with leads_retrieval and the other permissions of the set-up guide;"
    " in App Review, advanced access for Pages of others; Business settings > Integrations > Leads access: assign the app."
    " What waits then goes on by itself."
)
CHECK_APP = (
    "Compare META_APP_SECRET with App settings > Basic > App secret of the app that made the token (several, comma-separated,"
    " while rotating), and apply. What waits then goes on by itself."
)
CORRECT = (
    "Compare the id with Meta's (Business settings > Pages, or the form's page) and the token with the Page it is for."
)
MESSAGE = "Nothing to retry: send a message that Meta allows at this moment, or reach the person another way."

_ADS = frozenset([2446079])  # an ad account's limit: it keeps the ad fields back, and not the leads. Source: facts §6.3

RULES: tuple[Rule, ...] = (
    # Limits come first: they often carry is_transient as well.
    Rule(4, RateLimited, "The app has used up its calls", WAITS, scope="lane", rest_s=300, app_wide=True),
    Rule(341, RateLimited, "The app has reached a limit of Meta's", WAITS, scope="lane", rest_s=300, app_wide=True),
    Rule(17, RateLimited, "The ad account has used up its calls", WAITS, _ADS, scope="lane", rest_s=300, of_ads=True),
    Rule(17, RateLimited, "The token's user has used up its calls", WAITS, scope="lane", rest_s=300),
    Rule(32, RateLimited, "The Page has used up its calls", WAITS, scope="lane", rest_s=300),
    Rule(613, RateLimited, "A limit of this kind of call is used up", WAITS, scope="lane", rest_s=60),
    Rule(80005, RateLimited, "The Page has used up its calls for leads", WAITS, scope="lane", rest_s=300),
    Rule(80000, RateLimited, "The ad account has used up its calls", WAITS, scope="lane", rest_s=300, of_ads=True),
    Rule(
        (80003, 80004),
        RateLimited,
        "The ad account has used up its calls",
        WAITS,
        scope="lane",
        rest_s=300,
        of_ads=True,
    ),
    Rule((80000, 80014), RateLimited, "A limit of this business is used up", WAITS, scope="lane", rest_s=300),
    Rule((130429, 130429), RateLimited, "The number sends too fast", WAITS, scope="lane", rest_s=10),
    Rule((131056, 131056), RateLimited, "Too many messages to one person", WAITS, rest_s=30),
    # Graph is ill.
    Rule(1, GraphUnavailable, "Graph had an unknown error", RETRIES, outage=True, answered=True),
    Rule(2, GraphUnavailable, "Graph is down for the moment", RETRIES, outage=True),
    Rule(1200, GraphUnavailable, "Graph could not send for the moment", RETRIES, outage=True),
    Rule(131000, GraphUnavailable, "WhatsApp had an unknown error", RETRIES, outage=True),
    Rule(131016, GraphUnavailable, "WhatsApp is down for the moment", RETRIES, outage=True),
    # The token.
    Rule(190, TokenExpired, "The access token has expired", RENEW, frozenset([463]), scope="lane"),
    Rule(
        190,
        TokenRejected,
        "The person behind the access token has removed the app",
        "Log in to the app once more as that person, or better: use a system user's token. " + RENEW,
        frozenset([458]),
        scope="lane",
    ),
    Rule(
        190,
        TokenRejected,
        "Meta wants the person behind the access token to pass a check",
        "That person logs in at facebook.com and does what Meta asks. If that does not help, make a new token.",
        frozenset([459, 464]),
        scope="lane",
    ),
    Rule(
        190,
        TokenRejected,
        "The access token died with a change of password",
        RENEW,
        frozenset([460]),
        scope="lane",
    ),
    Rule(190, TokenRejected, "The access token is not valid", RENEW, frozenset([467]), scope="lane"),
    Rule(
        190,
        TokenRejected,
        "The user of the access token has no role on this Page",
        "Business settings > Accounts > Pages > the Page: assign the system user (or the person) with full control. If"
        " that does not help, make a new token.",
        frozenset([492]),
        scope="lane",
    ),
    Rule(190, TokenRejected, "Meta does not accept the access token", RENEW, scope="lane", once_more=True),
    Rule(102, TokenRejected, "The session of the access token is not valid", RENEW, scope="lane", once_more=True),
    Rule(104, ProofRejected, "The proof made with the app secret does not fit the token", CHECK_APP, scope="lane"),
    Rule(
        2635,
        BadRequest,
        "This version of the Graph API is gone",
        "Set META_GRAPH_VERSION to a version that Meta still serves (or remove it) and start leadloop again.",
        scope="lane",
    ),
    # Messages: windows and recipients.
    Rule(
        10,
        Refused,
        "The window in which a message may be sent is closed",
        MESSAGE,
        frozenset([2018278, 2534022]),
        where="other",
    ),
    Rule(10, Refused, "This person cannot receive the message", MESSAGE, frozenset([2018065, 2018108]), where="other"),
    Rule(
        10,
        Blocked,
        "Meta keeps the Page from sending messages for a while",
        "Page settings > Page quality (or Account quality): see the reason and ask for a review.",
        frozenset([1893063]),
        where="other",
    ),
    Rule(551, Refused, "This person cannot be reached", MESSAGE, where="other"),
    Rule(
        506,
        Refused,
        "The same was sent already",
        "Nothing: Meta has it. Change the text if it is to be sent again.",
        where="other",
    ),
    Rule(
        1609005,
        Refused,
        "Meta could not read the link",
        "Correct the link, and see that Meta can open it.",
        where="other",
    ),
    Rule((131026, 131026), Refused, "The WhatsApp message cannot be delivered to this person", MESSAGE, where="other"),
    Rule((131047, 131047), Refused, "More than 24 hours have passed since the person wrote", MESSAGE, where="other"),
    Rule((131051, 131051), Refused, "WhatsApp does not know this type of message", MESSAGE, where="other"),
    Rule((132000, 132999), Refused, "The WhatsApp template cannot be sent like this", MESSAGE, where="other"),
    # Rights.
    Rule(
        3,
        PermissionMissing,
        "The app lacks a capability for this call",
        "App dashboard > App Review > Permissions and features: ask for what is missing (for leads: leads_retrieval and"
        " Ads Management Standard Access). What waits then goes on by itself.",
        scope="page",
    ),
    Rule(10, PermissionMissing, "The app or the token may not do this", GRANT, scope="page"),
    Rule(
        230,
        PermissionMissing,
        "The person has not agreed to show this",
        "Nothing to set: it works once the person has written to you.",
        where="other",
    ),
    Rule((200, 299), PermissionMissing, "The token lacks a permission", GRANT, scope="page"),
    Rule(
        368,
        Blocked,
        "Meta has blocked this for a while, for breaking a rule",
        "business.facebook.com > Account quality: see the reason, ask for a review. leadloop tries now and then, and goes on"
        " by itself once the block is lifted.",
        scope="lane",
    ),
    # Objects and parameters.
    Rule(
        100,
        LeadNotReadable,
        "Meta does not show this lead to the token",
        LEADS_ACCESS,
        frozenset([33]),
        where="lead",
        give_up_s=GIVE_UP_UNREADABLE_S,
    ),
    Rule(
        100,
        NotReadable,
        "Meta shows no such form or Page to the token",
        CORRECT,
        frozenset([33]),
        give_up_s=GIVE_UP_UNREADABLE_S,
    ),
    Rule(100, Refused, "Meta knows no such recipient", MESSAGE, frozenset([2018001]), where="other"),
    Rule(100, Refused, "The attachment is too big", "Send a smaller file.", frozenset([2018109]), where="other"),
    Rule(
        100,
        BadRequest,
        "Graph does not accept a parameter of the call",
        "Compare META_GRAPH_VERSION with the versions Meta serves, and the ids with Meta's; if both are right, report it.",
    ),
    Rule(2500, BadRequest, "Graph does not know this path, or misses a token", CORRECT),
    Rule(
        803,
        LeadNotReadable,
        "Meta says that this lead does not exist",
        LEADS_ACCESS,
        where="lead",
        give_up_s=GIVE_UP_UNREADABLE_S,
    ),
    Rule(803, ObjectGone, "Meta says that this id does not exist", "Nothing to retry. " + CORRECT),
)

PROOF_RULE = next(rule for rule in RULES if rule.kind is ProofRejected)
TOO_MUCH_RULE = Rule(1, TooMuchData, "Graph cannot put so much data together", RETRIES)
TRANSIENT_RULE = Rule(0, GraphUnavailable, "Graph calls its error a passing one", RETRIES, outage=True)
UNKNOWN_RULE = Rule(
    0,
    UnknownGraphError,
    "Graph answered with a code that leadloop does not know",
    "Look the code up in Meta's documentation, and report it with the fbtrace_id if it stays; then: leadloop work retry"
    " --all.",
    give_up_s=GIVE_UP_UNKNOWN_S,
)


def find_rule(error: ErrorBody, edge: str, rules: Iterable[Rule] = RULES) -> Rule | None:
    """The rule for an error: its wording first where the code is shared by several things, then code and subcode."""
    if error.about_proof:
        return PROOF_RULE
    if error.too_much_data and error.code in (1, 2):
        return TOO_MUCH_RULE
    rule = next((rule for rule in rules if rule.fits(error.code, error.subcode, edge)), None)
    if error.is_transient and (rule is None or rule.kind is not RateLimited):
        return TRANSIENT_RULE
    return rule


def parse_answer(answer: HttpAnswer, *, page_id: str | None, edge: str) -> dict[str, Any]:
    """The JSON object of a good answer. Raises what a bad one means. `edge` names what was asked for, as in metrics."""
    try:
        body = answer.json()
    except ValueError:
        raise garbage(answer, "something that is not JSON", about=of_page(page_id)) from None
    error = parse_error(body)
    if error is not None:
        raise error_from(error, answer, page_id=page_id, edge=edge)
    if not isinstance(body, dict):
        raise garbage(answer, "JSON that is no object", about=of_page(page_id))
    if not 200 <= answer.status < 300:
        raise garbage(answer, "no error code", about=of_page(page_id))
    return body


def error_from(error: ErrorBody, answer: HttpAnswer, *, page_id: str | None, edge: str) -> LeadloopError:
    """Meta's error as one of ours. Pure."""
    rule = find_rule(error, edge)
    if rule is None and answer.status == 429:
        return limited(answer, about=of_page(page_id))
    if error.code == 0 and rule is None:
        return garbage(answer, "an error without a code", about=of_page(page_id))
    rule = rule or (TRANSIENT_RULE if answer.status >= 500 else UNKNOWN_RULE)
    made = build(
        rule.kind,
        describe(rule.says, error, of_page(page_id)),
        code=_label(rule, error),
        action=rule.action,
        scope=_scope(rule, edge),
        rest_s=_rest_s(rule, answer, page_id),
        give_up_s=rule.give_up_s,
        outage=rule.outage,
        answered=rule.answered,
    )
    if isinstance(made, RateLimited):
        made.app_wide = rule.app_wide
        made.of_ads = rule.of_ads
    if isinstance(made, TokenRejected):
        made.once_more = rule.once_more
    return made


def _label(rule: Rule, error: ErrorBody) -> str:
    """A bounded code for metrics: only what the table knows is spelt out."""
    if rule is UNKNOWN_RULE or rule is TRANSIENT_RULE:
        known = next((line for line in RULES if line.fits(error.code, error.subcode, LEAD)), None)
        return f"graph_{error.code}" if known else "graph_other"
    return f"graph_{error.code}_{error.subcode}" if rule.subcodes else f"graph_{error.code}"


def _scope(rule: Rule, edge: str) -> Scope:
    if rule.scope == "page":
        return "lane" if edge == LEAD else "item"
    return rule.scope


def _rest_s(rule: Rule, answer: HttpAnswer, page_id: str | None) -> float | None:
    if rule.rest_s is None:
        return None
    told_s = None if rule.app_wide else regain_s(answer.headers, page_id)
    return told_s or answer.retry_after_s or rule.rest_s
