"""Where alerts go: each module turns alerts into a request, and its answer into an outcome."""

from __future__ import annotations

from collections.abc import Sequence

from function.receivers.alertmanager import Alertmanager
from function.receivers.answers import LONGEST_PAUSE, Answer
from function.receivers.contract import (
    Accepted,
    Outcome,
    Reason,
    Receiver,
    Refused,
    Request,
    Unavailable,
)
from function.receivers.doubts import doubts
from function.receivers.notification_manager import NotificationManager

__all__ = [
    "LONGEST_PAUSE",
    "Accepted",
    "Answer",
    "Outcome",
    "Reason",
    "Receiver",
    "Refused",
    "Request",
    "Unavailable",
    "create",
    "doubts",
]


def create(name: str, urls: Sequence[str], overrides: str = "") -> Receiver:
    """The receiver called ``name``, one of settings.RECEIVERS but ``reply``, at ``urls``.

    ``overrides`` is K_CE_OVERRIDES, for CloudEvents; raises ValueError where it cannot be used.
    """
    if name == "slack":
        from function.receivers.slack import Slack  # deferred: only its users pay for it

        return Slack(urls)
    if name == "cloudevents":
        from function.receivers import cloudevents

        return cloudevents.CloudEvents(urls, cloudevents.overrides(overrides))
    return Alertmanager(urls) if name == "alertmanager" else NotificationManager(urls)
