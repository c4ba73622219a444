"""The requests that KafkaSource sends for Fluent Bit's records, byte for byte, none of them twice.

Header order and values are KafkaSource's: eventing-kafka-broker, WebClientCloudEventSender.java and
InvalidCloudEventInterceptor.java. It sends no content type, because Fluent Bit writes none.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from tuning.errors import TuningError

_BODY = (
    b'{"@timestamp":1629856477.226758,"log":"10.0.0.1 - - [25/Aug/2021:01:54:36 +0000]'
    b' \\"GET /%s/%s/%d HTTP/1.1\\" %d 49923 \\"-\\" \\"curl/7.58.0\\"\\n",'
    b'"time":"2021-08-25T01:54:37.226757612Z",'
    b'"kubernetes":{"pod_name":"wordpress-v1-f54f697c5-hdn2z","namespace_name":"demo-project",'
    b'"container_name":"container-nrdsp1"}}'
)
_HEAD = (
    b"POST %s HTTP/1.1\r\n"
    b"user-agent: Vert.x-WebClient/4.5.27\r\n"
    b"Prefer: %s\r\n"
    b"Kn-Namespace: default\r\n"
    b"ce-specversion: 1.0\r\n"
    b"ce-id: partition:0/offset:%d\r\n"
    b"ce-source: /apis/v1/namespaces/default/kafkasources/measure-%s#logs\r\n"
    b"ce-type: dev.knative.kafka.event\r\n"
    b"ce-subject: partition:0#%d\r\n"
    b"ce-time: 2026-08-07T10:15:30.123Z\r\n"
    b"ce-knativekafkapartition: 0\r\n"
    b"ce-knativekafkaoffset: %d\r\n"
    b"content-length: %d\r\n"
    b"host: %s\r\n"
    b"\r\n"
)


class TargetError(TuningError):
    """The URL cannot be driven; the message says why."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where requests go."""

    host: str
    port: int
    tls: bool
    authority: str
    path: str

    def __str__(self) -> str:
        return f"{'https' if self.tls else 'http'}://{self.authority}{self.path}"

    @classmethod
    def of(cls, url: str) -> Target:
        """Read a URL; raises TargetError."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            parts, port = urlsplit(""), None
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise TargetError(f"{url} is not an http:// or https:// URL")
        tls = parts.scheme == "https"
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return cls(parts.hostname, port or (443 if tls else 80), tls, parts.netloc, path)


class Events:
    """One request after the other; the share ``matching`` of them fires the shipped rule.

    The others differ from those in nothing but their status, 200, so that the function parses the
    access log line before it knows: of all records that fire nothing, these cost the most. ``run``
    sets the events of one measurement apart from those of all others: the function delivers the
    alert of an event that it has seen before only once.
    """

    def __init__(self, target: Target, matching: float, run: str) -> None:
        self._path = target.path.encode("ascii")
        self._authority = target.authority.encode("ascii")
        self._matching = matching
        self._run = run.encode("ascii")
        self._sent = 0

    def next(self) -> bytes:
        """A new event as an HTTP request."""
        self._sent += 1
        matches = int(self._sent * self._matching) > int((self._sent - 1) * self._matching)
        return self._request(b"reply", matches=matches)

    def probe(self, *, matches: bool) -> bytes:
        """A new event that asks for an answer which says how many rules it fired."""
        self._sent += 1
        return self._request(b"return=representation", matches=matches)

    def _request(self, prefer: bytes, *, matches: bool) -> bytes:
        n, run = self._sent, self._run
        body = _BODY % (b"notfound" if matches else b"found", run, n, 404 if matches else 200)
        head = _HEAD % (self._path, prefer, n, run, n, n, len(body), self._authority)
        return head + body
