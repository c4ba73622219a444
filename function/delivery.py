"""Alerts on their way to the receiver: ``submit(alerts) → Future`` of one outcome per alert.

The only module with threads. Each submission is one POST over a pooled connection; the time from
``submit`` to the outcome is bounded by the budget, after which KafkaSource's retry takes over.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from typing import TYPE_CHECKING

from function import receivers
from function.alerts import Alert
from function.logs import log
from function.receivers import Outcome, Reason, Receiver, Refused, Unavailable

if TYPE_CHECKING:
    import requests

_ANSWER_LIMIT = 64 * 1024  # bytes read of a receiver's answer; all receivers answer far less


class Delivery:
    """Posts alerts to a receiver, ``concurrency`` submissions at a time.

    ``post_timeout`` bounds one POST and ``budget`` everything from ``submit`` to the outcome, in
    seconds.
    """

    def __init__(
        self, receiver: Receiver, *, concurrency: int, post_timeout: float, budget: float
    ) -> None:
        self.receiver = receiver
        self.budget = budget
        self._concurrency = concurrency
        self._post_timeout = post_timeout
        self._session: requests.Session | None = None
        self._opening = Lock()
        self._senders = ThreadPoolExecutor(concurrency, thread_name_prefix="sender")

    def submit(self, alerts: Sequence[Alert]) -> Future[list[Outcome]]:
        """Send alerts; the future holds their outcomes, in order, and raises nothing else."""
        deadline = time.monotonic() + self.budget
        return self._senders.submit(self._deliver, tuple(alerts), deadline)

    def close(self) -> None:
        """Wait for what is under way; nothing can be submitted afterwards."""
        self._senders.shutdown(wait=True)
        if self._session is not None:
            self._session.close()

    def _open_session(self) -> requests.Session:
        """The session that all senders share, made when the first alert is sent."""
        with self._opening:
            if self._session is None:
                self._session = self._new_session()
            return self._session

    def _new_session(self) -> requests.Session:
        import requests  # deferred: cold start; most pods answer many requests before they alert
        from requests.adapters import HTTPAdapter

        session = requests.Session()
        session.headers["user-agent"] = "logs-handler"
        session.trust_env = False  # no proxy and no netrc between pods of one cluster
        for scheme in ("http://", "https://"):
            session.mount(scheme, HTTPAdapter(pool_maxsize=self._concurrency))
        return session

    def _deliver(self, alerts: Sequence[Alert], deadline: float) -> list[Outcome]:
        """Post alerts at once; where the receiver refuses the lot, halves find which it means."""
        outcome = self._post(alerts, deadline)
        if isinstance(outcome, Refused) and len(alerts) > 1:
            middle = len(alerts) // 2
            return self._deliver(alerts[:middle], deadline) + self._deliver(
                alerts[middle:], deadline
            )
        if isinstance(outcome, Refused | Unavailable):
            log(
                logging.WARNING,
                "delivery_failed",
                receiver=self.receiver.name,
                reason=outcome.reason.value,
                detail=outcome.detail,
                alerts=len(alerts),
            )
        return [outcome] * len(alerts)

    def _post(self, alerts: Sequence[Alert], deadline: float) -> Outcome:
        from requests.exceptions import RequestException, Timeout

        remaining = deadline - time.monotonic()
        if remaining <= 0:
            return Unavailable(Reason.TIMEOUT, "the receiver was busy for the whole time")
        try:
            return self._answer(alerts, min(remaining, self._post_timeout))
        except Timeout:
            return Unavailable(Reason.TIMEOUT, "no answer in time")
        except RequestException as error:
            return Unavailable(Reason.CONNECTION, f"no answer: {_innermost(error)}")

    def _answer(self, alerts: Sequence[Alert], timeout: float) -> Outcome:
        """One POST and the beginning of its answer; the rest is not waited for."""
        request = self.receiver.request(alerts, time.time_ns())
        give_up = time.monotonic() + timeout
        with self._open_session().post(
            request.url,
            data=request.body,
            headers=dict(request.headers),
            timeout=timeout,
            allow_redirects=False,
            stream=True,
        ) as response:
            body = b""
            for chunk in response.iter_content(8192):
                body += chunk
                if len(body) > _ANSWER_LIMIT or time.monotonic() > give_up:
                    break
            return receivers.outcome(response.status_code, response.headers, body)


def _innermost(error: BaseException) -> str:
    """What is at the bottom of a chain of errors; the texts above it repeat the URL, a secret."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__ or error
    strerror = getattr(error, "strerror", None)
    return strerror if isinstance(strerror, str) else type(error).__name__
