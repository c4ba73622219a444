"""What came of a request before delivery, and the reply that its alerts' outcomes make of it."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import NamedTuple

from function import reading, replies
from function.alerts import Alert
from function.errors import AlertRefused, ReceiverUnavailable, RequestError
from function.logs import log
from function.memory import Memory
from function.receivers import Accepted, Outcome, Reason, Receiver, Refused, Unavailable
from function.replies import Reply

RETRY_AFTER = 5  # seconds; KafkaSource keeps to its own back-off, other senders may look


class Fired(NamedTuple):
    """An alert of a request: where its record stood, and the identity of the event it came in."""

    alert: Alert
    position: str | None
    event: bytes | None


class Receipt(NamedTuple):
    """A request that was read; the two memories learn what was delivered.

    ``remembered`` is for how many nanoseconds an event is.
    """

    records: int
    matches: int
    problems: Sequence[RequestError]
    fired: Sequence[Fired]
    headers: Mapping[str, str]
    receiver: Receiver
    delivered_events: Memory
    remembered: int
    delivered_alerts: Memory

    def reply(self, outcomes: Sequence[Outcome]) -> Reply:
        """The reply when each alert has its outcome."""
        self.remember(outcomes)
        undelivered = [
            error
            for outcome, fired in zip(outcomes, self.fired, strict=True)
            if (error := _undelivered(outcome, fired.position))
        ]
        problems = [*undelivered, *self.problems]
        if problems:
            return refuse(problems, self.headers)
        if wants_summary(self.headers):
            return self._summary()
        if self.fired and not self.receiver.urls:
            answer = self.receiver.request([each.alert for each in self.fired], time.time_ns())
            return Reply(200, answer.headers, answer.body)
        return replies.NO_CONTENT

    def remember(self, outcomes: Sequence[Outcome]) -> None:
        """Note the events all of whose alerts were accepted; of others, the alerts that were."""
        if not self.receiver.urls:  # an answer may get lost: it is given again when asked again
            return
        delivered: dict[bytes, bool] = {}
        for outcome, fired in zip(outcomes, self.fired, strict=True):
            accepted = isinstance(outcome, Accepted)
            if accepted and fired.alert.repeat_interval:
                self.delivered_alerts.remember(
                    fired.alert.fingerprint.encode(), fired.alert.repeat_interval
                )
            if fired.event is not None:
                delivered[fired.event] = accepted and delivered.get(fired.event, True)
        for event, whole in delivered.items():
            if whole:
                self.delivered_events.remember(event, self.remembered)
        for outcome, fired in zip(outcomes, self.fired, strict=True):
            if fired.event is None or delivered[fired.event]:
                continue
            if isinstance(outcome, Accepted):
                key = reading.identity_in(fired.event, fired.alert)
                self.delivered_events.remember(key, self.remembered)

    def _summary(self) -> Reply:
        now = time.time_ns()
        return replies.summary(
            {
                "records": self.records,
                "matches": self.matches,
                "delivered_before": self.matches - len(self.fired),
                "alerts": [self.receiver.as_sent(fired.alert, now) for fired in self.fired],
            }
        )


class Pending(NamedTuple):
    """A reply that waits for delivery; ``budget`` is how long a door waits, in seconds."""

    future: Future[list[Outcome]]
    budget: float
    receipt: Receipt

    def give_up(self) -> Reply:
        """The reply where no outcome came in time."""
        self.leave()
        late = Unavailable(Reason.TIMEOUT, "no answer in time")
        return self.receipt.reply([late] * len(self.receipt.fired))

    def leave(self) -> None:
        """Nobody waits any more; what is still delivered is remembered, and not sent again."""
        self.future.add_done_callback(self._remember)

    def _remember(self, future: Future[list[Outcome]]) -> None:
        if future.exception() is None:
            self.receipt.remember(future.result())


def refuse(problems: Sequence[RequestError], headers: Mapping[str, str]) -> Reply:
    """The refusal of a request, and a line about it in the log."""
    reply = replies.refusal(problems)
    log(
        logging.WARNING,
        "request_refused",
        status=reply.status,
        detail=replies.sentence(replies.first(problems)),
        problems=len(problems),
        event_source=headers.get("ce-source"),  # of binary mode, all that KafkaSource sends
        event_id=headers.get("ce-id"),
        traceparent=headers.get("traceparent"),
    )
    return reply


def _undelivered(outcome: Outcome, position: str | None) -> RequestError | None:
    """The error that an outcome means for the request; None for an accepted alert."""
    if isinstance(outcome, Refused):
        return AlertRefused(outcome.detail, position)
    if isinstance(outcome, Unavailable):
        return ReceiverUnavailable(outcome.detail, outcome.retry_after or RETRY_AFTER, position)
    return None


def wants_summary(headers: Mapping[str, str]) -> bool:
    """RFC 7240: ``Prefer: return=representation``, alone or among others.

    KafkaSource always sends ``Prefer: reply``, which asks for no such thing.
    """
    if "=" not in headers.get("prefer", ""):
        return False
    preferences = headers["prefer"].lower().replace('"', "").split(",")
    return "return=representation" in (item.partition(";")[0].strip() for item in preferences)
