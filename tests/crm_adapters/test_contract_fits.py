"""The contract against CRMs that are still to come: their notices, as the facts describe them, through small samples.

Each sample is what its adapter's notice part will look like; what is tested is that the contract has room for it.
Vectors: CRM facts §1, §2, §4, §5, §6, §8, §14, §17, read 2026-11-22.
"""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

import pytest
from marshmallow import Schema

from crm_adapters.base import (
    CrmAdapter,
    CrmNotice,
    NoticeAnswer,
    NoticeRefused,
    Polled,
    RemoteChange,
    RemoteOutcome,
    RemoteRef,
)

AT = datetime(2026, 9, 21, 14, 13, 21, tzinfo=UTC)  # 1790000001


class Sample(CrmAdapter):
    kind, label, settings_schema = "sample", "Sample", Schema


class HubSpotNotices(Sample):
    """Signed over method, URL, body and time; brings ids and one property; up to 100 in a notice."""

    notices = "signed"

    def verify_notice(self, notice: CrmNotice) -> None:
        stamp = notice.headers.get("x-hubspot-request-timestamp", "")
        signed = notice.method.encode() + notice.url.encode() + notice.body + stamp.encode()
        wanted = base64.b64encode(hmac.digest(self.settings["secret"].encode(), signed, "sha256")).decode()
        if not hmac.compare_digest(wanted, notice.headers.get("x-hubspot-signature-v3", "")):
            raise NoticeRefused("signature")
        if abs(notice.received_at.timestamp() * 1000 - int(stamp)) > 300_000:
            raise NoticeRefused("stale")

    def parse_notice(self, notice: CrmNotice) -> list[RemoteOutcome | RemoteChange]:
        return [
            RemoteChange("deal", str(one["objectId"]), f"{one['portalId']}:{one['eventId']}:{one['occurredAt']}")
            for one in json.loads(notice.body)
            if one["subscriptionType"] == "deal.propertyChange"
        ]

    def read_change(self, change: RemoteChange) -> list[RemoteOutcome]:
        contact = RemoteRef("contact", "501")
        return [
            RemoteOutcome(
                change.id, "closedwon", AT, change.dedup_key, Decimal("900"), "USD", kind="deal", related=(contact,)
            )
        ]


HUBSPOT_BODY = (
    b'[{"eventId":1,"subscriptionId":2,"portalId":3,"appId":4,"occurredAt":1790000000000,"subscriptionType":'
    b'"deal.propertyChange","attemptNumber":0,"objectId":555,"propertyName":"dealstage","propertyValue":"closedwon",'
    b'"changeSource":"CRM_UI"}]'
)


def hubspot_notice(**changes: Any) -> CrmNotice:
    headers = {
        "x-hubspot-request-timestamp": "1790000001000",
        "x-hubspot-signature-v3": "FQUKUphQ2UXCY2GD2Ol1X+R1fgd3dNEybOcUD3d8pwU=",
    }
    return CrmNotice(
        **{
            "method": "POST",
            "url": "https://hooks.example.test/crm/hubspot",
            "headers": headers,
            "body": HUBSPOT_BODY,
            "received_at": AT,
        }
        | changes
    )


def test_hubspot_signs_method_and_url_and_brings_a_hint() -> None:
    adapter = HubSpotNotices({"secret": "hs-secret-0001"})
    adapter.verify_notice(hubspot_notice())
    (change,) = adapter.parse_notice(hubspot_notice())
    assert isinstance(change, RemoteChange)
    (outcome,) = adapter.read_change(change)
    assert (outcome.crm_id, outcome.related[0].id) == ("555", "501")
    adapter.close()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"method": "PUT"}, "signature"),
        ({"url": "https://hooks.example.test/crm/hubspot?x=1"}, "signature"),
        ({"body": HUBSPOT_BODY + b" "}, "signature"),
        ({"received_at": AT + timedelta(minutes=6)}, "stale"),
    ],
)
def test_hubspot_refuses_what_was_changed_or_is_old(changes: dict[str, Any], code: str) -> None:
    adapter = HubSpotNotices({"secret": "hs-secret-0001"})
    with pytest.raises(NoticeRefused) as caught:
        adapter.verify_notice(hubspot_notice(**changes))
    adapter.close()
    assert caught.value.code == code


class RespondIo(Sample):
    """Signed over the body alone; brings the outcome itself."""

    notices = "signed"

    def verify_notice(self, notice: CrmNotice) -> None:
        wanted = base64.b64encode(hmac.new(b"rio-key-0001", notice.body, hashlib.sha256).digest()).decode()
        if not hmac.compare_digest(wanted, notice.headers.get("x-webhook-signature", "")):
            raise NoticeRefused("signature")


def test_respond_io_signs_the_body() -> None:
    body = b'{"event_id":"e1","event_type":"contact.lifecycle.updated"}'
    headers = {"x-webhook-signature": "CejNtHx2WXBnhSNXZ4IpvE7tf/1t2q6SNABFTxbdIzM="}
    adapter = RespondIo({})
    adapter.verify_notice(CrmNotice("POST", "https://hooks.example/x", headers, body, AT))
    adapter.close()


class Kommo(Sample):
    """Signs nothing and sends forms: the secret is in the URL, and what it says is a hint."""

    notices = "secret_in_url"

    def parse_notice(self, notice: CrmNotice) -> list[RemoteOutcome | RemoteChange]:
        told = dict(parse_qsl(notice.body.decode()))
        at = datetime.fromtimestamp(int(told["leads[status][0][last_modified]"]), UTC)
        lead_id, stage = told["leads[status][0][id]"], told["leads[status][0][status_id]"]
        return [RemoteChange("lead", lead_id, f"{lead_id}:{stage}:{at:%s}", at)]


def test_kommo_is_unsigned_so_it_gives_hints() -> None:
    body = b"leads[status][0][id]=70001&leads[status][0][status_id]=142&leads[status][0][last_modified]=1790000000"
    adapter = Kommo({})
    notice = CrmNotice("POST", "https://hooks.example/x?key=k", {}, body, AT)
    adapter.verify_notice(notice)  # leadloop compared the secret of the URL before
    (change,) = adapter.parse_notice(notice)
    assert (change.kind, isinstance(change, RemoteChange)) == ("lead", True)
    adapter.close()


class Bitrix24(Sample):
    """Signs nothing, but echoes a token that was given at installation, inside a form."""

    notices = "signed"

    def verify_notice(self, notice: CrmNotice) -> None:
        told = dict(parse_qsl(notice.body.decode(errors="replace")))
        if not hmac.compare_digest(told.get("auth[application_token]", ""), str(self.state.get("application_token"))):
            raise NoticeRefused("token")


def test_bitrix24_echoes_a_token_that_is_kept_in_the_state() -> None:
    body = b"event=ONCRMDEALUPDATE&data[FIELDS][ID]=10&auth[application_token]=tok"
    adapter = Bitrix24({}, state={"application_token": "tok"})
    adapter.verify_notice(CrmNotice("POST", "https://hooks.example/x", {}, body, AT))
    with pytest.raises(NoticeRefused):
        adapter.verify_notice(CrmNotice("POST", "https://hooks.example/x", {}, b"auth[application_token]=x", AT))
    adapter.close()


class Monday(Sample):
    """Wants its challenge back before it sends anything."""

    notices = "secret_in_url"

    def answer_notice(self, notice: CrmNotice) -> NoticeAnswer:
        told = json.loads(notice.body)
        if "challenge" not in told:
            return NoticeAnswer()
        body = json.dumps({"challenge": told["challenge"]}).encode()
        return NoticeAnswer(200, body, "application/json")


class Salesforce(Sample):
    """Outbound messages want an XML acknowledgement, or they come again for a day."""

    notices = "secret_in_url"

    def answer_notice(self, notice: CrmNotice) -> NoticeAnswer:
        return NoticeAnswer(200, b"<Ack>true</Ack>", "text/xml; charset=utf-8")


def test_some_want_a_certain_answer() -> None:
    notice = CrmNotice("POST", "https://hooks.example/x", {}, b'{"challenge": "c1"}', AT)
    adapters = [Monday({}), Salesforce({})]
    assert [adapter.answer_notice(notice).body for adapter in adapters] == [b'{"challenge": "c1"}', b"<Ack>true</Ack>"]
    for adapter in adapters:
        adapter.close()


class Zoho(Sample):
    """Its watch lasts a day, and it echoes a token."""

    notices = "signed"

    def connect_notices(self, url: str) -> datetime | None:
        self.change_state(lambda kept: kept | {"watched": url})
        return AT + timedelta(hours=23)


def test_zoho_has_to_be_asked_again_in_time() -> None:
    kept: list[Any] = []
    adapter = Zoho({}, keep_state=kept.append)
    assert adapter.connect_notices("https://hooks.example/x") == AT + timedelta(hours=23)
    assert kept == [{"watched": "https://hooks.example/x"}]
    adapter.close()


class Odoo(Sample):
    """Cannot call us reliably: it is polled, in pages, with an overlap that its dedup keys make harmless."""

    poll_every_s = 60.0
    max_in_flight = 1
    rows = (
        ("41", "2026-11-22 10:00:00", "won"),
        ("42", "2026-11-22 10:00:01", "lost"),
        ("43", "2026-11-22 10:05:00", "won"),
    )

    def poll_outcomes(self, cursor: str | None) -> Polled:
        if cursor is None:
            return Polled((), "2026-11-22 09:59:59")
        found = [row for row in self.rows if row[1] >= cursor]
        page = found[:2]
        outcomes = tuple(
            RemoteOutcome(crm_id, stage, datetime.fromisoformat(when).replace(tzinfo=UTC), f"{crm_id}:{when}:{stage}")
            for crm_id, when, stage in page
        )
        return Polled(outcomes, page[-1][1] if page else cursor, more=len(found) > 2)


def test_odoo_is_polled_until_nothing_more_waits() -> None:
    adapter = Odoo({})
    seen: dict[str, str] = {}
    polled = adapter.poll_outcomes(None)
    for _ in range(5):
        polled = adapter.poll_outcomes(polled.cursor)
        seen |= {outcome.dedup_key: outcome.stage for outcome in polled.outcomes}
        if not polled.more:
            break
    adapter.close()
    assert list(seen.values()) == ["won", "lost", "won"]


def test_an_adapter_without_notices_expects_none() -> None:
    adapter = Sample({})
    with pytest.raises(NoticeRefused):
        adapter.verify_notice(hubspot_notice())
    assert adapter.parse_notice(hubspot_notice()) == []
    assert adapter.read_change(RemoteChange("deal", "1", "k")) == []
    assert adapter.answer_notice(hubspot_notice()).status == 200
    adapter.close()


def test_notices_keep_what_they_hold_out_of_repr() -> None:
    shown = repr(hubspot_notice(url="https://hooks.example/x?key=s3cret"))
    assert "s3cret" not in shown
    assert "closedwon" not in shown
