"""How much memory a server takes at the most for a request, from /proc."""

from __future__ import annotations

from pathlib import Path

import requests

from tests import servers
from tests.memory.bodies import Body
from tests.servers import Function

_RESET_PEAK = "5"  # proc_pid_clear_refs(5)


def worker(server: Function) -> Path:
    """The process that answers: gunicorn's one worker."""
    master = server.process.pid
    [pid] = Path(f"/proc/{master}/task/{master}/children").read_text(encoding="ascii").split()
    return Path(f"/proc/{pid}")


def resident(process: Path, *, peak: bool = False) -> float:
    """MiB that a process has in memory now, or has had at the most since ``forget_peak``."""
    name = "VmHWM:" if peak else "VmRSS:"
    lines = (process / "status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024


def of_master(server: Function) -> float:
    """MiB that gunicorn itself takes, what it shares with its worker counted half."""
    lines = Path(f"/proc/{server.process.pid}/smaps_rollup").read_text(encoding="utf-8")
    return next(int(line.split()[1]) for line in lines.splitlines() if line[:4] == "Pss:") / 1024


def forget_peak(process: Path) -> None:
    """The most memory so far is what it has now."""
    (process / "clear_refs").write_text(_RESET_PEAK, encoding="ascii")


def post(server: Function, body: Body) -> requests.Response:
    """Send a body as a new event, or as the events that it holds."""
    if body.content_type:
        return server.post(body.make(), headers={"content-type": body.content_type})
    return server.post(body.make(), headers=servers.event())
