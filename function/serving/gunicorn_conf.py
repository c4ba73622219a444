"""gunicorn's settings for a pod behind queue-proxy: ``-c python:function.serving.gunicorn_conf``.

``GUNICORN_CMD_ARGS`` and the command line override every one of them.
"""

from __future__ import annotations

import logging
import os
import socket
from pathlib import Path

from gunicorn.arbiter import Arbiter
from gunicorn.config import Config
from gunicorn.glogging import Logger

from function.bounds import FIELDS, LARGEST_FIELD
from function.logs import JSONFormatter
from function.serving.startup import end, or_exit
from function.settings import KEEP_ALIVE, Settings

_settings = or_exit(lambda: Settings.from_environ(os.environ))

_host, _port = _settings.listen_address or ("[::]", 8080)
if _host == "[::]" and not socket.has_dualstack_ipv6():
    _host = "0.0.0.0"
# Knative's PORT wins over the port of an address that func has baked into the image.
bind = [f"{_host}:{_settings.port or _port}"]

# One process: Knative adds pods, and counters and caches stay whole.
workers = 1
_APPLICATIONS = ("function.serving.wsgi:app", "function.serving.asgi:app")
ASGI_WORKER = "function.serving.worker.Worker"
_ASGI_WORKERS = (ASGI_WORKER, "asgi")
wsgi_app = _APPLICATIONS[_settings.server == "asgi"]
if _settings.server == "asgi":
    worker_class = ASGI_WORKER
else:
    worker_class = "function.serving.threads.Worker"
    # Each may hold the beginning of a request, of 128 KiB and 64 KiB at most.
    worker_connections = 400
    # What is more is refused; the whole head is bounded by the worker.
    limit_request_fields = FIELDS
    limit_request_field_size = LARGEST_FIELD
    # A request holds a thread while it waits for its alerts; two more than containerConcurrency are
    # left for the probes.
    threads = _settings.threads

keepalive = KEEP_ALIVE
# gthread's heartbeat does not notice a slow request, and queue-proxy ends those at timeoutSeconds.
timeout = 0
graceful_timeout = _settings.grace

# A pod's root file system may be read-only; /dev/shm is writable, and never blocks on a disk.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - not guessed
control_socket_disable = True

loglevel = _settings.log_level


class JSONLogger(Logger):  # type: ignore[misc] # gunicorn has no types
    """gunicorn's lines in the form of our own.

    Not by ``logconfig_dict``: with one, gunicorn makes an access log line for each request, even
    where no handler wants it, which takes a tenth of the processor time.
    """

    def setup(self, cfg: Config) -> None:
        """Take the handlers that the settings ask for, and their lines as JSON."""
        super().setup(cfg)
        for handler in self.error_log.handlers:
            handler.setFormatter(JSONFormatter())
        others = logging.StreamHandler()  # asyncio's lines, say
        others.setFormatter(JSONFormatter())
        logging.basicConfig(handlers=[others], level=logging.WARNING)


logger_class = JSONLogger


def on_starting(server: Arbiter) -> None:
    """End with one line where application and worker are of two kinds: nothing would be served."""
    application, worker = server.app.app_uri, server.cfg.worker_class_str
    is_asgi = application == _APPLICATIONS[1]
    if application in _APPLICATIONS and is_asgi != (worker in _ASGI_WORKERS):
        problem = (
            f"a worker of class {worker} cannot serve {application}: choose it by SERVER=flask or"
            " SERVER=asgi, and leave both out of the command line"
        )
        end([problem])
