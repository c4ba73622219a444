"""logs-handler: a serverless function that turns Kubernetes log records into alerts.

``new()`` is the way in for func's Python runtime. Importing this package imports nothing heavy.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from function.serving.asgi import Function


def new() -> Function:
    """The function for func's scaffolding, whose server calls ``handle``, ``alive`` and ``ready``.

    Ends the process, with a line per problem, where settings or rules cannot be used: the server
    would serve on after an error in ``start()``.

    The server, hypercorn, closes idle connections after 5 s and, before Python 3.12, gives requests
    3 s at shutdown, where Knative's queue-proxy needs more than 90 s and a request up to
    DELIVERY_TIMEOUT. func-python lets nobody set either, but both are read from the class
    (func_python/http.py, hypercorn/config.py).
    """
    from function.serving.asgi import app
    from function.settings import KEEP_ALIVE

    if server := sys.modules.get("hypercorn.config"):
        server.Config.keep_alive_timeout = KEEP_ALIVE
        server.Config.graceful_timeout = app.settings.grace
    return app
