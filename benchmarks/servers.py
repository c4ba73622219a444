"""A subject as a running server on its own core, and the receiver it posts to."""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmarks import event, processes
from benchmarks.subjects import CACHE, ROOT, Subject, environment

_START = 60  # seconds; a peer's first start compiles its packages
_PAUSE = 0.002  # seconds between two questions whether a server is ready


@dataclass(frozen=True, slots=True)
class Server:
    """A subject that has answered its first event; ``seconds`` from exec to that answer."""

    port: int
    process: subprocess.Popen[bytes]
    seconds: float


@contextmanager
def serving(
    subject: Subject,
    receiver_url: str = "http://127.0.0.1:9/",
    rules: Path | None = None,
    wrapper: Sequence[str] = (),
) -> Iterator[Server]:
    """Start a subject, with its own rules unless given.

    ``wrapper`` is a command that execs the one behind it.
    """
    port = free_port()
    logs = CACHE / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    log = logs / (re.sub(r"\W+", "-", subject.name.lower()).strip("-") + ".txt")
    command = [*wrapper, *processes.pinned(processes.cores()[0], subject.command(port))]
    environ = environment(subject, port, receiver_url, rules or subject.rules)
    start = time.perf_counter()
    with processes.running(command, environ, subject.folder, log) as process:
        _wait(subject, port, process, log)
        yield Server(port, process, time.perf_counter() - start)


def _wait(subject: Subject, port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    message = event.request(port, event.FIRST, matches=False)
    deadline = time.monotonic() + _START
    while time.monotonic() < deadline and process.poll() is None:
        if 200 <= (exchange(port, message) or 0) < 300:
            return
        time.sleep(_PAUSE)
    end = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:])
    raise SystemExit(f"{subject.name} did not start; its log, {log}, ends with:\n{end}")


def exchange(port: int, message: bytes) -> int | None:
    """The status that a raw request gets; None where nobody listens or the answer breaks off."""
    try:
        with socket.create_connection(("127.0.0.1", port), _START) as connection:
            connection.sendall(message)
            head = connection.recv(65536)
    except OSError:
        return None
    return int(head.split(b" ", 2)[1]) if head.startswith(b"HTTP/1.1 ") else None


def free_port() -> int:
    """A loopback port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True, slots=True)
class Receiver:
    """A receiver at work on the load's core."""

    port: int

    @property
    def url(self) -> str:
        """Where alerts are posted."""
        return f"http://127.0.0.1:{self.port}/"

    def taken(self) -> tuple[int, int]:
        """POSTs and alerts so far."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", "/")
            counts = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        return counts["posts"], counts["alerts"]


@contextmanager
def receiving(milliseconds: float, how: Literal["", "one", "pause"] = "") -> Iterator[Receiver]:
    """A receiver that takes so long for each POST; ``how`` as for benchmarks.receiver."""
    receiver = Receiver(free_port())
    command = _beside("receiver", str(receiver.port), str(milliseconds))
    command += [how] if how else []
    CACHE.mkdir(parents=True, exist_ok=True)
    with processes.running(command, os.environ, ROOT, CACHE / "receiver.txt") as process:
        deadline = time.monotonic() + _START
        while exchange(receiver.port, b"GET / HTTP/1.1\r\n\r\n") != 200:
            if time.monotonic() > deadline or process.poll() is not None:
                raise SystemExit("the receiver did not start")
            time.sleep(_PAUSE)
        yield receiver


def finished(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run one of the suite's own programs on the load's core, to its end."""
    return subprocess.run(
        _beside(module, *arguments), cwd=ROOT, capture_output=True, text=True, check=False
    )


def _beside(module: str, *arguments: str) -> list[str]:
    command = [sys.executable, "-m", f"benchmarks.{module}", *arguments]
    return processes.pinned(processes.cores()[1], command)
