"""A receiver of the `webhook` adapter, as a careful one is written: verifies first, then keeps one record for an id."""

import base64
import hashlib
import hmac
from typing import Any

from crm_adapters.conformance import NOW, FakeCrm, Received, Reply

SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="


class Receiver(FakeCrm):
    """Answers 401 to what is not signed with one of `secrets`, or stamped more than five minutes off."""

    secrets = [SECRET]

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[str, Any] = {}

    def answer(self, request: Received) -> Reply:
        if request.method == "OPTIONS":
            return Reply(204)
        if request.method != "POST" or request.path != "/leads":
            return Reply(404)
        if not self.verified(request):
            return Reply(401, {"error": "signature"})
        self.kept[request.headers["webhook-id"]] = request.json()
        return Reply(200, {"id": "R-" + request.headers["webhook-id"]})

    def verified(self, request: Received) -> bool:
        """Written from the specification, not from our code: any of our signatures fits any of its secrets."""
        msg_id, stamp = request.headers.get("webhook-id", ""), request.headers.get("webhook-timestamp", "")
        if not stamp.isdigit() or abs(int(stamp) - NOW.timestamp()) > 300:
            return False
        signed = b".".join([msg_id.encode(), stamp.encode(), request.body])
        wanted = [hmac.new(base64.b64decode(secret[6:]), signed, hashlib.sha256).digest() for secret in self.secrets]
        given = [item[3:] for item in request.headers.get("webhook-signature", "").split(" ") if item[:3] == "v1,"]
        return any(hmac.compare_digest(base64.b64decode(item), digest) for item in given for digest in wanted)

    def records(self) -> list[Any]:
        return list(self.kept.values())
