"""Real servers of the tests' own: PostgreSQL and Redis on free ports, with their data in temporary folders."""

import contextlib
import glob
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import redis


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def find_program(name: str, package: str) -> str:
    """The path of a server program; fails with how to install it."""
    places = [shutil.which(name), *sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"), reverse=True)]
    places += sorted(glob.glob(f"/opt/homebrew/opt/postgresql@*/bin/{name}"), reverse=True)
    for place in places:
        if place and Path(place).exists():
            return place
    raise RuntimeError(
        f"{name} is not installed: install it with apt-get install {package} (or brew install {package})"
    )


def _demote() -> dict[str, object]:
    """PostgreSQL refuses to run as root: then it runs as the user its package made, or as nobody."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": found.pw_uid, "group": found.pw_gid, "extra_groups": []}
    return {}


@dataclass
class PostgresServer:
    """A PostgreSQL server on 127.0.0.1, trusting its only user."""

    folder: Path
    port: int
    process: "subprocess.Popen[bytes]" = field(repr=False)
    options: list[str] = field(default_factory=list)

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://leadloop@127.0.0.1:{self.port}/{database}"

    def run_sql(self, statement: str, database: str = "postgres") -> list[tuple[object, ...]]:
        with psycopg.connect(host="127.0.0.1", port=self.port, user="leadloop", dbname=database, autocommit=True) as db:
            answer = db.execute(statement)
            return list(answer.fetchall()) if answer.description else []

    def stop(self, *, remove: bool = True) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(timeout=30)
        if remove:
            shutil.rmtree(self.folder, ignore_errors=True)

    def kill(self) -> None:
        """kill -9 of the server and all its children, as a machine that loses power would."""
        import psutil

        family = [*psutil.Process(self.process.pid).children(recursive=True), psutil.Process(self.process.pid)]
        for one in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
        self.process.wait(timeout=10)

    def start_again(self) -> None:
        (self.folder / "data" / "postmaster.pid").unlink(missing_ok=True)
        self.process = _run_postgres(self.folder, self.port, self.options)
        _wait_for_postgres(self)


def start_postgres(options: list[str] | None = None) -> PostgresServer:
    """A new cluster; ready when this returns. `options` are "name=value" settings."""
    folder = Path(tempfile.mkdtemp(prefix="leadloop-pg-"))
    demoted = _demote()
    if demoted:
        os.chown(folder, int(str(demoted["user"])), int(str(demoted["group"])))
    subprocess.run(
        [
            find_program("initdb", "postgresql"),
            "-D",
            str(folder / "data"),
            "-U",
            "leadloop",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C",
            "--no-sync",
        ],
        check=True,
        capture_output=True,
        cwd=folder,
        **demoted,  # type: ignore[call-overload]
    )
    server = PostgresServer(folder, free_port(), None, options or [])  # type: ignore[arg-type]
    server.process = _run_postgres(folder, server.port, server.options)
    _wait_for_postgres(server)
    return server


def _run_postgres(folder: Path, port: int, options: list[str]) -> "subprocess.Popen[bytes]":
    command = [find_program("postgres", "postgresql"), "-D", str(folder / "data"), "-p", str(port)]
    command += ["-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={folder}"]
    for option in ["max_connections=200", *options]:
        command += ["-c", option]
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, **_demote())  # type: ignore[call-overload]


def _wait_for_postgres(server: PostgresServer) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            server.run_sql("SELECT 1")
            return
        except psycopg.OperationalError:
            if time.monotonic() > deadline or server.process.poll() is not None:
                raise RuntimeError("PostgreSQL did not start: " + (server.folder / "log").read_text()[-2000:]) from None
            time.sleep(0.05)


@dataclass
class RedisServer:
    """A Redis server on 127.0.0.1 that keeps nothing."""

    port: int
    folder: Path
    process: "subprocess.Popen[bytes]" = field(repr=False)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def client(self) -> "redis.Redis[bytes]":
        return redis.Redis(port=self.port)

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=10)
        shutil.rmtree(self.folder, ignore_errors=True)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(timeout=10)

    def start_again(self) -> None:
        self.process = _run_redis(self.port, self.folder)
        _wait_for_redis(self)


def start_redis() -> RedisServer:
    """A new server; ready when this returns."""
    port, folder = free_port(), Path(tempfile.mkdtemp(prefix="leadloop-redis-"))
    server = RedisServer(port, folder, _run_redis(port, folder))
    _wait_for_redis(server)
    return server


def _run_redis(port: int, folder: Path) -> "subprocess.Popen[bytes]":
    program = find_program("redis-server", "redis-server")
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    return subprocess.Popen(
        [*command, "--dir", str(folder)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder
    )


def _wait_for_redis(server: RedisServer) -> None:
    deadline = time.monotonic() + 15
    while True:
        try:
            server.client().ping()
            return
        except redis.exceptions.ConnectionError:
            if time.monotonic() > deadline or server.process.poll() is not None:
                raise RuntimeError("Redis did not start") from None
            time.sleep(0.05)
