"""A Slack that takes one message a second from a webhook, as the real one does."""

from __future__ import annotations

import json
import math
import re
import threading
import time
from dataclasses import dataclass, field

from tests.servers import Answer, Receiver

EVERY = 1.0  # seconds


@dataclass
class Slack(Receiver):
    """Answers 429 with Retry-After to what comes too soon."""

    messages: list[str] = field(default_factory=list)  # their headers
    too_soon: int = 0
    _next: float = 0.0
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def next_answer(self, body: bytes) -> Answer:
        with self._turn:
            now = time.monotonic()
            if now < self._next:
                self.too_soon += 1
                seconds = str(math.ceil(self._next - now))
                limited = {"retry_after": int(seconds), "ok": False, "error": "rate_limited"}
                return Answer(429, json.dumps(limited).encode(), {"retry-after": seconds})
            self._next = now + EVERY
            found = re.search(
                rb'"type":"header","text":{"type":"plain_text","text":"([^"]*)"', body
            )
            self.messages.append(found[1].decode() if found else "")
            return Answer(200, b"ok", {"content-type": "text/html"})

    @property
    def alerts(self) -> int:
        """How many alerts the messages are about: their headers say so."""
        counts = (re.search(r"\N{MULTIPLICATION SIGN}(\d+)", each) for each in self.messages)
        return sum(int(count[1]) if count else 1 for count in counts)
