"""An empty ASGI application: 204 to every request, whatever it says."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

_Send = Callable[[dict[str, Any]], Awaitable[None]]


async def app(_scope: object, _receive: object, send: _Send) -> None:
    """Answer without a look at the request."""
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})
