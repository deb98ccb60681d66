"""What Graph tells about tokens, rights and subscriptions, read for doctor and for connecting Pages. Pure.

Source: Meta ingestion facts §1.9, §5.6, §6.2, read 2026-11-22.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from leadloop.graph_values import id_text, objects_in, parse_graph_time


@dataclass(frozen=True)
class TokenInfo:
    """What debug_token says. `expires_at` None: never. `targets` maps a scope to the ids it is limited to; a scope that
    is not in it holds for all. `error_code` is Meta's reason for a token that is not valid."""

    is_valid: bool
    type: str | None = None
    app_id: str | None = None
    user_id: str | None = None
    profile_id: str | None = None
    expires_at: datetime | None = None
    data_access_expires_at: datetime | None = None
    scopes: frozenset[str] = frozenset()
    targets: Mapping[str, frozenset[str]] = field(default_factory=dict)
    error_code: int | None = None
    error_subcode: int | None = None

    def allows(self, scope: str, target_id: str | None = None) -> bool:
        """Whether the scope is granted, and for this Page if one is named."""
        if scope not in self.scopes:
            return False
        return target_id is None or scope not in self.targets or target_id in self.targets[scope]


@dataclass(frozen=True)
class LeadAccess:
    """What Leads Access Manager says about the token's user and the app. None: Graph did not say.

    `failure_reason` and `failure_resolution` are Meta's words to show to the Page's owner.
    """

    can_access_lead: bool | None
    app_has_leads_permission: bool | None = None
    user_has_leads_permission: bool | None = None
    enabled_lead_access_manager: bool | None = None
    is_page_admin: bool | None = None
    failure_reason: str | None = None
    failure_resolution: str | None = None


@dataclass(frozen=True)
class Account:
    """A Page that a token can reach, with the Page's own token when Graph gives it."""

    page_id: str
    name: str | None
    access_token: str | None = field(repr=False)
    tasks: frozenset[str] = frozenset()


@dataclass(frozen=True)
class SubscribedApp:
    """An app that a Page sends notices to."""

    app_id: str
    name: str | None
    subscribed_fields: frozenset[str]


def parse_token_info(answer: Mapping[str, Any]) -> TokenInfo | None:
    """None when the answer has no `data` object. Unknown or malformed parts count as absent."""
    data = answer.get("data")
    if not isinstance(data, dict):
        return None
    error = data.get("error")
    error = error if isinstance(error, dict) else {}
    return TokenInfo(
        is_valid=data.get("is_valid") is True,
        type=_text(data.get("type")),
        app_id=id_text(data.get("app_id")),
        user_id=id_text(data.get("user_id")),
        profile_id=id_text(data.get("profile_id")),
        expires_at=parse_graph_time(data.get("expires_at")),
        data_access_expires_at=parse_graph_time(data.get("data_access_expires_at")),
        scopes=_texts(data.get("scopes")),
        targets=_targets(data.get("granular_scopes")),
        error_code=_whole(error.get("code")),
        error_subcode=_whole(error.get("subcode")),
    )


def _targets(value: Any) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for row in objects_in(value):
        scope, ids = _text(row.get("scope")), row.get("target_ids")
        if scope and isinstance(ids, list):  # absent means: all
            found[scope] = frozenset(text for one in ids if (text := id_text(one)) is not None)
    return found


def parse_lead_access(answer: Mapping[str, Any]) -> LeadAccess | None:
    """None when the answer says nothing about lead access."""
    node = answer.get("has_lead_access")
    if not isinstance(node, dict):
        return None
    return LeadAccess(
        can_access_lead=_yes(node.get("can_access_lead")),
        app_has_leads_permission=_yes(node.get("app_has_leads_permission")),
        user_has_leads_permission=_yes(node.get("user_has_leads_permission")),
        enabled_lead_access_manager=_yes(node.get("enabled_lead_access_manager")),
        is_page_admin=_yes(node.get("is_page_admin")),
        failure_reason=_text(node.get("failure_reason")),
        failure_resolution=_text(node.get("failure_resolution")),
    )


def parse_account(row: Mapping[str, Any]) -> Account | None:
    """None for a row without an id."""
    page_id = id_text(row.get("id"))
    if page_id is None:
        return None
    return Account(page_id, _text(row.get("name")), _text(row.get("access_token")), _texts(row.get("tasks")))


def parse_subscribed_app(row: Mapping[str, Any]) -> SubscribedApp | None:
    """None for a row without an id. Older versions give the fields as objects with a name."""
    app_id = id_text(row.get("id"))
    if app_id is None:
        return None
    fields = row.get("subscribed_fields")
    named = [one.get("name") if isinstance(one, dict) else one for one in fields] if isinstance(fields, list) else []
    return SubscribedApp(app_id, _text(row.get("name")), _texts(named))


def _yes(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _texts(value: Any) -> frozenset[str]:
    return frozenset(one for one in value if isinstance(one, str)) if isinstance(value, list) else frozenset()


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
