"""How much may be on its way to a receiver, and for how long."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """``concurrency`` POSTs at a time to an address, of at most ``batch`` alerts each.

    ``post_timeout`` bounds one POST and ``budget`` everything from a request's arrival to its
    answer, in seconds.
    """

    concurrency: int
    batch: int
    post_timeout: float
    budget: float


def whole_seconds(seconds: float) -> int:
    """Seconds between two readings of a clock, rounded up as Retry-After says them.

    A minute from now is often a little more than a minute in floating point: up to a millisecond is
    not counted.
    """
    return math.ceil(round(seconds, 3))
