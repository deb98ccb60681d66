"""What a sandbox is started with: ids, secrets, delays. Secrets are fresh and random unless given."""

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field
from typing import Literal

from sandbox.loopback import NotLoopback, parse_target

APP_ID = "777000111222333"
APP_NAME = "leadloop sandbox app"
SYSTEM_USER_ID = "100000000000555"
LONGEST_DELAY_MS = 600_000


class OptionsError(ValueError):
    """An option cannot be used. `name` is the option, the text says what to give instead."""

    def __init__(self, name: str, mend: str) -> None:
        super().__init__(f"{name} {mend}.")
        self.name = name
        self.mend = mend


@dataclass(frozen=True)
class SandboxOptions:
    """Everything a sandbox is started with.

    What is left empty follows from `app_secret`, so that two starts with one secret agree on every token: the system
    user's token, each Page's token and the CRM's signing secret. `crm_secret=""` makes the CRM accept unsigned leads.
    `proof`: "require" refuses calls without appsecret_proof, "check" only wrong ones. Delays are in milliseconds.
    `retry_delays_s` are the waits before each new try of a webhook that was not answered 200. Meta tries again at
    once, then ever more rarely for 36 hours; here the tries are bounded. Source: Meta ingestion facts §1.6.
    `api_url` and `api_key` are leadloop's, for the outcomes that the CRM sends; without a key it sends none. The URL
    follows from `webhook_url`. `api_connection` is what leadloop calls this CRM.
    """

    app_id: str = APP_ID
    app_secret: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)
    verify_token: str = field(default_factory=lambda: secrets.token_urlsafe(18), repr=False)
    system_token: str = field(default="", repr=False)
    crm_secret: str | None = field(default=None, repr=False)
    webhook_url: str = "http://127.0.0.1:8000/webhooks/meta"
    graph_version: str = "v26.0"
    proof: Literal["require", "check"] = "require"
    ads_rights: bool = True
    graph_delay_ms: float = 0
    crm_delay_ms: float = 0
    alerts_delay_ms: float = 0
    send_threads: int = 16
    send_timeout_s: float = 5.0
    api_url: str = ""
    api_key: str = field(default="", repr=False)
    api_connection: str = "sandbox-crm"
    retry_delays_s: tuple[float, ...] = (0, 1, 2, 5, 10, 20, 30, 60, 60, 120, 300, 600)

    def __post_init__(self) -> None:
        _check(self)
        if not self.system_token:
            object.__setattr__(self, "system_token", self._token("system"))
        if not self.api_url:
            object.__setattr__(self, "api_url", "http://" + self.webhook_url.split("/")[2])
        if self.crm_secret is None:
            object.__setattr__(self, "crm_secret", "whsec_" + base64.b64encode(self._derive("crm")).decode())

    @property
    def app_token(self) -> str:
        """The app access token, as Meta writes it. Source: Meta ingestion facts §6.2."""
        return f"{self.app_id}|{self.app_secret}"

    def page_token(self, page_id: str) -> str:
        """The token a Page starts with (the controls can expire or replace it later)."""
        return self._token(f"page:{page_id}")

    def to_environ(self) -> dict[str, str]:
        """What makes `leadloop sandbox` in another process start with the same ids and secrets."""
        environ = {
            "META_APP_ID": self.app_id,
            "META_APP_SECRET": self.app_secret,
            "META_VERIFY_TOKEN": self.verify_token,
            "META_ACCESS_TOKEN": self.system_token,
            "META_GRAPH_VERSION": self.graph_version,
            "LEADLOOP_SANDBOX_CRM_SECRET": self.crm_secret or "",
            "LEADLOOP_SANDBOX_API_URL": self.api_url,
        }
        return environ | ({"LEADLOOP_SANDBOX_API_KEY": self.api_key} if self.api_key else {})

    def _token(self, purpose: str) -> str:
        return "EAASANDBOX" + self._derive(purpose).hex()

    def _derive(self, purpose: str) -> bytes:
        return hmac.new(self.app_secret.encode(), f"leadloop sandbox {purpose}".encode(), hashlib.sha256).digest()


def build_proof(app_secret: str, token: str) -> str:
    """appsecret_proof: hex HMAC-SHA256 of the token under the app secret. Source: Meta ingestion facts §6.2."""
    return hmac.new(app_secret.encode(), token.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


def read_signing_key(secret: str) -> bytes:
    """The key of a Standard Webhooks secret ("whsec_" and base64). Source: CRM facts §19."""
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError) as caught:
        raise OptionsError("crm_secret", "must be whsec_ followed by base64") from caught
    if not 24 <= len(key) <= 64:
        raise OptionsError("crm_secret", "must hold 24 to 64 random bytes in base64 after whsec_")
    return key


def _check(options: SandboxOptions) -> None:
    if not (options.app_id.isascii() and options.app_id.isdigit() and len(options.app_id) <= 20):
        raise OptionsError("app_id", "must be digits, as in your Meta app's dashboard")
    for name in ("app_secret", "verify_token"):
        value: str = getattr(options, name)
        if not value.strip() or not value.isprintable():
            raise OptionsError(name, "must be some text; leave the option out for a fresh random one")
    if not options.system_token.isprintable():
        raise OptionsError("system_token", "must be plain text; leave the option out to derive it from app_secret")
    if options.crm_secret:
        read_signing_key(options.crm_secret)
    for name in ("graph_delay_ms", "crm_delay_ms", "alerts_delay_ms"):
        if not 0 <= getattr(options, name) <= LONGEST_DELAY_MS:
            raise OptionsError(name, f"must be milliseconds from 0 to {LONGEST_DELAY_MS}")
    if not re.fullmatch(r"v\d{1,3}\.\d{1,2}", options.graph_version, re.ASCII):
        raise OptionsError("graph_version", "must look like v26.0")
    if options.proof not in ("require", "check"):
        raise OptionsError("proof", "must be 'require' or 'check'")
    if not 1 <= options.send_threads <= 256 or not 0 < options.send_timeout_s <= 60:
        raise OptionsError("send_threads/send_timeout_s", "must be 1 to 256 threads and at most 60 seconds")
    for name in ("webhook_url", "api_url"):
        try:
            if getattr(options, name) or name == "webhook_url":
                parse_target(getattr(options, name))
        except NotLoopback as caught:
            raise OptionsError(name, str(caught)) from caught
    if not (options.api_key.isascii() and options.api_key.isprintable()):
        raise OptionsError("api_key", "must be a key that leadloop api-key create printed")
