"""The process that serves the ASGI server under gunicorn: uvicorn, with parsers and a loop in C.

gunicorn's own asgi worker reads requests in Python and takes twice as long for one
(docs/decisions/0009-uvicorns-worker.md).
"""

from __future__ import annotations

import os
import signal
from types import FrameType
from typing import Any, ClassVar

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn_worker import UvicornWorker

_REFUSED = "Invalid HTTP request received."


class Protocol(HttpToolsProtocol):
    """HTTP/1.1 where a request's offer to go on in another protocol is ignored (RFC 9110 §7.8).

    httptools takes such a request (``Upgrade: h2c``, as Java's and curl's clients offer) to have no
    body, and what follows for something else. So it is read again, without the offer.
    """

    def on_headers_complete(self) -> None:
        """Start the application, unless the request has to be read again."""
        if not self.parser.should_upgrade():
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The body is whole, unless the request has to be read again."""
        if not self.parser.should_upgrade():
            super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        """Read what came."""
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if self.parser.get_method() == b"CONNECT":
                self.send_400_response(_REFUSED)
            else:
                self._read_again(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            self.logger.warning(_REFUSED)
            self.send_400_response(_REFUSED)

    def _read_again(self, rest: bytes) -> None:
        """Read the head again without its offer, and what stands behind it."""
        version = self.parser.get_http_version().encode()
        lines = [b"%b %b HTTP/%b" % (self.parser.get_method(), self.url, version)]
        lines += [b"%b: %b" % pair for pair in self.headers if pair[0] != b"upgrade"]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
        self.data_received(b"\r\n".join([*lines, b"", rest]))


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
        """Be alive for gunicorn, each second, and end with it."""
        await super().callback_notify()
        if os.getppid() != self.ppid:
            signal.raise_signal(signal.SIGTERM)


def _end(_signal: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)
