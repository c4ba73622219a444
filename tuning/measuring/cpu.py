"""Processor time from Linux' /proc, and which core a program may use.

Both are missing on other systems; then the figures are None, and the scheduler chooses the core.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_SESSION, _USER, _SYSTEM = 3, 11, 12  # proc_pid_stat(5), counted from the state, behind the name
_CORE_BUSY = (1, 2, 3, 8)  # proc_stat(5): user, nice, system, steal; not interrupts


@dataclass(frozen=True, slots=True)
class Usage:
    """Seconds of processor time: of the function, of its core by anyone, and of the sender."""

    function_s: float | None = None
    core_s: float | None = None
    sender_s: float = 0.0

    def __sub__(self, other: Usage) -> Usage:
        return Usage(
            _difference(self.function_s, other.function_s),
            _difference(self.core_s, other.core_s),
            self.sender_s - other.sender_s,
        )


def _difference(later: float | None, earlier: float | None) -> float | None:
    return None if later is None or earlier is None else later - earlier


@dataclass(frozen=True, slots=True)
class Meters:
    """What to read: the processes of a session, and the core that they have to themselves."""

    session: int | None = None
    core: int | None = None

    def read(self) -> Usage:
        """Processor time since some moment in the past."""
        return Usage(
            None if self.session is None else _session_seconds(self.session),
            None if self.core is None else _core_seconds(self.core),
            time.process_time(),
        )


def _tick() -> float:
    return 1 / os.sysconf("SC_CLK_TCK")


def _session_seconds(session: int) -> float | None:
    """What the processes of a session have used; None without /proc."""
    ticks, found = 0, False
    for folder in _PROC.glob("[0-9]*"):
        try:
            text = (folder / "stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue  # it has ended
        fields = text.rpartition(")")[2].split()
        if int(fields[_SESSION]) == session:
            ticks += int(fields[_USER]) + int(fields[_SYSTEM])
            found = True
    return ticks * _tick() if found else None


def _core_seconds(core: int) -> float | None:
    try:
        lines = (_PROC / "stat").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    for line in lines:
        name, *_ = fields = line.split()
        if name == f"cpu{core}":
            return sum(int(fields[i]) for i in _CORE_BUSY) * _tick()
    return None


def cores() -> tuple[int | None, int | None]:
    """A core for the function and another one for the sender; None twice where there is one."""
    if not hasattr(os, "sched_getaffinity"):
        return None, None
    mine = sorted(os.sched_getaffinity(0))
    return (mine[0], mine[1]) if len(mine) > 1 else (None, None)


@contextmanager
def on(core: int | None) -> Iterator[None]:
    """Run the block, and the programs that it starts, on one core."""
    if core is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def model() -> str:
    """What the processor calls itself; empty where /proc does not tell."""
    try:
        lines = (_PROC / "cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else ""
