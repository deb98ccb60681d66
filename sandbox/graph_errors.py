"""Meta's error answers: envelope, codes, subcodes and wording. Source: Meta ingestion facts §6.2, §6.3 (read 2026-11-22)."""

from datetime import datetime, timedelta
from typing import Any

from sandbox.faults import ADS_LIMITS, Fault

DOCS = "https://developers.facebook.com/docs/graph-api"


class GraphError(Exception):
    """An answer that is an error. `status` is the HTTP status; Meta's clients decide by `code` and `subcode`.
    `regain_minutes` goes into the usage headers."""

    def __init__(
        self,
        status: int,
        code: int,
        message: str,
        *,
        type_: str = "OAuthException",
        subcode: int | None = None,
        is_transient: bool = False,
        regain_minutes: int = 0,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.type = type_
        self.subcode = subcode
        self.is_transient = is_transient
        self.regain_minutes = regain_minutes

    def to_json(self, fbtrace_id: str) -> dict[str, Any]:
        error: dict[str, Any] = {"message": self.message, "type": self.type, "code": self.code}
        if self.subcode is not None:
            error["error_subcode"] = self.subcode
        if self.is_transient:
            error["is_transient"] = True
        return {"error": error | {"fbtrace_id": fbtrace_id}}


def no_token(*, about_me: bool = False) -> GraphError:
    if about_me:
        text = "An active access token must be used to query information about the current user."
        return GraphError(400, 2500, text)
    return GraphError(400, 104, "An access token is required to request this resource.")


def unreadable_token() -> GraphError:
    return GraphError(401, 190, "Invalid OAuth access token - Cannot parse access token")


def bad_app_token() -> GraphError:
    return GraphError(401, 190, "Invalid OAuth access token signature.")


def expired_token(now: datetime) -> GraphError:
    ended = (now - timedelta(hours=1)).strftime("%A, %d-%b-%y %H:%M:%S PST")
    text = f"Session has expired on {ended}. The current time is {now.strftime('%A, %d-%b-%y %H:%M:%S PST')}."
    return GraphError(401, 190, f"Error validating access token: {text}", subcode=463)


def password_changed() -> GraphError:
    text = (
        "Error validating access token: The session has been invalidated because the user changed their password or"
        " Facebook has changed the session for security reasons."
    )
    return GraphError(401, 190, text, subcode=460)


def token_rejected(subcode: int, now: datetime) -> GraphError:
    """A token that is dead for another reason. Source: Meta ingestion facts §6.3; wording recalled."""
    if subcode == 463:
        return expired_token(now)
    if subcode == 460:
        return password_changed()
    texts = {
        458: "The user has not authorized application.",
        459: "The session is invalid because the user must log in to fix a checkpoint.",
        464: "Sessions for the user are not allowed because the user is not a confirmed user.",
        467: "This session is invalid.",
        492: "The user must be an administrator, editor, or moderator of the page.",
    }
    return GraphError(401, 190, f"Error validating access token: {texts[subcode]}", subcode=subcode)


def missing_proof() -> GraphError:
    text = "API calls from the server require an appsecret_proof argument"
    return GraphError(400, 100, text, type_="GraphMethodException")


def bad_proof() -> GraphError:
    return GraphError(400, 104, "Invalid appsecret_proof provided in the API argument", type_="GraphMethodException")


def not_found(object_id: str, method: str = "get") -> GraphError:
    """Missing, or no right to see it: Meta does not tell which. Source: Meta ingestion facts §5.6."""
    text = (
        f"Unsupported {method.lower()} request. Object with ID '{object_id}' does not exist, cannot be loaded due to"
        f" missing permissions, or does not support this operation. Please read the Graph API documentation at {DOCS}"
    )
    return GraphError(400, 100, text, type_="GraphMethodException", subcode=33)


def no_such_field(name: str, node_type: str) -> GraphError:
    return GraphError(400, 100, f"(#100) Tried accessing nonexisting field ({name}) on node type ({node_type})")


def bad_parameter(text: str) -> GraphError:
    return GraphError(400, 100, f"(#100) {text}")


def bad_syntax(text: str) -> GraphError:
    return GraphError(400, 2500, f"Syntax error {text}")


def unknown_path(path: str) -> GraphError:
    return GraphError(400, 2500, f"Unknown path components: /{path}")


def unsupported(method: str, path: str) -> GraphError:
    """What Meta may have and the sandbox has not, in Meta's envelope."""
    text = f"Unsupported {method.lower()} request: the leadloop sandbox does not play {method} {path}"
    return GraphError(400, 100, text, type_="GraphMethodException")


def blocked() -> GraphError:
    text = "(#368) The action attempted has been deemed abusive or is otherwise disallowed"
    return GraphError(400, 368, text)


def no_such_object(object_id: str) -> GraphError:
    return GraphError(404, 803, f"(#803) Some of the aliases you requested do not exist: {object_id[:80]}")


def permission(code: int = 200, needed: str = "leads_retrieval") -> GraphError:
    if code == 3:
        return GraphError(400, 3, "(#3) Application does not have the capability to make this API call.")
    if code == 10:
        return GraphError(403, 10, "(#10) Application does not have permission for this action")
    return GraphError(403, 200, f"(#200) Requires {needed} permission to manage the object")


def page_token_needed() -> GraphError:
    return GraphError(400, 210, "(#210) A page access token is required to request this resource.")


def no_ads_rights(code: int) -> GraphError:
    """Asked for ad-level fields without the right to see ads. Source: Meta ingestion facts §5.1."""
    if code == 100:
        return bad_parameter("Tried accessing nonexisting field (ad_name) on node type (UserLeadGenInfo)")
    return permission(code, needed="ads_management")


def unknown_error() -> GraphError:
    return GraphError(500, 1, "An unknown error has occurred.")


def too_much_data() -> GraphError:
    return GraphError(500, 1, "Please reduce the amount of data you're asking for, then retry your request")


def temporary() -> GraphError:
    text = "An unexpected error has occurred. Please retry your request later."
    return GraphError(500, 2, text, is_transient=True)


_BUSINESS_CALLS = {
    80000: "ads-insights",
    80001: "Page",
    80002: "Instagram",
    80003: "custom-audience",
    80004: "ads-management",
    80005: "leadgen",
    80006: "Messenger",
    80008: "WhatsApp management",
    80009: "catalog",
    80014: "catalog batch",
}


def rate_limited(code: int, regain_minutes: int) -> GraphError:
    """A limit that is used up. Source: Meta ingestion facts §6.3, §6.4."""
    texts = {
        4: (403, "(#4) Application request limit reached"),
        17: (403, "(#17) User request limit reached"),
        32: (403, "(#32) Page request limit reached"),
        341: (403, "(#341) Application limit reached"),
        613: (400, "(#613) Calls to this api have exceeded the rate limit."),
    }
    calls = _BUSINESS_CALLS.get(code, "business")
    account = "ad" if code in ADS_LIMITS else "Page"
    business = (
        f"(#{code}) There have been too many {calls} api calls to this {account} account. Wait a bit and try again. For"
        f" more info, please refer to {DOCS}/overview/rate-limiting."
    )
    status, text = texts.get(code, (400, business))
    subcode = 2446079 if code in ADS_LIMITS else None
    return GraphError(status, code, text, subcode=subcode, is_transient=code == 4, regain_minutes=regain_minutes)


def callback_failed(found: str) -> GraphError:
    """The handshake with a callback did not work. Source: Meta ingestion facts §1.1 (wording recalled)."""
    text = f"(#2200) Callback verification failed with the following errors: {found}"
    return GraphError(400, 2200, text)


def error_of(fault: Fault, object_id: str, now: datetime) -> GraphError | None:
    """The error a Graph fault stands for; None for faults of the transport."""
    if fault.kind == "rate_limited":
        return rate_limited(fault.code or 80005, fault.regain_minutes)
    if fault.kind == "permission":
        return permission(fault.code or 200)
    if fault.kind == "token_rejected":
        return token_rejected(fault.code or 467, now)
    made = {
        "token_expired": lambda: expired_token(now),
        "password_changed": password_changed,
        "no_lead_access": lambda: not_found(object_id),
        "bad_proof": bad_proof,
        "blocked": blocked,
        "no_such_object": lambda: no_such_object(object_id),
        "unknown_error": unknown_error,
        "temporary": temporary,
        "too_much_data": too_much_data,
    }.get(fault.kind)
    return made() if made else None
