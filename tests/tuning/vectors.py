"""Decisions of Knative's real autoscaler as numbers: a share of them here, all of them beside us.

``vectors.json`` was computed by the packages ``pkg/autoscaler/scaling`` and
``pkg/autoscaler/aggregation`` of knative/serving 98e5ef9.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

SHARE = Path(__file__).parent / "vectors.json"
ALL = Path(__file__).resolve().parents[3] / "shared" / "kpa" / "vectors.json"


def of(path: Path, kind: str) -> list[dict[str, Any]]:
    """All cases of a kind; skips where the file is not at hand."""
    if not path.is_file():
        pytest.skip(f"the whole set of vectors is not at {path}")
    found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))[kind]
    assert found
    return found
