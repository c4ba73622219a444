"""How much one request may hold: a MiB of JSON holds half a million values, and a pod has 256."""

from __future__ import annotations

from function.errors import TooMany

MOST = 10_000  # events, log records, alerts: of each


def require_few(number: int, what: str) -> None:
    """Raise TooMany where a request holds more of something than is taken at once."""
    if number > MOST:
        raise TooMany(f"the request holds {number} {what}; {MOST} are taken at once")
