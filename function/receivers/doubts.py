"""A URL that hardly belongs to the kind of receiver that is set: worth a warning at start."""

from __future__ import annotations

from urllib.parse import urlsplit

_SLACK = (".slack.com", ".slack-gov.com")
_ALERTS = ("/api/v1/alerts", "/api/v2/alerts")


def doubts(kind: str, url: str) -> str:
    """Why a receiver of this kind can hardly be at a URL; empty where it may be."""
    parts = urlsplit(url)
    path = parts.path.rstrip("/")
    if kind in ("slack", "cloudevents") and path.endswith(_ALERTS):
        return "its path is one of Alertmanager and Notification Manager"
    if kind != "slack" and f".{parts.hostname}".endswith(_SLACK):
        return "its host is Slack's, which RECEIVER=slack posts to"
    if kind != "cloudevents" and not path:
        return "it has no path"
    return ""
