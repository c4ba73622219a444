"""The function as a child process, started as a platform does: by the Procfile's `web` line."""

from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from local.closing import Closing

ROOT = Path(__file__).resolve().parent.parent
READY_WITHIN = 30.0  # seconds
_GRACE = 35.0  # seconds that the process has to answer what it has taken


def web_command(folder: Path = ROOT) -> list[str]:
    """The command that a checkout's Procfile names `web`; raises LookupError."""
    for line in (folder / "Procfile").read_text(encoding="utf-8").splitlines():
        name, _, command = line.partition(":")
        if name == "web":
            return shlex.split(command)
    raise LookupError("the Procfile has no line that starts with web:")


def free_port() -> int:
    """A loopback port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Function(Closing):
    """Runs from here to `close`; as a context manager, for the length of its block.

    `settings` are environment variables; the process writes its log to `log_file`. Raises
    RuntimeError, with the log's end, if it does not become ready.
    """

    def __init__(self, settings: Mapping[str, str], log_file: Path, port: int = 0) -> None:
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}/"
        self._log_file = log_file
        beside = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
        address = {"PATH": beside, "LISTEN_ADDRESS": f"127.0.0.1:{self.port}", "PORT": ""}
        with log_file.open("wb") as log:
            self._process = subprocess.Popen(
                web_command(),
                cwd=ROOT,
                env={**os.environ, **address, **settings},
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for us: we end the function when it is idle
            )
        try:
            self._wait_until_ready()
        except BaseException:
            self.close()
            raise

    def log_end(self, lines: int = 15) -> str:
        """The last lines of the function's log."""
        text = self._log_file.read_text(encoding="utf-8", errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    def close(self) -> None:
        """Ends the process as Kubernetes does: SIGTERM, and SIGKILL if it takes too long."""
        if self._process.poll() is None:
            self._process.terminate()
        try:
            self._process.wait(_GRACE)
        finally:
            if self._process.poll() is None:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_WITHIN
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the function did not start:\n{self.log_end()}")
            time.sleep(0.05)

    def _is_ready(self) -> bool:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=1)
        try:
            connection.request("GET", "/health/readiness")
            return connection.getresponse().status == 200
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()
