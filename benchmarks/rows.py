"""Rows of tables, as a terminal and docs/performance.md show them."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.results import Spread

Row = Sequence[str]


def pair(found: Spread | None, form: str, factor: float = 1) -> tuple[str, str]:
    """Median and range as text."""
    if not found:
        return "", ""
    low, high = found.low * factor, found.high * factor
    return f"{found.median * factor:{form}}", f"{low:{form}} to {high:{form}}"
