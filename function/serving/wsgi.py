"""The Flask application: HTTP in and out. No other module imports flask.

``gunicorn -c python:function.serving.gunicorn_conf`` serves ``app``.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import TimeoutError as FutureTimeout
from functools import lru_cache
from typing import TYPE_CHECKING

from flask import Flask, Response, request
from gunicorn.http.errors import ParseException
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound
from werkzeug.wsgi import get_content_length

from function import replies
from function.errors import BodyIncomplete, EventError, RequestError
from function.replies import Reply
from function.serving.endpoints import Endpoint, Endpoints, bug
from function.serving.startup import collect_garbage_rarely, or_exit
from function.settings import Settings
from function.sink import Pending

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment


def create_app(settings: Settings) -> Flask:
    """Build the WSGI application; raises RulesError or SettingsError where it cannot work."""
    endpoints = Endpoints(settings)
    app = Flask("function", static_folder=None)
    app.extensions["function"] = endpoints  # for what the server refuses by itself
    # A POST to a path with a slash too many is not redirected: KafkaSource would not follow.
    app.url_map.merge_slashes = False
    app.url_map.strict_slashes = False
    for path, methods in endpoints.table.items():
        for method, endpoint in methods.items():
            view = _view(endpoint, endpoints)
            app.add_url_rule(path, f"{method} {path}", view, methods=[method])

    def refused(reply: Reply) -> Response:
        return _response(endpoints.tell(reply, _headers(request.environ)))

    @app.errorhandler(RequestError)
    def unreadable(error: RequestError) -> Response:
        return refused(replies.refusal([error]))

    @app.errorhandler(NotFound)
    @app.errorhandler(MethodNotAllowed)
    def elsewhere(_error: HTTPException) -> Response:
        return refused(endpoints.elsewhere(request.method, request.path))

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> Response:
        detail = " ".join((error.description or error.name).split())
        return refused(replies.problem(error.code or 500, error.name, detail, "http"))

    @app.errorhandler(Exception)
    def unexpected(_error: Exception) -> Response:
        return refused(bug(request.path))

    return app


def _view(endpoint: Endpoint, endpoints: Endpoints) -> Callable[[], Response]:
    def view() -> Response:
        environ = request.environ
        has_body = environ["REQUEST_METHOD"] == "POST"
        headers = _headers(environ)
        # Without a name, so that a body is not held while its alerts are under way.
        reply = endpoint(headers, _body(environ, endpoints) if has_body else b"")
        if isinstance(reply, Pending):
            reply = _outcome(reply)
        return _response(endpoints.tell(reply, headers))

    return view


def _headers(environ: WSGIEnvironment) -> dict[str, str]:
    """The request's headers with lower-case names."""
    headers = {_name(key): value for key, value in environ.items() if key.startswith("HTTP_")}
    headers["content-type"] = environ.get("CONTENT_TYPE", "")
    return headers


@lru_cache(256)
def _name(key: str) -> str:
    """``"HTTP_CE_ID"`` → ``"ce-id"``."""
    return key[5:].replace("_", "-").lower()


def _body(environ: WSGIEnvironment, endpoints: Endpoints) -> bytes:
    """The request's body; raises ContentTooLarge, BodyIncomplete, or EventError for broken chunks.

    Werkzeug's own limit would cut a chunked body short and pass the beginning on.
    """
    declared = get_content_length(environ)
    if declared is not None:
        endpoints.require_fitting(declared)
    most = endpoints.largest_body + 1 if declared is None else declared
    try:
        body: bytes = environ["wsgi.input"].read(most)
    except ParseException as error:
        raise EventError(f"the body cannot be read: {error}") from None
    except OSError as error:
        raise BodyIncomplete(f"the body breaks off: {error}") from None
    endpoints.require_fitting(len(body))
    if declared is not None and len(body) < declared:
        raise BodyIncomplete(f"the body breaks off after {len(body)} bytes")
    return body


def _outcome(pending: Pending) -> Reply:
    """Wait for delivery as long as the reply may take."""
    try:
        outcomes = pending.future.result(timeout=pending.deadline - time.monotonic())
    except FutureTimeout:
        return pending.give_up()
    return pending.finish(outcomes)


class _Response(Response):
    default_mimetype = None  # a reply without a body has no type


def _response(reply: Reply) -> Response:
    return _Response(reply.body or None, reply.status, reply.headers)


app = or_exit(lambda: create_app(Settings.from_environ(os.environ)))
collect_garbage_rarely()
