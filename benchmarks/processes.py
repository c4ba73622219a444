"""Processes on a core of their own, and what they took: processor time and memory, from /proc."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")
_GRACE = 40  # seconds until SIGKILL


def cores() -> tuple[int, int]:
    """The server's core and the load's; raises SystemExit where there is only one."""
    usable = sorted(os.sched_getaffinity(0))
    if len(usable) < 2:
        raise SystemExit("two cores are needed: one for the server, one for the load")
    return usable[0], usable[-1]


def pinned(core: int, command: Sequence[str]) -> list[str]:
    """The command, on one core from its first instruction: Go counts cores when it starts."""
    return ["taskset", "-c", str(core), *command]


@contextmanager
def running(
    command: Sequence[str], environ: Mapping[str, str], folder: Path, log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """A process for the length of a block; SIGTERM ends it. What it prints goes to ``log``."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env=environ, cwd=folder, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        yield process
    finally:
        end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """Ask a process to end, and wait until it has."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(_GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def tree(pid: int) -> list[int]:
    """A process and all below it."""
    found = [pid]
    for each in found:
        for task in Path(f"/proc/{each}/task").iterdir():
            found += map(int, (task / "children").read_text(encoding="ascii").split())
    return found


def cpu_seconds(pid: int) -> float:
    """Processor time that a process and all below it have used so far."""
    return sum(_ticks(each) for each in tree(pid)) / _TICK


def _ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])  # utime and stime, proc_pid_stat(5)


def pss_mib(pid: int) -> float:
    """Memory of a process and all below it, what they share counted once, in MiB."""
    total = 0
    for each in tree(pid):
        lines = Path(f"/proc/{each}/smaps_rollup").read_text(encoding="utf-8").splitlines()
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total / 1024


def busy_seconds(core: int) -> float:
    """Time in which a core was at work since the machine started, for anybody."""
    for line in Path("/proc/stat").read_text(encoding="ascii").splitlines():
        name, *fields = line.split()
        if name == f"cpu{core}":
            user, nice, system, _idle, _iowait, irq, softirq = map(int, fields[:7])
            return (user + nice + system + irq + softirq) / _TICK
    raise LookupError(f"/proc/stat knows no cpu{core}")
