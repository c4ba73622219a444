"""How much may be on its way to a receiver, and for how long."""

from __future__ import annotations

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
