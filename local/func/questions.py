"""What is asked of a running function, however it was built, and what it has to answer."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import requests

from local.inbox import Inbox

# The README's curl: a record that the shipped rule fires for.
RECORD = json.dumps(
    {
        "time": "2021-08-25T01:54:37Z",
        "log": '10.0.0.1 - - [25/Aug/2021:01:54:36 +0000] "GET /notfound HTTP/1.1" 404 49923',
        "kubernetes": {
            "namespace_name": "demo-project",
            "pod_name": "wordpress-v1-f54f697c5-hdn2z",
        },
    }
)
HELLO = '{"message":"Hello World"}'  # what `func invoke` sends without --data
JSON = {"content-type": "application/json"}

_ids = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Question:
    """One request: the status and a part of the answer that are expected, and how many alerts."""

    name: str
    method: str
    path: str
    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    chunked: bool = False
    says: str = ""
    alerts: int = 0

    def problem(self, url: str, inbox: Inbox) -> str:
        """Ask it; what is wrong with the answer, or nothing."""
        before = len(inbox.alerts)
        body = self.body.encode()
        data: bytes | Iterator[bytes] = iter((body[:9], body[9:])) if self.chunked else body
        try:
            answer = requests.request(
                self.method, url + self.path, headers=self.headers, data=data, timeout=30
            )
        except requests.RequestException as error:
            return f"{self.name}: no answer: {error}"
        arrived = len(inbox.alerts) - before
        if answer.status_code != self.status:
            text = " ".join(answer.text.split())[:300]
            return f"{self.name}: {answer.status_code} instead of {self.status}: {text}"
        if self.says not in answer.text:
            return f"{self.name}: the answer does not say {self.says!r}: {answer.text[:300]!r}"
        if arrived != self.alerts:
            return f"{self.name}: {arrived} alerts arrived instead of {self.alerts}"
        return ""


def event(**more: str) -> dict[str, str]:
    """The headers of an event that was not sent before, in binary mode."""
    attributes = {"specversion": "1.0", "id": str(next(_ids)), "source": "/me", "type": "log"}
    return {**{f"ce-{name}": value for name, value in attributes.items()}, **more}


def questions() -> Iterator[Question]:
    """Everything that is asked, in this order; each time with events of their own."""
    yield Question("readiness", "GET", "/health/readiness", 200)
    yield Question("liveness", "GET", "/health/liveness", 200)
    # `func invoke`: this project's format is http, so it sends no ce-* headers.
    yield Question("func invoke", "POST", "/", 400, JSON, HELLO, says="need ce-specversion")
    yield Question("func invoke -f cloudevent", "POST", "/", 204, event(**JSON), HELLO)
    prefer = event(prefer="return=representation", **JSON)
    alert = '"alertname":"404 Request"'
    yield Question("the README's curl", "POST", "/", 200, prefer, RECORD, says=alert, alerts=1)
    # KafkaSource names no content type, and may leave the length open.
    yield Question("an event", "POST", "/", 204, event(), RECORD, alerts=1)
    yield Question("in chunks", "POST", "/", 204, event(), RECORD, chunked=True, alerts=1)
    structured = json.dumps({**_attributes(), "data": json.loads(RECORD)})
    of_one = {"content-type": "application/cloudevents+json"}
    yield Question("structured", "POST", "/", 204, of_one, structured, alerts=1)
    batch = json.dumps([{**_attributes(), "data": {"log": "quiet"}}, json.loads(structured)])
    of_many = {"content-type": "application/cloudevents-batch+json"}
    yield Question("known, in a batch", "POST", "/", 204, of_many, batch)
    yield Question("a plain record", "POST", "/records", 204, JSON, RECORD, alerts=1)
    yield Question("another path", "POST", "/nope", 405, JSON, HELLO)
    yield Question("the page", "GET", "/", 200, says="logs-handler")
    yield Question("metrics", "GET", "/metrics", 200, says="logs_handler_events_total")


def _attributes() -> dict[str, str]:
    return {name.removeprefix("ce-"): value for name, value in event().items()}
