"""A sink that keeps the bytes of every request, and answers what a test says."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from local.kafkasource.mapping import Mapper

WAIT = 15.0  # seconds before a test gives up; nothing here takes a tenth of it
MILLISECOND = 0.001
TIME = 1_786_097_730_123  # 2026-08-07T10:15:30.123Z
MAPPER = Mapper("default", "logs")


class Captured(NamedTuple):
    head: bytes
    body: bytes

    @property
    def headers(self) -> dict[str, str]:
        lines = self.head.decode("latin-1").split("\r\n")[1:]
        return dict(line.split(": ", 1) for line in lines if line)

    @property
    def place(self) -> tuple[int, int]:
        headers = self.headers
        return int(headers["ce-knativekafkapartition"]), int(headers["ce-knativekafkaoffset"])


Script = Callable[[Captured], "int | bytes | Iterator[bytes] | None"]


class RawSink(socketserver.ThreadingTCPServer):
    """Keeps the bytes of every request; the script says which status or bytes answer it.

    None closes the connection without an answer.
    """

    daemon_threads = False
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, script: Script) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.script = script
        self.changed = threading.Condition()
        self.requests: list[Captured] = []
        self.connections: list[socket.socket] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}/"

    def process_request(self, request: Any, client_address: Any) -> None:
        self.connections.append(request.dup())
        super().process_request(request, client_address)

    def server_close(self) -> None:
        for connection in self.connections:
            with contextlib.suppress(OSError):  # the source was faster
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        super().server_close()

    def wait_for(self, count: int) -> list[Captured]:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.requests) >= count, WAIT)
            return list(self.requests)


class _Connection(socketserver.StreamRequestHandler):
    server: RawSink

    def handle(self) -> None:
        while captured := self._read():
            with self.server.changed:
                self.server.requests.append(captured)
                self.server.changed.notify_all()
            answer = self.server.script(captured)
            if answer is None:
                return
            if isinstance(answer, int):
                answer = f"HTTP/1.1 {answer} x\r\ncontent-length: 0\r\n\r\n".encode()
            try:
                for part in [answer] if isinstance(answer, bytes) else answer:
                    self.wfile.write(part)
            except ConnectionError:
                return

    def _read(self) -> Captured | None:
        head = b""
        try:
            while line := self.rfile.readline():
                head += line
                if line == b"\r\n":
                    length = Captured(head, b"").headers.get("content-length", "0")
                    return Captured(head, self.rfile.read(int(length)))
        except ConnectionError:
            return None
        return None


SinkOf = Callable[[Script], RawSink]
