"""gunicorn's settings, as gunicorn itself understands them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests import servers


def config(**environ: str) -> dict[str, str]:
    """What `gunicorn --print-config` says under this environment."""
    run = subprocess.run(
        (sys.executable, *servers.COMMAND, "--print-config"),
        cwd=servers.ROOT,
        env=servers.environment(**environ),
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    pairs = (line.partition("=") for line in run.stdout.splitlines() if "=" in line)
    return {name.strip(): value.strip() for name, _, value in pairs}


@pytest.fixture(scope="module")
def shipped() -> dict[str, str]:
    return config()


def test_a_pod_is_one_process_with_as_many_threads_as_the_setting_says(
    shipped: dict[str, str],
) -> None:
    assert shipped["workers"] == "1"
    assert shipped["worker_class"] == "function.serving.threads.Worker"
    assert shipped["threads"] == "66"


def test_idle_connections_live_longer_than_queue_proxy_keeps_them(shipped: dict[str, str]) -> None:
    # It reuses one for up to 90 s, and does not repeat a POST that meets a closed one.
    assert int(shipped["keepalive"]) > 90


def test_a_stopping_process_waits_longer_than_a_request_waits_for_its_alert(
    shipped: dict[str, str],
) -> None:
    assert int(shipped["graceful_timeout"]) > 25
    assert int(config(DELIVERY_TIMEOUT="40s")["graceful_timeout"]) > 40


def test_nothing_is_written_but_in_memory(shipped: dict[str, str]) -> None:
    assert shipped["control_socket_disable"] == "True"
    assert shipped["worker_tmp_dir"] == ("/dev/shm" if Path("/dev/shm").is_dir() else "None")
    assert shipped["pidfile"] == "None"
    assert shipped["accesslog"] == "None"


@pytest.mark.parametrize(
    ("environ", "address"),
    [
        ({}, ":8080"),
        ({"PORT": "9000"}, ":9000"),  # Knative
        ({"LISTEN_ADDRESS": "127.0.0.1:8081"}, "127.0.0.1:8081"),  # func run
        ({"LISTEN_ADDRESS": "[::]:8080", "PORT": "9000"}, ":9000"),  # func's image on Knative
        ({"LISTEN_ADDRESS": "127.0.0.1:8081", "PORT": "8081"}, "127.0.0.1:8081"),
    ],
)
def test_the_address_comes_from_knative_and_func(environ: dict[str, str], address: str) -> None:
    [bind] = config(**environ)["bind"].strip("[]'\"").split(",")
    assert bind.endswith(address)


def test_what_the_operator_gives_gunicorn_wins() -> None:
    changed = config(GUNICORN_CMD_ARGS="--threads 5 --keep-alive 7")
    assert changed["threads"] == "5"
    assert changed["keepalive"] == "7"


def test_gunicorns_log_lines_are_json_like_our_own(tmp_path: Path) -> None:
    with servers.function(tmp_path) as running:
        running.terminate()
        first, *_ = running.events()
    assert first["event"].startswith("Starting gunicorn")


@pytest.mark.parametrize("server", ["flask", "asgi"])
def test_no_access_log_is_made_unless_the_operator_asks(server: str) -> None:
    code = (
        "from gunicorn.app.wsgiapp import WSGIApplication; app = WSGIApplication();"
        "print(app.cfg.logger_class(app.cfg).access_log_enabled)"
    )
    for arguments, enabled in (("", "False"), ("--access-logfile -", "True")):
        run = subprocess.run(
            (sys.executable, "-c", code, "-c", "python:function.serving.gunicorn_conf"),
            cwd=servers.ROOT,
            env=servers.environment(SERVER=server, GUNICORN_CMD_ARGS=arguments),
            capture_output=True,
            text=True,
            check=True,
        )
        assert run.stdout.strip() == enabled


@pytest.mark.parametrize(
    ("server", "arguments"),
    [
        ("asgi", ("function.serving.wsgi:app",)),
        ("flask", ("function.serving.asgi:app",)),
        ("asgi", ("--worker-class", "gthread")),
        ("flask", ("--worker-class", "asgi")),
    ],
)
def test_a_server_and_a_worker_of_two_kinds_are_refused_in_one_line(
    server: str, arguments: tuple[str, ...], tmp_path: Path
) -> None:
    ended = subprocess.run(
        (sys.executable, *servers.COMMAND, *arguments),
        cwd=tmp_path,
        env=servers.environment(SERVER=server, LISTEN_ADDRESS=f"127.0.0.1:{servers.free_port()}"),
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert ended.returncode != 0
    assert '"event": "cannot_start", "problem": "a worker of class' in ended.stderr
    assert "Traceback" not in ended.stderr


def test_ctrl_c_ends_it_cleanly(tmp_path: Path) -> None:
    with servers.function(tmp_path) as running:
        # gunicorn 27.0.1 waits for itself if the signal meets the end of a request: its handler and
        # its main loop then want the same lock (gthread.py, handle_quit and enqueue_req).
        time.sleep(0.5)
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(20) == 0


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = (
        "import sys; before = set(sys.modules); import function; print(set(sys.modules) - before)"
    )
    run = subprocess.run(
        (sys.executable, "-S", "-c", code),
        cwd=servers.ROOT,
        env={**os.environ, "PYTHONPATH": str(servers.ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = {name.strip(" {}'\n") for name in run.stdout.split(",")}
    assert loaded <= {"function", "__future__", "typing", "collections", "re", "enum"} | {
        name for name in loaded if name.partition(".")[0] in sys.stdlib_module_names
    }
