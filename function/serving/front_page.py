"""The page a person sees at ``GET /``: what this is and how it is set up, in plain text."""

from __future__ import annotations

from function.settings import MOUNTED_RULES, Settings
from function.sink import Sink


def front(settings: Settings, sink: Sink) -> str:
    """The front page."""
    rules = sink.rules()
    packaged = (
        f" (in the image: there is no {MOUNTED_RULES})" if settings.lacks_mounted_rules else ""
    )
    return f"""logs-handler turns Kubernetes log records into alerts.

rules      {rules.enabled} from {rules.source}{packaged}
receiver   {settings.receiver} at {settings.receiver_address}

POST /                  CloudEvents: binary, structured or batched
POST {settings.records_path:<18} plain Fluent Bit JSON, without CloudEvent headers
GET  /metrics           for Prometheus
GET  /health/liveness   is this process alive?
GET  /health/readiness  can it take requests?
"""
