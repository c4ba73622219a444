"""A real Alertmanager for the length of a block, alone, on a free loopback port."""

from __future__ import annotations

import http.client
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests import real

_CONFIG = "route: {receiver: none}\nreceivers: [{name: none}]\n"
_START = 20.0  # seconds


@contextmanager
def alertmanager() -> Iterator[str]:
    """Its base URL, http://127.0.0.1:port. Skips the test where the program is absent."""
    program = real.alertmanager()
    port = _free_port()
    with tempfile.TemporaryDirectory(prefix="alertmanager-") as folder:
        config = Path(folder, "alertmanager.yml")
        config.write_text(_CONFIG)
        command = (
            program,
            f"--config.file={config}",
            f"--storage.path={folder}/data",
            f"--web.listen-address=127.0.0.1:{port}",
            "--cluster.listen-address=",  # no gossip, no other port
            "--log.level=error",
        )
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            _wait_until_ready(process, port)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()
            process.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


def _wait_until_ready(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + _START
    while not _ready(port):
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"Alertmanager did not start: exit status {process.poll()}")
        time.sleep(0.02)


def _ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
    try:
        connection.request("GET", "/-/ready")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
