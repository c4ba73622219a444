"""The corpus: what real servers and a real Fluent Bit wrote, with the truth about each line.

It is too large for this repository and lies next to it, or nowhere. What the tests cannot do
without is copied to tests/records/ and tests/access_logs/.
"""

from __future__ import annotations

import re
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


def unescaped(text: str) -> str:
    r"""Finish a truth's text: where bytes were not UTF-8, it still has their ``\xhh``."""
    raw = re.sub(rb"\\x([89a-f][0-9a-f])", lambda m: bytes.fromhex(m[1].decode()), text.encode())
    return raw.decode("utf-8", "replace")


def asked_for(request_line: str) -> tuple[str, str, str, str]:
    """Read method, path, query and protocol, without the parser under test and more simply.

    The truth's own method and path would not do: they are what the server made of the request
    (decoded, rewritten to an index file, "-" where it refused), not what the client asked for.
    """
    line = re.fullmatch(
        r" *([\w!#$%&'*+.^`|~-]+) +(.*?) *( HTTP/[\d.]+)? *",
        request_line,
        re.ASCII | re.DOTALL | re.IGNORECASE,
    )
    if line is None:  # "-", "GARBAGE" without a target, TLS sent to a plain port
        return "", "", "", ""
    method, target, protocol = line.groups(default="")
    absolute = re.match(r"https?://[^/?]*", target)
    if absolute:
        target = "/" + target[absolute.end() :].removeprefix("/")
    path, _, query = target.partition("?")
    return method, path, query, protocol.strip()
