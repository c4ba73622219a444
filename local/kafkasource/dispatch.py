"""One event until its end: attempts, back-off, dead letter topic.

Mirrors KafkaSource: eventing-kafka-broker WebClientCloudEventSender.java and
RecordDispatcherImpl.java.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from local.kafkasource.dead_letters import DeadLetters, with_error
from local.kafkasource.event import Event
from local.kafkasource.figures import Outcome
from local.kafkasource.retry import Delivery, accepted, retried
from local.kafkasource.sink import Answer, Sink, TransportError

log = logging.getLogger(__name__)


class AbandonedError(Exception):
    """The source was told to stop at once; the event is neither delivered nor dropped."""


class Dispatcher:
    """Delivers events to the sink, else to the dead letter topic, else drops them.

    `attempted` is told the status of every answer of the sink, None if there was none.
    """

    def __init__(
        self,
        sink: Sink,
        dead_letters: DeadLetters | None,
        delivery: Delivery,
        attempted: Callable[[int | None], None],
    ) -> None:
        self._sink = sink
        self._dead_letters = dead_letters
        self._delivery = delivery
        self._attempted = attempted
        self._abandoned = threading.Event()

    def dispatch(self, event: Event) -> Outcome:
        """Returns when the event is done with. Raises AbandonedError after `abandon`."""
        answer = self._send(lambda: self._post(event))
        if answer and accepted(answer.status):
            return "delivered"
        return self._bury(with_error(event, self._sink.url, answer))

    def abandon(self) -> None:
        """Ends every delivery that is under way, as the death of the process would."""
        self._abandoned.set()
        self._sink.close()
        if self._dead_letters:
            self._dead_letters.close(wait=0)

    def close(self) -> None:
        """Closes the connections; nothing may be under way."""
        self._sink.close()
        if self._dead_letters:
            self._dead_letters.close(wait=self._delivery.timeout)

    def _bury(self, event: Event) -> Outcome:
        letters = self._dead_letters
        if letters is None:
            log.error("dropped %s: no dead letter topic is set", event.attributes["id"])
            return "dropped"
        written = self._send(lambda: letters.write(event))
        return "dead-lettered" if written else "dropped"

    def _send(self, send: Callable[[], Answer]) -> Answer | None:
        """Retries as the delivery says; the last answer, or None if the last attempt got none."""
        answer = self._attempt(send)
        for retry in range(1, self._delivery.retry + 1):
            if answer and not retried(answer.status):
                break
            if self._abandoned.wait(self._delivery.delay(retry)):
                raise AbandonedError
            answer = self._attempt(send)
        return answer

    def _attempt(self, send: Callable[[], Answer]) -> Answer | None:
        if self._abandoned.is_set():
            raise AbandonedError
        try:
            return send()
        except TransportError as error:
            if self._abandoned.is_set():
                raise AbandonedError from error
            log.warning("no answer: %s", error)
            return None

    def _post(self, event: Event) -> Answer:
        try:
            answer = self._sink.post(event)
        except TransportError:
            self._attempted(None)
            raise
        self._attempted(answer.status)
        return answer
