"""What every Python peer does with a record: the article's conditions, and its alert."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

_POD = re.compile(r"wordpress-v1-[a-z0-9]{5,15}-[a-z0-9]{3,10}")
_NOT_FOUND = re.compile(r'"([A-Z]+) (\S+) HTTP/[^"]*" 404 ')


def alert(record: Mapping[str, Any]) -> dict[str, Any] | None:
    """Notification Manager's payload for a record that the article alerts about, else None."""
    kubernetes = record["kubernetes"]
    if kubernetes["namespace_name"] != "demo-project":
        return None
    if not _POD.fullmatch(kubernetes["pod_name"]):
        return None
    request = _NOT_FOUND.search(record["log"])
    if not request:
        return None
    shared = {"alertname": "404 Request", "namespace": "demo-project", "severity": "warning"}
    own = {"pod": kubernetes["pod_name"], "method": request[1], "path": request[2]}
    return {
        "receiver": "notification_manager",
        "status": "firing",
        "alerts": [
            {
                "status": "firing",
                "labels": {**shared, **own},
                "annotations": {},
                "startsAt": datetime.now(timezone.utc).isoformat(),
                "endsAt": "0001-01-01T00:00:00Z",
                "generatorURL": "",
                "fingerprint": "",
            }
        ],
        "groupLabels": {"alertname": "404 Request", "namespace": "demo-project"},
        "commonLabels": shared,
        "commonAnnotations": {},
        "externalURL": "",
    }
