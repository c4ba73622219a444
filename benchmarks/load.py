"""Load for capacity: wrk with KafkaSource's requests, as many as the server takes."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks import event
from benchmarks.processes import cores, pinned

_SCRIPT = Path(__file__).with_name("kafkasource.lua")
_PATIENCE = 30  # seconds that one answer may take
_FOR_EVER = 1000


class WrongAnswersError(RuntimeError):
    """A server answered something else than 2xx under load: its speed means nothing."""


@dataclass(frozen=True, slots=True)
class Load:
    """What wrk saw: answers, all of them 2xx, and how long it asked."""

    requests: int
    seconds: float

    @property
    def rate(self) -> float:
        """Answers per second."""
        return self.requests / self.seconds


def wrk() -> str:
    """Where wrk is; raises SystemExit where it is not."""
    return shutil.which("wrk") or _missing()


def _missing() -> str:
    raise SystemExit("wrk is needed: apt-get install wrk")


def run(port: int, *, in_flight: int, seconds: float, every: int = 0, first: int = 0) -> Load:
    """Load a server from the load's core; every ``every``th record matches the rule.

    ``first`` moves the records' numbers, so that a second run sends other ones. Raises
    WrongAnswersError.
    """
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as folder:
        files = []
        for name, matches in (("miss", False), ("match", True)):
            file = Path(folder, name)
            file.write_bytes(b"@@".join(event.parts(port, matches=matches)))
            files.append(str(file))
        command = [wrk(), "-t1", f"-c{in_flight}", f"-d{_FOR_EVER}s", f"--timeout={_PATIENCE}s"]
        command += ["-s", str(_SCRIPT), f"http://127.0.0.1:{port}/", "--", *files]
        command += [str(every), str(event.FIRST + first)]
        return parsed(_until(seconds, pinned(cores()[1], command)))


def _until(seconds: float, command: list[str]) -> str:
    """What wrk prints when it is interrupted after so long: itself it counts whole seconds only."""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            output, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
            output, _ = process.communicate()
    return output


def parsed(output: str) -> Load:
    """What the script's last line says; raises WrongAnswersError."""
    lines = [line for line in output.splitlines() if line.startswith("figures ")]
    if not lines:
        raise SystemExit(f"wrk did not work: {output.strip()}")
    figures = json.loads(lines[0].removeprefix("figures "))
    failed = {name: figures[name] for name in ("status", "broken", "timeouts") if figures[name]}
    if failed:
        raise WrongAnswersError(f"of {figures['requests']} answers some were wrong: {failed}")
    return Load(figures["requests"], figures["microseconds"] / 1e6)
