"""HTTP responses: what the function answers, and how refusals are written down (RFC 9457)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from function.errors import AlertRefused, ReceiverUnavailable, RequestError

PROBLEM_JSON = "application/problem+json"
_LISTED = 20  # problems of a batch that are named one by one


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP response."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


# All is well; a body would make a Broker or Channel answer 502 for us.
NO_CONTENT = Reply(204)


def summary(content: Mapping[str, Any]) -> Reply:
    """All is well, with details for a person (RFC 7240, ``Prefer: return=representation``)."""
    headers = {"content-type": "application/json", "preference-applied": "return=representation"}
    return Reply(200, headers, orjson.dumps(content) + b"\n")


def text(content: str) -> Reply:
    """A page of plain text."""
    return Reply(200, {"content-type": "text/plain; charset=utf-8"}, content.encode())


def problem(status: int, title: str, detail: str, **headers: str) -> Reply:
    """A refusal for one reason; ``headers`` are written with _ for -."""
    body = {"title": title, "status": status, "detail": detail}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, {"content-type": PROBLEM_JSON, **named}, orjson.dumps(body) + b"\n")


def refusal(problems: Sequence[RequestError]) -> Reply:
    """The reply to a request that cannot be acknowledged.

    503 where anything may still be delivered, else 422 where the receiver refused, else what is
    wrong with the message: its own status where all problems share one, or 400.
    """
    leading = first(problems)
    one_kind = len({problem.status for problem in problems}) == 1
    status = leading.status if one_kind or _precedence(leading) < _MESSAGE else 400
    body: dict[str, Any] = {
        "title": leading.title,
        "status": status,
        "detail": sentence(leading),
    }
    if len(problems) > 1:
        body["problems"] = [sentence(problem) for problem in problems[:_LISTED]]
    headers = {"content-type": PROBLEM_JSON}
    if isinstance(leading, ReceiverUnavailable):
        headers["retry-after"] = str(leading.retry_after)
    return Reply(status, headers, orjson.dumps(body) + b"\n")


def first(problems: Sequence[RequestError]) -> RequestError:
    """The problem that decides the status of a refusal."""
    return min(problems, key=_precedence)


def sentence(problem: RequestError) -> str:
    """What is wrong and, in a batch, where."""
    return f"{problem.position}: {problem.detail}" if problem.position else problem.detail


_MESSAGE = 2  # the precedence of problems with the message itself


def _precedence(problem: RequestError) -> int:
    if isinstance(problem, ReceiverUnavailable):
        return 0
    return 1 if isinstance(problem, AlertRefused) else _MESSAGE
