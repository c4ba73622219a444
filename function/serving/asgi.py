"""The ASGI application: the same endpoints without Flask, for any ASGI server.

``SERVER=asgi gunicorn -c python:function.serving.gunicorn_conf`` serves ``app``. A request that
waits for its alerts holds no thread here, so one process holds hundreds of them.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from threading import Lock
from typing import Any

from function.bounds import FIELDS, require_small_head
from function.errors import BodyIncomplete, HeadTooLarge, RequestError
from function.replies import Headers, Reply, refusal
from function.serving.endpoints import (
    SMALL_HEAD,
    Endpoint,
    Endpoints,
    bug,
    is_quick,
    may_be_large,
)
from function.serving.startup import collect_garbage_rarely, or_exit
from function.settings import Settings
from function.sink import Pending
from function.turns import PATIENCE, no_turn

_LARGE = 32  # large bodies in memory at a time
_DROPPED = 16 * 1024 * 1024  # bytes too many that are read before the answer

Scope = Mapping[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class Function:
    """An ASGI 3 application; as ``handle``, ``alive`` and ``ready`` also what func-python calls."""

    def __init__(self, settings: Settings) -> None:
        """Build the function; raises RulesError or SettingsError where it cannot work."""
        self.settings = settings
        self._endpoints = Endpoints(settings)
        self.tell = self._endpoints.tell  # for what a server refuses by itself as well
        self._waiters = _Waiters()
        self._large = asyncio.Semaphore(_LARGE)
        self._threads = ThreadPoolExecutor(_LARGE, "large body")  # where each waits for its turn

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request, and refuse a WebSocket; raises ValueError for other scopes."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close"})
            return
        if scope["type"] != "http":
            raise ValueError(f"only http is served here, no {scope['type']}")
        given: Headers = {}
        try:
            if SMALL_HEAD not in scope or len(scope["headers"]) > FIELDS:
                require_small_head(scope["headers"])
            given = _headers(scope["headers"])
            reply = await self._reply(scope, given, receive)
        except RequestError as error:
            reply = refusal([error])
        except Exception:  # noqa: BLE001 - here HTTP begins: whatever happens gets an answer
            reply = bug(scope["path"])
        self.tell(reply, given)
        body = b"" if scope["method"] == "HEAD" else reply.body
        headers = _encoded(reply)
        if reply.status == HeadTooLarge.status or (reply.status >= 400 and _is_unread(scope)):
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    handle = __call__

    def alive(self) -> tuple[bool, str]:
        """func-python's liveness probe."""
        self._endpoints.look()
        return True, "OK\n"

    def ready(self) -> tuple[bool, str]:
        """func-python's readiness probe: this process can take requests."""
        return True, "OK\n"

    async def _reply(self, scope: Scope, headers: Headers, receive: Receive) -> Reply:
        method, path = scope["method"], scope["path"]
        methods = self._endpoints.at(path)
        endpoint = methods.get("GET" if method == "HEAD" else method)
        if (endpoint is None or method != "POST") and "expect" not in headers:
            await _read(receive, 0)
        if endpoint is None:
            if method == "OPTIONS" and methods:
                return Reply(200, {"allow": self._endpoints.allowed(path)})
            return self._endpoints.elsewhere(method, path)
        if method != "POST":
            reply = endpoint(headers, b"")
        elif may_be_large(headers) or "expect" in headers:
            reply = await self._large_post(endpoint, headers, receive)
        else:
            body, length = await _read(receive, self._endpoints.largest_body)
            self._endpoints.require_fitting(length)
            reply = endpoint(headers, body)
        return reply if isinstance(reply, Reply) else await self._waiters.outcome(reply)

    async def _large_post(
        self, endpoint: Endpoint, headers: Headers, receive: Receive
    ) -> Reply | Pending:
        """Take a large body, while other requests, and the probes, do not wait for it."""
        declared = headers.get("content-length", "") if "expect" in headers else ""
        if declared.isdigit():
            self._endpoints.require_fitting(int(declared))  # before the client sends it
        async with self._room():
            body, length = await _read(receive, self._endpoints.largest_body)
            self._endpoints.require_fitting(length)
            if is_quick(headers, body):  # it did not say how large it is
                return endpoint(headers, body)
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, endpoint, headers, body)

    @asynccontextmanager
    async def _room(self) -> AsyncIterator[None]:
        """Room for one more large body; raises QueueFull where there is none in time."""
        try:
            await asyncio.wait_for(self._large.acquire(), PATIENCE)
        except asyncio.TimeoutError:
            raise no_turn(f"{_LARGE} large requests are being read already") from None
        try:
            yield
        finally:
            self._large.release()


async def _read(receive: Receive, most: int) -> tuple[bytes, int]:
    """The body, unless it is longer than ``most``, and its length; raises BodyIncomplete.

    One that is not wanted is read, too: gunicorn's asgi worker keeps for ever the connection of a
    client that has more to send than is read, and func's server stands still.
    """
    body = bytearray()
    length, more = 0, True
    while more and length <= most + _DROPPED:
        message = await receive()
        if message["type"] != "http.request":
            raise BodyIncomplete(f"the body breaks off after {length} bytes")
        chunk = message.get("body", b"")
        length += len(chunk)
        more = message.get("more_body", False)
        if length <= most:
            body += chunk
    return bytes(body), length


class _Waiters:
    """Requests that wait for delivery.

    Its threads wake the event loop once for all requests of a batch: ``asyncio.wrap_future`` would
    wake it for each, which costs as much as reading the request.
    """

    def __init__(self) -> None:
        self._done: list[asyncio.Future[bool]] = []
        self._lock = Lock()

    async def outcome(self, pending: Pending) -> Reply:
        """The reply when delivery is done, or when the time for it is over."""
        loop = asyncio.get_running_loop()
        waiter = loop.create_future()
        timer = loop.call_later(pending.deadline - time.monotonic(), _settle, waiter, False)
        pending.future.add_done_callback(lambda _future: self._tell(loop, waiter))
        try:
            done = await waiter
        finally:
            timer.cancel()
        return pending.finish(pending.future.result()) if done else pending.give_up()

    def _tell(self, loop: asyncio.AbstractEventLoop, waiter: asyncio.Future[bool]) -> None:
        """Called by a sender's thread."""
        with self._lock:
            self._done.append(waiter)
            first = len(self._done) == 1
        if first:
            loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        with self._lock:
            done, self._done = self._done, []
        for waiter in done:
            _settle(waiter, True)


def _settle(waiter: asyncio.Future[bool], done: bool) -> None:
    if not waiter.done():  # the client has gone, or the time was over a moment before
        waiter.set_result(done)


def _headers(pairs: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """The headers by lower-case name; of one that came twice, both values with a comma."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in pairs:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    headers.setdefault("content-type", "")
    return headers


def _is_unread(scope: Scope) -> bool:
    """Whether a client of HTTP/1 may still have a body that it was about to send."""
    expects = any(name == b"expect" for name, _ in scope["headers"])
    return expects and scope.get("http_version", "1.1").startswith("1")


def _encoded(reply: Reply) -> list[tuple[bytes, bytes]]:
    if not reply.headers and reply.status == 204:
        return []  # nearly every reply
    headers = [(name.encode(), value.encode()) for name, value in reply.headers.items()]
    if reply.status != 204:
        headers.append((b"content-length", b"%d" % len(reply.body)))
    return headers


# Senders' threads need the interpreter for moments, and the event loop would keep it for 5 ms.
sys.setswitchinterval(0.001)

app = or_exit(lambda: Function(Settings.from_environ(os.environ)))
collect_garbage_rarely()
