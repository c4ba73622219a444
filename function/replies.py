"""HTTP responses: what the function answers, and how refusals are written down (RFC 9457)."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import orjson

from function.errors import AlertRefused, ReceiverUnavailable, RequestError

Headers = Mapping[str, str]  # of a request, with lower-case names

PROBLEM_JSON = "application/problem+json"
RETRY_AFTER = 5  # seconds; KafkaSource keeps to its own pauses, other senders may look
_LONGEST = 60  # seconds
_LISTED = 20  # kinds of problems of a batch that are named one by one


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP response; where it is a refusal, ``reason`` (one of few) and ``detail`` say why."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    reason: str = ""
    detail: str = ""


# All is well; a body would make a Broker or Channel answer 502 for us.
NO_CONTENT = Reply(204)


def summary(content: Mapping[str, Any]) -> Reply:
    """All is well, with details for a person (RFC 7240, ``Prefer: return=representation``)."""
    headers = {"content-type": "application/json", "preference-applied": "return=representation"}
    return Reply(200, headers, orjson.dumps(content) + b"\n")


def wants_summary(headers: Headers) -> bool:
    """RFC 7240: ``Prefer: return=representation``, alone or among others.

    KafkaSource always sends ``Prefer: reply``, which asks for no such thing.
    """
    if "=" not in headers.get("prefer", ""):
        return False
    preferences = headers["prefer"].lower().replace('"', "").split(",")
    return "return=representation" in (item.partition(";")[0].strip() for item in preferences)


def text(content: str) -> Reply:
    """A page of plain text."""
    return Reply(200, {"content-type": "text/plain; charset=utf-8"}, content.encode())


def problem(status: int, title: str, detail: str, reason: str, **headers: str) -> Reply:
    """A refusal for one reason; ``headers`` are written with _ for -."""
    content = {"title": title, "status": status, "detail": detail}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return _refusal(status, content, named, reason)


def not_http(detail: str, status: int = 400) -> Reply:
    """The refusal of what a server cannot read as HTTP."""
    return problem(status, "Not a valid HTTP request", detail, "http")


def closing(reply: Reply) -> bytes:
    """A reply as bytes of HTTP/1.1, from a server that closes the connection behind it."""
    fields = {**reply.headers, "content-length": len(reply.body), "connection": "close"}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    status = f"HTTP/1.1 {reply.status} {HTTPStatus(reply.status).phrase}\r\n"
    return f"{status}{head}\r\n".encode() + reply.body


def refusal(problems: Sequence[RequestError]) -> Reply:
    """The reply to a request that cannot be acknowledged.

    503 where anything may still be delivered, else 422 where the receiver refused, else what is
    wrong with the message: its own status where all problems share one, or 400.
    """
    leading = min(problems, key=_precedence)
    one_kind = len({problem.status for problem in problems}) == 1
    status = leading.status if one_kind or _precedence(leading) < _MESSAGE else 400
    sentences = _sentences(problems)
    content: dict[str, Any] = {
        "title": leading.title,
        "status": status,
        "detail": sentences[leading.detail],
    }
    if len(sentences) > 1:
        content["problems"] = [*sentences.values()][:_LISTED]
    headers = {}
    if isinstance(leading, ReceiverUnavailable):
        headers["retry-after"] = str(_retry_after(problems))
    return _refusal(status, content, headers, leading.reason)


def _refusal(
    status: int, content: Mapping[str, Any], headers: Mapping[str, str], reason: str
) -> Reply:
    body = orjson.dumps(content) + b"\n"
    return Reply(status, {"content-type": PROBLEM_JSON, **headers}, body, reason, content["detail"])


def _sentences(problems: Sequence[RequestError]) -> dict[str, str]:
    """What is wrong, where that is in a batch, and how often, by the problems' own details."""
    times = Counter(problem.detail for problem in problems)
    first = {problem.detail: problem for problem in reversed(problems)}
    return {detail: _sentence(first[detail], times[detail]) for detail in times}


def _sentence(problem: RequestError, times: int) -> str:
    where = f"{problem.position}: " if problem.position else ""
    return f"{where}{problem.detail}" + (f" ({times} times)" if times > 1 else "")


def _retry_after(problems: Sequence[RequestError]) -> int:
    """The longest time that a receiver asked for, spread, so that not all come back at once."""
    asked = [each.retry_after or 0 for each in problems if isinstance(each, ReceiverUnavailable)]
    seconds = min(max(asked, default=0) or RETRY_AFTER, _LONGEST)
    return random.randint(seconds, min(2 * seconds, _LONGEST))  # noqa: S311 - no secret


_MESSAGE = 2  # the precedence of problems with the message itself


def _precedence(problem: RequestError) -> int:
    if isinstance(problem, ReceiverUnavailable):
        return 0
    return 1 if isinstance(problem, AlertRefused) else _MESSAGE
