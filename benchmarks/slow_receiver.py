"""A Notification Manager that takes its time: ``python -m benchmarks.slow_receiver PORT MS [one]``.

With ``one`` it serves one request at a time; without, all at once. At the end it prints the number
of alerts in each POST.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from contextlib import nullcontext

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


async def main(port: int, seconds: float, *, one_at_a_time: bool) -> list[int]:
    """Serve until SIGTERM; the sizes of all batches."""
    sizes: list[int] = []
    turn = asyncio.Lock() if one_at_a_time else nullcontext()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
                body = await reader.readexactly(length)
                async with turn:
                    await asyncio.sleep(seconds)
                sizes.append(body.count(b'"startsAt"'))
                writer.write(ANSWER)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", port, backlog=1024)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
    server.close()
    return sizes


if __name__ == "__main__":
    port, milliseconds, *one = sys.argv[1:]
    seen = asyncio.run(main(int(port), float(milliseconds) / 1000, one_at_a_time=bool(one)))
    print(json.dumps(seen))
