"""The universal scalability law through measured points, and the knee of a curve.

X(n) = lambda n / (1 + sigma (n-1) + kappa n (n-1)): N. J. Gunther, "Guerrilla Capacity Planning",
2007, chapters 4 to 6. The knee is the point of saturation of operational analysis, N* = R(1) X_max:
P. J. Denning and J. P. Buzen, "The Operational Analysis of Queueing Network Models", ACM Computing
Surveys 10(3), 1978. It is where the line of requests that never wait for each other reaches the
highest throughput; unlike a knee that is read off the curve's shape (Kneedle, Satopaa et al. 2011)
it does not move when more levels are measured.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tuning.curve import Usl
from tuning.errors import TuningError

Point = tuple[int, float]
"""How many requests are in flight, and how many are answered a second."""

FITS_WITHIN = 0.1  # of the throughput, root mean square: more, and the law says little
_LEAST_POINTS = 3  # as many as the law has numbers
_FASTER = 2.0  # than what was seen of a slot
_BELOW_ONE = 1 - 1e-9  # sigma 1 is a pod in which one more in flight adds nothing at all


class FitError(TuningError):
    """Too few points for the law."""


@dataclass(frozen=True, slots=True)
class Fit:
    """The law's numbers, and the root mean square of its relative errors at the points."""

    usl: Usl
    error: float

    @property
    def holds(self) -> bool:
        """Whether the law describes the points well enough to be used."""
        return self.error <= FITS_WITHIN


def fit(points: Sequence[Point]) -> Fit:
    """The law with the least squares of relative errors; raises FitError.

    Relative, because the lowest level decides lambda and would else weigh least. The law stays one
    that a pod can have: sigma from 0 to 1, kappa not negative, and a lone slot no more than twice
    as fast as the fastest that was seen.
    """
    import numpy as np  # a quarter of a second that the other commands need not wait
    from scipy.optimize import least_squares

    if len({n for n, _ in points}) < _LEAST_POINTS:
        raise FitError(f"the law has {_LEAST_POINTS} numbers: measure at {_LEAST_POINTS} levels")
    if not all(throughput > 0 for _, throughput in points):
        raise FitError("at one of the levels nothing was answered")
    n, x = np.array(points, dtype=float).T
    slot = float(np.max(x / n))

    def errors(numbers: Any) -> Any:
        factor, sigma, kappa = numbers
        return np.log(slot * n / (1 + sigma * (n - 1) + kappa * n * (n - 1)) / x) + factor

    found = least_squares(
        errors,
        x0=(0.0, 0.1, 1e-4),
        bounds=((-np.inf, 0.0, 0.0), (math.log(_FASTER), _BELOW_ONE, np.inf)),
        x_scale=(1.0, 0.1, 1e-3),
        xtol=1e-12,
        ftol=1e-12,
        gtol=1e-12,
    )
    factor, sigma, kappa = (float(value) for value in found.x)
    usl = Usl(slot * math.exp(factor), sigma, kappa)
    off = [usl.throughput(n) / x - 1 for n, x in points]
    return Fit(usl, math.sqrt(sum(error**2 for error in off) / len(off)))


def knee(points: Sequence[Point]) -> float:
    """N*: how many in flight would reach the highest throughput, did they not wait for each other.

    The latency of a request alone is that of the lowest level.
    """
    lowest, throughput = min(points)
    return max(x for _, x in points) / (throughput / lowest)
