"""The corpus: what real servers and a real Fluent Bit wrote, with the truth about each line.

It is too large for this repository and lies next to it, or nowhere. What the tests cannot do
without is copied to tests/records/ and tests/access_logs/.
"""

from __future__ import annotations

from pathlib import Path

import pytest

CORPUS = Path(__file__).resolve().parent.parent.parent / "shared" / "corpus"


def file(name: str) -> Path:
    """Find one of the corpus's files; skip the test where the corpus is not at hand."""
    path = CORPUS / name
    if not path.is_file():
        pytest.skip(f"the corpus is not at {CORPUS}")
    return path


def lines(path: Path) -> list[bytes]:
    """Split a file at its newlines, and at nothing else that Python takes for the end of a line."""
    return path.read_bytes().removesuffix(b"\n").split(b"\n")
