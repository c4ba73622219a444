"""The work as func's cloudevents template asks: an object whose ``handle`` finds the event decoded.

func's server has one event loop and no threads, so the POST is an asynchronous one. aiohttp's
client is the fastest of those tried: httpx takes milliseconds of processor time for a POST when 64
are under way.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

from article import alert
from cloudevents.core.v1.event import CloudEvent
from func_python.cloudevent import serve

if TYPE_CHECKING:
    from aiohttp import ClientSession


class Handler:
    """The function."""

    async def handle(
        self, scope: dict[str, Any], _receive: object, send: Callable[[Any], Awaitable[None]]
    ) -> None:
        """One event."""
        event = scope["event"]
        payload = alert(event.get_data())
        if payload:
            async with self._client.post(os.environ["RECEIVER_URL"], json=payload) as answer:
                answer.raise_for_status()
        attributes = {"type": "done", "source": "function", "id": event.get_id()}
        await send(CloudEvent(attributes=attributes, data={"fired": bool(payload)}))

    @cached_property
    def _client(self) -> ClientSession:
        """Made when the first alert needs it: its import is a third of the cold start."""
        from aiohttp import ClientSession, TCPConnector

        return ClientSession(connector=TCPConnector(limit=0))


def new() -> Handler:
    """What func's scaffolding calls."""
    return Handler()


serve(new)
