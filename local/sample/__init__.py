"""Some hundred values as Fluent Bit wrote them to Kafka, and the alerts they must raise.

``records.jsonl`` holds one Kafka value a line: KubeSphere's pipeline with Docker and containerd,
Fluent Bit 1.8 and 5.1, the plain CRI parser, the Helm chart's defaults, systemd, and odd values.
``expected.jsonl`` holds the shipped rule's alerts, made from the web servers' own account of each
request.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

_FOLDER = Path(__file__).parent


class Expected(NamedTuple):
    """One alert of ``404 Request`` in ``demo-project``; ``second`` is startsAt without fraction."""

    pod: str
    method: str
    path: str
    second: str


def values() -> list[bytes]:
    """The Kafka values, in the order in which they are produced."""
    return (_FOLDER / "records.jsonl").read_bytes().rstrip(b"\n").split(b"\n")


def expected() -> list[Expected]:
    """The alerts that the values raise."""
    lines = (_FOLDER / "expected.jsonl").read_text(encoding="utf-8").rstrip("\n").split("\n")
    return [Expected(**json.loads(line)) for line in lines]
