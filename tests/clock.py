"""Runs a Python module as a process whose monotonic clock can be put forward.

``python tests/clock.py FILE -m gunicorn …``: the clock is ahead by the seconds that FILE holds.
"""

from __future__ import annotations

import runpy
import sys
import time
from pathlib import Path

_ahead = Path(sys.argv[1])
_monotonic, _monotonic_ns = time.monotonic, time.monotonic_ns


def _offset() -> int:
    try:
        return int(_ahead.read_text() or 0)
    except FileNotFoundError:
        return 0


if __name__ == "__main__":
    time.monotonic = lambda: _monotonic() + _offset()
    time.monotonic_ns = lambda: _monotonic_ns() + _offset() * 1_000_000_000
    sys.path.insert(0, "")
    sys.argv = sys.argv[3:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
