"""What ``python -m parliament func.py`` does, on the port in PORT: its own is always 8080."""

from __future__ import annotations

import os
from pathlib import Path

from parliament import server
from waitress import serve

application = server.create(server.load(str(Path(__file__).with_name("func.py"))))
serve(application, host="127.0.0.1", port=int(os.environ["PORT"]))
