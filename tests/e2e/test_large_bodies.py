"""No request takes a pod's memory, and as many as Knative lets in at once do not either.

``python -m tests.memory`` prints what each of the bodies takes.
"""

from __future__ import annotations

import socket
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
import yaml

from tests import servers
from tests.memory import peak
from tests.memory.__main__ import taken
from tests.memory.bodies import BODIES
from tests.servers import Answer

MOST = 64  # MiB for one request
NAMED = {body.name: body for body in BODIES}
# A new body of each shape, and those that took most before they were bounded.
SOME = (
    "one record: an array of objects",
    "one record: objects in no charset",
    "one record: objects with lone surrogates",
    "array: alerts",
    "array: empty records",
    "lines: alerts",
    "OTLP: 620 labels for 9,000 records with one of their own",
    "OTLP: 15,000 labels for 10,000 records",
    "batch: 35 events of 10,000 records",
    "batch: alerts",
)
QUICK = "OTLP: 620 labels for 10,000 records"  # 67 KB took 475 MiB
LIMIT = 256  # MiB of a pod
AT_ONCE = {"flask": 64, "asgi": 128}  # containerConcurrency

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="/proc tells the memory, and is not here"
)


@pytest.mark.parametrize("kind", AT_ONCE)
def test_few_kilobytes_do_not_take_hundreds_of_megabytes(kind: str, tmp_path: Path) -> None:
    status, mib = taken(kind, NAMED[QUICK], tmp_path)
    assert status == 204
    assert mib < MOST


@pytest.mark.long
@pytest.mark.parametrize("kind", AT_ONCE)
@pytest.mark.parametrize("name", SOME)
def test_one_request_takes_a_quarter_of_a_pod_at_the_most(
    name: str, kind: str, tmp_path: Path
) -> None:
    _, mib = taken(kind, NAMED[name], tmp_path)
    assert mib < MOST


@pytest.mark.long
@pytest.mark.parametrize("kind", AT_ONCE)
@pytest.mark.parametrize("name", ["array: ordinary records", "array: alerts"])
def test_as_many_as_knative_lets_in_at_once_leave_a_tenth_of_the_pod(
    name: str, kind: str, tmp_path: Path
) -> None:
    number = AT_ONCE[kind]
    body = NAMED[name].make()
    with (
        servers.receiver(Answer(delay=0.02)) as receiver,
        servers.function(tmp_path, server=kind, RECEIVER_URL=receiver.url) as server,
        ThreadPoolExecutor(number) as clients,
    ):
        process = peak.worker(server)
        peak.forget_peak(process)
        statuses = Counter(clients.map(lambda _: server.post(body).status_code, range(number)))
        whole = peak.resident(process, peak=True) + peak.of_master(server)
        assert whole < 0.9 * LIMIT
    assert {*statuses} <= {204, 503}  # on a slow machine some do not get their turn in time
    assert statuses[204] >= number // 2


@pytest.mark.long
def test_bodies_that_never_end_take_neither_the_pod_nor_the_time_of_others(tmp_path: Path) -> None:
    head = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1048576\r\n\r\n"
    with (
        servers.receiver() as receiver,
        servers.function(tmp_path, server="asgi", RECEIVER_URL=receiver.url) as server,
        ExitStack() as stack,
    ):
        clients = []
        for _ in range(400):
            address = ("127.0.0.1", server.port)
            client = stack.enter_context(socket.create_connection(address, timeout=60))
            client.setblocking(False)
            with suppress(BlockingIOError):
                client.send(head + b"x" * 1_000_000)
            clients.append(client)
        for _ in range(20):
            assert server.post(b'{"log":"x"}').status_code == 204
        whole = peak.resident(peak.worker(server), peak=True) + peak.of_master(server)
        assert whole < 0.9 * LIMIT
        for client in clients:  # each is let go of
            client.settimeout(60)
            with suppress(ConnectionError):
                while client.recv(65536):
                    pass
        assert server.post(b'{"log":"x"}').status_code == 204


def test_the_limit_is_the_pods() -> None:
    service = yaml.safe_load((servers.ROOT / "knative" / "service.yaml").read_text())
    [container] = service["spec"]["template"]["spec"]["containers"]
    assert container["resources"]["limits"]["memory"] == f"{LIMIT}Mi"
    assert service["spec"]["template"]["spec"]["containerConcurrency"] == AT_ONCE["flask"]
