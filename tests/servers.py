"""Real servers for tests: the function under gunicorn, and a receiver that does as it is told."""

from __future__ import annotations

import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import requests

ROOT = Path(__file__).resolve().parent.parent
COMMAND = ("-m", "gunicorn", "-c", "python:function.serving.gunicorn_conf")
# The three ways that a pod starts, with the setting that each needs.
SERVERS: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {
    "flask": (COMMAND, {}),
    "asgi": (COMMAND, {"SERVER": "asgi"}),
    "func": ((str(ROOT / "tests" / "func_scaffolding.py"),), {}),
}
CLOUDEVENT = {
    "ce-specversion": "1.0",
    "ce-id": "partition:0/offset:564",
    "ce-source": "/apis/v1/namespaces/default/kafkasources/logs#logs",
    "ce-type": "dev.knative.kafka.event",
}


_offsets = itertools.count(1000)


def event(**more: str) -> dict[str, str]:
    """The headers of an event that has not been sent before; ``more`` with _ for -."""
    named = {name.replace("_", "-"): value for name, value in more.items()}
    return {**CLOUDEVENT, "ce-id": f"partition:0/offset:{next(_offsets)}", **named}


def free_port() -> int:
    """A port of the loopback address that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def broker() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """An embedded broker in a process of its own, and where it listens."""
    command = (sys.executable, "-m", "local.broker")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            assert process.stdout
            yield process, process.stdout.readline().split()[3].rstrip(",")
        finally:
            process.kill()


def environment(**settings: str) -> dict[str, str]:
    """This process' environment with no setting of ours but the given ones."""
    from function.settings import SETTINGS

    ours = {setting.name for setting in SETTINGS} | {"GUNICORN_CMD_ARGS"}
    kept = {name: value for name, value in os.environ.items() if name not in ours}
    return {**kept, "PYTHONPATH": str(ROOT), **settings}


@dataclass
class Function:
    """The function as a process: the Procfile's command on a free port."""

    port: int
    process: subprocess.Popen[bytes]
    log_file: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return self.log_file.read_text(encoding="utf-8")

    def events(self) -> list[dict[str, Any]]:
        """The log's lines that are JSON: all, but for those of func's own server."""
        return [json.loads(line) for line in self.log.splitlines() if line.startswith("{")]

    def post(
        self, body: bytes | str, path: str = "/", headers: Mapping[str, str] | None = None
    ) -> requests.Response:
        """POST with exactly these headers, those of a new event unless given; no content type."""
        sent = event() if headers is None else dict(headers)
        return requests.post(self.url + path, data=body, headers=sent, timeout=30)

    def kill(self) -> None:
        """SIGKILL to gunicorn and its worker, as a node that loses power."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def terminate(self) -> int:
        """SIGTERM, and the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(40)


@contextmanager
def function(
    folder: Path, *, port: int | None = None, server: str = "flask", **settings: str
) -> Iterator[Function]:
    """The function with these settings, ready to take requests; on a free port without one."""
    port = port or free_port()
    command, more = SERVERS[server]
    log_file = folder / f"function-{port}.log"
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            (sys.executable, *command),
            cwd=folder,
            env=environment(LISTEN_ADDRESS=f"127.0.0.1:{port}", **more, **settings),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    running = Function(port, process, log_file)
    try:
        wait_until_ready(running)
        yield running
    finally:
        if "COVERAGE_PROCESS_CONFIG" in os.environ:  # it writes down what it saw when it ends
            with suppress(subprocess.TimeoutExpired):
                running.process.send_signal(signal.SIGTERM)
                running.process.wait(5)
        with suppress(ProcessLookupError):
            os.killpg(running.process.pid, signal.SIGKILL)
        running.process.wait()


def exchange(running: Function, *parts: bytes) -> bytes:
    """What a server says to bytes, in parts that come one after the other, until it closes."""
    with socket.create_connection(("127.0.0.1", running.port), timeout=5) as connection:
        with suppress(ConnectionError):  # it may not read all of them
            for part in parts:
                connection.sendall(part)
                time.sleep(0.05 if len(parts) > 1 else 0)
        answer = b""
        with suppress(ConnectionError):
            while part := connection.recv(65536):
                answer += part
        return answer


def wait_until(happened: Callable[[], object], seconds: float = 10) -> None:
    """Wait for something that another thread or process does."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


def wait_until_ready(running: Function, seconds: float = 30) -> None:
    """Wait for the readiness probe; raises with the log where the process ends before."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if running.process.poll() is not None:
            break
        try:
            requests.get(f"{running.url}/health/readiness", timeout=1).raise_for_status()
        except requests.RequestException:
            time.sleep(0.02)
        else:
            return
    raise RuntimeError(f"the function did not start:\n{running.log}")


# Answers in Notification Manager's own words, which Alertmanager's say as well.
YES = b'{"Status":200,"Message":"Notification request accepted"}'
NO = b'{"Status":400,"code":400,"message":"no"}'


@dataclass(frozen=True)
class Answer:
    """What the receiver answers: after ``delay`` seconds, or nothing at all with ``drop``.

    Without a ``body`` a 200 says yes, a 400 and 422 say no, and others nothing.
    """

    status: int = 200
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0
    drop: bool = False

    @property
    def sent(self) -> bytes:
        """The body."""
        usual = {200: YES, 400: NO, 422: NO}.get(self.status, b"")
        return usual if self.body is None else self.body


@dataclass
class Receiver:
    """An HTTP server that keeps every request; of its ``answers`` it repeats the last for ever.

    ``refuse`` lists alert paths: a request that holds one of them is answered 400.
    """

    server: ThreadingHTTPServer
    answers: list[Answer] = field(default_factory=lambda: [Answer()])
    refuse: Sequence[str] = ()
    no: bytes = NO
    requests: list[tuple[Mapping[str, str], bytes]] = field(default_factory=list)
    connections: set[object] = field(default_factory=set)
    under_way: list[int] = field(default_factory=list)  # how many requests were, as each one came
    _now: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, change: int) -> None:
        """A request came, or is answered."""
        with self._lock:
            self._now += change
            if change > 0:
                self.under_way.append(self._now)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/api/v2/alerts"

    @property
    def bodies(self) -> list[Any]:
        return [json.loads(body) for _, body in self.requests]

    def next_answer(self, body: bytes) -> Answer:
        if any(path.encode() in body for path in self.refuse):
            return Answer(400, self.no)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@contextmanager
def receiver(*answers: Answer, kind: type[Receiver] = Receiver) -> Iterator[Receiver]:
    """A receiver on a free port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # head and body are two packets: 40 ms later without it

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            kept.connections.add(self.client_address)
            kept.note(1)
            kept.requests.append((dict(self.headers), body))
            answer = kept.next_answer(body)
            time.sleep(answer.delay)
            kept.note(-1)
            if answer.drop:
                self.connection.shutdown(socket.SHUT_RDWR)
                self.close_connection = True
                return
            self.send_response(answer.status)
            for name, value in {"content-length": str(len(answer.sent)), **answer.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            with suppress(ConnectionError):  # it may have given up by now
                self.wfile.write(answer.sent)

        def log_message(self, *_arguments: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    kept = kind(server)
    if answers:
        kept.answers = list(answers)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield kept
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
