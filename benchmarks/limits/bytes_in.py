"""Bytes in, 204 out: what a Python process with one event loop does without any HTTP.

``python -m benchmarks.limits.bytes_in PORT``. It takes what one read brings for one request, which
holds for requests of a kilobyte on loopback, and for no other use.
"""

from __future__ import annotations

import asyncio
import sys
from typing import cast

_ANSWER = b"HTTP/1.1 204 No Content\r\n\r\n"


class _Answering(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, _data: bytes) -> None:
        self._transport.write(_ANSWER)


async def main(port: int) -> None:
    """Serve for ever."""
    server = await asyncio.get_running_loop().create_server(_Answering, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
