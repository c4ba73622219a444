"""The Flask door: HTTP in and out, all else in the sink. No other module imports flask.

``gunicorn -c python:function.gunicorn_conf function.app:app`` serves ``app``.
"""

from __future__ import annotations

import os
import sys
from concurrent.futures import TimeoutError as FutureTimeout

from flask import Flask, Response, request
from gunicorn.http.errors import ParseException
from werkzeug.exceptions import HTTPException

from function import logs, pages, receivers, replies
from function.delivery import Delivery, Limits
from function.errors import ConfigError, ContentTooLarge, EventError, RequestError, SettingsError
from function.metrics import CONTENT_TYPE, Metrics
from function.receipt import Pending
from function.receivers import Receiver
from function.reload import RuleFile
from function.replies import Reply
from function.settings import Settings
from function.sink import Sink

APP_LOAD_ERROR = 4  # the exit status at which gunicorn stops instead of starting the worker again


def create_app(settings: Settings) -> Flask:
    """Build the WSGI application; raises RulesError where the rule file cannot be used."""
    logs.configure(settings.log_level)
    metrics = Metrics()
    sink = _sink(settings, metrics)
    app = Flask("function", static_folder=None)
    # A POST to a path with a slash too many is no redirect: KafkaSource follows none.
    app.url_map.merge_slashes = False
    app.url_map.strict_slashes = False
    limit = settings.max_body_bytes

    @app.post("/")
    def events() -> Response:
        return _respond(sink.receive(_headers(), _body(limit)))

    @app.post(settings.records_path)
    def records() -> Response:
        return _respond(sink.receive_records(_headers(), _body(limit)))

    @app.get("/")
    def front() -> Response:
        return _response(replies.text(pages.front(settings, sink)))

    @app.get("/metrics")
    def scrape() -> Response:
        sink.rules()  # a changed file is noticed without a request, too
        return _response(Reply(200, {"content-type": CONTENT_TYPE}, metrics.page()))

    @app.get("/health/liveness")
    @app.get("/health/readiness")
    def health() -> Response:
        return _response(replies.text("OK\n"))

    @app.errorhandler(RequestError)
    def unreadable(error: RequestError) -> Response:
        return _response(replies.refusal([error]))

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> Response:
        return _http_error(error)

    @app.errorhandler(Exception)
    def bug(_error: Exception) -> Response:
        logs.exception("unexpected_error", path=request.path)
        detail = "an unexpected error: see the function's log"
        return _response(replies.problem(500, "Internal server error", detail))

    return app


def _sink(settings: Settings, metrics: Metrics) -> Sink:
    rules = RuleFile(settings.rules_file, metrics)
    limits = Limits(
        concurrency=settings.delivery_concurrency,
        batch=settings.delivery_batch,
        post_timeout=settings.receiver_timeout,
        budget=settings.delivery_timeout,
    )
    receiver = _receiver(settings)
    delivery = Delivery(receiver, limits, metrics)
    return Sink(rules.current, delivery, metrics)


def _receiver(settings: Settings) -> Receiver:
    try:
        return receivers.create(settings.receiver, settings.receiver_url, settings.k_ce_overrides)
    except ValueError as error:
        raise SettingsError([f"K_CE_OVERRIDES: {error}"]) from None


def _headers() -> dict[str, str]:
    """The request's headers with lower-case names, straight from the WSGI environment."""
    headers = {
        name[5:].replace("_", "-").lower(): value
        for name, value in request.environ.items()
        if name.startswith("HTTP_")
    }
    headers["content-type"] = request.environ.get("CONTENT_TYPE", "")
    return headers


def _body(limit: int) -> bytes:
    """The request's body, whole; raises ContentTooLarge, or EventError where it ends early.

    Werkzeug's own limit would cut a chunked body short and pass the beginning on.
    """
    declared = request.content_length
    if declared is not None and declared > limit:
        raise _too_large(limit)
    try:
        body: bytes = request.environ["wsgi.input"].read(
            limit + 1 if declared is None else declared
        )
    except (ParseException, OSError) as error:
        raise EventError(f"the body cannot be read: {error}") from None
    if len(body) > limit:
        raise _too_large(limit)
    if declared is not None and len(body) < declared:
        raise EventError(f"the body ends after {len(body)} of {declared} bytes")
    return body


def _too_large(limit: int) -> ContentTooLarge:
    return ContentTooLarge(f"the body is over {limit} bytes (MAX_BODY_BYTES)")


def _respond(reply: Reply | Pending) -> Response:
    """Wait for delivery where the reply depends on it."""
    if isinstance(reply, Reply):
        return _response(reply)
    try:
        outcomes = reply.future.result(timeout=reply.budget)
    except FutureTimeout:
        return _response(reply.give_up())
    return _response(reply.receipt.reply(outcomes))


def _response(reply: Reply) -> Response:
    response = Response(reply.body, reply.status, reply.headers)
    if not reply.body:
        del response.headers["content-type"]  # Flask's default, of a body that is not there
    return response


def _http_error(error: HTTPException) -> Response:
    """What Werkzeug refuses; a POST to an unknown path gets 405, as KafkaSource retries a 404."""
    status = error.code or 500
    if request.method == "POST" and status == 404:
        detail = "events are posted to /: see GET / for all paths"
        return _response(replies.problem(405, "Method not allowed", detail, allow="GET, HEAD"))
    detail = " ".join((error.description or error.name).split())
    response = _response(replies.problem(status, error.name, detail))
    for name, value in error.get_headers():
        if name.lower() == "allow":
            response.headers[name] = value
    return response


def _create_or_exit() -> Flask:
    """The app from the environment; where it cannot start, a line per problem and no traceback."""
    try:
        return create_app(Settings.from_environ(os.environ))
    except ConfigError as error:
        for problem in error.problems:
            print(f"logs-handler cannot start: {problem}", file=sys.stderr)  # noqa: T201 - for a terminal
        raise SystemExit(APP_LOAD_ERROR) from None


app = _create_or_exit()
