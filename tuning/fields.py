"""How Knative's webhook reads one setting, and what it refuses.

Mirrors ``pkg/apis/autoscaling/annotation_validation.go`` and ``pkg/autoscaler/config/config.go`` of
knative/serving. A reader takes the text and gives the value; it raises ValueError with what would
have been right.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

Reader = Callable[[str], float]

_DURATION = re.compile(r"(?:(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|ms|s|m|h))+", re.ASCII)
_PART = re.compile(r"([\d.]+)(ns|us|µs|ms|s|m|h)", re.ASCII)
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_HOUR = 3600.0  # annotation_validation.go: no window or delay is longer


def duration(text: str) -> float:
    """Seconds of a Go duration, ``90s``, ``1m30s`` or ``0.5h``; raises ValueError."""
    if text == "0":
        return 0.0
    if not _DURATION.fullmatch(text):
        raise ValueError("a duration such as 90s or 1m30s")
    parts = _PART.findall(text)
    return math.fsum(float(number) * _UNITS[unit] for number, unit in parts)


def seconds(low: float, high: float, *, exact: bool, said: str) -> Reader:
    """Reads a duration within bounds; ``exact`` wants whole seconds."""

    def read(text: str) -> float:
        value = _or(duration, text, said)
        if not low <= value <= high or (exact and value != round(value)):
            raise ValueError(said)
        return value

    return read


def number(accepts: Callable[[float], bool], said: str) -> Reader:
    """Reads a decimal number that a condition accepts."""

    def read(text: str) -> float:
        value = _or(float, text, said)
        if not math.isfinite(value) or not accepts(value):
            raise ValueError(said)
        return value

    return read


def whole(low: int, high: int, said: str) -> Reader:
    """Reads a whole number within bounds."""

    def read(text: str) -> float:
        value = _or(int, text, said)
        if not low <= value <= high:
            raise ValueError(said)
        return value

    return read


def _or(reader: Callable[[str], float], text: str, said: str) -> float:
    try:
        return reader(text)
    except ValueError:
        raise ValueError(said) from None


@dataclass(frozen=True, slots=True)
class Field:
    """A setting: its attribute of ``KnativeSettings``, Knative's key for it, and what it may be."""

    attribute: str
    key: str
    read: Reader
    camel: str = ""
    """An older spelling that Knative still reads."""


_MOST = 2**31 - 1
_COUNT = whole(0, _MOST, "a whole number, 0 or more")
_WINDOW = seconds(6, _HOUR, exact=True, said="a duration from 6s to 1h, in whole seconds")
_PANIC_WINDOW = number(lambda value: 1 <= value <= 100, "a number from 1 to 100")
_PANIC_THRESHOLD = number(lambda value: 110 <= value <= 1000, "a number from 110 to 1000")
_TARGET = number(lambda value: value >= 0.01, "a number, 0.01 or more")
_BURST = number(lambda value: value >= 0 or value == -1, "-1, 0 or a number above 0")
_DELAY = seconds(0, _HOUR, exact=True, said="a duration from 0s to 1h, in whole seconds")
_RETENTION = seconds(0, _HOUR, exact=False, said="a duration from 0s to 1h")
_RATE = number(lambda value: value > 1, "a number above 1")

# On the revision template, as autoscaling.knative.dev/<key>.
ANNOTATIONS = (
    Field("min_scale", "min-scale", _COUNT, "minScale"),
    Field("max_scale", "max-scale", _COUNT, "maxScale"),
    Field("initial_scale", "initial-scale", _COUNT, "initialScale"),
    Field(
        "activation_scale",
        "activation-scale",
        whole(2, _MOST, "a whole number, 2 or more"),
        "activationScale",
    ),
    Field("window_s", "window", _WINDOW),
    Field("panic_window", "panic-window-percentage", _PANIC_WINDOW, "panicWindowPercentage"),
    Field(
        "panic_threshold",
        "panic-threshold-percentage",
        _PANIC_THRESHOLD,
        "panicThresholdPercentage",
    ),
    Field("target", "target", _TARGET),
    Field(
        "utilization",
        "target-utilization-percentage",
        number(lambda value: 1 <= value <= 100, "a number from 1 to 100"),
        "targetUtilizationPercentage",
    ),
    Field("burst_capacity", "target-burst-capacity", _BURST, "targetBurstCapacity"),
    Field("scale_down_delay_s", "scale-down-delay", _DELAY, "scaleDownDelay"),
    Field(
        "retention_s",
        "scale-to-zero-pod-retention-period",
        _RETENTION,
        "scaleToZeroPodRetentionPeriod",
    ),
)

# In the ConfigMap config-autoscaler of knative-serving: the cluster's defaults for the above, and
# what no revision can choose.
CLUSTER = (
    Field("window_s", "stable-window", _WINDOW),
    Field("panic_window", "panic-window-percentage", _PANIC_WINDOW),
    Field("panic_threshold", "panic-threshold-percentage", _PANIC_THRESHOLD),
    Field(
        "utilization",
        "container-concurrency-target-percentage",
        number(lambda value: 0 < value <= 100, "a number above 0, up to 100"),
    ),
    Field("burst_capacity", "target-burst-capacity", _BURST),
    Field("scale_down_delay_s", "scale-down-delay", _DELAY),
    Field("retention_s", "scale-to-zero-pod-retention-period", _RETENTION),
    Field("min_scale", "min-scale", _COUNT),
    Field("max_scale", "max-scale", _COUNT),
    Field("initial_scale", "initial-scale", _COUNT),
    Field("concurrency_target_default", "container-concurrency-target-default", _TARGET),
    Field("rps_target_default", "requests-per-second-target-default", _TARGET),
    Field("max_up", "max-scale-up-rate", _RATE),
    Field("max_down", "max-scale-down-rate", _RATE),
    Field(
        "grace_s",
        "scale-to-zero-grace-period",
        seconds(0.001, math.inf, exact=False, said="a duration above 0s"),
    ),
    Field("max_scale_limit", "max-scale-limit", _COUNT),
)
