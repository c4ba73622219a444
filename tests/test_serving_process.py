"""The function as a process: how it starts and ends, and what it does without resources.

The same for Flask and ASGI under gunicorn, and for ASGI under the server of func's scaffolding.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from tests import servers
from tests.servers import Answer

HERE = Path(__file__).parent
RULES = str(HERE / "rules" / "article.yaml")
ARTICLE = (HERE / "records" / "article.json").read_bytes().strip()


@pytest.mark.parametrize(("kind", "waiting"), [("flask", 64), ("asgi", 128), ("func", 128)])
def test_the_probes_are_answered_while_as_many_requests_wait_as_knative_lets_in(
    kind: str, waiting: int, tmp_path: Path
) -> None:
    with (
        servers.receiver(Answer(delay=1)) as receiver,
        servers.function(
            tmp_path, server=kind, RULES_FILE=RULES, RECEIVER_URL=receiver.url
        ) as server,
        ThreadPoolExecutor(waiting) as pool,
    ):
        requests_under_way = [pool.submit(server.post, ARTICLE) for _ in range(waiting)]
        received = f"\nlogs_handler_requests_total {waiting}.0\n"
        servers.wait_until(
            lambda: received in requests.get(f"{server.url}/metrics", timeout=5).text
        )
        assert requests.get(f"{server.url}/health/readiness", timeout=1).status_code == 200
        assert {each.result().status_code for each in requests_under_way} == {204}


@pytest.mark.parametrize("module", ["wsgi", "asgi"])
def test_what_is_there_at_the_start_is_not_searched_for_garbage_and_the_rest_rarely(
    module: str,
) -> None:
    code = (
        f"import gc, function.serving.{module}\n"
        "print(gc.isenabled(), gc.get_freeze_count() > 10_000, gc.get_threshold()[0])"
    )
    done = subprocess.run(
        (sys.executable, "-c", code),
        cwd=servers.ROOT,
        env=servers.environment(RULES_FILE=RULES),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "True True 20000\n"


@pytest.mark.parametrize("kind", servers.SERVERS)
def test_requests_that_wait_for_their_alerts_are_answered_before_the_process_ends(
    kind: str, tmp_path: Path
) -> None:
    with (
        servers.receiver(Answer(delay=4)) as receiver,  # func's own server would give them 3 s
        servers.function(
            tmp_path, server=kind, RULES_FILE=RULES, RECEIVER_URL=receiver.url
        ) as server,
        ThreadPoolExecutor() as pool,
    ):
        waiting = [pool.submit(server.post, ARTICLE) for _ in range(3)]
        servers.wait_until(lambda: receiver.requests)
        time.sleep(0.2)  # the others have been accepted by then
        assert server.terminate() == 0
        assert [future.result().status_code for future in waiting] == [204, 204, 204]


@pytest.mark.parametrize("kind", servers.SERVERS)
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"RECEIVER": "pager"}, "RECEIVER: 'pager' is not one of "),
        ({"RULES_FILE": "/nowhere/rules.yaml"}, "/nowhere/rules.yaml: cannot read the rule file"),
    ],
)
def test_a_process_that_cannot_start_says_why_in_one_line_and_ends(
    kind: str, tmp_path: Path, settings: dict[str, str], message: str
) -> None:
    command, more = servers.SERVERS[kind]
    address = f"127.0.0.1:{servers.free_port()}"
    ended = subprocess.run(
        (sys.executable, *command),
        cwd=tmp_path,
        env=servers.environment(LISTEN_ADDRESS=address, **more, **settings),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode != 0
    told = [json.loads(line) for line in ended.stderr.splitlines() if "cannot_start" in line]
    assert [line["problem"].startswith(message) for line in told] == [True]
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("kind", servers.SERVERS)
def test_connections_that_clients_have_closed_are_closed(kind: str, tmp_path: Path) -> None:
    with servers.function(tmp_path, server=kind) as server:
        [process] = workers(server)
        descriptors = Path(f"/proc/{process}/fd")
        before = len([*descriptors.iterdir()])
        for _ in range(200):
            requests.get(f"{server.url}/health/readiness", timeout=5)  # and closes
        servers.wait_until(lambda: len([*descriptors.iterdir()]) < before + 20, 20)


def workers(server: servers.Function) -> list[int]:
    """Processes that answer requests: gunicorn's, or func's only one."""
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children")
    return [*map(int, children.read_text().split())] or [server.process.pid]


@contextmanager
def no_descriptor_left(process: int) -> Iterator[None]:
    """Let a process open no file and no socket any more."""
    usual = resource.prlimit(process, resource.RLIMIT_NOFILE)
    resource.prlimit(process, resource.RLIMIT_NOFILE, (3, usual[1]))  # numbers below are in use
    try:
        yield
    finally:
        resource.prlimit(process, resource.RLIMIT_NOFILE, usual)


@pytest.mark.parametrize("kind", servers.SERVERS)
def test_without_a_file_descriptor_left_a_record_is_to_come_again(
    kind: str, tmp_path: Path
) -> None:
    with (
        servers.receiver() as receiver,
        servers.function(
            tmp_path, server=kind, RULES_FILE=RULES, RECEIVER_URL=receiver.url
        ) as server,
        requests.Session() as session,  # its connection is accepted while there is room
    ):
        session.get(f"{server.url}/health/liveness", timeout=5).raise_for_status()
        [process] = workers(server)
        with no_descriptor_left(process):
            refused = session.post(server.url, data=ARTICLE, headers=servers.event(), timeout=30)
            assert refused.status_code == 503, refused.text
            assert "Too many open files" in refused.json()["detail"]
        assert receiver.requests == []
        assert session.post(server.url, data=ARTICLE, headers=servers.event()).status_code == 204
        assert "Traceback" not in server.log


@pytest.mark.parametrize("kind", servers.SERVERS)
def test_while_the_receiver_hangs_the_answer_is_503_after_the_time_for_one_post(
    kind: str, tmp_path: Path
) -> None:
    with (
        servers.receiver(Answer(delay=5)) as receiver,
        servers.function(
            tmp_path,
            server=kind,
            RULES_FILE=RULES,
            RECEIVER_URL=receiver.url,
            RECEIVER_TIMEOUT="300ms",
            DELIVERY_TIMEOUT="20s",
        ) as server,
    ):
        refused = server.post(ARTICLE)
        assert refused.status_code == 503
        assert "no answer in time" in refused.json()["detail"]


@pytest.mark.parametrize("kind", servers.SERVERS)
def test_copies_for_a_slower_member_leave_before_the_process_ends(
    kind: str, tmp_path: Path
) -> None:
    with (
        servers.receiver() as quick,
        servers.receiver(Answer(delay=1)) as slow,
        servers.function(
            tmp_path,
            server=kind,
            RULES_FILE=RULES,
            RECEIVER="alertmanager",
            RECEIVER_URL=f"{quick.url},{slow.url}",
            DELIVERY_CONCURRENCY="1",
        ) as server,
    ):
        first = server.post(ARTICLE)
        second = server.post(ARTICLE.replace(b"1629856477", b"1629856478"))
        assert (first.status_code, second.status_code) == (204, 204)
        assert server.terminate() == 0
        assert [len(alerts) for alerts in slow.bodies] == [1, 1]


@pytest.mark.parametrize("kind", servers.SERVERS)
def test_a_receiver_that_hardly_fits_its_url_is_told_at_the_start(
    kind: str, tmp_path: Path
) -> None:
    url = "http://secret-user:secret@127.0.0.1:9/secret-path/api/v2/alerts"
    with servers.function(tmp_path, server=kind, RECEIVER="slack", RECEIVER_URL=url) as server:
        [warning] = [line for line in server.events() if line["event"] == "receiver_doubtful"]
        assert warning["detail"] == (
            "RECEIVER_URL is hardly one of RECEIVER=slack: "
            "its path is one of Alertmanager and Notification Manager"
        )
        assert "secret" not in server.log


@pytest.mark.parametrize("kind", servers.SERVERS)
def test_rules_of_the_image_are_told_where_none_are_mounted(kind: str, tmp_path: Path) -> None:
    with servers.function(
        tmp_path, server=kind, RECEIVER_URL="http://127.0.0.1:9/alerts", K_SERVICE="logs-handler"
    ) as server:
        page = requests.get(server.url, timeout=5).text
        assert "(in the image: there is no /etc/logs-handler/rules.yaml)" in page
        [warning] = [line for line in server.events() if line["event"] == "rules_not_mounted"]
        assert warning["used"].endswith("/function/rules.yaml")
