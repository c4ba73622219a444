"""What is delivered, and what is under way: behind futures, so that a store may come behind it."""

from __future__ import annotations

from function.state.memory import State, Waiting
from function.state.reservation import Claim, DeliveredBefore, HeldBack, Reservation, Wanted

__all__ = [
    "Claim",
    "DeliveredBefore",
    "HeldBack",
    "Reservation",
    "State",
    "Waiting",
    "Wanted",
]
