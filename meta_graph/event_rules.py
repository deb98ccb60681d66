"""What each of Meta's codes means for events and datasets, and which click mends it: a table for each, the first that fits.

docs/conversion-errors.md is these tables for people. Only code and subcode decide, but where Meta gives no subcode.
Source: Meta conversions facts §1.6, §1.7, §6.2, §6.6, §8.2, §10.8, read 2026-11-26.
"""

from leadloop.conversions.answers import EventRefused, EventsUnanswered
from meta_graph.errors import (
    GIVE_UP_UNKNOWN_S,
    BadRequest,
    Blocked,
    DatasetNotShown,
    GraphUnavailable,
    PermissionMissing,
    ProofRejected,
    RateLimited,
    TokenExpired,
    TokenRejected,
    UnknownGraphError,
)
from meta_graph.rules import CHECK_APP, RETRIES, WAITS, Rule

RENEW = (
    "Make a new token: Events Manager > the dataset > Settings > Conversions API > Generate access token; or Business"
    " settings > Users > System users > your system user > Generate new token, with ads_management, ads_read,"
    " business_management and pages_read_engagement. Put it into the configuration and apply it. What waits then goes on by"
    " itself."
)
ASSIGN = (
    "Compare the dataset's id with Events Manager. Then Business settings > Data sources > Datasets > the dataset > Assign"
    " people: your system user, with the right to use events (task UPLOAD). What waits then goes on by itself."
)
GRANT_EVENTS = (
    "Give the token what is missing: ads_management or business_management; for messages page_events,"
    " whatsapp_business_manage_events or instagram_manage_events; the app needs the Marketing API at full access. What waits"
    " then goes on by itself."
)
READ_META = (
    "Read Meta's own title and message, which are kept with the event. Correct the event or the funnel; if that does not"
    " tell, report the code with the fbtrace_id."
)
REGION = (
    "Read Meta's own title and message, which are kept with the event. A messaging event may be barred by its region: Meta"
    " takes none for Pages and Instagram accounts of the EU, the United Kingdom, Norway, Iceland, Liechtenstein and Japan."
    " Else correct the event or the funnel, or report the code with the fbtrace_id."
)
OURS = "Report it with the fbtrace_id: it is a mistake of leadloop's, or META_GRAPH_URL and META_GRAPH_VERSION lead elsewhere."
OWNER = (
    "Compare the id with Meta's: of WhatsApp it is the WhatsApp Business Account's, not the number's. Then Business settings >"
    " Accounts: assign your system user to the Page or account, and make its token anew."
)
UNSURE = (
    "Look in Events Manager whether the events are there; metastatus.com shows Meta's own outages. leadloop sends them again"
    " only where Meta drops second copies."
)
NO_TITLE = frozenset([2804001, 2804007, 2804016, 2804017, 2804019, 2804048])

LIMITS = (
    Rule(4, RateLimited, "The app has used up its calls", WAITS, scope="lane", rest_s=300, app_wide=True),
    Rule(341, RateLimited, "The app has reached a limit of Meta's", WAITS, scope="lane", rest_s=300, app_wide=True),
    Rule(
        17,
        RateLimited,
        "The ad account has used up its calls",
        WAITS,
        frozenset([2446079]),
        scope="lane",
        rest_s=300,
    ),
    Rule(17, RateLimited, "The token's user has used up its calls", WAITS, scope="lane", rest_s=300),
    Rule(32, RateLimited, "The Page has used up its calls", WAITS, scope="lane", rest_s=300),
    Rule(
        613,
        RateLimited,
        "The ad account has used up its calls of this kind",
        WAITS,
        frozenset([1487742]),
        scope="lane",
        rest_s=300,
    ),
    Rule(
        613,
        RateLimited,
        "Meta slows these calls down to guard against abuse",
        "leadloop rests for an hour at a time and goes on by itself. Look for what sends so much: another program with the"
        " same token, or an import that was started again and again.",
        scope="lane",
        rest_s=3_600,
    ),
    Rule((80000, 80014), RateLimited, "The ad account has used up its calls", WAITS, scope="lane", rest_s=300),
)
TOKEN = (
    Rule(190, TokenExpired, "The access token has expired", RENEW, frozenset([463]), scope="lane"),
    Rule(
        190,
        TokenRejected,
        "The access token died with a change of password",
        RENEW,
        frozenset([460]),
        scope="lane",
    ),
    Rule(
        190,
        TokenRejected,
        "The person behind the access token has removed the app, or has no role any more",
        "Use a system user's token. " + RENEW,
        frozenset([458, 492]),
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
    Rule(190, TokenRejected, "The access token is not valid", RENEW, frozenset([467]), scope="lane"),
    Rule(190, TokenRejected, "Meta does not accept the access token", RENEW, scope="lane", once_more=True),
    Rule(102, TokenRejected, "The session of the access token is not valid", RENEW, scope="lane", once_more=True),
    Rule(104, ProofRejected, "The proof made with the app secret does not fit the token", CHECK_APP, scope="lane"),
)
RIGHTS = (
    Rule(
        3,
        PermissionMissing,
        "The app lacks a capability for this call",
        "App dashboard > App Review > Permissions and features: ask for full access to the Marketing API. What waits then"
        " goes on by itself.",
        scope="page",
    ),
    Rule(10, PermissionMissing, "The app or the token may not do this", GRANT_EVENTS, scope="page"),
    Rule((200, 299), PermissionMissing, "The token lacks a permission", GRANT_EVENTS, scope="page"),
    Rule(
        368,
        Blocked,
        "Meta has blocked this for a while, for breaking a rule",
        "business.facebook.com > Account quality: see the reason, ask for a review. leadloop tries now and then, and goes on"
        " by itself once the block is lifted.",
        scope="lane",
    ),
)
REQUEST = (
    Rule(
        2635,
        BadRequest,
        "This version of the Graph API is gone",
        "Set META_GRAPH_VERSION to a version that Meta still serves (or remove it) and start leadloop again.",
        scope="lane",
    ),
    Rule(2500, BadRequest, "Graph does not know this path", OURS, scope="page"),
)
NOT_SHOWN = (
    Rule(100, DatasetNotShown, "Meta shows no such dataset to the token", ASSIGN, frozenset([33]), scope="page"),
    Rule(803, DatasetNotShown, "Meta says that this dataset does not exist", ASSIGN, scope="page"),
)
REFUSED = (
    Rule(
        100,
        EventRefused,
        "The event is older than Meta takes",
        "Nothing to send again: from event_time on Meta takes events for 7 days, those of a shop (physical_store) for 62."
        " Have the CRM tell its outcomes sooner; never with a later time, for which Meta may discard all that was sent late.",
        frozenset([2804003]),
    ),
    Rule(
        100,
        EventRefused,
        "A Purchase has no value",
        "Give the outcome a value and a currency, or map the stage to another event than Purchase.",
        frozenset([2804009]),
    ),
    Rule(
        100,
        EventRefused,
        "Too little is known of the person, or too broadly",
        "Add an e-mail address, a phone number, first and last name or the lead's id: place, gender, birth date and browser"
        " fit too many people.",
        frozenset([2804050]),
    ),
    Rule(
        100,
        EventRefused,
        "Business messaging does not know this event name",
        "Map the stage to one of the 14 names of business messaging, such as QualifiedLead or Purchase:"
        " leadloop config check names the nearest.",
        frozenset([2804066]),
    ),
    Rule(
        100,
        EventRefused,
        "Meta knows no click on an ad with this ctwa_clid",
        "It must be exactly that of the person's first WhatsApp message (referral.ctwa_clid), of an account that belongs to"
        " this dataset; ids that are made up, for tests too, are refused.",
        frozenset([2804087]),
    ),
    Rule(
        100,
        EventRefused,
        "The dataset's owner has to choose about Limited Data Use",
        "Set the data processing options of the funnel, or look for the choice in Events Manager > the dataset > Settings.",
        frozenset([2804030]),
    ),
    Rule(
        100,
        EventRefused,
        "Meta refuses the event, with a number whose title is not published",
        READ_META,
        NO_TITLE,
    ),
)

NO_DATASET = (  # of the Dataset Quality API; whether its number is a code or a subcode is not known: facts §8.2
    Rule(2044055, DatasetNotShown, "Meta shows no such dataset to the token", ASSIGN, scope="page"),
    Rule(100, DatasetNotShown, "Meta shows no such dataset to the token", ASSIGN, frozenset([2044055]), scope="page"),
)

ILL = (  # an error of Graph's own is no "received": facts §1.7 has both as "retry"
    Rule(1, GraphUnavailable, "Graph had an unknown error", RETRIES, outage=True, answered=True),
    Rule(2, GraphUnavailable, "Graph is down for the moment", RETRIES, outage=True),
)
EVENT_RULES: tuple[Rule, ...] = (
    *LIMITS,
    *ILL,
    Rule(21009, GraphUnavailable, "The dataset cannot take events for the moment", RETRIES, outage=True, answered=True),
    *TOKEN,
    *RIGHTS,
    *REQUEST,
    *NOT_SHOWN,
    *REFUSED,
)
DATASET_RULES: tuple[Rule, ...] = (
    *LIMITS,
    *ILL,
    *TOKEN,
    *RIGHTS,
    *REQUEST,
    *NOT_SHOWN,
    *NO_DATASET,
    Rule(100, BadRequest, "Graph does not accept a parameter of the call", OURS),
)
LINKED_RULES: tuple[Rule, ...] = (  # asked of a Page or an account: which dataset is yours?
    Rule(100, DatasetNotShown, "Meta shows no such Page or account to the token", OWNER, frozenset([33]), scope="page"),
    Rule(803, DatasetNotShown, "Meta says that this Page or account does not exist", OWNER, scope="page"),
    *DATASET_RULES,
)

# What the tables cannot say, since it is not the code that tells.
MISSING_PERMISSION_RULE = Rule(
    100, PermissionMissing, "The token may send too little, or nothing, to this dataset", GRANT_EVENTS, scope="page"
)
OUR_PARAMETER_RULE = Rule(100, BadRequest, "Graph does not accept what is told beside the events", OURS, scope="page")
REFUSED_RULE = Rule(100, EventRefused, "Meta refuses an event of the request", REGION)
TRANSIENT_RULE = Rule(0, GraphUnavailable, "Graph calls its error a passing one", RETRIES, outage=True)
MAYBE_STORED_RULE = Rule(
    0, EventsUnanswered, "Graph answered with an error that leadloop does not know", UNSURE, maybe_stored=True
)
UNKNOWN_RULE = Rule(
    0,
    UnknownGraphError,
    "Graph answered with a code that leadloop does not know",
    "Look the code up in Meta's documentation, and report it with the fbtrace_id if it stays; then: leadloop work retry"
    " --all.",
    give_up_s=GIVE_UP_UNKNOWN_S,
)
