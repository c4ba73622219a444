"""The two sliding windows that Knative's autoscaler looks at traffic through.

Both count time in buckets of whole granules since the epoch; all times are seconds. Sources:
knative/serving, ``pkg/autoscaler/aggregation/bucketing.go`` and ``pkg/autoscaler/aggregation/max``.
"""

from __future__ import annotations

import math
from collections import deque

_SCALE = 1e6  # bucketing.go: averages are rounded, so that a sum of many floats can reach zero
_LEAST_DECAY = 0.2  # bucketing.go: with less, a long window would be nearly the plain average
_BEYOND = 0.0001  # bucketing.go: the share of all weight that is older than the window


class BucketedWindow:
    """Sums of a value in buckets, and their average over the last ``window_s`` seconds.

    A value may come late, as long as it is younger than a window before the newest one. A pause of
    a whole window forgets everything before it.
    """

    def __init__(self, window_s: float, granularity_s: float) -> None:
        self._window = window_s
        self._granularity = granularity_s
        self._size = math.ceil(window_s / granularity_s)
        self._decay = max(_LEAST_DECAY, 1 - math.exp(math.log(_BEYOND) * (1 / self._size)))
        self._sums: dict[int, float] = {}
        self._total = 0.0
        self._first = 0
        self._last: int | None = None

    def record(self, t: float, value: float) -> None:
        """Add a value to the bucket of its time; one that is a window too late is dropped."""
        bucket = self._bucket(t)
        if self._last is None or bucket - self._last >= self._size:
            self._sums.clear()
            self._total = 0.0
            self._first = self._last = bucket
        elif bucket > self._last:
            for gone in range(self._last + 1 - self._size, bucket + 1 - self._size):
                self._total -= self._sums.pop(gone, 0.0)
            self._last = bucket
        elif self._last - bucket >= self._size:
            return
        self._first = min(self._first, bucket)
        self._sums[bucket] = self._sums.get(bucket, 0.0) + value
        self._total += value

    def average(self, t: float) -> float:
        """The mean of the buckets, rounded to six digits.

        Only buckets since the first value and up to the newest one count, so a window that has just
        begun to fill, or gets nothing more, is not diluted with zeros; a gap in between is zeros.
        """
        silent = self._silent(t)
        if self._last is None or silent >= self._size:
            return 0.0
        total, count = self._total, min(self._last - self._first + 1, self._size - silent)
        for bucket in range(self._last + 1 - self._size, self._last + 1 - self._size + silent):
            total -= self._sums.get(bucket, 0.0)
        return _rounded(total / count)

    def weighted_average(self, t: float) -> float:
        """The buckets weighted by age, the newest most: metric-aggregation-algorithm's other value.

        Not rounded, and buckets without a value count as zeros.
        """
        if self._last is None:
            return 0.0
        silent = self._silent(t)
        weight = self._decay * _power(1 - self._decay, silent)
        total = 0.0
        for bucket in range(self._last, self._last - self._size + silent, -1):
            total += self._sums.get(bucket, 0.0) * weight
            weight *= 1 - self._decay
        return total

    def is_empty(self, t: float) -> bool:
        """Whether more than a window has passed since the newest value: no decision is possible."""
        return self._last is None or self._silent(t) * self._granularity > self._window

    def _bucket(self, t: float) -> int:
        return math.floor(t / self._granularity)

    def _silent(self, t: float) -> int:
        """Buckets between the newest value and t; 0 where t is not later."""
        return 0 if self._last is None else max(0, self._bucket(t) - self._last)


class MaxWindow:
    """The largest value of the last ``window_s`` seconds, for ``scale-down-delay``.

    Mirrors ``pkg/autoscaler/aggregation/max/timewindow.go`` and ``window.go``: only a new value
    makes an old one leave, and times never go back.
    """

    def __init__(self, window_s: float, granularity_s: float) -> None:
        self._granularity = granularity_s
        self._size = math.ceil(window_s / granularity_s)
        self._falling: deque[tuple[int, float]] = deque()  # what can still become the largest

    def record(self, t: float, value: float) -> None:
        """Take in a value; within one bucket the largest counts."""
        bucket = math.floor(t / self._granularity)
        while self._falling and self._falling[-1][1] <= value:
            self._falling.pop()
        while self._falling and bucket - self._falling[0][0] >= self._size:
            self._falling.popleft()
        if not self._falling or self._falling[-1][0] != bucket:
            self._falling.append((bucket, value))

    def current(self) -> float:
        """The largest value; 0 before the first one."""
        return self._falling[0][1] if self._falling else 0.0


def _rounded(value: float) -> float:
    """Half away from zero, as Go's math.Round does; Python's round() goes to the even digit."""
    scaled = value * _SCALE
    return math.copysign(math.floor(abs(scaled) + 0.5), scaled) / _SCALE


def _power(base: float, exponent: int) -> float:
    """By squaring, as Go's math.Pow does, so that even the last digit of an average agrees."""
    result = 1.0
    while exponent:
        if exponent & 1:
            result *= base
        base *= base
        exponent >>= 1
    return result
