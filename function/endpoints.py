"""Which path answers what: one table, which both doors serve.

A door reads HTTP from a server and writes a Reply back; what is between is here and in the sink.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from function import logs, pages, receivers, replies
from function.delivery import Delivery, Limits
from function.errors import ContentTooLarge, SettingsError
from function.metrics import CONTENT_TYPE, Metrics
from function.receipt import Pending
from function.receivers import Receiver
from function.reload import RuleFile
from function.replies import Reply
from function.settings import Settings
from function.sink import Sink

# Headers with lower-case names, and the body → the reply, now or when delivery is done.
Endpoint = Callable[[Mapping[str, str], bytes], Reply | Pending]


class Endpoints:
    """The function as a door sees it: ``table[path][method]`` and a reply for everything else."""

    def __init__(self, settings: Settings) -> None:
        """Build it all; raises RulesError or SettingsError where it cannot work."""
        logs.configure(settings.log_level)
        if settings.lacks_mounted_rules:
            logs.log(logging.WARNING, "rules_not_mounted", used=str(settings.rules_file))
        self._settings = settings
        self._metrics = Metrics()
        self._sink = _sink(settings, self._metrics)
        health = {"GET": self._health}
        self.table: Mapping[str, Mapping[str, Endpoint]] = {
            "/": {"GET": self._front, "POST": self._sink.receive},
            settings.records_path: {"POST": self._sink.receive_records},
            "/metrics": {"GET": self._scrape},
            "/health/liveness": health,
            "/health/readiness": health,
        }
        self.largest_body = settings.max_body_bytes

    def at(self, path: str) -> Mapping[str, Endpoint]:
        """What a path answers, by method; a slash at its end means nothing, as on Flask's door."""
        return self.table.get(path.removesuffix("/") or "/", {})

    def require_fitting(self, length: int) -> None:
        """Raise ContentTooLarge where a body of so many bytes is too much."""
        if length > self.largest_body:
            raise ContentTooLarge(f"the body is over {self.largest_body} bytes (MAX_BODY_BYTES)")

    def elsewhere(self, method: str, path: str) -> Reply:
        """The reply to a method or a path that the table does not have.

        KafkaSource repeats a POST that was answered 404 for minutes: it gets 405.
        """
        if methods := self.at(path):
            allowed = self.allowed(path)
            detail = f"{path} answers {' and '.join(methods)}, not {method}"
            return replies.problem(405, "Method not allowed", detail, allow=allowed)
        if method == "POST":
            detail = "events are posted to /: see GET / for all paths"
            return replies.problem(405, "Method not allowed", detail, allow="GET, HEAD")
        return replies.problem(404, "Not found", "there is nothing here: see GET / for all paths")

    def allowed(self, path: str) -> str:
        """The methods of a path, as the Allow header lists them."""
        methods = {*self.at(path), "OPTIONS"}
        return ", ".join(sorted(methods | {"HEAD"} if "GET" in methods else methods))

    def _front(self, _headers: Mapping[str, str], _body: bytes) -> Reply:
        return replies.text(pages.front(self._settings, self._sink))

    def _scrape(self, _headers: Mapping[str, str], _body: bytes) -> Reply:
        self._sink.rules()  # a changed file is noticed without a request, too
        return Reply(200, {"content-type": CONTENT_TYPE}, self._metrics.page())

    def _health(self, _headers: Mapping[str, str], _body: bytes) -> Reply:
        return replies.text("OK\n")


def bug(path: str) -> Reply:
    """The reply where our own code failed: its traceback goes to the log, not to the sender."""
    logs.exception("unexpected_error", path=path)
    detail = "an unexpected error: see the function's log"
    return replies.problem(500, "Internal server error", detail)


def _sink(settings: Settings, metrics: Metrics) -> Sink:
    rules = RuleFile(settings.rules_file, metrics)
    limits = Limits(
        concurrency=settings.delivery_concurrency,
        batch=settings.delivery_batch,
        post_timeout=settings.receiver_timeout,
        budget=settings.delivery_timeout,
    )
    delivery = Delivery(_receiver(settings), limits, metrics)
    return Sink(rules.current, delivery, metrics, settings.remembered)


def _receiver(settings: Settings) -> Receiver:
    try:
        return receivers.create(settings.receiver, settings.receiver_url, settings.k_ce_overrides)
    except ValueError as error:
        raise SettingsError([f"K_CE_OVERRIDES: {error}"]) from None
