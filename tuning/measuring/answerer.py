"""A Notification Manager that takes every POST after a while: the receiver of a measurement.

``python -m tuning.measuring.answerer SECONDS`` prints its port. With 0 seconds it is the empty
server too: what a sender gets out of it is the most that the sender can do.
"""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tuning.measuring import cpu

_ROOT = Path(__file__).resolve().parent.parent.parent
_YES = b'{"Status":200,"Message":"Notification request accepted"}'
_ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(_YES), _YES)
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class _Answering(asyncio.Protocol):
    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - for the type checker
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        received = self._received + data
        end = received.find(b"\r\n\r\n")
        length = _LENGTH.search(received[: end + 2]) if end >= 0 else None
        if end < 0 or (length and len(received) < end + 4 + int(length[1])):
            self._received = received
            return
        self._received = b""
        if self._seconds:
            asyncio.get_running_loop().call_later(self._seconds, self._answer)
        else:
            self._answer()

    def _answer(self) -> None:
        if not self._transport.is_closing():
            self._transport.write(_ANSWER)


async def _serve(seconds: float) -> None:
    running = asyncio.get_running_loop()
    server = await running.create_server(lambda: _Answering(seconds), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextmanager
def answering(seconds: float, core: int | None = None) -> Iterator[int]:
    """A process that answers, for the length of a block; its port."""
    with cpu.on(core):
        process = subprocess.Popen(
            (sys.executable, "-m", "tuning.measuring.answerer", str(seconds)),
            cwd=_ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
    try:
        assert process.stdout is not None  # noqa: S101 - for the type checker
        yield int(process.stdout.readline())
    finally:
        process.terminate()
        process.communicate()


if __name__ == "__main__":
    try:
        asyncio.run(_serve(float(sys.argv[1])))
    except KeyboardInterrupt:
        sys.exit(130)
