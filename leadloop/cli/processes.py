"""`leadloop web`, `worker` and `clock`: the same as `leadloop run`, as separate processes."""

import os
import sys

import rich_click as click
from flask import Flask

from leadloop.cli import start_logging
from leadloop.cli.from_environ import NumberFromEnviron
from leadloop.cli.services import close_services, open_services, require_schema
from leadloop.ports import Services
from leadloop.serving import WebServer
from leadloop.settings import LEAST_THREADS, Settings
from workers.bell import connect


@click.command()
@click.option("--host", default="0.0.0.0", show_default=True, help="Address to listen on.")  # noqa: S104
@click.option("--port", default=8000, show_default=True, envvar="PORT", type=NumberFromEnviron(1, 65535))
@click.option("--processes", default=2, show_default=True, envvar="WEB_CONCURRENCY", type=NumberFromEnviron(1, 64))
@click.pass_context
def web(ctx: click.Context, host: str, port: int, processes: int) -> None:
    """Receive Meta's webhooks and serve the API.

    Needs META_APP_SECRET and META_VERIFY_TOKEN. Work is done by `leadloop worker`; with REDIS_URL it is told at once.
    """
    settings: Settings = ctx.obj.settings
    settings.require_meta()
    start_logging(settings)
    close_services(_ready(settings))
    from wsgi import create_app

    opened: list[Services] = []

    def make_app() -> Flask:
        app = create_app(settings)
        opened.append(app.extensions["leadloop"])
        return app

    def stop(_worker: object) -> None:
        for services in opened:
            close_services(services)

    WebServer(make_app, settings, bind=f"{host}:{port}", workers=processes, on_stop=stop).run()


@click.command()
@click.option("--processes", default=1, show_default=True, type=click.IntRange(1, 64), help="To use several cores.")
@click.option(
    "--threads",
    default=None,
    type=click.IntRange(LEAST_THREADS, 512),
    help="Calls side by side in each process; with fewer than four, one slow destination could hold up the others.",
)
@click.option("--parent", type=int, hidden=True, help="Stop when the process of this id is no longer the parent.")
@click.pass_context
def worker(ctx: click.Context, processes: int, threads: int | None, parent: int | None) -> None:
    """Read leads from Meta, put them into the CRMs, ring the sales team.

    Any number of these may run, on any number of machines. SIGTERM finishes what is in hand within 25 seconds.
    """
    from workers.rq_worker import Family, spawn_worker, stop_without, work_with_redis, work_without_redis

    settings: Settings = ctx.obj.settings
    start_logging(settings)
    settings = settings.with_(worker_threads=threads or settings.worker_threads)
    services = _ready(settings)
    if processes > 1:
        close_services(services)
        Family(processes, lambda: spawn_worker(settings.worker_threads)).run()
        return
    if parent is not None:
        stop_without(parent)
    if settings.redis_url:
        work_with_redis(services)
    else:
        click.echo("REDIS_URL is not set: looking for work four times a second.", err=True)
        work_without_redis(services)
    close_services(services)
    sys.stderr.flush()
    os._exit(0)  # what is still in hand after the grace time must not keep the process: its lease hands it on


@click.command()
@click.pass_context
def clock(ctx: click.Context) -> None:
    """Ring for whatever is due, every second, and start the periodic work. One is enough; several do no harm."""
    from workers.clock import run_clock

    settings: Settings = ctx.obj.settings
    start_logging(settings)
    services = _ready(settings)
    if settings.redis_url:
        connect(settings.redis_url)
    run_clock(services)
    close_services(services)
    sys.stderr.flush()
    os._exit(0)


def _ready(settings: Settings):  # type: ignore[no-untyped-def]
    services = open_services(settings)
    require_schema(services)
    return services
