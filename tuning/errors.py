"""What every command here raises on purpose: one base, so that a bug is never taken for it."""

from __future__ import annotations


class TuningError(ValueError):
    """Something that was given cannot be used; the message says what, and what would be right."""
