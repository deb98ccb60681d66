"""Graph's two subscriptions: the app's to an object, and each Page's to the app. Source: Meta ingestion facts §1.1, §1.9.

Both are needed: without one of them Meta sends nothing and says nothing.
"""

import secrets
from urllib.parse import urlencode

from sandbox import graph_errors as errors
from sandbox.access import check_page, check_scope
from sandbox.calls import Call, Json
from sandbox.loopback import NotLoopback
from sandbox.options import APP_NAME
from sandbox.outgoing import exchange
from sandbox.rows import Subscription
from sandbox.state import OBJECTS, PAGE_FIELDS

KNOWN_PAGE_FIELDS = frozenset(
    [
        *PAGE_FIELDS,
        *("message_deliveries", "message_echoes", "message_edits", "message_reactions", "message_reads", "standby"),
        *("messaging_handovers", "messaging_optins", "messaging_optouts", "messaging_policy_enforcement"),
        *("inbox_labels", "leadgen_fat", "ratings", "response_feedback", "follow", "business_integrity"),
    ]
)


def _check_page_token(call: Call) -> None:
    check_page(call.token, call.page.page_id, call.page.page_id, call.method)
    if call.token.kind != "page":
        raise errors.page_token_needed()
    check_scope(call.state, "pages_manage_metadata")


def list_subscribed_apps(call: Call) -> Json:
    _check_page_token(call)
    fields = call.state.subscribed.get(call.page.page_id)
    if fields is None:
        return {"data": []}
    app = {"category": "Business", "link": "https://example.com/", "name": APP_NAME, "id": call.state.options.app_id}
    return {"data": [app | {"subscribed_fields": list(fields)}]}


def subscribe_page(call: Call) -> Json:
    _check_page_token(call)
    given = call.params.get("subscribed_fields", "")
    names = given if isinstance(given, list) else str(given).strip("[]").replace('"', "").split(",")
    fields = tuple(dict.fromkeys(str(name).strip() for name in names if str(name).strip()))
    if not fields:
        raise errors.bad_parameter("The parameter subscribed_fields is required")
    for name in fields:
        if name not in KNOWN_PAGE_FIELDS:
            raise errors.bad_parameter(f"Param subscribed_fields[0] must be one of {{{', '.join(PAGE_FIELDS)}, …}}")
    call.state.subscribed[call.page.page_id] = fields
    return {"success": True}


def unsubscribe_page(call: Call) -> Json:
    _check_page_token(call)
    call.state.subscribed.pop(call.page.page_id, None)
    return {"success": True}


def _check_app_token(call: Call) -> None:
    if call.token.kind != "app":
        raise errors.GraphError(400, 15, "(#15) This method must be called with an app access_token.")


def list_subscriptions(call: Call) -> Json:
    _check_app_token(call)
    version = call.state.options.graph_version
    return {
        "data": [
            {
                "object": one.object,
                "callback_url": one.callback_url,
                "active": True,
                "fields": [{"name": name, "version": version} for name in one.fields],
            }
            for one in call.state.subscriptions.values()
        ]
    }


def subscribe_app(call: Call) -> Json:
    """Subscribe to an object after the handshake with the callback. Source: Meta ingestion facts §1.1, §1.9."""
    _check_app_token(call)
    object_ = call.text("object")
    if object_ not in OBJECTS:
        raise errors.bad_parameter(f"Param object must be one of {{{', '.join(OBJECTS)}}}")
    old = call.state.subscriptions.get(object_)
    callback_url = call.text("callback_url", old.callback_url if old else "")
    fields = tuple(name.strip() for name in call.text("fields").split(",") if name.strip())
    if not fields:
        raise errors.bad_parameter("The parameter fields is required")
    _shake_hands(callback_url, call.text("verify_token"))
    include_values = call.text("include_values", "false").lower() in ("true", "1")
    call.state.subscriptions[object_] = Subscription(object_, callback_url, fields, include_values)
    return {"success": True}


def unsubscribe_app(call: Call) -> Json:
    _check_app_token(call)
    object_ = call.text("object")
    for name in [object_] if object_ else list(call.state.subscriptions):
        call.state.subscriptions.pop(name, None)
    return {"success": True}


def _shake_hands(callback_url: str, verify_token: str) -> None:
    challenge = str(secrets.randbelow(9 * 10**9) + 10**9)
    query = urlencode({"hub.mode": "subscribe", "hub.challenge": challenge, "hub.verify_token": verify_token})
    join = "&" if "?" in callback_url else "?"
    try:
        answer = exchange("GET", f"{callback_url}{join}{query}", timeout_s=5)
    except NotLoopback as caught:
        raise errors.bad_parameter(f"callback_url {caught}") from caught
    if answer.status != 200:
        found = f"HTTP Status Code = {answer.status}; HTTP Message = {answer.reason}"
        raise errors.callback_failed(found if answer.status else f"the callback did not answer ({answer.problem})")
    if answer.body != challenge.encode():
        raise errors.callback_failed("the answer was not the hub.challenge that was sent")
