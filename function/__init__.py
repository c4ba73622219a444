"""logs-handler: a serverless function that turns Kubernetes log records into alerts.

``new()`` is the way in for func's Python runtime. Importing this package imports nothing heavy.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from function.serving.asgi import Function


def new() -> Function:
    """The function for func's scaffolding, whose server calls ``handle``, ``alive`` and ``ready``.

    Ends the process, with a line per problem, where settings or rules cannot be used: the server
    would serve on after an error in ``start()``.

    The server, hypercorn, closes idle connections after 5 s and, before Python 3.12, gives requests
    3 s at shutdown, where Knative's queue-proxy needs more than 90 s and a request up to
    DELIVERY_TIMEOUT. func-python lets nobody set either, but both are read from the class
    (func_python/http.py, hypercorn/config.py). And it waits for the end of a connection's idle time
    where the client has closed it long ago (hypercorn/asyncio/tcp_server.py).
    """
    from function.serving.asgi import app
    from function.settings import KEEP_ALIVE

    if server := sys.modules.get("hypercorn.config"):
        server.Config.keep_alive_timeout = KEEP_ALIVE
        server.Config.graceful_timeout = app.settings.grace
    if connections := sys.modules.get("hypercorn.asyncio.tcp_server"):
        _end_with_the_client(connections.TCPServer)
    return app


def _end_with_the_client(connection: Any) -> None:
    """Let a connection of hypercorn end when its client has closed it."""
    read = connection._read_data

    async def read_until_the_end(self: Any) -> None:
        await read(self)
        await self.idle_task.stop()

    connection._read_data = read_until_the_end
