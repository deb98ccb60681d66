"""How an alert leaves as mail: what Apprise's mail plugin finds under the names `smtplib` and `ssl`.

Its own answer is True or False; here a refusal keeps its reply code, each wait ends in time, and the certificate
authorities are read once (20 ms of processor time for each mail otherwise). Source: Apprise 2.2.0, plugins/email/smtp.py.
"""

import functools
import smtplib
import ssl
from typing import Any

from leadloop.errors import NeedsHuman
from leadloop.http import READ_S, translate
from notifiers.calls import current_call


class _NotedReplies(smtplib.SMTP):
    """An SMTP session that notes refusals and what broke it, and ends in time."""

    _mail_host = "?"
    _text_is_out = False  # what went out last is a text, and its reply has not come

    def connect(self, host: str = "localhost", port: int = 0, source_address: Any = None) -> tuple[int, bytes]:
        current = current_call()
        self._mail_host = host
        self.timeout = min(self.timeout or READ_S, current.left_s())
        try:
            return super().connect(host, port, source_address)
        except OSError as caught:
            self._note(caught)
            raise

    def send(self, s: Any) -> None:
        try:
            super().send(s)
        except OSError as caught:
            self._text_is_out = False  # without its end, no server delivers a text
            self._note(caught)
            raise

    def data(self, msg: Any) -> tuple[int, bytes]:
        current = current_call()
        code, text = super().data(msg)
        current.taken = current.taken or code == 250
        return code, text

    def getreply(self) -> tuple[int, bytes]:
        current = current_call()
        try:
            if self.sock is not None:
                self.sock.settimeout(min(self.sock.gettimeout() or READ_S, current.left_s()))
            code, text = super().getreply()
        except OSError as caught:
            self._note(caught)
            raise
        current.note_reply(code)
        self._text_is_out = code == 354  # what is sent next is the text, and its reply the next one
        return code, text

    def _note(self, caught: OSError) -> None:
        """The first trouble is the reason; what follows comes of it."""
        current = current_call()
        if current.error is None:
            current.note_error(translate(caught, f"smtp://{self._mail_host}", sent=self._text_is_out))

    def starttls(self, *args: Any, **given: Any) -> tuple[int, bytes]:
        try:
            return super().starttls(*args, **given)
        except smtplib.SMTPNotSupportedError:
            current_call().error = _mail_refusal(
                f"{self._mail_host} does not offer STARTTLS.",
                "Use port=465&mode=ssl, or mode=insecure inside a network of your own.",
            )
            raise
        except ssl.SSLError as caught:
            current_call().error = translate(caught, f"smtp://{self._mail_host}")
            raise

    def login(self, user: str, password: str, **given: Any) -> tuple[int, bytes]:
        try:
            return super().login(user, password, **given)
        except smtplib.SMTPNotSupportedError:
            current_call().error = _mail_refusal(
                f"{self._mail_host} does not offer to sign in on this port.",
                "Use mailtos:// (STARTTLS on port 587), or take user and password out of the address.",
            )
            raise


def _mail_refusal(message: str, action: str) -> NeedsHuman:
    return NeedsHuman(message, code="smtp_unsupported", action=action, scope="lane")


class _NotedTlsReplies(_NotedReplies, smtplib.SMTP_SSL):
    """The same from the first byte in TLS."""


class SmtplibForApprise:
    """What Apprise's mail plugin finds under the name `smtplib`."""

    SMTP = _NotedReplies
    SMTP_SSL = _NotedTlsReplies

    def __getattr__(self, name: str) -> Any:
        return getattr(smtplib, name)


class SslForApprise:
    """What Apprise's mail plugin finds under the name `ssl`: one context, instead of 20 ms of reading authorities."""

    def __getattr__(self, name: str) -> Any:
        return getattr(ssl, name)

    @staticmethod
    @functools.cache
    def create_default_context() -> ssl.SSLContext:
        return ssl.create_default_context()
