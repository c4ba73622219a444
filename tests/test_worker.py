"""The worker of the ASGI server: how it ends, and what it writes down."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import threading
import time
from contextlib import closing
from pathlib import Path

import requests

from tests import servers
from tests.servers import Answer, Function, wait_until

HERE = Path(__file__).parent
ARTICLE = (HERE / "records" / "article.json").read_bytes().strip()
RULES = str(HERE / "rules" / "article.yaml")


def waiting(running: Function, statuses: list[int]) -> threading.Thread:
    """A request that is sent in the background; its status comes to the list."""

    def send() -> None:
        try:
            statuses.append(running.post(ARTICLE).status_code)
        except requests.ConnectionError:
            statuses.append(0)

    thread = threading.Thread(target=send)
    thread.start()
    return thread


def test_at_sigterm_idle_connections_are_closed_at_once(tmp_path: Path) -> None:
    with (
        servers.function(tmp_path, server="asgi") as running,
        closing(http.client.HTTPConnection("127.0.0.1", running.port)) as idle,
    ):
        idle.request("GET", "/health/readiness")
        idle.getresponse().read()
        start = time.monotonic()
        assert running.terminate() == 0
        assert time.monotonic() - start < 20, "not with the end of the grace"


def test_at_sigterm_a_request_that_waits_for_its_alert_gets_its_answer(tmp_path: Path) -> None:
    with (
        servers.receiver(Answer(delay=1)) as receiver,
        servers.function(
            tmp_path, server="asgi", RULES_FILE=RULES, RECEIVER_URL=receiver.url
        ) as running,
    ):
        statuses: list[int] = []
        request = waiting(running, statuses)
        wait_until(lambda: receiver.requests)
        assert running.terminate() == 0
        request.join()
        assert statuses == [204]


def test_a_request_that_waits_for_ever_ends_with_the_grace(tmp_path: Path) -> None:
    with (
        servers.function(
            tmp_path, server="asgi", DELIVERY_TIMEOUT="1s", RECEIVER_TIMEOUT="1s"
        ) as running,
        closing(http.client.HTTPConnection("127.0.0.1", running.port)) as stalled,
    ):
        stalled.putrequest("POST", "/")
        stalled.putheader("content-length", "5")
        stalled.endheaders()
        time.sleep(0.2)
        assert running.terminate() == 0


def test_ctrl_c_ends_it_cleanly_and_so_does_a_sigint_for_gunicorn_alone(tmp_path: Path) -> None:
    for send in (os.kill, os.killpg):
        with servers.function(tmp_path, server="asgi") as running:
            send(running.process.pid, signal.SIGINT)
            assert running.process.wait(20) == 0
            assert "Traceback" not in running.log


def test_all_it_says_is_json(tmp_path: Path) -> None:
    with servers.function(tmp_path, server="asgi", LOG_LEVEL="info") as running:
        with socket.create_connection(("127.0.0.1", running.port)) as connection:
            connection.sendall(b"no HTTP\r\n\r\n")
            assert connection.recv(1000).startswith(b"HTTP/1.1 400 ")
        assert running.terminate() == 0
        assert len(running.events()) == len(running.log.splitlines())


def test_gunicorns_own_asgi_worker_serves_the_server_as_well(tmp_path: Path) -> None:
    arguments = "--worker-class asgi --asgi-lifespan off"
    with servers.function(tmp_path, server="asgi", GUNICORN_CMD_ARGS=arguments) as running:
        assert running.post(b'{"log":"hello"}').status_code == 204


def test_an_operator_who_asks_for_an_access_log_gets_one(tmp_path: Path) -> None:
    arguments = "--access-logfile -"
    with servers.function(tmp_path, server="asgi", GUNICORN_CMD_ARGS=arguments) as running:
        assert running.post(b'{"log":"hello"}').status_code == 204
        assert running.terminate() == 0
        assert '"POST / HTTP/1.1" 204' in running.log


def test_it_does_not_outlive_gunicorn(tmp_path: Path) -> None:
    with servers.function(tmp_path, server="asgi") as running:
        os.kill(running.process.pid, signal.SIGKILL)
        wait_until(lambda: not answers(running))


def answers(running: Function) -> bool:
    try:
        return requests.get(f"{running.url}/health/readiness", timeout=1).ok
    except requests.ConnectionError:
        return False
