"""`leadloop run`: web, worker and clock in one go, and the sandbox beside them when there is no Meta account yet."""

import base64
import hashlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import rich_click as click
from flask import Flask
from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session

from configuration.apply import apply
from configuration.check import check_file, check_text
from configuration.dataset_changes import find_dataset_changes
from configuration.entries import Config
from leadloop.cli import start_logging
from leadloop.cli.from_environ import NumberFromEnviron
from leadloop.cli.sandbox_database import (
    SANDBOX_DATABASE_URL,
    note_file,
    refuse_other_database,
    refuse_other_file,
    use_sandbox_database,
    write_note,
)
from leadloop.cli.services import close_services, open_services, upgrade_database, with_secret_key
from leadloop.errors import SettingsError
from leadloop.ports import Services
from leadloop.serving import WebServer
from leadloop.settings import Settings
from sandbox import SandboxOptions, demo_config
from store.api_keys import PREFIX, keep_key
from workers.bell import LocalBell
from workers.embedded import EmbeddedWorker

SANDBOX_KEY = "sandbox"  # the name of the API key with which its CRM reports outcomes
SANDBOX_MODES = ("always", "auto", "never")


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8000, show_default=True, envvar="PORT", type=NumberFromEnviron(1, 65535))
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
    envvar="WEB_CONCURRENCY",
    type=NumberFromEnviron(1, 64),
    help="Each receives and works; two make use of a second core.",
)
@click.option(
    "--sandbox-port",
    default=8001,
    show_default=True,
    envvar="LEADLOOP_SANDBOX_PORT",
    type=NumberFromEnviron(1, 65535),
)
@click.pass_context
def run(ctx: click.Context, host: str, port: int, sandbox_mode: str, processes: int, sandbox_port: int) -> None:
    """Everything in one go: receives notices, reads leads, fills the CRM, rings the sales team.

    On SQLite, or whatever DATABASE_URL says; brings the database up to date by itself and applies LEADLOOP_CONFIG.
    Ctrl-C finishes what is in hand.

    The sandbox has a database of its own, leadloop-sandbox.db, unless DATABASE_URL is set; it never takes the place of a
    real configuration.

    [b]Examples[/]

    leadloop run --sandbox    (no Meta account needed)

    META_APP_SECRET=… META_VERIFY_TOKEN=… LEADLOOP_CONFIG=leadloop.toml leadloop run
    """
    settings: Settings = ctx.obj.settings
    with_sandbox = sandbox_mode == "always" or (sandbox_mode == "auto" and not settings.meta_app_secrets)
    if not with_sandbox:
        settings.require_meta()
    start_logging(settings)
    _require_free(host, port, "--port", "PORT")
    config = _read_config(settings, for_sandbox=with_sandbox)
    real_app = bool(settings.meta_app_secrets)
    if with_sandbox:
        _require_free("127.0.0.1", sandbox_port, "--sandbox-port", "LEADLOOP_SANDBOX_PORT")
        settings = use_sandbox_database(settings)
    settings = with_secret_key(settings, may_make=True)
    upgrade_database(settings)
    sandbox = None
    if with_sandbox:
        sandbox = RunningSandbox(settings, host=host, port=port, sandbox_port=sandbox_port)
        settings = sandbox.settings
    try:
        applied = _configure(settings, config, sandbox)
        if sandbox is not None:
            sandbox.start()
            write_note(settings)
        _tell(host, port, settings, sandbox, applied, real_app=real_app)
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
            api_key=PREFIX + _derive(settings, b"leadloop sandbox api key\0"),
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


def _derive(settings: Settings, label: bytes) -> str:
    """43 url-safe characters of our secret key, the same after a restart."""
    digest = hashlib.sha256(label + settings.leadloop_secret_keys[0].encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def _read_config(settings: Settings, *, for_sandbox: bool) -> Config | None:
    """What LEADLOOP_CONFIG says, None when it is not set. SettingsError for mistakes, and for what the sandbox may not use."""
    if not settings.leadloop_config:
        return None
    checked = check_file(settings.leadloop_config, settings.environ)
    if checked.config is None:
        more = f" And {len(checked.mistakes) - 1} more." if len(checked.mistakes) > 1 else ""
        raise SettingsError(
            f"LEADLOOP_CONFIG: {str(checked.mistakes[0]).rstrip('.')}.{more}"
            f" See all with: leadloop config check {settings.leadloop_config}"
        )
    if for_sandbox:
        refuse_other_file(checked.config, settings.leadloop_config)
    return checked.config


def _configure(settings: Settings, config: Config | None, sandbox: RunningSandbox | None) -> list[str]:
    """Apply `config`, or the sandbox's own configuration when there is none. Returns what changed, and warnings of it."""
    if config is None and sandbox is not None:
        config = check_text(demo_config(sandbox.options, sandbox.url), settings.environ).config
    if config is None:
        return []
    wanted = config
    services = open_services(settings)

    def run(session: Session) -> list[str]:
        if sandbox is not None:
            refuse_other_database(session, services.vault)
            keep_key(session, SANDBOX_KEY, sandbox.options.api_key, services.now())
        warnings = [f"warning: {warning}" for warning in find_dataset_changes(session, wanted)]
        changes = apply(session, wanted, services.vault, services.now(), system_token=settings.meta_access_token)
        return [*map(str, changes), *warnings]

    try:
        return services.writer.write(run)
    finally:
        close_services(services)


def _require_free(host: str, port: int, option: str, variable: str) -> None:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as caught:
            raise SettingsError(
                f"Port {port} on {host} cannot be used ({caught.strerror}); choose another with {option}, or in the"
                f" environment: {variable}={min(port + 80, 65535)} make run."
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


def _tell(
    host: str, port: int, settings: Settings, sandbox: RunningSandbox | None, changes: list[str], *, real_app: bool
) -> None:
    url = f"http://{host}:{port}"
    program = program_name()
    if real_app and settings.database_url == SANDBOX_DATABASE_URL:  # or the commands would be about the real database
        program = f"DATABASE_URL={SANDBOX_DATABASE_URL} {program}"
    lines = [f"[b]leadloop[/] is starting at [b cyan]{url}[/]   (database: {escape(_database_label(settings))})", ""]
    if sandbox is None:
        lines += [
            f"Meta's webhook address:  [cyan]{url}/webhooks/meta[/]  behind your HTTPS name",
            f"See what comes in:       {escape(program)} leads list",
            f"See what waits:          {escape(program)} work list",
        ]
        if note_file(settings.database_url).is_file():
            lines += [
                "",
                "[yellow]The sandbox ran on this database: invented leads are in it.[/] Another DATABASE_URL begins anew.",
            ]
    else:
        lines += [
            f"[b]Try it:[/] open [b cyan]{sandbox.url}[/] and press [b]Submit a lead[/].",
            "Watch it travel: Meta's notice → the answers read → the CRM → the alert, each with its time.",
            "Then press [b]Qualified[/] or [b]Won[/] under [b]CRM records[/]: see what Meta is told of it.",
            "",
            f"See the leads:           {escape(program)} leads list",
            f"One lead's whole story:  {escape(program)} leads show LEADGEN_ID",
            "With your own Meta app:  README.md, Connect your Page",
        ]
    lines += [f"Health, numbers, API:    {url}/   {url}/metrics   {url}/api/v1/docs", "", "Ctrl-C stops it."]
    Console(stderr=True).print(Panel("\n".join(lines), expand=False, border_style="cyan"))
    for change in changes:
        click.echo(f"  {change}", err=True)


def program_name() -> str:
    """How the command is called in this shell: `make run` puts nothing on the PATH."""
    beside = Path(sys.executable).parent / "leadloop"
    if shutil.which("leadloop") or not beside.is_file():
        return "leadloop"
    here = Path.cwd()
    return str(beside.relative_to(here) if beside.is_relative_to(here) else beside)
