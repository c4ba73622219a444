"""The work as a CloudEvent function of the functions framework."""

from __future__ import annotations

import functions_framework
from article import alert
from cloudevents.http import CloudEvent
from posting import post


@functions_framework.cloud_event
def handle(event: CloudEvent) -> None:
    """One event."""
    payload = alert(event.data)
    if payload:
        post(payload)
