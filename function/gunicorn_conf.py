"""gunicorn's settings for a pod behind Knative's queue-proxy: ``-c python:function.gunicorn_conf``.

``GUNICORN_CMD_ARGS`` and the command line override every one of them.
"""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

from function.errors import SettingsError
from function.settings import Settings

try:
    _settings = Settings.from_environ(os.environ)
except SettingsError as error:
    for problem in error.problems:
        print(f"logs-handler cannot start: {problem}", file=sys.stderr)  # noqa: T201 - for a terminal
    raise SystemExit(1) from None

_host, _port = _settings.listen_address or ("[::]", 8080)
if _host == "[::]" and not socket.has_dualstack_ipv6():
    _host = "0.0.0.0"
# Knative's PORT wins over the port of an address that func has baked into the image.
bind = [f"{_host}:{_settings.port or _port}"]

# One process: Knative adds pods, and counters and caches stay whole. A request holds a thread while
# it waits for its alerts; one more than containerConcurrency is left for the probes.
workers = 1
worker_class = "gthread"
threads = _settings.threads

# queue-proxy keeps idle connections for 90 s and does not repeat a POST that meets a closed one.
keepalive = 95
# gthread's heartbeat does not notice a slow request, and queue-proxy ends those at timeoutSeconds.
timeout = 0
# What is still running at SIGTERM waits for its alerts, DELIVERY_TIMEOUT at most.
graceful_timeout = int(_settings.delivery_timeout) + 3

# A pod's root file system may be read-only; /dev/shm is writable, and never blocks on a disk.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - not guessed
control_socket_disable = True

accesslog = None
loglevel = _settings.log_level
logconfig_dict = {  # gunicorn's lines in the form of our own
    "formatters": {"json": {"()": "function.logs.JSONFormatter"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
    "root": {"level": "INFO", "handlers": ["stderr"]},
    "loggers": {
        "gunicorn.error": {
            "level": loglevel.upper(),
            "handlers": ["stderr"],
            "propagate": False,
            "qualname": "gunicorn.error",
        }
    },
}
