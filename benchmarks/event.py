"""KafkaSource's request for one record, byte for byte, with a place for the record's number.

The record is the article's: an access log line of a WordPress pod, as Fluent Bit writes it.
"""

from __future__ import annotations

import json

from local.kafkasource.mapping import Mapper
from local.kafkasource.sink import Sink
from local.record import Record

FIRST = 1_000_000_000  # numbers are offsets of ten digits, so that all requests are equally long
_NUMBER = 9_999_999_999
_WRITTEN = 1_629_856_477_226  # milliseconds


def value(*, matches: bool, number: int = _NUMBER) -> bytes:
    """The Kafka value: a line that the article's rule matches, or the same with another status."""
    status = 404 if matches else 200
    record = {
        "@timestamp": 1629856477.226758,
        "log": f'10.0.35.28 - - [25/Aug/2021:01:54:36 +0000] "GET /page/{number} HTTP/1.1" {status}'
        ' 49923 "-" "curl/7.58.0"\n',
        "time": "2021-08-25T01:54:37.226757612Z",
        "kubernetes": {
            "pod_name": "wordpress-v1-f54f697c5-hdn2z",
            "namespace_name": "demo-project",
            "container_name": "container-nrdsp1",
            "docker_id": "bb7b48e2883be0c05b22c04b1d1573729dd06223ae0b1676e33a4fac655958a5",
            "container_image": "wordpress:4.8-apache",
        },
    }
    return json.dumps(record, separators=(",", ":")).encode()


def parts(port: int, *, matches: bool) -> list[bytes]:
    """The request, cut where the record's number belongs: ``number.join(parts)`` is one."""
    sink = Sink(f"http://127.0.0.1:{port}/", "default", 1)
    record = Record("logs", 0, _NUMBER, _WRITTEN, value=value(matches=matches))
    event = Mapper("default", "logs").event(record)
    head = "".join(f"{name}: {text}\r\n" for name, text in sink.headers(event))
    message = f"POST / HTTP/1.1\r\n{head}\r\n".encode("latin-1") + (event.data or b"")
    return message.split(str(_NUMBER).encode())


def request(port: int, number: int, *, matches: bool) -> bytes:
    """One request, complete."""
    return str(number).encode().join(parts(port, matches=matches))
