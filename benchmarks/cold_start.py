"""From exec to the first event answered with 2xx, and the memory that a server then takes.

Warm page cache, compiled modules, no image pull: what a new pod pays for its process.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import processes
from benchmarks.servers import serving
from benchmarks.subjects import (
    EMPTY_ASGI,
    EMPTY_FLASK,
    EMPTY_FUNC,
    OURS,
    PYTHON_PEERS,
    Subject,
)

KIND = "cold start"
WHOLE = "a core of its own"
QUARTER = "a quarter of a core"
SHARE = 0.25
SUBJECTS = (*OURS, EMPTY_FLASK, EMPTY_ASGI, EMPTY_FUNC, *PYTHON_PEERS)
_STARTS = 3
_PERIOD = 100_000  # microseconds, as kubelet sets it
_ROOT = Path("/sys/fs/cgroup")
_ENTER = ("sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"')


def measure(subject: Subject) -> dict[str, float]:
    """The quickest of a few starts."""
    return min((_start(subject) for _ in range(_STARTS)), key=lambda start: start["seconds"])


def _start(subject: Subject) -> dict[str, float]:
    with serving(subject) as server:
        pid = server.process.pid
        return {
            "seconds": server.seconds,
            "cpu_seconds": processes.cpu_seconds(pid),
            "pss_mib": processes.pss_mib(pid),
        }


def measure_in_quarter(subject: Subject) -> dict[str, float]:
    """One start with the processor time of a pod whose limit is 250m."""
    with _quarter() as group, serving(subject, wrapper=(*_ENTER, str(group))) as server:
        return {"seconds": server.seconds}


@contextmanager
def _quarter() -> Iterator[Path]:
    """A control group with a quarter of a core."""
    two = (_ROOT / "cgroup.controllers").exists()
    group = (_ROOT if two else _ROOT / "cpu") / "logs-handler-benchmarks"
    group.mkdir(exist_ok=True)
    quota = int(_PERIOD * SHARE)
    try:
        if two:
            (group / "cpu.max").write_text(f"{quota} {_PERIOD}", encoding="ascii")
        else:
            (group / "cpu.cfs_period_us").write_text(str(_PERIOD), encoding="ascii")
            (group / "cpu.cfs_quota_us").write_text(str(quota), encoding="ascii")
        yield group
    finally:
        group.rmdir()


def no_quarter() -> str | None:
    """Why a quarter of a core cannot be had here; None where it can."""
    try:
        with _quarter():
            return None
    except OSError as error:
        return (
            f"starts with a quarter of a core are left out: no control group can be made: {error}"
        )
