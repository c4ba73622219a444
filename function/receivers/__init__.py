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

RECEIVERS: dict[str, type[Alertmanager] | type[NotificationManager]] = {
    receiver.name: receiver for receiver in (NotificationManager, Alertmanager)
}

__all__ = [
    "RECEIVERS",
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


def create(name: str, urls: Sequence[str]) -> Receiver:
    """The receiver called ``name`` that posts to ``urls``; the names are settings.RECEIVERS."""
    return RECEIVERS[name](urls)
