"""Right answers first: what each subject has to do before it is timed."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from benchmarks import event, receiver
from benchmarks.servers import Server, exchange, serving
from benchmarks.subjects import Subject

_LABELS = {
    "alertname": "404 Request",
    "method": "GET",
    "namespace": "demo-project",
    "path": f"/page/{event.FIRST + 2}",
    "pod": "wordpress-v1-f54f697c5-hdn2z",
    "severity": "warning",
}
_NO_EVENT = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}"


def check(subject: Subject) -> None:
    """Raises SystemExit where a subject answers wrongly, saying how."""
    with _inbox() as (url, bodies), serving(subject, url) as server:
        wrong = list(_wrong(subject, server, bodies))
    if wrong:
        raise SystemExit(f"{subject.name} is not timed: " + "; ".join(wrong))


def _wrong(subject: Subject, server: Server, bodies: list[dict[str, Any]]) -> Iterator[str]:
    def status(number: int, *, matches: bool) -> int:
        message = event.request(server.port, event.FIRST + number, matches=matches)
        return exchange(server.port, message) or 0

    if status(1, matches=False) // 100 != 2:
        yield "a record that matches nothing is not answered with 2xx"
    if bodies:
        yield f"a record that matches nothing made it post {bodies}"
    if status(2, matches=True) // 100 != 2:
        yield "a record that matches is not answered with 2xx"
    if subject.kind == "limit":
        return
    labels = [alert["labels"] for body in bodies for alert in body["alerts"]]
    if len(labels) != 1 or not labels[0].items() >= _LABELS.items():
        yield f"a record that matches made it post {labels}, not one alert with {_LABELS}"
    if subject.kind == "ours" and (exchange(server.port, _NO_EVENT) or 0) // 100 != 4:
        yield "a request that is not a CloudEvent is not answered with 4xx"


@contextmanager
def _inbox() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    bodies: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.send_header("content-length", str(len(receiver.YES)))
            self.end_headers()
            self.wfile.write(receiver.YES)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", bodies
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
