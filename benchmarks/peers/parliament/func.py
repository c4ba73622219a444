"""The work as a parliament function: ``main`` gets a context with the CloudEvent in it."""

from __future__ import annotations

from article import alert
from parliament import Context
from posting import post


def main(context: Context) -> tuple[str, int]:
    """One event."""
    payload = alert(context.cloud_event.data)
    if payload:
        post(payload)
    return "", 204
