"""Which addresses can ring, why the others cannot, and what of them may be shown."""

import hashlib
import importlib.util
import logging
import os
import sys
import threading

import pytest
from apprise.common import PersistentStoreMode

from notifiers.addresses import BadAddress, build_plugin, scheme_of
from notifiers.check import check_urls
from notifiers.send import targets

SLACK = "T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"

# Address → label. Nothing else of the address may be in the label: what is missing here is a secret or a person.
LABELS = {
    f"slack://{SLACK}/#sales": "Slack, slack://…/#sales",
    f"slack://{SLACK}": "Slack, slack://…",
    f"slack://secretbot@{SLACK}/+C0SECRET": "Slack, slack://…",
    f"https://hooks.slack.com/services/{SLACK}": "Slack, slack://…",
    "slack://xoxb-1234-1234-4ddbc191d40ee098cbaae6f3523ada2d/#sales": "Slack, slack://…/#sales",
    "tgram://123456789:abcdefghijklmnopqrstuvwxyzabcdefghi/12315544": "Telegram, tgram://…",
    "discord://1234567890/webhooktokensecret": "Discord, discord://…",
    "https://discord.com/api/webhooks/1234567890/webhooktokensecret": "Discord, discord://…",
    "workflows://prod-01.westeurope.logic.azure.com:443/workflowsecret/signaturesecret": (
        "Power Automate / Workflows (for MSTeams), workflows://prod-01.westeurope.logic.azure.com:443/…"
    ),
    "https://prod-01.westeurope.logic.azure.com:443/workflows/643e69f83c8944/triggers/manual/paths/invoke"
    "?api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=KODuebWbDGYFr0z0eu-6Rj8aUKz7108W3wrNJZxFE5A": (
        "Power Automate / Workflows (for MSTeams), workflow://prod-01.westeurope.logic.azure.com:443/…"
    ),
    "mailtos://secretuser:secretpass@smtp.example.com:465?from=boss@example.com&to=rep@example.com": (
        "E-Mail, mailtos://smtp.example.com:465/…"
    ),
    "ntfy://topicsecret": "ntfy, ntfy://…",
    "ntfys://tk_tokensecrettokensecrettoken@ntfy.example.com/topicsecret": "ntfy, ntfys://ntfy.example.com/…",
    "jsons://user:secretpass@127.0.0.1:8443/secret/path?+X-Token=secrethead&-key=secretparam&:field=secretfield": (
        "JSON, jsons://127.0.0.1:8443/…"
    ),
    "json://[2001:db8::1]:8080/secret": "JSON, json://[2001:db8::1]:8080/…",
    "form://user:secretpass@hooks.example.com/secret": "Form, form://hooks.example.com/…",
    "xml://localhost/secret": "XML, xml://localhost/…",
    "gotifys://push.example.com/tokensecret123": "Gotify, gotifys://push.example.com/…",
    "mmosts://chat.example.com/hooktokensecret123": "Mattermost, mmosts://chat.example.com/…",
    "rockets://user:secretpass@chat.example.com/#sales": "Rocket.Chat, rockets://chat.example.com/…",
    "matrixs://user:secretpass@matrix.example.com/#sales": "Matrix, matrixs://matrix.example.com/#sales",
    "gchat://workspacesecret/keysecret/tokensecret": "Google Chat, gchat://…",
    "pover://userkeysecretuserkeysecret1234@apptokensecretapptokensecret12": "Pushover, pover://…",
    "twilio://AC0123456789abcdef0123456789abcdef:0123456789abcdef0123456789abcdef@15551230000/15551234567": (
        "Twilio, twilio://…"
    ),
    "vonage://apikeys1:secretsecret1234@15551230000/15551234567": "Vonage, vonage://…",
    "clicksend://usersecret:passsecret@15551234567": "ClickSend, clicksend://…",
    "whatsapp://tokensecret1@12345678901234/15551234567": "WhatsApp, whatsapp://…",
    "signal://user:secretpass@127.0.0.1:8080/15551230000/15551234567": "Signal API, signal://127.0.0.1:8080/…",
    "threema://*GATEWAY@secretsecret/15551234567": "Threema Gateway, threema://…",
    "zulip://botname@organization/tokensecrettokensecrettokensecre/sales": "Zulip, zulip://…",
    "brevo://abcd-apikeysecret1:sender@example.com/rep@example.com": "Brevo, brevo://…",
    "mailgun://postmaster@example.com/apikeysecret-aaaa-bbbb/rep@example.com": "Mailgun, mailgun://example.com/…",
    "sns://AHIAJGNT76XIMXDBIJYA/bu1dHSdO22pfaaVysecretF4C07D3bndi9PQJ9/us-east-2/+15551234567": (
        "AWS Simple Notification Service (SNS), sns://…"
    ),
}  # fmt: skip


@pytest.mark.parametrize(("url", "label"), LABELS.items())
def test_a_label_shows_the_service_and_no_secret(url: str, label: str) -> None:
    (target,) = targets([url])
    assert target.label == label
    assert check_urls([url]) == []
    assert url not in repr(target)
    assert "secret" not in repr(target)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("", "is empty"),
        ("   ", "is empty"),
        (None, "is empty"),
        (7, "is empty"),
        (["json://secret"], "is empty"),
        ("secret", "has no scheme"),
        ("://secret", "has no scheme"),
        ("json:secret", "has no scheme"),
        ("json://secret\n.example.com", "line breaks"),
        ("json://secret\x00", "invisible characters"),
        ("json://\ud800secret", "invisible characters"),
        ("json://" + "secret" * 1_000, "longer than 4096"),
        ("nosuchthing://secret", "nosuchthing:// is not an Apprise scheme. docs/alerts.md"),
        ("slak://secret", "Did you mean slack://?"),
        ("msteams://secret", "Write workflows://… instead"),
        ("telegram://secret", "Write tgram://… instead"),
        ("smtp://secret", "Write mailto://… instead"),
        ("https://secret.example.com/hook", "Write jsons://… instead"),
        ("slack://secret", "It should look like slack://{"),
        ("tgram://secret", "a part of the address is missing"),
        ("tgram://123456789:abcdefghijklmnopsecret", "names nobody to ring"),
        ("ntfy://", "names nobody to ring"),
        ("json://", "a part of the address is missing"),
        ("json://secret.example.com?overflow=secret&verify=no", "has verify=no"),
        ("mailtos://u:secret@example.com?to=a@example.com&verify=no", "has verify=no"),
        ("mailto://u:secret@example.com?to=a@example.com,b@example.com", "names 2 recipients"),
        ("tgram://123456789:abcdefghijklmnopsecret/1/2/3", "names 3 recipients"),
        (f"slack://{SLACK}/#secret/#two", "names 2 recipients"),
        ("ntfy://secret.example.com/one/two", "names 2 recipients"),
        (f"slack://{SLACK}?template=/etc/secret", "names a file"),
        ("tgram://123456789:abcdefghijklmnopsecret/1?template=/etc/secret", "names a file"),
        ("discord://1234567890/secret?template=http://127.0.0.1/secret", "names a file"),
        ("mailto://u:secret@example.com?to=a@example.com&pgp=encrypt&pgppub=/etc/secret", "names a file"),
        ("mailto://u:secret@example.com?to=a@example.com&wkd=yes", "names a file"),
        ("fcm://project/secretdevice?keyfile=/etc/secret", "names a file"),
        ("syslog://", "on the machine that leadloop runs on"),
        ("dbus://", "on the machine that leadloop runs on"),
        ("rsyslog://secret.example.com", "on the machine that leadloop runs on"),
        ("toots://secret@mastodon.example.com", "to the public"),
        ("bsky://user@secret", "to the public"),
    ],
)
def test_a_bad_address_is_told_with_its_mend(url: object, says: str) -> None:
    (mistake,) = check_urls([url])
    assert mistake.startswith(f"address 1 ({scheme_of(url)}://): ")
    assert says in mistake
    assert "secret" not in mistake
    with pytest.raises(BadAddress) as caught:
        build_plugin(url)
    assert caught.value.mend.endswith(".") or caught.value.mend.endswith("?")


@pytest.mark.skipif(importlib.util.find_spec("slixmpp") is not None, reason="slixmpp is installed here")
def test_a_service_that_needs_a_package_names_it() -> None:
    (mistake,) = check_urls(["xmpp://user:secret@example.com"])
    assert "Install what it needs: slixmpp" in mistake


def test_a_retry_parameter_is_not_counted_as_recipients() -> None:
    assert check_urls(["json://127.0.0.1/?retry=5", f"slack://{SLACK}?retry=2"]) == []


def test_each_mistake_is_told_once_with_its_place() -> None:
    good = "json://127.0.0.1/a"
    found = check_urls([good, "slak://x", good, "json://127.0.0.1/b", ""])
    assert [line.split(":")[0] for line in found] == ["address 2 (slak", "address 3 (json", "address 5 (?"]
    assert "the same as address 1" in found[1]


_WATCHED = threading.local()


def _watch(event: str, args: tuple[object, ...]) -> None:
    if event in ("open", "socket.connect", "socket.getaddrinfo", "subprocess.Popen") and hasattr(_WATCHED, "seen"):
        _WATCHED.seen.append(f"{event} {args}")


sys.addaudithook(_watch)


def test_checking_opens_nothing() -> None:
    urls = [*LABELS, f"slack://{SLACK}?template=/etc/passwd", "discord://1/x?template=http://127.0.0.1/x"]
    check_urls(urls)  # loads what Python itself loads
    _WATCHED.seen = []
    check_urls(urls)
    with open(os.devnull) as proof:  # that the watch sees such a thing
        pass
    seen = _WATCHED.seen
    del _WATCHED.seen
    assert len(seen) == 1
    assert proof.name in seen[0]


def test_nothing_is_kept_on_disk_and_nothing_sleeps() -> None:
    made = build_plugin("tgram://123456789:abcdefghijklmnop/12315544?store=yes").apprise
    assert made.store.mode == PersistentStoreMode.MEMORY
    assert made.asset.storage_path is None
    made.throttle()
    made.throttle(wait=3600)  # returns at once
    assert made.redirects is False
    assert made.image_url("info") is None


@pytest.mark.parametrize(
    ("query", "connect_s", "read_s"),
    [
        ("", 5.0, 15.0),
        ("?cto=0.5&rto=2", 0.5, 2.0),
        ("?cto=900&rto=900", 25.0, 25.0),
        ("?cto=inf&rto=nan", 5.0, 15.0),
        ("?cto=-1&rto=0", 5.0, 15.0),
        ("?cto=soon&rto=", 5.0, 15.0),
        ("?redirect=yes", 5.0, 15.0),
    ],
)
def test_the_wait_is_bounded_whatever_the_address_says(query: str, connect_s: float, read_s: float) -> None:
    made = build_plugin("json://127.0.0.1/x" + query).apprise
    assert made.request_timeout == (connect_s, read_s)
    assert made.redirects is False


def test_fingerprints_stay() -> None:
    one, two = targets(["json://127.0.0.1/a", " json://127.0.0.1/b "])
    assert one.fingerprint == hashlib.sha256(b"json://127.0.0.1/a").hexdigest()[:16]
    assert [two.fingerprint] == [target.fingerprint for target in targets(["json://127.0.0.1/b"])]
    assert one.fingerprint != two.fingerprint


def test_the_same_address_twice_is_one_target() -> None:
    made = targets(["json://127.0.0.1/a", "json://127.0.0.1/a ", "slak://x", "\ud800"], notifier="sales")
    assert [target.position for target in made] == [1, 3, 4]
    assert made[1].label == "slak://"
    assert made[1].body_format.told == "text"


def test_apprise_is_quiet_for_us_and_for_nobody_else(all_logs: list[str]) -> None:
    for url in (f"slack://{SLACK}/secret/@@", "tgram://secret", "nosuchthing://secret", *LABELS):
        check_urls([url])
    assert not [line for line in all_logs if line.startswith("apprise")]
    logging.getLogger("apprise").warning("of another user of Apprise in this process")
    assert any("of another user" in line for line in all_logs)


def test_building_from_many_threads_at_once() -> None:
    failed: list[BaseException] = []

    def build() -> None:
        try:
            for url, label in LABELS.items():
                assert targets([url])[0].label == label
        except BaseException as caught:
            failed.append(caught)

    threads = [threading.Thread(target=build) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
