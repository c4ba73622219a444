"""Where alerts go. Each module turns alerts into one HTTP request; ``outcome`` reads the answer."""

from __future__ import annotations

from collections.abc import Sequence

from function.receivers.alertmanager import Alertmanager
from function.receivers.contract import (
    Accepted,
    Outcome,
    Reason,
    Receiver,
    Refused,
    Request,
    Unavailable,
    outcome,
)
from function.receivers.notification_manager import NotificationManager

__all__ = [
    "Accepted",
    "Outcome",
    "Reason",
    "Receiver",
    "Refused",
    "Request",
    "Unavailable",
    "create",
    "outcome",
]


def create(name: str, urls: Sequence[str], overrides: str = "") -> Receiver:
    """The receiver called ``name``, one of settings.RECEIVERS, that posts to ``urls``.

    ``overrides`` is K_CE_OVERRIDES, for the receivers that send CloudEvents; raises ValueError
    where it cannot be used.
    """
    if name == "slack":
        from function.receivers.slack import Slack  # deferred: only its users pay for it

        return Slack(urls)
    if name in ("cloudevents", "reply"):
        from function.receivers import cloudevents, reply

        extensions = cloudevents.overrides(overrides)
        if name == "reply":
            return reply.Reply(extensions)
        return cloudevents.CloudEvents(urls, extensions)
    return Alertmanager(urls) if name == "alertmanager" else NotificationManager(urls)
