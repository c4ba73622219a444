"""A command that serves the function on a port: started, waited for, ended, and nothing left."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import requests

from function.settings import SETTINGS
from local.closing import Closing

READY_WITHIN = 60.0  # seconds that func waits, pkg/functions/client.go
ENDS_WITHIN = 40.0  # seconds; a request in flight may take DELIVERY_TIMEOUT
_GONE_WITHIN = 5.0  # seconds that a worker has to notice that its parent is gone

# Of the shell that starts the check, nothing may reach the function.
_OURS = {setting.name for setting in SETTINGS}
_PYTHONS = {"PYTHONPATH", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE", "VIRTUAL_ENV"}


def environment(**settings: str) -> dict[str, str]:
    """Our own environment without any setting of the function or of Python, but for the given."""
    unwanted = _OURS | _PYTHONS | {"GUNICORN_CMD_ARGS"}
    kept = {name: value for name, value in os.environ.items() if name not in unwanted}
    return {**kept, **settings}


@dataclass(frozen=True, slots=True)
class Start:
    """How a platform starts the function: command, folder, and what it adds to the environment."""

    command: Sequence[str]
    cwd: Path
    host: str  # that LISTEN_ADDRESS names
    stop: signal.Signals  # what ends it: Ctrl-C in a terminal, SIGTERM in a cluster
    env: Mapping[str, str] = field(default_factory=dict)


class Running(Closing):
    """The process group of one command, which writes to `log_file`.

    As a context manager, it is killed at the end of its block if it has not ended before.
    """

    def __init__(
        self, command: Sequence[str], cwd: Path, env: Mapping[str, str], log_file: Path
    ) -> None:
        self._log_file = log_file
        with log_file.open("wb") as log:
            self._process = subprocess.Popen(
                command, cwd=cwd, env=env, stdout=log, stderr=log, start_new_session=True
            )

    def log_end(self, lines: int = 15) -> str:
        """The last lines of what it wrote."""
        text = self._log_file.read_text(encoding="utf-8", errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    def wait_until_ready(self, url: str, seconds: float = READY_WITHIN) -> float:
        """Seconds until readiness was answered with 200. Raises RuntimeError if it never was."""
        started = time.monotonic()
        while self._process.poll() is None and time.monotonic() - started < seconds:
            with suppress(requests.RequestException):
                if requests.get(f"{url}/health/readiness", timeout=5).status_code == 200:
                    return time.monotonic() - started
            time.sleep(0.02)
        ended = self._process.poll()
        after = f"ended with {ended}" if ended is not None else f"not ready after {seconds:.0f} s"
        raise RuntimeError(f"{after}; its log ends with\n{self.log_end()}")

    def stop(self, number: signal.Signals) -> float:
        """Signal it as a terminal or the kubelet does; the seconds until all of it was gone.

        Raises RuntimeError where it ends with an error or too late, or leaves a process behind.
        """
        started = time.monotonic()
        if number == signal.SIGINT:
            os.killpg(self._process.pid, number)  # a terminal sends it to everybody
        else:
            self._process.send_signal(number)
        try:
            status = self._process.wait(ENDS_WITHIN)
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"{number.name}: still running after {ENDS_WITHIN:.0f} s") from None
        if status:
            raise RuntimeError(f"{number.name}: ended with {status}\n{self.log_end()}")
        while self._group_lives():
            if time.monotonic() - started > ENDS_WITHIN + _GONE_WITHIN:
                raise RuntimeError(f"{number.name}: it left processes behind")
            time.sleep(0.02)
        return time.monotonic() - started

    def close(self) -> None:
        """Kill whatever is left of the group."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _group_lives(self) -> bool:
        try:
            os.killpg(self._process.pid, 0)
        except ProcessLookupError:
            return False
        return True
