"""A receiver that repeats what it was sent, in the forms that servers and proxies are known for."""

from __future__ import annotations

import html
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import NamedTuple


class Seen(NamedTuple):
    """What a request shows its server: the target, and the Authorization header."""

    target: str
    authorization: str

    @property
    def text(self) -> str:
        return f"Cannot POST {self.target} with Authorization: {self.authorization}"


def _answer(status: str, body: str, *headers: str, kind: str = "text/plain") -> bytes:
    content = body.encode()
    head = [f"HTTP/1.1 {status}", f"content-type: {kind}", f"content-length: {len(content)}"]
    return "\r\n".join([*head, *headers, "", ""]).encode() + content


def _words(status: int, seen: Seen) -> str:
    """Every kind's own words for a refusal, so that this is one of an alert."""
    return json.dumps({"Status": status, "code": status, "error": seen.text})


ANSWERS = {
    "a page that quotes the target": lambda seen: _answer(
        "404 Not Found", f"<pre>{html.escape(seen.text)}</pre>", kind="text/html"
    ),
    "an error as text": lambda seen: _answer("500 Internal Server Error", seen.text),
    "credentials sent back": lambda seen: _answer(
        "401 Unauthorized", json.dumps({"sent": seen.authorization}), kind="application/json"
    ),
    "a refusal": lambda seen: _answer(
        "400 Bad Request", _words(400, seen), kind="application/json"
    ),
    "a refusal with escaped slashes": lambda seen: _answer(
        "422 Unprocessable", _words(422, seen).replace("/", "\\/"), kind="application/json"
    ),
    "a yes with an error in it": lambda seen: _answer("200 OK", _words(500, seen)),
    "a redirect": lambda seen: _answer("302 Found", "", f"location: https://x{seen.target}"),
    "a reason phrase": lambda seen: _answer(f"500 {seen.text}", ""),
    "no HTTP": lambda seen: f"{seen.text}\r\n\r\n".encode(),
    "an impossible length": lambda seen: (
        f"HTTP/1.1 500 No\r\ncontent-length: {seen.target}\r\n\r\n".encode()
    ),
    "an impossible chunk": lambda seen: (
        f"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{seen.target}\r\n".encode()
    ),
    "a broken header": lambda seen: f"HTTP/1.1 500 No\r\n{seen.target}\r\n\r\n".encode(),
    "a body that breaks off": lambda seen: (
        f"HTTP/1.1 500 No\r\ncontent-length: 9999\r\n\r\n{seen.text}".encode()
    ),
    "a body that is too long": lambda seen: _answer("500 No", f"{seen.text} " * 1000),
    # The last: what comes within the next seconds is not posted.
    "a pause": lambda seen: _answer("429 Too Many Requests", seen.text, "retry-after: 30"),
}


@dataclass
class Echo:
    """Answers in turn; ``used`` says with what."""

    port: int = 0
    forms: list[str] = field(default_factory=lambda: [*ANSWERS])
    used: list[str] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, seen: Seen) -> bytes:
        with self.lock:
            form = self.forms[len(self.used) % len(self.forms)]
            self.used.append(form)
            self.seen.append(seen)
        return ANSWERS[form](seen)

    def serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError), connection.makefile("rb") as stream:
            connection.settimeout(10)
            target = stream.readline().split(b" ")[1].decode()
            headers = {}
            while line := stream.readline().strip():
                name, _, value = line.decode().partition(":")
                headers[name.lower()] = value.strip()
            stream.read(int(headers["content-length"]))
            connection.sendall(self.answer(Seen(target, headers.get("authorization", ""))))


@contextmanager
def echo() -> Iterator[Echo]:
    """One on a free port."""
    running = Echo()

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=running.serve, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        running.port = listener.getsockname()[1]
        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield running
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
