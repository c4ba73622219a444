"""The ASGI door: the same endpoints without Flask, for any ASGI server.

``SERVER=asgi gunicorn -c python:function.gunicorn_conf`` serves ``app``. A request that waits for
its alerts holds no thread here, so one process holds hundreds of them.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterable, Mapping
from threading import Lock
from typing import Any

from function.endpoints import Endpoints, bug
from function.errors import BodyIncomplete, RequestError
from function.receipt import Pending
from function.replies import Reply, refusal
from function.settings import Settings
from function.startup import or_exit

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
        self._waiters = _Waiters()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request; raises ValueError for a scope that is none."""
        if scope["type"] != "http":
            raise ValueError(f"only http is served here, no {scope['type']}")
        try:
            reply = await self._reply(scope, receive)
        except RequestError as error:
            reply = refusal([error])
        except Exception:  # noqa: BLE001 - the door: whatever happens gets an answer
            reply = bug(scope["path"])
        body = b"" if scope["method"] == "HEAD" else reply.body
        await send(
            {"type": "http.response.start", "status": reply.status, "headers": _encoded(reply)}
        )
        await send({"type": "http.response.body", "body": body})

    handle = __call__

    def alive(self) -> tuple[bool, str]:
        """func-python's liveness probe."""
        return True, "OK\n"

    def ready(self) -> tuple[bool, str]:
        """func-python's readiness probe: this process can take requests."""
        return True, "OK\n"

    async def _reply(self, scope: Scope, receive: Receive) -> Reply:
        method, path = scope["method"], scope["path"]
        methods = self._endpoints.table.get(path, {})
        endpoint = methods.get("GET" if method == "HEAD" else method)
        if endpoint is None:
            if method == "OPTIONS" and methods:
                return Reply(200, {"allow": self._endpoints.allowed(path)})
            return self._endpoints.elsewhere(method, path)
        headers = _headers(scope["headers"])
        body = b"" if method != "POST" else await self._body(headers, receive)
        reply = endpoint(headers, body)
        return reply if isinstance(reply, Reply) else await self._waiters.outcome(reply)

    async def _body(self, headers: Mapping[str, str], receive: Receive) -> bytes:
        """The request's body; raises ContentTooLarge, or BodyIncomplete where it breaks off."""
        declared = headers.get("content-length", "")
        if declared.isdigit():
            self._endpoints.require_fitting(int(declared))
        chunks: list[bytes] = []
        length, more = 0, True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                raise BodyIncomplete(f"the body breaks off after {length} bytes")
            chunks.append(message.get("body", b""))
            length += len(chunks[-1])
            self._endpoints.require_fitting(length)
            more = message.get("more_body", False)
        return b"".join(chunks)


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
        timer = loop.call_later(pending.budget, _settle, waiter, False)
        pending.future.add_done_callback(lambda _future: self._tell(loop, waiter))
        try:
            done = await waiter
        finally:
            timer.cancel()
        return pending.receipt.reply(pending.future.result()) if done else pending.give_up()

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


def _encoded(reply: Reply) -> list[tuple[bytes, bytes]]:
    headers = [(name.encode(), value.encode()) for name, value in reply.headers.items()]
    if reply.status != 204:
        headers.append((b"content-length", b"%d" % len(reply.body)))
    return headers


app = or_exit(lambda: Function(Settings.from_environ(os.environ)))
