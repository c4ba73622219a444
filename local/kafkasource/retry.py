"""Which answers KafkaSource retries, and after which delay.

Mirrors eventing-kafka-broker WebClientCloudEventSender.java (isRetryableStatusCode,
computeRetryPolicy).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

BackoffPolicy = Literal["exponential", "linear"]


@dataclass(frozen=True, slots=True)
class Delivery:
    """spec.delivery of a KafkaSource, with the values of this project's manifest.

    `backoff_delay` and `timeout` are in seconds; the timeout is that of one attempt, up to the
    head of the answer. Without a `dead_letter_topic` a record that cannot be delivered is
    dropped.
    """

    retry: int = 36
    backoff_policy: BackoffPolicy = "linear"
    backoff_delay: float = 1.0
    timeout: float = 90.0
    dead_letter_topic: str | None = "logs-dead-letter"

    def __post_init__(self) -> None:
        if self.retry < 0 or self.timeout <= 0:
            raise ValueError("retry is at least 0 and timeout is more than 0")
        if self.backoff_delay < 0.001:
            raise ValueError("KafkaSource does not retry at all with a backoff_delay below 1 ms")

    def delay(self, attempt: int) -> float:
        """Seconds before retry number `attempt`, counted from 1; no jitter, no upper bound."""
        factor = 2**attempt if self.backoff_policy == "exponential" else attempt
        return self.backoff_delay * float(factor)


def accepted(status: int) -> bool:
    """Whether the sink has taken the event."""
    return 200 <= status < 300


def retried(status: int) -> bool:
    """Whether the event is sent again after this answer; any other that is not 2xx is final.

    That holds for redirects, too; only a 303 with a Location would be followed, as a GET.
    """
    return status in (404, 408, 409, 429) or status >= 500
