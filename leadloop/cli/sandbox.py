"""`leadloop sandbox`: a pretend Meta, CRM and alert inbox on this machine, for trying leadloop without an account."""

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import rich_click as click
from rich.console import Console
from rich.markup import escape
from rich.panel import Panel

from leadloop.errors import SettingsError
from leadloop.settings import Settings
from sandbox import OptionsError, PortTaken, SandboxOptions, create_sandbox, demo_config, demo_environ, serve

WEBHOOK_URL = "http://127.0.0.1:8000/webhooks/meta"
FLAGS = {"system_token": "--access-token"}  # options whose flag is not their name
CONFIG_MARK = "# leadloop with its sandbox"


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8001, show_default=True, type=click.IntRange(0, 65535), help="0 takes any free port.")
@click.option("--webhook-url", default=WEBHOOK_URL, show_default=True, help="Where notices go; only to this machine.")
@click.option("--app-id", envvar="META_APP_ID", help="Default: META_APP_ID, else a made-up one.")
@click.option(
    "--app-secret", envvar="META_APP_SECRET", help="Signs the notices. Default: META_APP_SECRET, else random."
)
@click.option("--verify-token", envvar="META_VERIFY_TOKEN", help="Default: META_VERIFY_TOKEN, else random.")
@click.option(
    "--access-token", envvar="META_ACCESS_TOKEN", help="The system user's. Default: META_ACCESS_TOKEN, else made."
)
@click.option("--graph-version", envvar="META_GRAPH_VERSION", default="v26.0", help="Newest one it answers to.")
@click.option("--crm-secret", envvar="LEADLOOP_SANDBOX_CRM_SECRET", help="whsec_…; default: made from the app secret.")
@click.option(
    "--api-key",
    envvar="LEADLOOP_SANDBOX_API_KEY",
    help="A key of leadloop's API (leadloop api-key create NAME): the CRM can then send outcomes.",
)
@click.option(
    "--api-url", envvar="LEADLOOP_SANDBOX_API_URL", help="leadloop's address. Default: that of --webhook-url."
)
@click.option("--graph-delay-ms", default=0.0, show_default=True, help="Milliseconds before each answer of Graph.")
@click.option("--crm-delay-ms", default=0.0, show_default=True, help="Milliseconds before each answer of the CRM.")
@click.option("--print-env", is_flag=True, help="Only print the environment leadloop needs, as lines for a .env file.")
@click.option(
    "--write-config",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write leadloop's configuration for the sandbox to this file (a file with other content is left alone).",
)
@click.option("--quiet", is_flag=True, help="Print nothing at the start.")
@click.option("--parent", type=int, hidden=True, help="End when the process of this id is no longer the parent.")
@click.pass_context
def sandbox(
    ctx: click.Context,
    /,
    host: str,
    port: int,
    print_env: bool,
    write_config: Path | None,
    quiet: bool,
    parent: int | None,
    **given: Any,
) -> None:
    """A pretend Meta, a pretend CRM and an alert inbox.

    Open its page, press "Submit a lead" and watch it travel. `leadloop run --sandbox` starts it by itself;
    here it runs alone, beside a leadloop with the environment that it prints.

    \b
    leadloop sandbox
    leadloop sandbox --print-env >> .env           then start both: they agree
    leadloop sandbox --write-config sandbox.toml   what to apply to leadloop
    """
    settings: Settings = ctx.obj.settings
    options = _make_options(given, settings)
    base_url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    if print_env:
        click.echo("\n".join(f"{name}={value}" for name, value in demo_environ(options, base_url).items()))
        return

    if parent is not None:
        threading.Thread(target=_end_without, args=(parent,), daemon=True).start()

    def ready(url: str) -> None:
        if write_config:
            _write_config(write_config, demo_config(options, url))
        if not quiet:
            _tell(url, options, settings, write_config)

    try:
        serve(create_sandbox(options), host, port, on_ready=ready)
    except PortTaken as caught:
        raise SettingsError(str(caught)) from caught


def _end_without(parent: int) -> None:
    """End this process when its parent has: killed with -9, it could not tell us."""
    while os.getppid() == parent:
        time.sleep(1.0)
    os.kill(os.getpid(), signal.SIGTERM)


def _make_options(given: dict[str, Any], settings: Settings) -> SandboxOptions:
    """Options from the flags and the environment, then from .env; what nobody set is left to SandboxOptions."""
    found = {
        "webhook_url": given["webhook_url"],
        "app_id": given["app_id"] or settings.meta_app_id,
        "app_secret": (given["app_secret"] or ",".join(settings.meta_app_secrets)).split(",")[0].strip(),
        "verify_token": given["verify_token"] or settings.meta_verify_token,
        "system_token": given["access_token"] or settings.meta_access_token,
        "crm_secret": given["crm_secret"],
        "api_key": given["api_key"],
        "api_url": given["api_url"],
        "graph_version": given["graph_version"],
        "graph_delay_ms": given["graph_delay_ms"],
        "crm_delay_ms": given["crm_delay_ms"],
    }
    try:
        return SandboxOptions(**{name: value for name, value in found.items() if value not in (None, "")})
    except OptionsError as caught:
        flag = FLAGS.get(caught.name, "--" + caught.name.replace("_", "-"))
        raise SettingsError(f"{flag} {caught.mend}.") from caught


def _write_config(path: Path, text: str) -> None:
    """Write the file for its owner only, as it holds tokens. A file of somebody else's making is left alone."""
    try:
        if path.exists() and not path.read_text(encoding="utf-8", errors="replace").startswith(CONFIG_MARK):
            raise SettingsError(f"--write-config: {path} holds something else; name a file that does not exist yet.")
        path.touch(mode=0o600)
        path.write_text(text, encoding="utf-8")
    except OSError as caught:
        raise SettingsError(f"--write-config: {path} cannot be written ({caught.strerror}).") from caught


def _tell(url: str, options: SandboxOptions, settings: Settings, config: Path | None) -> None:
    """Where to click, and what leadloop's environment still lacks (secrets it has already are not repeated)."""
    lines = [
        f"[b]The sandbox[/] is at [b cyan]{url}[/]: open it and press [b]Submit a lead[/].",
        f"Its notices go to [cyan]{escape(options.webhook_url)}[/]",
        "",
        "leadloop run --sandbox starts both and needs nothing of what follows.",
    ]
    Console().print(Panel("\n".join(lines), expand=False, border_style="cyan"))
    lacking = {
        name: value for name, value in demo_environ(options, url).items() if settings.environ.get(name, "") != value
    }
    if lacking:
        click.echo("Put this into leadloop's environment (or its .env file):\n")
        click.echo("\n".join(f"{name}={value}" for name, value in lacking.items()) + "\n")
    else:
        click.echo("leadloop's environment agrees with the sandbox already.\n")
    if config:
        click.echo(f"Then: leadloop config apply {config}\n")
    else:
        click.echo(
            "A configuration with its Pages, CRM and alert inbox: leadloop sandbox --write-config sandbox.toml\n"
        )
