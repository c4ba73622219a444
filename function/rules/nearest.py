"""What a misspelt name may have meant."""

from __future__ import annotations

from collections.abc import Iterable


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that is most like this one; None where none is."""
    from difflib import get_close_matches  # deferred: only a mistake needs it

    return next(iter(get_close_matches(name, list(known), 1)), None)
