"""`leadloop sandbox` as a process of its own."""

import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sandbox_bench import connect, post_control, read_me, wait_for

from leadloop.cli import cli
from leadloop.settings import read_settings
from sandbox import SandboxOptions
from sandbox.server import open_listener


def clean_environ(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("META_", "LEADLOOP_"))}
    return kept | {"COLUMNS": "120"} | more


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "leadloop", "sandbox", *arguments]


def run(tmp_path: Path, *arguments: str, **environ: str) -> Result:
    """The command in this process, with nothing in its environment but `environ` and tmp_path/.env."""

    class Given:
        settings = read_settings(environ, dotenv=tmp_path / ".env")

    hidden: dict[str, str | None] = {name: None for name in os.environ if name.startswith(("META_", "LEADLOOP_"))}
    return CliRunner().invoke(cli, ["sandbox", *arguments], obj=Given(), env=hidden | environ)


def test_the_process_serves_and_stops(tmp_path: Path) -> None:
    config = tmp_path / "sandbox.toml"
    options = SandboxOptions(crm_secret="")
    process = subprocess.Popen(
        command("--port", "0", "--write-config", str(config), "--crm-delay-ms", "1"),
        cwd=tmp_path,
        env=clean_environ(**options.to_environ()),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        shown = ""
        while "Then: leadloop config apply" not in shown:
            line = process.stdout.readline()
            assert line, shown
            shown += line
        url = next(
            word.rstrip(":") for word in shown.split() if word.startswith("http://127.0.0.1:") and "/web" not in word
        )
        assert options.app_secret not in shown  # it came from the environment, so it need not be shown
        assert f"META_GRAPH_URL={url}" in shown
        wait_for(lambda: reachable(url))
        written = config.read_text()
        assert f"{url}/crm/leads" in written
        assert config.stat().st_mode & 0o777 == 0o600
        post_control(url, "/settings", {"crm_delay_ms": 0})
        check_keep_alive(url, options)
        post_control(url, "/leads", {"send": False})
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""
    finally:
        process.kill()
        process.communicate()


def reachable(url: str) -> bool:
    try:
        with urllib.request.urlopen(url + "/_sandbox/state", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def check_keep_alive(url: str, options: SandboxOptions) -> None:
    connection = connect(url)
    read_me(connection, options)
    first = connection.sock
    read_me(connection, options)
    assert connection.sock is first
    assert first is not None
    connection.close()


def test_print_env_is_a_dotenv_file(tmp_path: Path) -> None:
    printed = run(tmp_path, "--print-env", "--port", "8123").stdout
    values = dict(line.split("=", 1) for line in printed.splitlines())
    assert values.keys() == {
        "META_APP_ID",
        "META_APP_SECRET",
        "META_VERIFY_TOKEN",
        "META_ACCESS_TOKEN",
        "META_GRAPH_URL",
    }
    assert values["META_GRAPH_URL"] == "http://127.0.0.1:8123"
    (tmp_path / ".env").write_text(printed)
    assert run(tmp_path, "--print-env", "--port", "8123").stdout == printed


def test_the_environment_and_the_flags(tmp_path: Path) -> None:
    environ = {"META_APP_SECRET": "new-secret,old-secret", "META_VERIFY_TOKEN": "from-environment"}
    values = run(tmp_path, "--print-env", "--verify-token", "from-flag", **environ).stdout
    assert "META_APP_SECRET=new-secret\n" in values
    assert "META_VERIFY_TOKEN=from-flag\n" in values


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--webhook-url", "https://example.com/"), "--webhook-url must start with http://"),
        (("--webhook-url", "http://10.0.0.1/"), "--webhook-url must be on this machine"),
        (("--app-id", "x"), "--app-id must be digits"),
        (("--crm-secret", "x"), "--crm-secret must be whsec_"),
        (("--access-token", "a\nb"), "--access-token must be plain text"),
        (("--graph-delay-ms", "-5"), "--graph-delay-ms must be milliseconds"),
        (("--port", "99999"), "99999 is not in the range"),
    ],
)
def test_bad_flags_end_with_one_sentence(tmp_path: Path, arguments: tuple[str, ...], sentence: str) -> None:
    done = run(tmp_path, *arguments)
    assert done.exit_code == 2
    assert sentence in done.stderr


def test_a_taken_port_ends_the_command_with_one_sentence(tmp_path: Path) -> None:
    with open_listener("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        done = run(tmp_path, "--port", str(port))
    assert done.exit_code == 2
    assert done.stderr == f"leadloop: Port {port} on 127.0.0.1 is already in use; choose another with --port.\n"


def test_a_file_of_somebody_else_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("# mine\n")
    done = run(tmp_path, "--port", "0", "--write-config", str(path))
    assert done.exit_code == 2
    assert "mine.toml holds something else" in done.stderr
    assert path.read_text() == "# mine\n"
