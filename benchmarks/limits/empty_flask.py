"""An empty Flask application: 204 to every POST, whatever it says."""

from __future__ import annotations

from flask import Flask

app = Flask("empty")


@app.post("/")
def nothing() -> tuple[str, int]:
    """Answer without a look at the request."""
    return "", 204
