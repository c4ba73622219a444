"""A match → an alert: labels, annotations, fingerprint and times, as Prometheus names them.

Labels, fingerprint and ``starts_at`` depend on the record alone, so that a record which Kafka
delivers twice makes the same alert twice, and receivers can tell.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from functools import lru_cache
from typing import NamedTuple

from function.rules import Match, fields
from function.rules.templates import LONGEST, Broken

_EXCERPT = 300  # characters of what is wrong with a template
_OFFSET_BASIS = 14_695_981_039_346_656_037
_PRIME = 1_099_511_628_211
_MASK = 0xFFFF_FFFF_FFFF_FFFF


class Alert(NamedTuple):  # like all that is made for each record, for speed
    """A firing alert. Labels are sorted by name and never empty; times are nanoseconds since 1970.

    ``keep_firing_for`` is how long it stays active at a receiver that resolves by time,
    ``repeat_interval`` how long the same labels are not sent again. ``traceparent`` continues the
    trace of the request that brought the record (W3C Trace Context); empty where there is none.
    ``broken`` says which template failed, and how; empty where none did.
    """

    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    fingerprint: str
    starts_at: int
    keep_firing_for: int
    repeat_interval: int = 0
    traceparent: str = ""
    broken: str = ""

    @property
    def identity(self) -> Hashable:
        """What two alerts of the same record share, and alerts of different lines do not."""
        return self.fingerprint, self.starts_at, tuple(self.annotations.items())


def alert(match: Match, now: int, traceparent: str = "") -> Alert:
    """The alert that a match fires; ``now`` dates records that carry no time, or a future one."""
    rule, record = match.rule, match.record
    values = fields.values(record)
    # An empty label is an absent one: Alertmanager drops it before it takes the fingerprint.
    labels = {name: text for name, template in rule.labels.items() if (text := template(values))}
    annotations = {name: template(values) for name, template in rule.annotations.items()}
    broken = _bounded(labels) or _bounded(annotations)
    return Alert(
        labels,
        annotations,
        fingerprint(labels),
        now if record.time is None else min(record.time, now),
        rule.keep_firing_for,
        rule.repeat_interval,
        traceparent,
        broken,
    )


def _bounded(texts: dict[str, str]) -> str:
    """Cut texts that are too long; and what is wrong with the first whose template failed."""
    broken = ""
    for name, text in texts.items():
        if type(text) is Broken:
            broken = broken or f"{name}: {text}"[:_EXCERPT]
            texts[name] = str(text)
        if len(text) > LONGEST:
            texts[name] = f"{text[: LONGEST - 1]}…"
    return broken


def fingerprint(labels: Mapping[str, str]) -> str:
    """The alert's identity: FNV-1a over all labels (prometheus/common, model/signature.go)."""
    digest = _OFFSET_BASIS
    for name in sorted(labels):
        value = labels[name]
        step = _remembered if len(value) <= _SHORT else _step
        factor, offset = step(digest & 0xFF, name, value)
        digest = (digest * factor + offset) & _MASK
    return f"{digest:016x}"


def _step(low: int, name: str, value: str) -> tuple[int, int]:
    """What a label does to a digest whose lowest byte is ``low``: digest * factor + offset.

    FNV-1a changes the lowest byte alone before it multiplies, so that no other byte matters.
    """
    data = b"%b\xff%b\xff" % (name.encode(), value.encode())
    digest = low
    for byte in data:
        digest = ((digest ^ byte) * _PRIME) & _MASK
    factor = pow(_PRIME, len(data), _MASK + 1)
    return factor, digest - low * factor


# A byte costs 0.06 µs, and most labels come again, if not behind the same digest. A log line in a
# label would fill the memory.
_remembered = lru_cache(8192)(_step)
_SHORT = 253  # characters; no name of Kubernetes is longer
