"""func's cloudevents template with nothing added: it answers every event with an event."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from cloudevents.core.v1.event import CloudEvent
from func_python.cloudevent import serve


class Handler:
    """The function."""

    async def handle(
        self, scope: dict[str, Any], _receive: object, send: Callable[[Any], Awaitable[None]]
    ) -> None:
        """One event."""
        attributes = {"type": "done", "source": "function", "id": scope["event"].get_id()}
        await send(CloudEvent(attributes=attributes, data={"message": "OK"}))


def new() -> Handler:
    """What func's scaffolding calls."""
    return Handler()


serve(new)
