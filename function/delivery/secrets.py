"""Removes what is secret in a receiver's URL from texts: many servers repeat a request in an error.

``Cannot POST /services/T0/B0/…`` or an Authorization header that is sent back would otherwise get
into our log, our answer and the dead letter.
"""

from __future__ import annotations

import html
import json
import re
from base64 import b64encode
from collections.abc import Callable, Iterator
from urllib.parse import quote, unquote, unquote_plus, urlsplit

REMOVED = "[removed]"
# What documented paths are made of; every other segment may be a token.
_PUBLIC = frozenset(
    {"alertmanager", "alerts", "api", "hooks", "prometheus", "prom", "services", "triggers"}
    | {"v1", "v2", "v3", "webhook", "webhooks", "workflows"}
)
_LONG = 8  # characters; shorter ones are removed only as words of their own


def hiding(url: str) -> Callable[[str], str]:
    """What removes the secrets of a URL from a text: path, query, user, password, their header."""
    texts = {form for secret in _secrets(url) for form in _forms(secret) if len(form) > 1}
    if not texts:
        return str
    ordered = sorted(texts, key=len, reverse=True)
    pattern = re.compile("|".join(map(_bounded, ordered)), re.IGNORECASE)
    return lambda text: pattern.sub(REMOVED, text)


def _secrets(url: str) -> Iterator[str]:
    parts = urlsplit(url)
    yield from (each for each in parts.path.split("/") if each.lower() not in _PUBLIC)
    yield parts.query
    yield from (each.partition("=")[2] for each in parts.query.split("&"))
    user, password = parts.username or "", parts.password or ""
    yield from (user, password)
    if user or password:
        pair = f"{unquote(user)}:{unquote(password)}"
        for encoding in ("latin-1", "utf-8"):
            yield b64encode(pair.encode(encoding, "replace")).decode().rstrip("=")


def _forms(secret: str) -> Iterator[str]:
    """A secret as it stands in the URL, and as servers may write it."""
    plain = unquote(secret)
    for text in (secret, plain, unquote_plus(secret), quote(plain, safe="")):
        yield text
        yield html.escape(text)
        yield json.dumps(text)[1:-1]
        yield text.replace("/", "\\/")


def _bounded(text: str) -> str:
    literal = re.escape(text)
    return literal if len(text) >= _LONG else rf"(?<![A-Za-z0-9]){literal}(?![A-Za-z0-9])"
