"""Any HTTPS address: one signed POST for each lead, as Standard Webhooks says (facts: crm-apis §19, read 2026-11-22)."""

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from marshmallow import Schema, ValidationError, fields, validates_schema

from crm_adapters.base import MASK, Check, CrmAdapter, Earlier, Preview, RemoteRef, checked, error_from_status
from crm_adapters.setting_fields import HttpsUrl, find_address, is_loopback, split_url
from leadloop.errors import LeadloopError, NeedsHuman, Permanent
from leadloop.http import HttpAnswer, HttpDoor, build_json, host_of, is_public
from leadloop.leads import LeadCard, iso_utc

MAKE_SECRET = 'python -c "from crm_adapters.webhook import make_secret; print(make_secret())"'  # noqa: S105
MAX_SECRETS = 4
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_OURS = ("content-type", "content-length", "transfer-encoding", "connection", "host", "user-agent", "accept-encoding")
_PLAIN_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_THEIR_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,200}")  # no "@": an id ends up in logs, an e-mail address must not


class SecretList(fields.Field[list[str]]):
    """One signing secret, or several while rotating: a list, or one text with commas or spaces between."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> list[str]:
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            found = [item.strip() for item in value if item.strip()]
        elif isinstance(value, str):
            found = value.replace(",", " ").split()
        else:
            raise ValidationError(f"Must be a text, or a list of texts while rotating. Make one with: {MAKE_SECRET}")
        if not found or not all(map(_usable, found)):
            raise ValidationError(
                f"Must be whsec_ and 24 to 64 bytes in base64 (Standard Webhooks). Make one with: {MAKE_SECRET}"
            )
        if len(found) > MAX_SECRETS:
            raise ValidationError(f"Has more than {MAX_SECRETS} secrets; take out those that are no longer used.")
        return list(dict.fromkeys(found))


class HeaderTable(fields.Dict):
    """Extra headers: names and values that HTTP allows, none of those that leadloop sends itself."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> dict[str, str]:
        found: dict[Any, Any] = super()._deserialize(value, attr, data, **kwargs)  # type: ignore[no-untyped-call]
        for name, text in found.items():
            if not (isinstance(name, str) and _HEADER_NAME.fullmatch(name)):
                raise ValidationError("Has a name that is not an HTTP header name (letters, digits and hyphens).")
            if name.lower() in _OURS or name.lower().startswith("webhook-"):
                raise ValidationError(f"{name} is set by leadloop itself. Leave it out.")
            if not (isinstance(text, str) and re.fullmatch(r"[\x20-\x7e]{1,4096}", text) and text == text.strip()):
                raise ValidationError(f"The value of {name} must be ASCII text on one line, without spaces around it.")
        return dict(found)


class WebhookSettings(Schema):
    """Settings of a `webhook` connection."""

    url = HttpsUrl(
        required=True,
        http="any",
        metadata={
            "label": "Address",
            "help": "https:// address that receives one POST for each lead.",
            "secret_path": True,
        },
    )
    secret = SecretList(
        required=True,
        error_messages={
            "required": f"Is missing: the receiver checks signatures with it. Make one with: {MAKE_SECRET}"
        },
        metadata={
            "secret": True,
            "label": "Signing secret",
            "help": "whsec_… of Standard Webhooks, shared with the receiver; a list of two while rotating.",
        },
    )
    headers = HeaderTable(
        load_default=dict,
        metadata={
            "secret": True,
            "label": "Extra headers",
            "help": 'Headers the receiver asks for, such as { Authorization = "Bearer …" }.',
        },
    )
    allow_private = fields.Boolean(
        load_default=False,
        truthy={True},
        falsy={False},
        metadata={
            "label": "Allow private addresses",
            "help": "true to reach 127.0.0.1, 10.x and other addresses inside your network, also by http://.",
        },
    )

    @validates_schema
    def check_address(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        parts = split_url(data["url"])
        if data["allow_private"]:
            return
        address = find_address(parts)
        if is_loopback(parts) or (address is not None and not is_public(str(address))):
            raise ValidationError(
                "Is a private or local address. Set allow_private = true if that is what you want.", "url"
            )
        if parts.scheme == "http":
            raise ValidationError("Must start with https:// (http:// only with allow_private = true).", "url")


class Webhook(CrmAdapter):
    """Any HTTPS address that accepts JSON, signed as Standard Webhooks says."""

    kind = "webhook"
    label = "Webhook"
    settings_schema = WebhookSettings
    docs = "docs/crm/webhook.md"

    def open_door(self) -> HttpDoor:
        return HttpDoor(public_only=not self.settings["allow_private"])

    def push_lead(self, lead: LeadCard, earlier: Earlier) -> RemoteRef:
        """POST the lead. Safe to repeat: `webhook-id` is the same for every attempt, and the receiver's to deduplicate.

        Any 2xx is success, whatever its body; an "id" in a JSON answer becomes the record's id.
        """
        url, body = self.settings["url"], build_json(self._message(lead))
        answer = self.http.request("POST", url, headers=self._signed(lead, body), body=body)
        if not 200 <= answer.status < 300:
            raise self.error_from(answer, url)
        return RemoteRef("lead", find_id(answer) or message_id(lead))

    def preview(self, lead: LeadCard) -> list[Preview]:
        headers = self._signed(lead, b"") | dict.fromkeys(self.settings["headers"], MASK)
        return [
            Preview(
                "POST",
                mask_address(self.settings["url"], path=not self.settings["allow_private"]),
                self._message(lead),
                headers | {"webhook-signature": f"v1,{MASK}"},
            )
        ]

    def check(self) -> list[Check]:
        """Reach the address with OPTIONS, which starts nothing at the receiver. That it knows the secret shows with the
        first lead only: any POST would look like one."""
        count = len(self.settings["secret"])
        return [
            checked("address", self._reach, mend="Check the address and that its server runs."),
            Check(
                "signature", True, f"Signs with {count} secret{'s' if count > 1 else ''}; a lead shows if it is known."
            ),
        ]

    def error_from(self, answer: HttpAnswer, url: str) -> LeadloopError:
        host, code = host_of(url), f"http_{answer.status}"
        if answer.status == 410:
            return NeedsHuman(
                f"{self.label} ({host}) says that this address has been switched off (410).",
                code=code,
                action="Ask its owner for the new address, or take the connection out of the routes.",
                scope="lane",
            )
        if answer.status in (404, 405):
            return NeedsHuman(
                f"{self.label} ({host}) does not accept a POST at this address ({answer.status}).",
                code=code,
                action="Correct the path of url in the connection's settings, or put the receiver back into service.",
                scope="lane",
            )
        error = error_from_status(answer, url, label=self.label)
        if isinstance(error, Permanent):
            error.action = "See in the receiver's log why it refused the webhook-id of this lead, mend it, then retry."
        return error

    def _message(self, lead: LeadCard) -> dict[str, Any]:
        data = lead.to_json()
        if lead.mapped:
            data["mapped"] = dict(lead.mapped)
        happened = iso_utc(lead.created_at or lead.received_at or self.now())
        return {"type": "lead.created", "timestamp": happened, "data": data}

    def _signed(self, lead: LeadCard, body: bytes) -> dict[str, str]:
        msg_id, timestamp = message_id(lead), int(self.now().timestamp())
        return {
            **self.settings["headers"],
            "Content-Type": "application/json",
            "webhook-id": msg_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": build_signature(self.settings["secret"], msg_id, timestamp, body),
        }

    def _reach(self) -> str:
        url = self.settings["url"]
        answer = self.http.request("OPTIONS", url, headers=self.settings["headers"])
        if answer.status in (401, 410) or answer.status >= 500 or 300 <= answer.status < 400:
            raise self.error_from(answer, url)
        return f"{host_of(url)} answers (OPTIONS: {answer.status})."


def build_signature(found: list[str], msg_id: str, timestamp: int, body: bytes) -> str:
    """The webhook-signature header: one `v1,<base64>` for each secret, over `<id>.<timestamp>.<body>`, HMAC-SHA256.

    Source: CRM facts §19 (Standard Webhooks), read 2026-11-22.
    """
    signed = f"{msg_id}.{timestamp}.".encode() + body
    digests = (hmac.digest(base64.b64decode(item.removeprefix("whsec_")), signed, "sha256") for item in found)
    return " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests)


def make_secret() -> str:
    """A new signing secret: `whsec_` and 32 random bytes in base64."""
    return f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"


def message_id(lead: LeadCard) -> str:
    """The webhook-id of a lead: the same for every attempt. No dots, since they divide the signed text."""
    plain = lead.leadgen_id if _PLAIN_ID.fullmatch(lead.leadgen_id) else None
    return f"msg_{plain or hashlib.sha256(lead.leadgen_id.encode(errors='replace')).hexdigest()[:32]}"


def find_id(answer: HttpAnswer) -> str | None:
    """The "id" of a JSON object in the answer, as text, when it looks like an id."""
    try:
        parsed = answer.json()
    except ValueError:
        return None
    found = parsed.get("id") if isinstance(parsed, dict) else None
    if isinstance(found, int) and not isinstance(found, bool):
        found = str(found)
    return found if isinstance(found, str) and _THEIR_ID.fullmatch(found) else None


def mask_address(url: str, *, path: bool) -> str:
    """The URL with its query masked, as some receivers take a key there, and with `path` its path, where others do."""
    parts = urlsplit(url)
    if path and parts.path.strip("/"):
        parts = parts._replace(path=f"/{MASK}")
    return urlunsplit(parts._replace(query=MASK)) if parts.query else urlunsplit(parts)


def _usable(secret: str) -> bool:
    if not secret.startswith("whsec_"):
        return False
    try:
        return 24 <= len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) <= 64
    except ValueError:
        return False
