"""A Notification Manager that takes its time: ``python -m benchmarks.receiver PORT MS [one]``.

With ``one`` it serves one request at a time; without, all at once. ``GET /`` answers how many POSTs
and how many alerts it has taken.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from contextlib import nullcontext

YES = b'{"Status":200,"Message":"Notification request accepted"}'


class Receiver:
    """Takes ``seconds`` for each POST."""

    def __init__(self, seconds: float, *, one_at_a_time: bool) -> None:
        self._seconds = seconds
        self._turn = asyncio.Lock() if one_at_a_time else nullcontext()
        self._posts = 0
        self._alerts = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(_response(await self._answer(head, reader)))
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            writer.close()

    async def _answer(self, head: bytes, reader: asyncio.StreamReader) -> bytes:
        if head.startswith(b"GET"):
            return json.dumps({"posts": self._posts, "alerts": self._alerts}).encode()
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        body = await reader.readexactly(length)
        async with self._turn:
            await asyncio.sleep(self._seconds)
        self._posts += 1
        self._alerts += body.count(b'"startsAt"')
        return YES


def _response(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)


async def main(port: int, seconds: float, *, one_at_a_time: bool) -> None:
    """Serve until SIGTERM."""
    receiver = Receiver(seconds, one_at_a_time=one_at_a_time)
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", port, backlog=1024)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
    server.close()


if __name__ == "__main__":
    where, milliseconds, *one = sys.argv[1:]
    asyncio.run(main(int(where), float(milliseconds) / 1000, one_at_a_time=bool(one)))
