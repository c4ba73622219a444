"""A Notification Manager that takes its time: ``python -m benchmarks.receiver PORT MS [HOW]``.

``one``: it serves one request at a time; without, all at once. ``pause``: it asks
for a pause of 6 s at first. ``GET /`` answers how many POSTs and how many alerts it has got.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from contextlib import nullcontext

YES = b'{"Status":200,"Message":"Notification request accepted"}'
PAUSE = b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 6\r\ncontent-length: 0\r\n\r\n"


class Receiver:
    """Takes ``seconds`` for each POST."""

    def __init__(self, seconds: float, how: str) -> None:
        self._seconds = seconds
        self._turn = asyncio.Lock() if how == "one" else nullcontext()
        self._first = PAUSE if how == "pause" else _response(YES)
        self._posts = 0
        self._alerts = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(await self._reply(head, reader))
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            writer.close()

    async def _reply(self, head: bytes, reader: asyncio.StreamReader) -> bytes:
        if head.startswith(b"GET"):
            counts = {"posts": self._posts, "alerts": self._alerts}
            return _response(json.dumps(counts).encode())
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        body = await reader.readexactly(length)
        async with self._turn:
            await asyncio.sleep(self._seconds)
        self._posts += 1
        self._alerts += body.count(b'"startsAt"')
        return self._first if self._posts == 1 else _response(YES)


def _response(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)


async def main(port: int, seconds: float, how: str) -> None:
    """Serve until SIGTERM."""
    receiver = Receiver(seconds, how)
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", port, backlog=1024)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
    server.close()


if __name__ == "__main__":
    where, milliseconds, *one_way = sys.argv[1:]
    asyncio.run(main(int(where), float(milliseconds) / 1000, "".join(one_way)))
