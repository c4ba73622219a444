"""A delivery to real receivers, for tests that look at what becomes of alerts there."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass

from function import receivers
from function.alerts import Alert
from function.delivery import Delivery, Limits
from function.metrics import Metrics
from function.receivers import Outcome

NAME = "tested"


@dataclass(frozen=True)
class Sender:
    """A delivery whose outcomes come as futures."""

    delivery: Delivery
    metrics: Metrics

    def send(self, alerts: Sequence[Alert]) -> list[Future[Outcome]]:
        """Submit alerts as one request does."""
        futures: list[Future[Outcome]] = [Future() for _ in alerts]

        def settled(decided: Sequence[tuple[int, Outcome | Exception]]) -> None:
            for index, result in decided:
                if isinstance(result, Exception):
                    futures[index].set_exception(result)
                else:
                    futures[index].set_result(result)

        deadline = time.monotonic() + self.delivery.limits.budget
        self.delivery.submit(NAME, alerts, deadline, settled)
        return futures

    def outcomes(self, alerts: Sequence[Alert]) -> list[Outcome]:
        """What becomes of alerts."""
        return [future.result(10) for future in self.send(alerts)]

    def count(self, metric: str) -> float:
        """The value of a line of the metrics page that begins so; 0 where there is none."""
        lines = self.metrics.page().decode().splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith(metric))


@contextmanager
def sender(
    *urls: str,
    kind: str = "notification-manager",
    timeout: float = 2,
    budget: float = 4,
    concurrency: int = 2,
    batch: int = 100,
) -> Iterator[Sender]:
    """A sender to a receiver of some kind; with several URLs to the members of a cluster."""
    metrics = Metrics()
    limits = Limits(concurrency, batch, timeout, budget)
    opened = Delivery({NAME: receivers.create(kind, urls)}, limits, metrics)
    try:
        yield Sender(opened, metrics)
    finally:
        opened.close()
