"""The process that serves the ASGI door under gunicorn: uvicorn, with parsers and a loop in C.

gunicorn's own asgi worker reads requests in Python and takes twice as long for one
(docs/decisions/0009-uvicorns-worker.md).
"""

from __future__ import annotations

import os
import signal
from types import FrameType
from typing import Any, ClassVar

from uvicorn_worker import UvicornWorker


class Worker(UvicornWorker):  # type: ignore[misc] # it has no types
    """uvicorn's worker for gunicorn, without what a function behind queue-proxy does not need."""

    CONFIG_KWARGS: ClassVar[dict[str, Any]] = {
        "http": "httptools",
        "loop": "uvloop",
        "ws": "none",
        "lifespan": "off",  # everything is built when the module is imported
        "access_log": False,
        "server_header": False,
        "proxy_headers": False,  # nobody looks at a client's address
    }

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End when gunicorn says so: it sets a flag, and uvicorn looks at signals only."""
        super().handle_exit(sig, frame)
        os.kill(os.getpid(), signal.SIGINT)
