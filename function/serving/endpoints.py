"""Which path answers what: one table, which every server serves.

The Flask and the ASGI application read HTTP and write a Reply back; what is between is here and in
the sink.
"""

from __future__ import annotations

import atexit
import logging
from collections.abc import Callable, Mapping

from function import logs, receivers, replies
from function.delivery import Delivery, Limits
from function.errors import ContentTooLarge, SettingsError
from function.metrics import CONTENT_TYPE, Metrics
from function.replies import Headers, Reply
from function.rules.reload import RuleFile
from function.serving import front_page
from function.serving.coding import decoded
from function.settings import Settings
from function.sink import Pending, Posting, Sink, WayOut

# Headers with lower-case names, and the body → the reply, now or when delivery is done.
Endpoint = Callable[[Headers, bytes], Reply | Pending]
SMALL_HEAD = "function.small_head"  # in an ASGI scope: the server has seen that no field is large
QUICK = 64 * 1024  # bytes of a body that nobody waits for


class Endpoints:
    """The function as a server sees it: ``table[path][method]``, and a reply to everything else."""

    def __init__(self, settings: Settings) -> None:
        """Build it all; raises RulesError or SettingsError where it cannot work."""
        logs.configure(settings.log_level)
        if settings.lacks_mounted_rules:
            logs.log(logging.WARNING, "rules_not_mounted", used=str(settings.rules_file))
        self._settings = settings
        self._metrics = Metrics()
        self._sink = Sink(
            RuleFile(settings.rules_file, self._metrics).current,
            _way_out(settings, self._metrics),
            self._metrics,
        )
        health = {"GET": self._health}
        self.table: Mapping[str, Mapping[str, Endpoint]] = {
            "/": {"GET": self._front, "POST": self._in_turn(self._sink.receive)},
            settings.records_path: {"POST": self._in_turn(self._sink.receive_records)},
            "/metrics": {"GET": self._scrape},
            "/health/liveness": health,
            "/health/readiness": health,
        }
        self.largest_body = settings.max_body_bytes

    def at(self, path: str) -> Mapping[str, Endpoint]:
        """What a path answers, by method; a slash at its end means nothing, as with Flask."""
        return self.table.get(path.removesuffix("/") or "/", {})

    def require_fitting(self, length: int) -> None:
        """Raise ContentTooLarge where a body of so many bytes is too much."""
        if length > self.largest_body:
            raise ContentTooLarge(f"the body is over {self.largest_body} bytes (MAX_BODY_BYTES)")

    def _in_turn(self, receive: Endpoint) -> Endpoint:
        """Take large bodies, and those that may be large without their coding, by turns."""

        def take(headers: Headers, body: bytes) -> Reply | Pending:
            if is_quick(headers, body):
                return receive(headers, body)
            with self._sink.turns.turn():
                coding = headers.get("content-encoding", "")
                return receive(headers, decoded(coding, body, self.largest_body))

        return take

    def look(self) -> None:
        """Notice a changed rule file without a request, too."""
        self._sink.rules()

    def tell(self, reply: Reply, headers: Headers) -> Reply:
        """Count a reply that is not 2xx, and write it down; every server passes all of them here.

        At most a line a second for each status and reason: our own log comes back as records, too.
        """
        if reply.status >= 300:
            self._metrics.refused(reply.status, reply.reason)
            logs.log_limited(
                logging.WARNING,
                "request_refused",
                status=reply.status,
                reason=reply.reason,
                detail=reply.detail,
                event_source=headers.get("ce-source"),  # of binary mode, all that KafkaSource sends
                event_id=headers.get("ce-id"),
                traceparent=headers.get("traceparent"),
            )
        return reply

    def elsewhere(self, method: str, path: str) -> Reply:
        """The reply to a method or a path that the table does not have.

        KafkaSource repeats a POST that was answered 404 for minutes: it gets 405.
        """
        if methods := self.at(path):
            allowed = self.allowed(path)
            detail = f"{path} answers {' and '.join(methods)}, not {method}"
            return replies.problem(405, "Method not allowed", detail, "method", allow=allowed)
        if method == "POST":
            detail = "events are posted to /: see GET / for all paths"
            return replies.problem(405, "Method not allowed", detail, "path", allow="GET, HEAD")
        detail = "there is nothing here: see GET / for all paths"
        return replies.problem(404, "Not found", detail, "path")

    def allowed(self, path: str) -> str:
        """The methods of a path, as the Allow header lists them."""
        methods = {*self.at(path), "OPTIONS"}
        return ", ".join(sorted(methods | {"HEAD"} if "GET" in methods else methods))

    def _front(self, _headers: Headers, _body: bytes) -> Reply:
        return replies.text(front_page.front(self._settings, self._sink))

    def _scrape(self, _headers: Headers, _body: bytes) -> Reply:
        self.look()
        return Reply(200, {"content-type": CONTENT_TYPE}, self._metrics.page())

    def _health(self, _headers: Headers, _body: bytes) -> Reply:
        self.look()
        return replies.text("OK\n")


def may_be_large(headers: Headers) -> bool:
    """Whether a body that is still to be read may turn out not to be quick."""
    length = headers.get("content-length", "")
    return not length.isdigit() or int(length) > QUICK or "content-encoding" in headers


def is_quick(headers: Headers, body: bytes) -> bool:
    """Whether a body is read and matched in a moment: it is small, and not a compressed one."""
    return len(body) <= QUICK and "content-encoding" not in headers


def bug(path: str) -> Reply:
    """The reply where our own code failed: its traceback goes to the log, not to the sender."""
    logs.exception("unexpected_error", path=path)
    detail = "an unexpected error: see the function's log"
    return replies.problem(500, "Internal server error", detail, "bug")


def _way_out(settings: Settings, metrics: Metrics) -> WayOut:
    """Where alerts leave; raises SettingsError where K_CE_OVERRIDES cannot be used."""
    try:
        if settings.receiver == "reply":
            from function.receivers.cloudevents import overrides  # deferred: only its users pay
            from function.receivers.reply import Replying

            return Replying(overrides(settings.k_ce_overrides), metrics)
        receiver = receivers.create(
            settings.receiver, settings.receiver_url, settings.k_ce_overrides
        )
    except ValueError as error:
        raise SettingsError([f"K_CE_OVERRIDES: {error}"]) from None
    for url in settings.receiver_url:
        if doubt := receivers.doubts(settings.receiver, url):
            detail = f"RECEIVER_URL is hardly one of RECEIVER={settings.receiver}: {doubt}"
            logs.log(logging.WARNING, "receiver_doubtful", detail=detail)
    limits = Limits(
        concurrency=settings.delivery_concurrency,
        batch=settings.delivery_batch,
        post_timeout=settings.receiver_timeout,
        budget=settings.delivery_timeout,
    )
    delivery = Delivery({receiver.name: receiver}, limits, metrics)
    atexit.register(delivery.close)  # copies for members of a cluster may wait still
    return Posting(delivery, settings.remembered, metrics)
