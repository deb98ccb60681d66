"""What can be checked of the container without an engine, and the wheel that goes into it."""

import json
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from leadloop.cli import cli

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
OURS = {name: service for name, service in COMPOSE["services"].items() if service["image"] == "leadloop"}
SOURCE = (ROOT / "leadloop" / "settings.py").read_text(encoding="utf-8")
SETTINGS = set(re.findall(r'(?:text\(|_number\(merged, )"([A-Z_]+)"', SOURCE))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
APART = {"bench", "tests", "docs"}  # folders with Python that are not installed


def copied() -> list[str]:
    """What the Dockerfile copies from this folder."""
    lines = re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE)
    return [source for line in lines for source in line.split()[:-1]]


def installed_packages() -> set[str]:
    return {name.removesuffix("*") for name in PROJECT["tool"]["setuptools"]["packages"]["find"]["include"]}


def own_folders() -> set[str]:
    found = subprocess.run(["git", "ls-files", "*.py"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return {line.partition("/")[0] for line in found.splitlines() if "/" in line} - APART


# --- Dockerfile -------------------------------------------------------------------------------------------------------


def test_everything_that_is_copied_exists_and_is_sent_to_the_engine() -> None:
    ignore = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert len(copied()) > 5
    for source in copied():
        assert (ROOT / source).exists(), source
        assert f"!{source}" in ignore, source
    assert "*" in ignore  # and nothing else: no .env, no database


def test_every_package_is_installed_and_copied() -> None:
    assert own_folders() == installed_packages()
    assert installed_packages() | {"pyproject.toml", "README.md", "wsgi.py"} == set(copied())


def test_the_image_runs_leadloop_without_root_and_checks_its_health() -> None:
    final = DOCKERFILE.rpartition("\nFROM ")[2]
    user = re.search(r"^USER (\w+)$", final, re.MULTILINE)
    assert user is not None
    assert user.group(1) not in ("root", "0")
    assert 'ENTRYPOINT ["leadloop"]' in final
    assert re.search(r"^HEALTHCHECK .*\\\n +CMD \[.*/healthz", final, re.MULTILINE)
    assert "apt-get" not in DOCKERFILE  # every dependency comes as a wheel: no build tools


def test_the_health_check_is_a_program_that_python_accepts() -> None:
    found = re.search(r'CMD \["python", "-c", "(.+)"\]', DOCKERFILE)
    assert found is not None
    compile(found.group(1), "HEALTHCHECK", "exec")


# --- compose.yaml -----------------------------------------------------------------------------------------------------


def test_compose_has_every_process_of_the_procfile() -> None:
    procfile = dict(line.split(": ", 1) for line in (ROOT / "Procfile").read_text().splitlines())
    for name, command in procfile.items():
        assert command.split()[1:] == OURS[name]["command"][: len(command.split()) - 1]
    assert {"postgres", "redis"} <= set(COMPOSE["services"])


@pytest.mark.parametrize("name", list(OURS))
def test_commands_of_our_services_exist(name: str) -> None:
    words = list(OURS[name]["command"])
    command: click.Command = cli
    while isinstance(command, click.Group):
        found = command.get_command(click.Context(command), words.pop(0))
        assert found is not None, OURS[name]["command"]
        command = found
    command.make_context(name, words).close()


@pytest.mark.parametrize("name", list(COMPOSE["services"]))
def test_every_service_is_watched_or_restarted(name: str) -> None:
    service = COMPOSE["services"][name]
    assert "restart" in service
    assert "healthcheck" in service or name == "web"  # web has that of the image
    for needed, condition in service.get("depends_on", {}).items():
        target = COMPOSE["services"][needed]
        wanted = condition["condition"]
        if wanted == "service_healthy":
            assert "test" in target["healthcheck"], needed
        else:
            assert wanted == "service_completed_successfully"
            assert target["restart"] != "unless-stopped", needed


def test_environment_names_are_settings() -> None:
    for name, service in OURS.items():
        assert set(service["environment"]) <= SETTINGS, name
        assert service["stop_grace_period"] == "40s"  # longer than LEADLOOP_STOP_GRACE_S
    text = (ROOT / "compose.yaml").read_text(encoding="utf-8")
    asked_for = set(re.findall(r"\$\{([A-Z_]+)", text))
    in_example = set(re.findall(r"^#?([A-Z_]+)=", (ROOT / ".env.example").read_text(encoding="utf-8"), re.MULTILINE))
    assert asked_for
    assert asked_for <= in_example


def test_named_volumes_are_declared_and_nothing_is_open_to_the_world() -> None:
    for name, service in COMPOSE["services"].items():
        for volume in service.get("volumes", []):
            source = volume["source"] if isinstance(volume, dict) else volume.split(":")[0]
            assert source.startswith("./") or source in COMPOSE["volumes"], name
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:"), name


# The names that the compose specification gives, of those used here.
SERVICE_KEYS = {
    "build", "command", "depends_on", "env_file", "environment", "healthcheck", "image", "ports", "restart",
    "stop_grace_period", "volumes",
}  # fmt: skip
HEALTH_KEYS = {"disable", "test", "interval", "timeout", "retries"}
VOLUME_KEYS = {"type", "source", "target", "read_only", "bind"}
RESTARTS = r"no|always|unless-stopped|on-failure(:\d+)?"


def test_compose_uses_only_what_the_specification_has() -> None:
    assert {name for name in COMPOSE if not name.startswith("x-")} == {"services", "volumes"}
    for name, service in COMPOSE["services"].items():
        assert set(service) <= SERVICE_KEYS, name
        assert set(service.get("healthcheck", {})) <= HEALTH_KEYS, name
        assert re.fullmatch(RESTARTS, service["restart"]), name  # text: a bare `no` would be false
        assert all(isinstance(value, str) for value in service.get("environment", {}).values()), name
        assert isinstance(service.get("command", []), list), name  # a text would be split by compose's own rules
        for volume in service.get("volumes", []):
            assert isinstance(volume, str) or set(volume) <= VOLUME_KEYS, name


def waits_for(name: str) -> set[str]:
    """Every service that is up, or done, before this one is started."""
    needed = set(COMPOSE["services"][name].get("depends_on", {}))
    return needed.union(*map(waits_for, needed))


def test_tables_come_before_who_uses_them_and_routes_before_leads_are_read() -> None:
    assert waits_for("release") == {"postgres"}
    assert waits_for("configure") == {"release", "postgres"}
    for name in ("web", "worker", "clock"):
        assert waits_for(name) >= {"release", "postgres", "redis"}, name
    assert "configure" in waits_for("worker")


def test_health_checks_run_programs_that_their_images_have() -> None:
    programs = {
        name: service["healthcheck"]["test"]
        for name, service in COMPOSE["services"].items()
        if "test" in service.get("healthcheck", {})
    }
    assert {name: test[1].split()[0] for name, test in programs.items()} == {
        "postgres": "pg_isready",
        "redis": "redis-cli",
    }
    image = re.search(r"HEALTHCHECK[^\[]*CMD (\[.*\])", DOCKERFILE)
    assert image is not None
    assert json.loads(image.group(1))[0] == "python"  # the virtual environment's: a slim image has no curl


# --- the wheel --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    """The wheel that pip builds from what git would hand out."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *copied()]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in listed.split("\0"):
        if name and (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet", "--no-deps"]
    done = subprocess.run(
        [*pip, "--no-build-isolation", "--wheel-dir", str(target), str(source)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (built,) = target.glob("*.whl")
    with zipfile.ZipFile(built) as opened:
        yield opened


def test_the_wheel_has_every_file_that_the_program_reads(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    listed = subprocess.run(
        ["git", "ls-files", *installed_packages()], cwd=ROOT, capture_output=True, text=True, check=True
    )
    wanted = {name for name in listed.stdout.splitlines() if (ROOT / name).is_file()}
    assert wanted - names == set()
    assert {f"{package}/py.typed" for package in installed_packages()} <= names
    assert "wsgi.py" in names
    assert any(name.startswith("store/migrations/versions/0001") for name in names)
    assert any(name.endswith(".html") for name in names)
    assert not [name for name in names if name.startswith(tuple(f"{folder}/" for folder in APART))]


def test_the_wheel_runs_without_the_repository(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    unpacked = tmp_path / "unpacked"
    wheel.extractall(unpacked)
    program = (
        f"import sys; sys.path.insert(0, {str(unpacked)!r})\n"
        "import leadloop.cli, store.migrate\n"
        f"assert leadloop.cli.__file__.startswith({str(unpacked)!r}), leadloop.cli.__file__\n"
        f"assert store.migrate.__file__.startswith({str(unpacked)!r})\n"
        "sys.argv = ['leadloop', *sys.argv[1:]]\n"
        "leadloop.cli.main()\n"
    )
    environment: dict[str, Any] = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    for arguments in (["--version"], ["db", "upgrade"], ["config", "sample"]):
        done = subprocess.run(
            [sys.executable, "-I", "-c", program, *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "leadloop.db").exists()
