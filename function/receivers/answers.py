"""An HTTP answer as receivers read it: what is in it, and what of it may be passed on."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import orjson

LONGEST_PAUSE = 60  # seconds that a Retry-After is believed
_EXCERPT = 300  # characters of a receiver's explanation that are passed on
_BOM = b"\xef\xbb\xbf"


class Answer(NamedTuple):
    """An HTTP answer; ``body`` may be only its beginning, and then ``is_cut``.

    ``hide`` removes our own secrets, which many servers repeat, from a text.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    is_cut: bool = False
    hide: Callable[[str], str] = str

    def json(self) -> Any:
        """The body as JSON; None where it is not JSON."""
        try:
            return orjson.loads(self.body.removeprefix(_BOM))
        except ValueError:
            return None

    def quoted(self) -> str:
        """``answered 400: …`` with the beginning of the explanation, on one line."""
        text = self.hide(self.body.decode("utf-8", "replace"))
        if self.is_cut:  # at the end may be half a secret, which was not found
            text = text[: len(text) // 2]
        explanation = " ".join(text.split())[:_EXCERPT]
        said = f"answered {self.status}"
        return f"{said}: {explanation}" if explanation else said

    def retry_after(self) -> int | None:
        """Seconds until the receiver wants to be asked again, a minute at most; None if unsaid.

        Retry-After in both forms of RFC 9110, 10.2.3: seconds, and a date.
        """
        text = self.headers.get("retry-after", "").strip()
        if text.isascii() and text.isdigit():
            return min(int(text[:9]), LONGEST_PAUSE)
        if not text or (seconds := _until(text)) is None:
            return None
        return min(max(0, math.ceil(seconds)), LONGEST_PAUSE)

    def clock_ahead(self) -> float:
        """Seconds that the receiver's clock is ahead of ours; 0 where it does not tell the time."""
        return _until(self.headers.get("date", "")) or 0.0

    def is_contradiction(self, words: frozenset[str]) -> bool:
        """Whether the body of a 2xx says that it failed, or comes from somebody else.

        ``words`` are the kind's own texts, which may come as HTML: Slack's do.
        """
        body = self.body.removeprefix(_BOM).strip()
        if body.startswith(b"<"):
            return True
        is_html = self.headers.get("content-type", "").lower().startswith("text/html")
        if is_html and body.decode("utf-8", "replace") not in words:
            return True
        return body.startswith(b"{") and _says_error(self.json())


def _says_error(content: Any) -> bool:
    """Whether a JSON object says at its top level that something failed."""
    if not isinstance(content, dict):
        return False
    get = content.get
    status = get("status")
    return (
        _number(get("errcode")) not in (None, 0)
        or any(not _is_success(_number(get(name))) for name in ("code", "StatusCode"))
        or _is_failure(get("Status"))
        or (isinstance(status, str) and status.lower() == "error")
        or get("ok") is False
        or get("success") is False
    )


def _number(value: Any) -> float | str | None:
    """A number, also one that is written as text; None for nothing; else a text."""
    if value is None or isinstance(value, (int, float)):
        return value
    try:
        return float(value)
    except (TypeError, ValueError):
        return "not a number"


def _is_success(code: float | str | None) -> bool:
    return code is None or code == 0 or (not isinstance(code, str) and 200 <= code < 300)


def _is_failure(status: Any) -> bool:
    number = _number(status)
    return isinstance(number, (int, float)) and number >= 400


def _until(date: str) -> float | None:
    """Seconds until an HTTP date; None where it is none."""
    from email.utils import parsedate_to_datetime  # deferred: it is seldom needed

    try:
        return parsedate_to_datetime(date).timestamp() - time.time()
    except (TypeError, ValueError, OverflowError):
        return None
