"""What a KafkaSource is told, under the names of its manifest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from local.kafkasource.retry import Delivery

Ordering = Literal["ordered", "unordered"]
InitialOffset = Literal["earliest", "latest"]


@dataclass(frozen=True, slots=True)
class SourceConfig:
    """spec of a KafkaSource; the defaults are those of this project's manifest.

    `sink` is a URL, as the one Knative resolves a reference to. `initial_offset` counts only
    where the consumer group has committed nothing yet.
    """

    sink: str
    topic: str = "logs"
    consumer_group: str = "logs-handler"
    ordering: Ordering = "unordered"
    initial_offset: InitialOffset = "earliest"
    delivery: Delivery = field(default_factory=Delivery)
    name: str = "logs"
    namespace: str = "default"
    ce_overrides: Mapping[str, str] = field(default_factory=dict)
