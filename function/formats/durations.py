"""Durations and sizes as operators write them: ``25s``, ``1h30m``, ``1MiB``."""

from __future__ import annotations

import re

# Prometheus' duration units (prometheus/common, model/time.go), in nanoseconds.
_UNITS = {
    "y": 365 * 86_400 * 10**9,
    "w": 7 * 86_400 * 10**9,
    "d": 86_400 * 10**9,
    "h": 3_600 * 10**9,
    "m": 60 * 10**9,
    "s": 10**9,
    "ms": 10**6,
}
_DURATION = re.compile("".join(rf"(?:(\d{{1,9}}){unit})?" for unit in _UNITS), re.ASCII)
_SIZE = re.compile(r"(\d{1,12}) ?(B|KiB|MiB|GiB)?", re.ASCII)
_SIZE_UNITS = {None: 1, "B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


def duration(text: str) -> int:
    """Nanoseconds of a Prometheus duration, ``5m`` or ``1h30m``; ``0`` needs no unit.

    Raises ValueError.
    """
    if text == "0":
        return 0
    found = _DURATION.fullmatch(text)
    if not text or found is None:
        raise ValueError(f"{text!r} is not a duration: write 25s, 500ms or 1h30m")
    return sum(
        int(number) * unit
        for number, unit in zip(found.groups(), _UNITS.values(), strict=True)
        if number
    )


def size(text: str) -> int:
    """Bytes of ``1048576``, ``512KiB`` or ``1MiB``; raises ValueError."""
    found = _SIZE.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is not a size: write 1048576, 512KiB or 1MiB")
    return int(found[1]) * _SIZE_UNITS[found[2]]
