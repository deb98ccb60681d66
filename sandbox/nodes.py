"""Leads, forms, Pages and tokens as Graph shows them. Sources: Meta ingestion facts §5.1, §5.3, §5.6, §6.2."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sandbox.forms import Form, Page
from sandbox.options import APP_NAME, SYSTEM_USER_ID
from sandbox.rows import Lead, Token
from sandbox.state import SandboxState

LEAD_DEFAULTS = "created_time,id,field_data"
FORM_DEFAULTS = "id,locale,name,status"
PAGE_DEFAULTS = "id,name"
AD_FIELDS = frozenset(("ad_id", "ad_name", "adset_id", "adset_name", "campaign_id", "campaign_name"))
SCOPES = (
    "ads_management",
    "ads_read",
    "business_management",
    "instagram_manage_events",
    "leads_retrieval",
    "page_events",
    "pages_manage_ads",
    "pages_manage_metadata",
    "pages_messaging",
    "pages_read_engagement",
    "pages_show_list",
    "whatsapp_business_manage_events",
    "whatsapp_business_management",
)
TASKS = ["ADVERTISE", "ANALYZE", "CREATE_CONTENT", "MANAGE", "MANAGE_LEADS", "MESSAGING", "MODERATE"]


def graph_time(at: datetime) -> str:
    """ISO 8601 with an offset without colon, to the second. Source: Meta ingestion facts §1.8."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S+0000")


def lead_node(lead: Lead) -> dict[str, Any]:
    """Every field a lead can have; None where this one has none."""
    ad = lead.ad
    return {
        "id": lead.leadgen_id,
        "created_time": graph_time(lead.created_at),
        "form_id": lead.form_id,
        "ad_id": ad and ad.ad_id,
        "ad_name": ad and ad.ad_name,
        "adset_id": ad and ad.adset_id,
        "adset_name": ad and ad.adset_name,
        "campaign_id": ad and ad.campaign_id,
        "campaign_name": ad and ad.campaign_name,
        "is_organic": lead.is_organic,
        "platform": lead.platform,
        "field_data": [{"name": name, "values": list(values)} for name, values in lead.field_data],
        "custom_disclaimer_responses": [
            {"checkbox_key": key, "is_checked": "1" if ticked else ""} for key, ticked in lead.disclaimers
        ]
        or None,
        "partner_name": None,
        "retailer_item_id": None,
        "post": None,
        "post_submission_check_result": None,
        "vehicle": None,
        "home_listing": None,
    }


def form_node(form: Form, state: SandboxState) -> dict[str, Any]:
    leads = state.list_leads(form.form_id)
    return {
        "id": form.form_id,
        "name": form.name,
        "status": "ACTIVE",
        "locale": form.locale,
        "page": {"id": form.page_id, "name": state.pages[form.page_id].name},
        "page_id": form.page_id,
        "created_time": form.created_time,
        "leads_count": len(leads),
        "organic_leads_count": sum(lead.is_organic for lead in leads),
        "expired_leads_count": state.count_expired(form.form_id),
        "questions": _questions(form),
        "tracking_parameters": [{"key": key, "value": value} for key, value in form.tracking] or None,
        "legal_content": _legal_content(form),
        "privacy_policy_url": "https://example.com/privacy",
        "follow_up_action_url": "https://example.com/",
        "follow_up_action_text": None,
        "question_page_custom_headline": form.headline,
        "allow_organic_lead": True,
        "block_display_for_non_targeted_viewer": False,
        "is_optimized_for_quality": False,
        "context_card": None,
        "thank_you_page": None,
        "creator": None,
    }


def _questions(form: Form) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = []
    for number, question in enumerate(form.questions, 1):
        row: dict[str, Any] = {"id": f"{form.form_id}{number:02d}", "key": question.key, "label": question.label}
        row["type"] = question.type
        if question.options:
            row["options"] = [{"key": option.key, "value": option.value} for option in question.options]
        listed.append(row)
    return listed


def _legal_content(form: Form) -> dict[str, Any]:
    content: dict[str, Any] = {
        "id": f"{form.form_id}90",
        "privacy_policy": {"url": "https://example.com/privacy", "link_text": "Privacy"},
    }
    if form.checkboxes:
        boxes = [{"key": box.key, "text": box.text, "is_required": False} for box in form.checkboxes]
        content["custom_disclaimer"] = {"title": "", "body": {"text": ""}, "checkboxes": boxes}
    return content


def page_node(page: Page, state: SandboxState, lead_access: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": page.page_id,
        "name": page.name,
        "category": page.category,
        "link": f"https://www.facebook.com/{page.page_id}",
        "access_token": state.current_token(page.page_id).value,
        "tasks": TASKS,
        "has_lead_access": dict(lead_access),
        "instagram_business_account": None,
        "leadgen_tos_accepted": True,
    }


def lead_access(page: Page, *, app_id: str, user_id: str, blocked: bool) -> dict[str, Any]:
    """The answer of has_lead_access; `blocked` as when Leads Access Manager leaves the app out."""
    node: dict[str, Any] = {
        "app_has_leads_permission": not blocked,
        "can_access_lead": not blocked,
        "enabled_lead_access_manager": blocked,
        "is_page_admin": True,
        "page_id": page.page_id,
        "user_has_leads_permission": not blocked,
        "user_id": user_id or SYSTEM_USER_ID,
    }
    if blocked:
        node |= {
            "failure_reason": f"The app {app_id} has not been given access to the leads of this Page.",
            "failure_resolution": "Assign the app in Business settings > Integrations > Leads access.",
        }
    return node


def debug_node(token: Token | None, state: SandboxState, problem: Mapping[str, Any] | None) -> dict[str, Any]:
    """What debug_token says of a token; `problem` is Meta's error for one that no longer works."""
    if token is None:
        error = {"code": 190, "message": "Invalid OAuth access token - Cannot parse access token"}
        return {"error": error, "is_valid": False, "scopes": []}
    now = state.now()
    scopes = [] if token.kind == "app" else granted_scopes(state)
    node: dict[str, Any] = {
        "app_id": state.options.app_id,
        "type": {"system": "SYSTEM_USER", "page": "PAGE", "app": "APP"}[token.kind],
        "application": APP_NAME,
        "data_access_expires_at": 0 if token.kind == "app" else int((now + timedelta(days=90)).timestamp()),
        "expires_at": 0,
        "is_valid": problem is None,
        "issued_at": int((now - timedelta(days=1)).timestamp()),
        "scopes": scopes,
    }
    if token.kind != "app":
        targets = [token.page_id] if token.page_id else list(state.pages)
        node["granular_scopes"] = [{"scope": scope, "target_ids": targets} for scope in scopes]
        node["user_id"] = SYSTEM_USER_ID
    if token.page_id:
        node["profile_id"] = token.page_id
    if problem is not None:
        node["error"] = dict(problem)
        if problem.get("subcode") == 463:
            node["expires_at"] = int((now - timedelta(hours=1)).timestamp())
    return node


def granted_scopes(state: SandboxState) -> list[str]:
    missing = set(state.knobs.missing_scopes) | (set() if state.knobs.ads_rights else {"ads_management"})
    return [scope for scope in SCOPES if scope not in missing]
