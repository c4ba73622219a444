"""The work in Flask, the event read as the CloudEvents SDK's README does it."""

from __future__ import annotations

from article import alert
from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from flask import Flask, request
from posting import post

app = Flask(__name__)


@app.route("/", methods=["POST"])
def home() -> tuple[str, int]:
    """One event."""
    event = from_http_event(HTTPMessage(dict(request.headers), request.get_data()))
    payload = alert(event.get_data())
    if payload:
        post(payload)
    return "", 204
