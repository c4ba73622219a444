"""What the autoscaler gets to see: averages over a long and a short window, once a second.

Mirrors ``pkg/autoscaler/metrics/collector.go`` and
``pkg/activator/handler/concurrency_reporter.go`` of knative/serving. Every request counts once,
from when it reaches the activator or the gateway until it is answered, also while it waits. All
pods are asked; Knative asks a sample where there are more than three: noise that is not modelled.
"""

from __future__ import annotations

from tuning.knative_settings import KnativeSettings
from tuning.windows import BucketedWindow

SCRAPE_S = 1.0  # collector.go, scrapeTickInterval


class Collector:
    """Keeps count of the requests that are in the system, and of those that came."""

    def __init__(self, settings: KnativeSettings) -> None:
        self._stable = BucketedWindow(settings.window_s, SCRAPE_S)
        self._panic = BucketedWindow(settings.panic_window_s, SCRAPE_S)
        self._weighted = settings.weighted
        self._rps = settings.metric == "rps"
        self.in_system = 0
        self._area = 0.0
        self._since = 0.0
        self._came = 0
        self._told = 0

    def come(self, now: float) -> None:
        """A request enters."""
        self._area += self.in_system * (now - self._since)
        self._since = now
        self.in_system += 1
        self._came += 1

    def leave(self, now: float) -> None:
        """A request is answered."""
        self._area += self.in_system * (now - self._since)
        self._since = now
        self.in_system -= 1

    def tell_first(self, now: float) -> None:
        """The activator reports a first request at once, and does not count it a second time."""
        self._told = 1
        self._record(now, 1.0)

    def scrape(self, now: float, ready: int) -> float:
        """End a second; returns its average concurrency. Without pods or requests, none reports."""
        average = self._area + self.in_system * (now - self._since)
        value = float(self._came) if self._rps else average
        if ready or self._came or average:
            self._record(now, max(0.0, value - self._told))
        self._area, self._since, self._came, self._told = 0.0, now, 0, 0
        return average

    def averages(self, now: float) -> tuple[float | None, float | None]:
        """Over the stable and the panic window; None where a whole window brought nothing."""
        if self._stable.is_empty(now):
            return None, None
        if self._weighted:
            return self._stable.weighted_average(now), self._panic.weighted_average(now)
        return self._stable.average(now), self._panic.average(now)

    def _record(self, now: float, value: float) -> None:
        self._stable.record(now, value)
        self._panic.record(now, value)
