"""logs-handler: a serverless function that turns Kubernetes log records into alerts.

``new()`` is the way in for func's Python runtime. Importing this package imports nothing heavy.
"""

from __future__ import annotations

import os
import sys
from typing import NoReturn

GUNICORN = ("-m", "gunicorn", "-c", "python:function.gunicorn_conf")


def new() -> NoReturn:
    """Hand the process over to gunicorn with our own settings.

    func's scaffolding calls this before it opens a socket. Its own server closes idle connections
    after 5 s and gives requests 3 s at shutdown, where Knative's queue-proxy needs more than 90 s
    and a request up to DELIVERY_TIMEOUT; so the same gunicorn serves under every builder.
    """
    os.execv(sys.executable, (sys.executable, *GUNICORN))  # noqa: S606 - our own command, no shell
