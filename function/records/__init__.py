"""A CloudEvent's data → log records: whatever Fluent Bit, Fluentd or Vector put on Kafka.

``read`` takes every JSON shape that docs/records.md lists and gives one ``LogRecord`` per log line.
"""

from __future__ import annotations

from function.records.reader import read
from function.records.record import LogRecord

__all__ = ["LogRecord", "read"]
