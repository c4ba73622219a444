"""What of a KafkaSource's manifest decides how records arrive.

Mirrors eventing-kafka-broker ``control-plane/pkg/reconciler/source/source.go`` and
``pkg/core/config/utils.go``: any value under spec.delivery replaces all the built-in ones.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml

from local.kafkasource.retry import Delivery
from tuning.errors import TuningError

_DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?", re.ASCII)
_UNITS = (86_400.0, 3_600.0, 60.0, 1.0)
_BUILT_IN = Delivery(retry=10, backoff_policy="exponential", backoff_delay=0.3, timeout=600)
_DELAY = 0.2  # utils.go: backoffDelay where there is only `retry`
_TIMEOUT = 600.0


class SourceError(TuningError):
    """A manifest that cannot be used; the message names the file and the field."""


@dataclass(frozen=True, slots=True)
class KafkaSource:
    """How records get from Kafka to the Service.

    ``consumers`` counts Kafka clients, which are dispatcher pods, and not spec.consumers: Knative
    puts up to twenty of those into one pod.
    """

    ordering: Literal["ordered", "unordered"] = "ordered"
    partitions: int = 10
    consumers: int = 1
    delivery: Delivery = field(default=_BUILT_IN)

    def __post_init__(self) -> None:
        if not 1 <= self.consumers <= self.partitions:
            raise SourceError(
                f"{self.consumers} dispatcher pods and {self.partitions} partitions:"
                " want at least one of each, and no more pods than partitions"
            )


def load(path: Path, partitions: int, consumers: int) -> KafkaSource:
    """Read the one KafkaSource in a file; raises SourceError."""
    try:
        documents = list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SourceError(f"{path}: is not YAML: {' '.join(str(error).split())}") from None
    sources = [
        document
        for document in documents
        if isinstance(document, Mapping) and document.get("kind") == "KafkaSource"
    ]
    if len(sources) != 1:
        raise SourceError(f"{path}: want one KafkaSource, found {len(sources)}")
    spec = sources[0].get("spec") or {}
    ordering = spec.get("ordering", "ordered")
    if ordering not in ("ordered", "unordered"):
        raise SourceError(f"{path}: spec.ordering is {ordering}: it must be ordered or unordered")
    try:
        return KafkaSource(ordering, partitions, consumers, _delivery(spec.get("delivery")))
    except ValueError as error:  # ours, or Delivery's own
        raise SourceError(f"{path}: {error}") from None


def _delivery(spec: Mapping[str, Any] | None) -> Delivery:
    if not spec:
        return _BUILT_IN
    retry = spec.get("retry")
    if retry is None:
        retry = 0  # whatever else there is
    if isinstance(retry, bool) or not isinstance(retry, int):
        raise SourceError(f"spec.delivery.retry is {retry!r}: it must be a whole number")
    policy = spec.get("backoffPolicy", "exponential")
    if policy not in ("exponential", "linear"):
        raise SourceError(
            f"spec.delivery.backoffPolicy is {policy}: it must be exponential or linear"
        )
    return Delivery(
        retry=retry,
        backoff_policy=policy,
        backoff_delay=_duration(spec, "backoffDelay", _DELAY),
        timeout=_duration(spec, "timeout", _TIMEOUT),
    )


def _duration(spec: Mapping[str, Any], name: str, default: float) -> float:
    text = spec.get(name)
    if text is None:
        return default
    found = _DURATION.fullmatch(str(text))
    if found is None or not any(found.groups()):
        raise SourceError(f"spec.delivery.{name} is {text}: want an ISO 8601 duration, PT0.3S")
    pairs = zip(found.groups(), _UNITS, strict=True)
    return sum(float(number) * unit for number, unit in pairs if number)
