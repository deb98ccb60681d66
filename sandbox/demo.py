"""What leadloop needs to work with the sandbox: its environment, and its configuration file."""

import json

from sandbox.datasets import CRM_DATASET_ID
from sandbox.forms import PAGES, Page
from sandbox.options import SandboxOptions

CONNECTION = "sandbox-crm"
NOTIFIER = "sandbox-sales"


def demo_environ(options: SandboxOptions, base_url: str) -> dict[str, str]:
    """The environment variables that make leadloop talk to the sandbox at `base_url` instead of Meta."""
    return {
        "META_APP_ID": options.app_id,
        "META_APP_SECRET": options.app_secret,
        "META_VERIFY_TOKEN": options.verify_token,
        "META_ACCESS_TOKEN": options.system_token,
        "META_GRAPH_URL": base_url.rstrip("/"),
    }


def demo_config(options: SandboxOptions, base_url: str) -> str:
    """leadloop's configuration file (TOML) for the demo's Pages, the sandbox CRM and the alert inbox."""
    base_url = base_url.rstrip("/")
    host = base_url.removeprefix("http://")
    settings = [f"url = {_quote(base_url + '/crm/leads')}", "allow_private = true"]
    if options.crm_secret:
        settings.insert(1, f"secret = {_quote(options.crm_secret)}")
    pages = [page.page_id for page in PAGES]
    return "\n".join(
        [
            "# leadloop with its sandbox: nothing here leaves this machine.",
            "",
            *(_page_table(page, options) for page in PAGES),
            "[[connections]]",
            f"name = {_quote(CONNECTION)}",
            'adapter = "webhook"',
            f"settings = {{ {', '.join(settings)} }}",
            "",
            "[[notifiers]]",
            f"name = {_quote(NOTIFIER)}",
            f"urls = [{_quote(f'json://{host}/alerts')}]",
            "",
            "[[routes]]",
            f"pages = [{', '.join(map(_quote, pages))}]",
            'forms = ["*"]',
            f"connections = [{_quote(CONNECTION)}]",
            f"notifiers = [{_quote(NOTIFIER)}]",
            "",
            "[[funnels]]",
            f"connection = {_quote(CONNECTION)}",
            f"dataset_id = {_quote(CRM_DATASET_ID)}",
            "stages = [",
            '  { stage = "new", event = "Raw Lead" },',
            '  { stage = "qualified", event = "Qualified Lead" },',
            '  { stage = "demo", event = "Demo Scheduled" },',
            '  { stage = "won", event = "Purchase", value = "required" },',
            '  { stage = "lost" },',
            "]",
            "",
        ]
    )


def _page_table(page: Page, options: SandboxOptions) -> str:
    rows = {
        "id": page.page_id,
        "name": page.name,
        "access_token": options.page_token(page.page_id),
        "default_country": page.country,
        "business_country": page.country,
    }
    return "[[pages]]\n" + "".join(f"{name} = {_quote(value)}\n" for name, value in rows.items())


def _quote(text: str) -> str:
    """A TOML basic string; JSON's escapes are a part of TOML's."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
