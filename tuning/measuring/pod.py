"""The function as it runs in a pod: one process, with a receiver that we have chosen."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from local.procfile import Function
from tuning.errors import TuningError


class StartError(TuningError):
    """The function did not start; the message ends with its log."""


class Pod(Function):
    """The function, started by the Procfile."""

    @property
    def session(self) -> int:
        """The session that gunicorn and its worker belong to."""
        return self._process.pid


def start(server: str, threads: int, receiver_port: int, log_file: Path) -> Pod:
    """Start the function; raises StartError.

    All settings but these are the environment's: RULES_FILE measures rules of your own.
    """
    settings: Mapping[str, str] = {
        "SERVER": server,
        "THREADS": str(threads),
        "RECEIVER": "notification-manager",
        "RECEIVER_URL": f"http://127.0.0.1:{receiver_port}/api/v2/alerts",
    }
    try:
        return Pod(settings, log_file)
    except RuntimeError as error:
        raise StartError(str(error)) from None
