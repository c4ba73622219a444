"""The ASGI server by itself, called as a server calls it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from function.serving.asgi import Function
from function.settings import Settings
from tests import servers
from tests.servers import Answer

HERE = Path(__file__).parent
ARTICLE = (HERE / "records" / "article.json").read_bytes().strip()
RULES = str(HERE / "rules" / "article.yaml")


def scope(headers: Mapping[str, str], method: str = "POST", path: str = "/") -> dict[str, Any]:
    encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "method": method, "path": path, "headers": encoded}


class Exchange:
    """One request, whose body comes in chunks, and its response."""

    def __init__(self, *chunks: bytes) -> None:
        self._chunks = list(chunks)
        self.sent: list[dict[str, Any]] = []

    async def receive(self) -> dict[str, Any]:
        if not self._chunks:
            return {"type": "http.disconnect"}
        chunk = self._chunks.pop(0)
        return {"type": "http.request", "body": chunk, "more_body": bool(self._chunks)}

    async def send(self, message: dict[str, Any]) -> None:
        self.sent.append(message)

    @property
    def status(self) -> int:
        status: int = self.sent[0]["status"]
        return status

    @property
    def unread(self) -> int:
        return len(self._chunks)


def call(function: Function, request: dict[str, Any], *chunks: bytes) -> Exchange:
    exchange = Exchange(*chunks)
    asyncio.run(function(request, exchange.receive, exchange.send))
    return exchange


@pytest.fixture(scope="module")
def function() -> Function:
    return Function(Settings.from_environ({"RULES_FILE": RULES, "MAX_BODY_BYTES": "1000"}))


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/nope", 405),
        ("PUT", "/", 405),
        ("GET", "/", 200),
        ("GET", "/metrics", 200),
        ("OPTIONS", "/records", 200),
        ("POST", "/", 413),
    ],
)
def test_whatever_is_answered_the_body_is_read_first(
    function: Function, method: str, path: str, status: int
) -> None:
    """Or gunicorn keeps the connection for ever, and func's server stands still."""
    exchange = call(function, scope(servers.event(), method, path), *[b"x" * 100] * 20)
    assert exchange.status == status
    assert exchange.unread == 0


def test_what_a_client_would_send_in_vain_it_is_told_before(function: Function) -> None:
    headers = servers.event(expect="100-continue", content_length="5000")
    exchange = call(function, scope(headers), b"never asked for")
    assert exchange.status == 413
    assert exchange.unread == 1
    assert (b"connection", b"close") in exchange.sent[0]["headers"]


def test_a_body_without_an_end_is_not_read_for_ever(function: Function) -> None:
    exchange = call(function, scope(servers.event()), *[b"x" * 2**20] * 40)
    assert exchange.status == 413
    assert exchange.unread > 10


def test_a_body_that_breaks_off_may_come_again(function: Function) -> None:
    exchange = Exchange(b'{"log":')
    exchange._chunks = []
    asyncio.run(function(scope(servers.event()), exchange.receive, exchange.send))
    assert exchange.status == 503


def test_a_websocket_is_refused(function: Function) -> None:
    exchange = Exchange()
    asyncio.run(function({"type": "websocket"}, exchange.receive, exchange.send))
    assert exchange.sent == [{"type": "websocket.close"}]


def test_what_is_delivered_after_its_client_has_gone_is_not_sent_again() -> None:
    async def leave_and_come_again(function: Function, request: dict[str, Any]) -> int:
        first, second = Exchange(ARTICLE), Exchange(ARTICLE)
        leaving = asyncio.create_task(function(request, first.receive, first.send))
        while not receiver.requests:
            await asyncio.sleep(0.01)
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        await asyncio.sleep(0.5)
        await function(request, second.receive, second.send)
        return second.status

    with servers.receiver(Answer(delay=0.2)) as receiver:
        settings = Settings.from_environ({"RULES_FILE": RULES, "RECEIVER_URL": receiver.url})
        assert asyncio.run(leave_and_come_again(Function(settings), scope(servers.event()))) == 204
        assert len(receiver.requests) == 1


def test_a_large_body_keeps_nobody_waiting() -> None:
    """A small request that comes behind ten large ones is answered before they are."""

    async def in_order(function: Function) -> list[int]:
        done: list[int] = []

        async def send(size: int) -> None:
            exchange = Exchange(b'{"log":"hello"}\n' * size)
            await function(scope(servers.event()), exchange.receive, exchange.send)
            assert exchange.status == 204
            done.append(size)

        await asyncio.gather(*(send(size) for size in [9_000] * 10 + [1]))
        return done

    assert asyncio.run(in_order(Function(Settings.from_environ({}))))[0] == 1


def test_the_probes_of_func_say_ok(function: Function) -> None:
    assert function.alive() == (True, "OK\n")
    assert function.ready() == (True, "OK\n")


def test_a_waiting_request_gives_up_when_its_time_is_over() -> None:
    with servers.receiver(Answer(delay=60)) as receiver:
        settings = Settings.from_environ(
            {
                "RULES_FILE": RULES,
                "RECEIVER_URL": receiver.url,
                "RECEIVER_TIMEOUT": "300ms",
                "DELIVERY_TIMEOUT": "300ms",
            }
        )
        assert call(Function(settings), scope(servers.event()), ARTICLE).status == 503
