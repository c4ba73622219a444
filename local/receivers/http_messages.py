"""What goes between a sender of alerts and a receiver, and what the receiver keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request; `arrived` is in seconds since 1970, header names are in lower case."""

    arrived: float
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer; `status` 0 closes the connection without one, as a crashed handler does."""

    status: int
    body: str = ""
    content_type: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert that a receiver has accepted, with its times as they were sent."""

    arrived: float
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    starts_at: str = ""
    ends_at: str = ""

    def __str__(self) -> str:
        """One line for a terminal: name, namespace/pod, method and path, nothing cut off."""
        label = self.labels.get
        where = "/".join(filter(None, (label("namespace"), label("pod"))))
        words = (label("alertname"), where, label("method"), label("path"))
        return printable("  ".join(filter(None, words)))


class Receiver(Protocol):
    """Something that takes alerts over HTTP."""

    def answer(self, request: Request) -> tuple[Answer, list[Alert]]:
        """Its answer, and the alerts that it accepted with this request."""


def printable(text: str) -> str:
    """The text with everything escaped that a terminal would act upon: it comes from log lines."""
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in text
    )
