"""`leadloop run`: web, worker and clock in one go, and the sandbox beside them when there is no Meta account yet."""

import hashlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import rich_click as click
from flask import Flask
from rich.console import Console
from rich.panel import Panel
from sqlalchemy.engine import make_url

from configuration.apply import apply
from configuration.check import check_file, check_text
from configuration.configured import Change
from leadloop.cli import start_logging
from leadloop.cli.services import (
    close_services,
    open_services,
    upgrade_database,
    with_secret_key,
    write_sandbox_environ,
)
from leadloop.errors import SettingsError
from leadloop.ports import Services
from leadloop.serving import WebServer
from leadloop.settings import Settings
from sandbox import SandboxOptions, demo_config
from workers.bell import LocalBell
from workers.embedded import EmbeddedWorker

SANDBOX_MODES = ("always", "auto", "never")


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8000, show_default=True, envvar="PORT", type=click.IntRange(1, 65535))
@click.option(
    "--sandbox",
    "sandbox_mode",
    is_flag=False,
    flag_value="always",
    default="never",
    type=click.Choice(SANDBOX_MODES),
    help="Start a pretend Meta and CRM beside it. [dim]auto[/]: only when META_APP_SECRET is not set.",
)
@click.option(
    "--processes",
    default=min(2, os.cpu_count() or 1),
    show_default=True,
    type=click.IntRange(1, 16),
    help="Each receives and works; two make use of a second core.",
)
@click.option("--sandbox-port", default=8001, show_default=True, type=click.IntRange(1, 65535))
@click.pass_context
def run(ctx: click.Context, host: str, port: int, sandbox_mode: str, processes: int, sandbox_port: int) -> None:
    """Everything in one go: receives notices, reads leads, fills the CRM, rings the sales team.

    On SQLite, or whatever DATABASE_URL says; brings the database up to date by itself and applies LEADLOOP_CONFIG.
    Ctrl-C finishes what is in hand.

    [b]Examples[/]

    leadloop run --sandbox    (no Meta account needed)

    META_APP_SECRET=… META_VERIFY_TOKEN=… LEADLOOP_CONFIG=leadloop.toml leadloop run
    """
    settings: Settings = ctx.obj.settings
    with_sandbox = sandbox_mode == "always" or (sandbox_mode == "auto" and not settings.meta_app_secrets)
    if not with_sandbox:
        settings.require_meta()
    start_logging(settings)
    _require_free(host, port, "--port")
    settings = with_secret_key(settings, may_make=True)
    upgrade_database(settings)
    sandbox = None
    if with_sandbox:
        _require_free("127.0.0.1", sandbox_port, "--sandbox-port")
        sandbox = RunningSandbox(settings, host=host, port=port, sandbox_port=sandbox_port)
        settings = sandbox.settings
    try:
        applied = _configure(settings, sandbox)
        if sandbox is not None:
            sandbox.start()
            write_sandbox_environ(settings)
        _tell(host, port, settings, sandbox, applied)
        _serve(settings, f"{host}:{port}", processes)
    finally:
        if sandbox is not None:
            sandbox.stop()


class RunningSandbox:
    """The sandbox as a process of its own, and the settings that make leadloop talk to it instead of Meta."""

    def __init__(self, settings: Settings, *, host: str, port: int, sandbox_port: int) -> None:
        self.url = f"http://127.0.0.1:{sandbox_port}"
        self.port = sandbox_port
        self._process: subprocess.Popen[bytes] | None = None
        callback_host = "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104
        made = SandboxOptions(
            webhook_url=f"http://{callback_host}:{port}/webhooks/meta",
            verify_token=settings.meta_verify_token or secrets.token_urlsafe(16),
            app_secret=next(iter(settings.meta_app_secrets), "") or _sandbox_secret(settings),
        )
        self.options = made
        self.settings = settings.with_(
            meta_app_id=made.app_id,
            meta_app_secrets=(made.app_secret,),
            meta_verify_token=made.verify_token,
            meta_access_token=made.system_token,
            meta_graph_url=self.url,
        )

    def start(self) -> None:
        """Start it and wait until it answers. SettingsError when it does not."""
        environment = dict(os.environ) | self.options.to_environ()
        command = [sys.executable, "-m", "leadloop", "sandbox", "--port", str(self.port), "--quiet"]
        command += ["--webhook-url", self.options.webhook_url, "--parent", str(os.getpid())]
        self._process = subprocess.Popen(command, env=environment, start_new_session=True)  # noqa: S603
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                with urllib.request.urlopen(self.url + "/_sandbox/state", timeout=2):  # noqa: S310
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.05)
        self.stop()
        raise SettingsError(f"The sandbox did not start on {self.url}; try another --sandbox-port.")

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self._process.kill()


def _sandbox_secret(settings: Settings) -> str:
    """The sandbox's app secret: random to the world, the same after a restart (so its tokens are, too)."""
    return hashlib.sha256(b"leadloop sandbox\0" + settings.leadloop_secret_keys[0].encode()).hexdigest()[:32]


def _configure(settings: Settings, sandbox: RunningSandbox | None) -> list[Change]:
    """Apply LEADLOOP_CONFIG, or the sandbox's own configuration when there is none. Returns what changed."""
    if settings.leadloop_config:
        checked = check_file(settings.leadloop_config, settings.environ)
    elif sandbox is not None:
        checked = check_text(demo_config(sandbox.options, sandbox.url), settings.environ)
    else:
        return []
    config = checked.config
    if config is None:
        more = f" And {len(checked.mistakes) - 1} more." if len(checked.mistakes) > 1 else ""
        raise SettingsError(
            f"LEADLOOP_CONFIG: {str(checked.mistakes[0]).rstrip('.')}.{more}"
            f" See all with: leadloop config check {settings.leadloop_config}"
        )
    services = open_services(settings)
    token = settings.meta_access_token
    try:
        return services.writer.write(
            lambda session: apply(session, config, services.vault, services.now(), system_token=token)
        )
    finally:
        close_services(services)


def _require_free(host: str, port: int, option: str) -> None:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as caught:
            raise SettingsError(
                f"Port {port} on {host} cannot be used ({caught.strerror}); choose another with {option}."
            ) from caught


def _serve(settings: Settings, bind: str, processes: int) -> None:
    embedded: list[tuple[EmbeddedWorker, Services]] = []

    def make_app() -> Flask:
        from wsgi import create_app

        bell = LocalBell()
        services = open_services(settings, bell=bell)
        worker = EmbeddedWorker(services, bell)
        embedded.append((worker, services))
        return create_app(settings, services)

    def start(_worker: object) -> None:
        for worker, _services in embedded:
            worker.start()

    def stop(_worker: object) -> None:
        for worker, services in embedded:
            worker.stop()
            close_services(services)

    WebServer(
        make_app,
        settings,
        bind=bind,
        workers=processes,
        on_start=start,
        on_stop=stop,
    ).run()


def _database_label(settings: Settings) -> str:
    return make_url(settings.database_url).render_as_string(hide_password=True)


def _tell(host: str, port: int, settings: Settings, sandbox: RunningSandbox | None, changes: list[Change]) -> None:
    url = f"http://{host}:{port}"
    lines = [f"[b]leadloop[/] is starting at [b cyan]{url}[/]   (database: {_database_label(settings)})", ""]
    if sandbox is None:
        lines += [
            f"Meta's webhook address:  [cyan]{url}/webhooks/meta[/]  behind your HTTPS name",
            "See what comes in:       leadloop leads list",
            "See what waits:          leadloop work list",
        ]
    else:
        lines += [
            f"[b]Try it:[/] open [b cyan]{sandbox.url}[/] and press [b]Submit a lead[/].",
            "Watch it travel: Meta's notice → the answers read → the CRM → the alert, each with its time.",
            "",
            "See the leads:           leadloop leads list",
            "One lead's whole story:  leadloop leads show LEADGEN_ID",
            "With your own Meta app:  README.md, Connect your Page",
        ]
    lines += [f"Health, numbers, API:    {url}/   {url}/metrics   {url}/api/v1/docs", "", "Ctrl-C stops it."]
    Console(stderr=True).print(Panel("\n".join(lines), expand=False, border_style="cyan"))
    for change in changes:
        click.echo(f"  {change}", err=True)
