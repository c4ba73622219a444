"""The Flask door: HTTP in and out, all else behind the endpoints. No other module imports flask.

``gunicorn -c python:function.gunicorn_conf`` serves ``app``.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import TimeoutError as FutureTimeout
from functools import lru_cache
from typing import TYPE_CHECKING

from flask import Flask, Response, request
from gunicorn.http.errors import ParseException
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound
from werkzeug.wsgi import get_content_length

from function import replies
from function.endpoints import Endpoint, Endpoints, bug
from function.errors import BodyIncomplete, EventError, RequestError
from function.receipt import Pending
from function.replies import Reply
from function.settings import Settings
from function.startup import or_exit

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment


def create_app(settings: Settings) -> Flask:
    """Build the WSGI application; raises RulesError or SettingsError where it cannot work."""
    endpoints = Endpoints(settings)
    app = Flask("function", static_folder=None)
    # A POST to a path with a slash too many is no redirect: KafkaSource follows none.
    app.url_map.merge_slashes = False
    app.url_map.strict_slashes = False
    for path, methods in endpoints.table.items():
        for method, endpoint in methods.items():
            view = _view(endpoint, endpoints)
            app.add_url_rule(path, f"{method} {path}", view, methods=[method])

    @app.errorhandler(RequestError)
    def unreadable(error: RequestError) -> Response:
        return _response(replies.refusal([error]))

    @app.errorhandler(NotFound)
    @app.errorhandler(MethodNotAllowed)
    def elsewhere(_error: HTTPException) -> Response:
        return _response(endpoints.elsewhere(request.method, request.path))

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> Response:
        detail = " ".join((error.description or error.name).split())
        return _response(replies.problem(error.code or 500, error.name, detail))

    @app.errorhandler(Exception)
    def unexpected(_error: Exception) -> Response:
        return _response(bug(request.path))

    return app


def _view(endpoint: Endpoint, endpoints: Endpoints) -> Callable[[], Response]:
    def view() -> Response:
        environ = request.environ
        body = _body(environ, endpoints) if environ["REQUEST_METHOD"] == "POST" else b""
        reply = endpoint(_headers(environ), body)
        return _response(reply if isinstance(reply, Reply) else _outcome(reply))

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
        outcomes = pending.future.result(timeout=pending.budget)
    except FutureTimeout:
        return pending.give_up()
    return pending.receipt.reply(outcomes)


class _Response(Response):
    default_mimetype = None  # a reply without a body has no type


def _response(reply: Reply) -> Response:
    return _Response(reply.body or None, reply.status, reply.headers)


app = or_exit(lambda: create_app(Settings.from_environ(os.environ)))
