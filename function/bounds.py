"""How much one request may hold: a MiB of JSON holds half a million values, and a pod has 256."""

from __future__ import annotations

from collections.abc import Sequence, Sized

from function.errors import HeadTooLarge, TooMany

MOST = 10_000  # events, log records, alerts: of each

# Of a request's head, what is read; queue-proxy lets a mebibyte through.
LARGEST_HEAD = 128 * 1024
LARGEST_FIELD = 64 * 1024
FIELDS = 100
TIME_TO_COME = 45.0  # seconds for a request; a large body may wait 15 s of them for its turn


def require_few(number: int, what: str) -> None:
    """Raise TooMany where a request holds more of something than is taken at once."""
    if number > MOST:
        raise TooMany(f"the request holds {number} {what}; {MOST} are taken at once")


def require_short_head(length: int) -> None:
    """Raise HeadTooLarge where a head has more bytes than are read."""
    if length > LARGEST_HEAD:
        raise HeadTooLarge(f"the request's head is over {LARGEST_HEAD} bytes")


def require_small_head(fields: Sequence[tuple[Sized, Sized]]) -> None:
    """Raise HeadTooLarge where a head has more, or longer, fields than are read."""
    if len(fields) > FIELDS:
        raise HeadTooLarge(f"the request has {len(fields)} header fields; {FIELDS} are read")
    sizes = [len(name) + len(value) for name, value in fields]
    require_short_head(sum(sizes))
    if max(sizes, default=0) > LARGEST_FIELD:
        raise HeadTooLarge(f"a header field is over {LARGEST_FIELD} bytes")
