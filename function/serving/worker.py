"""The process that serves the ASGI server under gunicorn: uvicorn, with parsers and a loop in C.

gunicorn's own asgi worker reads requests in Python and takes twice as long for one
(docs/decisions/0009-uvicorns-worker.md).
"""

from __future__ import annotations

import asyncio
import os
import signal
from types import FrameType
from typing import Any, ClassVar

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn_worker import UvicornWorker

from function import bounds, replies
from function.bounds import LARGEST_FIELD
from function.errors import HeadTooLarge
from function.replies import Reply
from function.serving.endpoints import SMALL_HEAD

_PIPELINED = 32  # requests that a client may send before it has the answer to the first of them


class Protocol(HttpToolsProtocol):
    """HTTP/1.1 where a request's offer to go on in another protocol is ignored (RFC 9110 §7.8).

    httptools takes such a request (``Upgrade: h2c``, as Java's and curl's clients offer) to have no
    body, and what follows for something else. So it is read again, without the offer.

    What a client may send is bounded, which uvicorn leaves to a proxy: the head of a request, how
    many requests it sends at once, and how long one takes to arrive.
    """

    open: ClassVar[set[Protocol]] = set()

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """As uvicorn makes it, once for a connection."""
        super().__init__(*arguments, **options)
        self.since: float | None = None  # on the loop's clock, when what has not arrived began
        self._head = 0  # bytes of a head so far, in data that was read
        self._coming = 0  # bytes that are being read
        self._in_body = False
        self._whole: Any = None  # the scope of the last request that has arrived

    def connection_made(self, transport: Any) -> None:
        """A client has connected."""
        super().connection_made(transport)
        self.since = self.loop.time()
        self.open.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """It has gone."""
        super().connection_lost(exc)
        self.open.discard(self)

    def on_headers_complete(self) -> None:
        """Start the application, unless the request has to be read again."""
        if len(self.pipeline) >= _PIPELINED:
            self.transport.abort()
        elif not self.parser.should_upgrade():
            if self._head + self._coming <= LARGEST_FIELD:
                self.scope[SMALL_HEAD] = True  # type: ignore[literal-required] # a key of our own
            self._head = 0
            super().on_headers_complete()
            self._in_body = True

    def on_message_complete(self) -> None:
        """The body is whole, unless the request has to be read again."""
        if not self.parser.should_upgrade():
            self.since, self._in_body, self._whole = None, False, self.scope
            super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        """Read what came."""
        self._unset_keepalive_if_required()
        while data and not self.transport.is_closing():
            data = self._read(data)

    def _read(self, data: bytes) -> bytes:
        """Read what came; what has to be read again, without the offer to go on in another way."""
        whole = self._whole
        self._coming = len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if self.parser.get_method() != b"CONNECT":
                return self._without_upgrade() + data[upgrade.args[0] :]
            self._refuse(replies.not_http("CONNECT is for proxies"))
        except httptools.HttpParserError as error:
            self._refuse(replies.not_http(str(error)))
        else:
            if self.scope is not self._whole:
                self._wait(is_alone=whole is self._whole)
        return b""

    def _wait(self, *, is_alone: bool) -> None:
        """A request has arrived in part, alone or behind the end of another one."""
        if self.since is None:
            self.since = self.loop.time()
        if not self._in_body:
            self._head += self._coming if is_alone else min(self._coming, LARGEST_FIELD)
            try:
                bounds.require_short_head(self._head)
            except HeadTooLarge as error:
                self._refuse(replies.refusal([error]))

    def _refuse(self, reply: Reply) -> None:
        """Answer what the application does not get, and close the connection.

        Without an answer where another request waits for one, which would take it for its own.
        """
        self.config.loaded_app.tell(reply, {})
        if self._another_waits():
            self.transport.abort()
            return
        self.transport.write(replies.closing(reply))
        self.transport.close()

    def _another_waits(self) -> bool:
        """Whether a request other than the one that arrives now has no answer yet."""
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is None or cycle.response_complete:
            return False
        is_own = self._in_body and not self.pipeline
        return not is_own or cycle.response_started

    def _without_upgrade(self) -> bytes:
        """The head as it has to be read again, by a new parser."""
        version = self.parser.get_http_version().encode()
        lines = [b"%b %b HTTP/%b" % (self.parser.get_method(), self.url, version)]
        lines += [b"%b: %b" % pair for pair in self.headers if pair[0] != b"upgrade"]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
        return b"\r\n".join([*lines, b"", b""])


class Worker(UvicornWorker):  # type: ignore[misc] # it has no types
    """uvicorn's worker for gunicorn, without what a function behind queue-proxy does not need."""

    CONFIG_KWARGS: ClassVar[dict[str, Any]] = {
        "http": Protocol,
        "loop": "uvloop",
        "ws": "none",
        "lifespan": "off",  # everything is built when the module is imported
        "server_header": False,
        "proxy_headers": False,  # nobody looks at a client's address
    }

    def init_process(self) -> None:
        """Hand over real sockets: gunicorn's wrappers would be closed twice."""
        self.sockets = [each.sock for each in self.sockets]  # type: ignore[has-type] # no types
        super().init_process()

    def init_signals(self) -> None:
        """Let a signal end the process through its exit handlers: alerts may wait there still."""
        super().init_signals()
        for each in (signal.SIGTERM, signal.SIGINT):  # uvicorn raises what it got at its end again
            signal.signal(each, _end)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End when gunicorn says so: it sets a flag, and uvicorn looks at signals only."""
        super().handle_exit(sig, frame)
        os.kill(os.getpid(), signal.SIGINT)

    async def callback_notify(self) -> None:
        """Be alive for gunicorn, each second, and end with it; let go of who sends too slowly."""
        await super().callback_notify()
        before = asyncio.get_running_loop().time() - bounds.TIME_TO_COME
        for each in [*Protocol.open]:
            if each.since is not None and each.since < before:
                each.transport.abort()
        if os.getppid() != self.ppid:
            signal.raise_signal(signal.SIGTERM)


def _end(_signal: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)
