"""How the peers that work in threads post: one session for all, its connections kept open."""

from __future__ import annotations

import os
from typing import Any

import requests
from requests.adapters import HTTPAdapter

_session = requests.Session()
_session.mount("http://", HTTPAdapter(pool_maxsize=64))


def post(payload: dict[str, Any]) -> None:
    """One POST; raises requests.HTTPError where the receiver refuses."""
    _session.post(os.environ["RECEIVER_URL"], json=payload, timeout=30).raise_for_status()
