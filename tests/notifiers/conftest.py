"""Servers on 127.0.0.1 that take alerts and misbehave when told to, a door that only writes down, and made-up leads."""

import contextlib
import ipaddress
import json
import logging
import socket
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from leadloop.errors import LeadloopError
from leadloop.http import HttpAnswer
from leadloop.leads import Answer, LeadCard

NOW = datetime(2026, 11, 22, 8, 30, tzinfo=UTC)


@dataclass
class Taken:
    """One request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    client_port: int

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class HttpServer:
    """Answers each path with what `answers` says (status, headers, body), 200 where nothing is said.

    `hang` paths are never answered, `garbage` paths with something that is not HTTP.
    """

    port: int
    taken: list[Taken] = field(default_factory=list)
    answers: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
    hang: set[str] = field(default_factory=set)
    garbage: set[str] = field(default_factory=set)
    over: threading.Event = field(default_factory=threading.Event)

    def answer(self, path: str, status: int, headers: dict[str, str] | None = None, body: bytes = b"") -> None:
        self.answers[path] = (status, headers or {}, body)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    told: HttpServer

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.told.taken.append(Taken(self.command, self.path, dict(self.headers.items()), body, self.client_address[1]))
        path = self.path.partition("?")[0]
        if path in self.told.hang:
            self.told.over.wait(30)
            self.close_connection = True
            return
        if path in self.told.garbage:
            self.wfile.write(b"\x00\xff not http at all\r\n\r\n")
            self.close_connection = True
            return
        status, headers, answer = self.told.answers.get(path, (200, {}, b"ok"))
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(answer))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer)

    do_POST = do_GET = do_PUT = handle_any  # noqa: N815

    def log_message(self, *_args: object) -> None:
        pass


class _QuietHttpServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is part of the tests."""


def _serving(context: ssl.SSLContext | None = None) -> Iterator[HttpServer]:
    class Handler(_Handler):
        pass

    server = _QuietHttpServer(("127.0.0.1", 0), Handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    Handler.told = HttpServer(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield Handler.told
    Handler.told.over.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def http_server() -> Iterator[HttpServer]:
    yield from _serving()


@pytest.fixture
def ca_file(tmp_path: Path) -> Path:
    """A certificate for 127.0.0.1 that is its own authority, with its key in the same file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    today = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "ca.pem"
    plain = serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + pem)
    return path


@pytest.fixture
def tls_server(ca_file: Path) -> Iterator[HttpServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(ca_file)
    yield from _serving(context)


@dataclass
class MailServer:
    """A mail server. `replies` overrides the reply to a verb ("AUTH": "535 5.7.8 no"), to a whole command, or to a text
    that has come in ("END"); `hang_at` never replies."""

    port: int
    replies: dict[str, str] = field(default_factory=dict)
    hang_at: str = ""
    commands: list[str] = field(default_factory=list)
    mails: list[EmailMessage] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def only_mail(self) -> EmailMessage:
        assert len(self.mails) == 1
        return self.mails[0]


class _MailHandler(socketserver.StreamRequestHandler):
    told: MailServer

    def handle(self) -> None:
        if self.told.hang_at == "CONNECT":
            self.told.over.wait(30)
            return
        self._reply("220 mail.example ready")
        while line := self.rfile.readline():
            command = line.decode().strip()
            self.told.commands.append(command)
            verb = command.split(" ")[0].upper()
            if verb == self.told.hang_at:
                self.told.over.wait(30)
                return
            self._answer(command.upper() if command.upper() in self.told.replies else verb)
            if verb == "QUIT":
                return

    def _answer(self, verb: str) -> None:
        if verb in self.told.replies:
            self._reply(self.told.replies[verb])
        elif verb == "EHLO":
            self._reply("250-mail.example\r\n250-AUTH PLAIN\r\n250 8BITMIME")
        elif verb == "DATA":
            self._reply("354 go on")
            lines = []
            while (line := self.rfile.readline()) not in (b".\r\n", b""):
                lines.append(line)
            self.told.mails.append(message_from_bytes(b"".join(lines), policy=policy.default))
            if self.told.hang_at == "END":
                self.told.over.wait(30)
            self._reply(self.told.replies.get("END", "250 kept"))
        else:
            self._reply({"AUTH": "235 welcome", "QUIT": "221 bye"}.get(verb, "250 ok"))

    def _reply(self, text: str) -> None:
        self.wfile.write(text.encode() + b"\r\n")


class _QuietMailServer(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is part of the tests."""


@pytest.fixture
def mail_server() -> Iterator[MailServer]:
    class Handler(_MailHandler):
        pass

    server = _QuietMailServer(("127.0.0.1", 0), Handler)
    Handler.told = MailServer(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield Handler.told
    Handler.told.over.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that refuses connections: bound, so that nobody else gets it, but not listening."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()[1]


class Door:
    """Stands in for leadloop.http.HttpDoor, for services whose address is not ours to choose."""

    def __init__(
        self,
        status: int = 200,
        body: bytes = b"ok",
        headers: dict[str, str] | None = None,
        error: LeadloopError | None = None,
    ) -> None:
        self.answer = HttpAnswer(status, headers or {}, body)
        self.error = error
        self.calls: list[tuple[str, str, dict[str, Any]]] = []

    def request(self, method: str, url: str, **given: Any) -> HttpAnswer:
        self.calls.append((method, url, given))
        if self.error is not None:
            raise self.error
        return self.answer

    @property
    def sent(self) -> str:
        """All that was sent, readable: JSON without its escapes."""
        shown = []
        for _, url, given in self.calls:
            body = given["body"] or ""
            text = body.decode() if isinstance(body, bytes) else str(body)
            with contextlib.suppress(ValueError):
                text = json.dumps(json.loads(text), ensure_ascii=False)
            shown.append(f"{url}\n{text}")
        return "\n".join(shown)


@pytest.fixture
def all_logs() -> Iterator[list[str]]:
    """Every log line of every level that any handler gets to see, with its arguments."""
    lines: list[str] = []

    class Catch(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(f"{record.name} {record.getMessage()} {record.args} {record.exc_text or ''}")

    loggers = [logging.getLogger(name) for name in ("", "apprise", "urllib3", "urllib3.connectionpool", "requests")]
    levels = [logger.level for logger in loggers]
    catch = Catch(level=0)
    for logger in loggers:
        logger.setLevel(1)
    loggers[0].addHandler(catch)
    loggers[1].addHandler(catch)
    yield lines
    loggers[0].removeHandler(catch)
    loggers[1].removeHandler(catch)
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


@pytest.fixture
def make_card() -> Callable[..., LeadCard]:
    return _make_card


def _make_card(**changes: Any) -> LeadCard:
    card: dict[str, Any] = {
        "leadgen_id": "222222222222222",
        "page_id": "111111111111111",
        "page_name": "Acme Istanbul",
        "form_name": "Autumn offer",
        "ad_name": "Video 3",
        "campaign_name": "Autumn",
        "platform": "ig",
        "created_at": NOW - timedelta(seconds=12),
        "received_at": NOW - timedelta(seconds=10),
        "full_name": "Zoë Example",
        "first_name": "Zoë",
        "last_name": "Example",
        "email": "zoe@example.com",
        "phone": "+905321234567",
        "phone_typed": "0532 123 45 67",
        "answers": (
            Answer("full_name", "FULL_NAME", "Full name", ("Zoë Example",), ("Zoë Example",)),
            Answer("phone_number", "PHONE", "Phone", ("0532 123 45 67",), ("0532 123 45 67",)),
            Answer("email", "EMAIL", "E-mail", ("zoe@example.com",), ("zoe@example.com",)),
            Answer("which_services?", "CUSTOM", "Which services?", ("seo", "ads"), ("SEO", "Advertising")),
            Answer("utm_source", "HIDDEN", None, ("newsletter-7",), ("newsletter-7",)),
        ),
    }
    return LeadCard(**(card | changes))
