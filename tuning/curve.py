"""How long a request takes in a pod that serves ``n`` at once, as a small JSON file.

::

    {"service_time_s": 0.004,
     "usl": {"lambda": 240, "sigma": 0.05, "kappa": 0.0004},
     "receiver_s": 0.002}

``service_time_s``
    Seconds that one request takes alone in a pod, waiting for the receiver included.
``usl``
    The universal scalability law that was fitted to the pod's throughput (Gunther, "Guerrilla
    Capacity Planning"): X(n) = lambda n / (1 + sigma (n-1) + kappa n (n-1)) requests a second.
    Without it, any number of requests take as long as one.
``receiver_s``
    Seconds of ``service_time_s`` in which the receiver was waited for, 0 without it.

Little's law turns throughput into latency: R(n) = n / X(n).
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tuning.errors import TuningError

_SHORTEST = 1e-6  # seconds; a request takes some time
_AGREE_WITHIN = 2.0  # a factor; more is a mix-up of units


class CurveError(TuningError):
    """The file says nothing that can be used; the message names the file and the field."""


@dataclass(frozen=True, slots=True)
class Usl:
    """The three numbers of the law: one slot's throughput, queueing, and talking to each other."""

    lambda_: float
    sigma: float
    kappa: float

    def throughput(self, n: float) -> float:
        """Requests a second with ``n`` under way."""
        return self.lambda_ * n / (1 + self.sigma * (n - 1) + self.kappa * n * (n - 1))

    @property
    def best_concurrency(self) -> float:
        """Where throughput is highest; infinite where it never falls."""
        return math.sqrt((1 - self.sigma) / self.kappa) if self.kappa else math.inf


@dataclass(frozen=True, slots=True)
class Curve:
    """The latency of one pod by what it has to do at once; times in seconds."""

    service_time_s: float
    usl: Usl | None = None
    receiver_s: float = 0.0
    extra_s: float = 0.0
    """What another receiver than the measured one adds to every request; not in the file."""

    def latency(self, n: int) -> float:
        """Seconds of a request in a pod with ``n`` requests under way, itself included."""
        measured = self.service_time_s if self.usl is None else n / self.usl.throughput(n)
        return max(measured + self.extra_s, _SHORTEST)

    def with_receiver(self, receiver_s: float) -> Curve:
        """The same pod behind a receiver that takes this long; waiting for it costs no CPU."""
        return replace(self, extra_s=receiver_s - self.receiver_s)

    def as_json(self) -> dict[str, Any]:
        """What the file holds."""
        found: dict[str, Any] = {"service_time_s": self.service_time_s}
        if self.usl is not None:
            found["usl"] = {
                "lambda": self.usl.lambda_,
                "sigma": self.usl.sigma,
                "kappa": self.usl.kappa,
            }
        return {**found, "receiver_s": self.receiver_s}


def load(path: Path) -> Curve:
    """Read a file as above; raises CurveError."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CurveError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise CurveError(f"{path}: is not JSON: {error}") from None
    try:
        return read(found)
    except CurveError as error:
        raise CurveError(f"{path}: {error}") from None


def read(found: Any) -> Curve:
    """Check what the file holds; raises CurveError."""
    if not isinstance(found, dict):
        raise CurveError('want an object such as {"service_time_s": 0.004}')
    _known(found, {"service_time_s", "usl", "receiver_s"}, "")
    service_time = _number(found, "service_time_s", "", above=True)
    receiver = _number(found, "receiver_s", "", above=False) if "receiver_s" in found else 0.0
    if receiver > service_time:
        raise CurveError(f"receiver_s is {receiver:g}: it is a part of service_time_s")
    if found.get("usl") is None:
        return Curve(service_time, None, receiver)
    return Curve(service_time, _usl(found["usl"], service_time), receiver)


def _usl(found: Any, service_time: float) -> Usl:
    if not isinstance(found, dict):
        raise CurveError('usl must be an object with "lambda", "sigma" and "kappa"')
    _known(found, {"lambda", "sigma", "kappa"}, "usl.")
    usl = Usl(
        _number(found, "lambda", "usl.", above=True),
        _number(found, "sigma", "usl.", above=False),
        _number(found, "kappa", "usl.", above=False),
    )
    if usl.sigma >= 1:
        raise CurveError(f"usl.sigma is {usl.sigma:g}: it must be below 1")
    factor = usl.lambda_ * service_time
    if not 1 / _AGREE_WITHIN <= factor <= _AGREE_WITHIN:
        raise CurveError(
            f"usl.lambda is {usl.lambda_:g} requests a second, but service_time_s is"
            f" {service_time:g}: one slot would do {1 / service_time:g} a second."
            " Are both in seconds?"
        )
    return usl


def _known(found: dict[str, Any], names: set[str], prefix: str) -> None:
    for name in found:
        if name not in names:
            raise CurveError(f"{prefix}{name} is unknown: want {', '.join(sorted(names))}")


def _number(found: dict[str, Any], name: str, prefix: str, *, above: bool) -> float:
    said = "a number above 0" if above else "a number, 0 or more"
    value = found.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise CurveError(f"{prefix}{name} is {json.dumps(value)}: it must be {said}")
    if value < 0 or (above and value == 0):
        raise CurveError(f"{prefix}{name} is {value:g}: it must be {said}")
    return float(value)
