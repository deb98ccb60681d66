"""gunicorn_options and WebServer: what they set, and what they do not pick up."""

import json
import socket
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from gunicorn.config import Config
from serving.clients import PATIENCE_S, Serve

from leadloop.serving import PatientWorker, WebLogger, gunicorn_options
from leadloop.serving.worker import is_plain_http, most_connections
from leadloop.settings import Settings


def configured(**changes: object) -> Config:
    config = Config()
    for name, value in (gunicorn_options(Settings(), bind="127.0.0.1:8000") | changes).items():
        config.set(name, value)
    return config


def test_options_are_all_known_to_gunicorn_and_valid() -> None:
    config = configured()
    config.validate()
    assert config.worker_class is PatientWorker
    assert config.logger_class is WebLogger
    assert (config.address, config.workers, config.threads) == ([("127.0.0.1", 8000)], 1, 16)
    assert not config.sendfile
    assert not config.is_ssl


def test_settings_reach_gunicorn() -> None:
    options = gunicorn_options(
        Settings(web_threads=3, stop_grace_s=7.2, log_level="DEBUG"),
        bind=["127.0.0.1:1", "unix:/x"],
        workers=2,
        trusted_proxies="10.0.0.0/8",
    )
    assert (options["threads"], options["graceful_timeout"], options["loglevel"]) == (3, 8, "debug")
    assert (options["bind"], options["workers"]) == (["127.0.0.1:1", "unix:/x"], 2)
    assert options["forwarded_allow_ips"] == "10.0.0.0/8"


@pytest.mark.parametrize(
    "changes",
    [{"certfile": "/dev/null"}, {"protocol": "uwsgi"}, {"proxy_protocol": "v2"}, {"http2_cleartext": "upgrade"}],
)
def test_what_needs_the_stock_worker_is_recognised(changes: dict[str, str]) -> None:
    assert is_plain_http(configured())
    assert not is_plain_http(configured(**changes))


def test_half_of_the_open_files_are_left_to_the_application(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resource.getrlimit", lambda _which: (256, 256))
    assert most_connections(1000) == 128
    monkeypatch.setattr("resource.getrlimit", lambda _which: (-1, -1))
    assert most_connections(1000) == 1000


@pytest.mark.services
def test_files_and_variables_of_gunicorn_are_ignored(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "gunicorn.conf.py").write_text("raise SystemExit('read after all')")
    other = socket.create_server(("127.0.0.1", 0))
    port = other.getsockname()[1]
    other.close()
    environ = {"GUNICORN_CMD_ARGS": f"--bind 127.0.0.1:{port} --threads 99", "HOME": str(tmp_path), "SENDFILE": "1"}
    web = serve(cwd=tmp_path, environ=environ, threads=3)
    worker = web.worker()
    assert worker.num_threads() == 4
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["gunicorn.conf.py"]
    assert web.stop() == 0


@pytest.mark.services
def test_gunicorns_lines_go_through_our_logging(serve: Serve) -> None:
    web = serve()
    pid = web.worker().pid
    assert web.stop() == 0
    lines = [json.loads(line) for line in web.log().splitlines()]
    assert f"Booting worker with pid: {pid}" in [line["event"] for line in lines]
    assert not any("/pid" in line["event"] for line in lines)  # no access log


@pytest.mark.services
def test_a_start_that_fails_stops_the_server_with_the_reason(serve: Serve, tmp_path: Path) -> None:
    web = serve(diary=str(tmp_path))  # writing the diary fails: this is a folder
    assert web.process.wait(PATIENCE_S) == 3
    assert "IsADirectoryError" in web.log()
    assert "Worker failed to boot" in web.log()


@pytest.mark.services
def test_with_tls_the_stock_worker_serves(serve: Serve, tmp_path: Path) -> None:
    certificate = write_certificate(tmp_path)
    web = serve(options={"certfile": str(certificate)})
    context = ssl.create_default_context(cafile=str(certificate))
    with (
        socket.create_connection(("127.0.0.1", web.port), timeout=PATIENCE_S) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as wire,
    ):
        wire.sendall(b"GET /pid HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert wire.recv(12) == b"HTTP/1.1 200"
    assert web.stop() == 0
    assert "slow clients can hold threads" in web.log()


def write_certificate(folder: Path) -> Path:
    """A key and a certificate for localhost that it signed itself, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(days=1), now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "localhost.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(private + certificate.public_bytes(Encoding.PEM))
    return path
