"""Alerts by mail, against a mail server on 127.0.0.1 that refuses at every step."""

from collections.abc import Callable

import pytest

from leadloop.errors import LeadloopError, NeedsHuman, Retryable
from leadloop.leads import Answer, LeadCard
from notifiers.send import MaybeRung, send_lead, targets

from .conftest import NOW, MailServer

Make = Callable[..., LeadCard]


def address(server: MailServer, *, user: str = "user:secretpass@", more: str = "") -> str:
    return f"mailto://{user}127.0.0.1:{server.port}?from=leads@example.com&to=rep@example.com&mode=insecure{more}"


def ring(url: str, card: LeadCard) -> None:
    (target,) = targets([url], notifier="sales")
    send_lead(target, card, None, now=NOW)


def failure(url: str, card: LeadCard) -> LeadloopError:
    with pytest.raises(LeadloopError) as caught:
        ring(url, card)
    error = caught.value
    for secret in ("secretpass", "rep@example.com", "Zoë", "905321234567", "leads@example.com"):
        assert secret not in f"{error.message} {error.action} {error!r} {error.__context__!r} {error.__cause__!r}"
    return error


def test_a_mail_has_links_to_tap_and_a_text_beside(mail_server: MailServer, make_card: Make) -> None:
    ring(address(mail_server), make_card())
    mail = mail_server.only_mail()
    assert mail["Subject"] == "New lead: Zoë Example · Autumn offer"
    assert mail["To"] == "rep@example.com"
    assert "leads@example.com" in mail["From"]
    html = mail.get_body(("html",))
    text = mail.get_body(("plain",))
    assert html is not None
    assert text is not None
    assert '<a href="tel:+905321234567">+905321234567</a>' in html.get_content()
    assert "Phone: +905321234567" in text.get_content()
    assert [part for part in mail.walk() if part.get_filename()] == []


def test_a_text_mail_where_the_address_asks_for_one(mail_server: MailServer, make_card: Make) -> None:
    ring(address(mail_server, more="&format=text"), make_card())
    body = mail_server.only_mail().get_body()
    assert body is not None
    assert body.get_content_type() == "text/plain"
    assert "Phone: +905321234567\n" in body.get_content().replace("\r\n", "\n")


def test_a_hostile_lead_adds_no_header_and_no_tag(mail_server: MailServer, make_card: Make) -> None:
    hostile = "Zoë\r\nBcc: everybody@example.com\r\n\r\n<img src=http://evil.example/x> \x00 \ud800\r\n.\r\nQUIT\r\n"
    card = make_card(
        full_name=hostile, form_name=hostile, answers=(Answer("q", "CUSTOM", "Q", (hostile,), (hostile,)),)
    )
    ring(address(mail_server), card)
    mail = mail_server.only_mail()
    assert mail["Bcc"] is None
    assert [one.upper() for one in mail_server.commands if "@example" in one] == [
        "MAIL FROM:<LEADS@EXAMPLE.COM>",
        "RCPT TO:<REP@EXAMPLE.COM>",
    ]
    html = mail.get_body(("html",))
    assert html is not None
    assert "<img" not in html.get_content()
    assert "Bcc: everybody" in html.get_content()  # shown, on the line of its answer


@pytest.mark.parametrize(
    ("replies", "kind", "code", "scope"),
    [
        ({"AUTH": "535 5.7.8 secretpass is wrong"}, NeedsHuman, "smtp_535", "lane"),
        ({"AUTH": "534 5.7.9 app password needed"}, NeedsHuman, "smtp_534", "lane"),
        ({"MAIL": "530 5.7.0 sign in first"}, NeedsHuman, "smtp_530", "lane"),
        ({"MAIL": "553 not your address"}, NeedsHuman, "smtp_553", "lane"),
        ({"RCPT": "550 5.1.1 rep@example.com unknown"}, NeedsHuman, "smtp_550", "lane"),
        ({"END": "554 5.7.1 looks like spam: Zoë"}, NeedsHuman, "smtp_554", "item"),
        ({"END": "552 too large"}, NeedsHuman, "smtp_552", "item"),
        ({"RCPT": "451 4.7.1 greylisted"}, Retryable, "smtp_451", "item"),
        ({"MAIL": "421 closing"}, Retryable, "smtp_421", "item"),
        ({"END": "452 disk full"}, Retryable, "smtp_452", "item"),
        ({"EHLO": "502 what?", "AUTH": "x"}, NeedsHuman, "smtp_unsupported", "lane"),
        ({"EHLO": "250 hello"}, NeedsHuman, "smtp_unsupported", "lane"),
    ],
)
def test_each_refusal_becomes_the_right_kind(
    mail_server: MailServer, make_card: Make, replies: dict[str, str], kind: type[LeadloopError], code: str, scope: str
) -> None:
    mail_server.replies = replies
    error = failure(address(mail_server), make_card())
    assert isinstance(error, kind)
    assert (error.code, error.scope) == (code, scope)
    assert f"E-Mail, mailto://127.0.0.1:{mail_server.port}/…" in error.message
    assert error.action or isinstance(error, Retryable)


def test_a_server_that_does_not_offer_tls(mail_server: MailServer, make_card: Make) -> None:
    url = f"mailtos://user:secretpass@127.0.0.1:{mail_server.port}?from=leads@example.com&to=rep@example.com"
    error = failure(url, make_card())
    assert isinstance(error, NeedsHuman)
    assert error.code == "smtp_unsupported"
    assert "STARTTLS" in error.message


def test_an_old_server_that_knows_no_ehlo_is_no_refusal(mail_server: MailServer, make_card: Make) -> None:
    mail_server.replies = {"EHLO": "502 what?"}
    ring(address(mail_server, user=""), make_card())
    assert len(mail_server.mails) == 1


@pytest.mark.parametrize("step", ["CONNECT", "EHLO", "AUTH", "RCPT", "DATA"])
def test_a_server_that_stops_answering(mail_server: MailServer, make_card: Make, step: str) -> None:
    mail_server.hang_at = step
    error = failure(address(mail_server, more="&cto=0.2"), make_card())
    assert isinstance(error, Retryable)
    assert (error.code, error.outage) == ("timeout", True)


def test_a_server_that_takes_the_text_and_says_nothing(mail_server: MailServer, make_card: Make) -> None:
    mail_server.hang_at = "END"
    error = failure(address(mail_server, more="&cto=0.2"), make_card())
    assert isinstance(error, MaybeRung)
    assert len(mail_server.mails) == 1


@pytest.mark.parametrize("refused", ["RCPT TO:<REP@EXAMPLE.COM>", "RCPT TO:<BOSS@EXAMPLE.COM>"])
@pytest.mark.parametrize("reply", ["451 4.7.1 greylisted", "550 5.1.1 unknown"])
def test_a_mail_that_some_have_is_not_sent_again(
    mail_server: MailServer, make_card: Make, refused: str, reply: str
) -> None:
    mail_server.replies[refused] = reply
    error = failure(address(mail_server, more="&cc=boss@example.com"), make_card())
    assert isinstance(error, NeedsHuman)
    assert (error.code, error.scope, len(mail_server.mails)) == ("alert_taken_by_some", "item", 1)


def test_a_server_that_hangs_after_it_took_the_mail_has_taken_it(mail_server: MailServer, make_card: Make) -> None:
    mail_server.hang_at = "QUIT"
    ring(address(mail_server, more="&cto=0.2"), make_card())
    assert len(mail_server.mails) == 1


def test_a_server_that_refuses_the_connection(closed_port: int, make_card: Make) -> None:
    error = failure(
        f"mailto://u:secretpass@127.0.0.1:{closed_port}?from=leads@example.com&to=rep@example.com&mode=insecure",
        make_card(),
    )
    assert isinstance(error, Retryable)
    assert (error.code, error.outage) == ("connection_refused", True)


def test_a_server_that_speaks_no_tls(mail_server: MailServer, make_card: Make) -> None:
    url = (
        f"mailtos://u:secretpass@127.0.0.1:{mail_server.port}?from=leads@example.com&to=rep@example.com&mode=ssl&cto=1"
    )
    error = failure(url, make_card())
    assert isinstance(error, Retryable)
    assert error.code == "tls_failed"


def test_mail_leaves_no_log_line(mail_server: MailServer, make_card: Make, all_logs: list[str]) -> None:
    ring(address(mail_server), make_card())
    mail_server.replies = {"RCPT": "550 5.1.1 rep@example.com unknown"}
    failure(address(mail_server), make_card())
    assert not [line for line in all_logs if "rep@example.com" in line or "Zoë" in line or "secretpass" in line]
    assert not [line for line in all_logs if line.startswith("apprise")]
