"""The HTTP door through TLS: certificates are checked, and the same bounds hold inside."""

import ipaddress
import ssl
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from raw_http import Talk, answering, ok, raw_server

from leadloop.errors import NeedsHuman, Retryable
from leadloop.http import HttpDoor


def make_certificate(folder: Path, *, name: str = "127.0.0.1", days: tuple[int, int] = (-1, 1)) -> Path:
    """A self-signed certificate with its key, in one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "leadloop test")])
    now = datetime.now(UTC)
    try:
        alternative: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        alternative = x509.DNSName(name)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=days[0] - 1))
        .not_valid_after(now + timedelta(days=days[1]))
        .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{name}{days[1]}.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path


def serving(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def door(certificate: Path) -> HttpDoor:
    return HttpDoor(ca_file=str(certificate))


def test_a_trusted_server_is_answered_on_one_connection(door: HttpDoor, certificate: Path) -> None:
    with raw_server(answering(ok(b"x" * 100_000)), tls=serving(certificate)) as server:
        sizes = [len(door.request("POST", server.url(), body=b"y" * 100_000).body) for _ in range(5)]
        assert (sizes, server.accepted) == ([100_000] * 5, 1)


def test_an_unknown_authority_is_refused(certificate: Path) -> None:
    with raw_server(answering(ok()), tls=serving(certificate)) as server:
        with pytest.raises(Retryable) as caught:
            HttpDoor().request("GET", server.url("/?t=secret"), headers={"Authorization": "Bearer secret"})
        assert (caught.value.code, caught.value.outage, server.requests) == ("tls_failed", True, [])
        assert "certificate" in caught.value.action


@pytest.mark.parametrize(("name", "days"), [("other.example", (-1, 1)), ("127.0.0.1", (-9, -2))])
def test_a_wrong_name_or_an_old_certificate_is_refused(tmp_path: Path, name: str, days: tuple[int, int]) -> None:
    wrong = make_certificate(tmp_path, name=name, days=days)
    with raw_server(answering(ok()), tls=serving(wrong)) as server:
        with pytest.raises(Retryable) as caught:
            HttpDoor(ca_file=str(wrong)).request("GET", server.url())
        assert (caught.value.code, server.requests) == ("tls_failed", [])


def test_a_server_without_tls_is_refused(door: HttpDoor) -> None:
    with raw_server(lambda talk: talk.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as server:
        with pytest.raises(Retryable) as caught:
            door.request("GET", server.url().replace("http:", "https:"))
        assert caught.value.code == "tls_failed"


def test_a_handshake_that_hangs_is_cut_off(door: HttpDoor) -> None:
    with raw_server(lambda talk: talk.hang()) as server:
        with pytest.raises(Retryable) as caught:
            door.request("GET", server.url().replace("http:", "https:"), connect_s=0.2)
        assert caught.value.code == "timeout"


def test_a_handshake_that_trickles_is_cut_off(door: HttpDoor) -> None:
    started = time.monotonic()
    with raw_server(lambda talk: talk.trickle(b"\x16\x03\x03\x3f\xff" + b"\x02" * 5_000)) as server:
        with pytest.raises(Retryable) as caught:
            door.request("GET", server.url().replace("http:", "https:"), connect_s=0.3)
        assert (caught.value.code, time.monotonic() - started < 5) == ("timeout", True)


@pytest.mark.parametrize("start", [b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"])
def test_a_trickle_is_cut_off_at_the_deadline(door: HttpDoor, certificate: Path, start: bytes) -> None:
    def handle(talk: Talk) -> None:
        talk.read()
        talk.send(start)
        talk.trickle(b"x" * 9_999)

    started = time.monotonic()
    with raw_server(handle, tls=serving(certificate)) as server:
        with pytest.raises(Retryable) as caught:
            door.request("GET", server.url(), total_s=0.4)
        assert (caught.value.code, time.monotonic() - started < 5) == ("timeout", True)


def test_an_endless_body_is_cut_off(door: HttpDoor, certificate: Path) -> None:
    def handle(talk: Talk) -> None:
        talk.read()
        talk.send(b"HTTP/1.1 200 OK\r\n\r\n")
        while not talk.server.over.is_set():
            talk.send(b"x" * 16_000)

    with raw_server(handle, tls=serving(certificate)) as server:
        with pytest.raises(Retryable) as caught:
            door.request("GET", server.url(), max_bytes=100_000)
        assert caught.value.code == "answer_too_large"


def test_a_body_that_nobody_reads_is_cut_off(door: HttpDoor, certificate: Path) -> None:
    with raw_server(lambda talk: talk.hang(), tls=serving(certificate)) as server:
        with pytest.raises(Retryable) as caught:
            door.request("POST", server.url(), body=b"x" * 30_000_000, total_s=0.5)
        assert caught.value.code == "timeout"


def test_a_get_on_a_connection_just_closed_is_sent_again(door: HttpDoor, certificate: Path) -> None:
    def handle(talk: Talk) -> None:
        talk.read()
        talk.send(ok(b"%d" % talk.number))
        talk.read()  # and closes without an answer

    with raw_server(handle, tls=serving(certificate)) as server:
        assert [door.request("GET", server.url()).body for _ in range(2)] == [b"1", b"2"]


def test_private_addresses_are_refused_before_the_handshake(certificate: Path) -> None:
    with raw_server(answering(ok()), tls=serving(certificate)) as server:
        for host in ("127.0.0.1", "localhost", "2130706433", "[::ffff:127.0.0.1]"):
            with pytest.raises(NeedsHuman) as caught:
                HttpDoor(public_only=True, ca_file=str(certificate)).request("GET", server.url(host=host))
            assert caught.value.code == "address_refused"
        assert server.accepted == 0


def test_many_threads_share_one_context(door: HttpDoor, certificate: Path) -> None:
    def work() -> None:
        bodies.append(door.request("GET", server.url()).body)

    bodies: list[bytes] = []
    with raw_server(answering(ok(b"ok")), tls=serving(certificate)) as server:
        threads = [threading.Thread(target=work) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert bodies == [b"ok"] * 12


def test_a_ca_file_that_cannot_be_read_says_so_at_once(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        HttpDoor(ca_file=str(tmp_path / "none.pem"))
    (tmp_path / "empty.pem").write_text("not a certificate")
    with pytest.raises(ssl.SSLError):
        HttpDoor(ca_file=str(tmp_path / "empty.pem"))
