"""The name of a receiver: its addresses and the name server have the time of the POST, not more."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import pytest

from function.receivers import Answer, Reason, Unavailable
from tests import servers
from tests.test_delivery_post import assert_late, post, posting


def resolve_to(patch: pytest.MonkeyPatch, addresses: list[Any]) -> None:
    """Give every name these addresses."""
    entry = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
    slow_lookups(patch, lambda *_, **__: [(*entry, address) for address in addresses])


def slow_lookups(patch: pytest.MonkeyPatch, lookup: Callable[..., list[Any]]) -> None:
    real = socket.getaddrinfo

    def getaddrinfo(host: str, *arguments: Any, **options: Any) -> list[Any]:
        look = lookup if host.endswith(".test") and not options.get("flags") else real
        return list(look(host, *arguments, **options))

    patch.setattr(socket, "getaddrinfo", getaddrinfo)


@contextmanager
def unanswering() -> Iterator[Any]:
    """An address that takes no connection and refuses none: its queue of them is full."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            with suppress(BlockingIOError):
                waiting.connect(listener.getsockname())
        yield listener.getsockname()


def test_the_deadline_holds_for_all_addresses_together(monkeypatch: pytest.MonkeyPatch) -> None:
    with ExitStack() as stack:
        dead = [stack.enter_context(unanswering()) for _ in range(4)]
        resolve_to(monkeypatch, dead)
        start = time.monotonic()
        assert_late(post("http://many.test/", 1))
        assert time.monotonic() - start < 3, "1 s for each of four would be 4"


def test_the_last_address_has_all_the_time_that_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    with unanswering() as one, unanswering() as other:
        resolve_to(monkeypatch, [one, other])
        start = time.monotonic()
        assert_late(post("http://many.test/", 1.2))
        assert time.monotonic() - start >= 1.2


def test_time_is_left_for_an_address_that_answers_behind_one_that_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with unanswering() as dead, servers.receiver() as receiver:
        resolve_to(monkeypatch, [dead, receiver.server.server_address[:2]])
        answer = post("http://many.test/", 3)
    assert isinstance(answer, Answer)


def test_the_deadline_holds_for_the_name_server_too(monkeypatch: pytest.MonkeyPatch) -> None:
    wait = threading.Event()
    looked_up: list[str] = []

    def hang(host: str, *_: object, **__: object) -> list[Any]:
        looked_up.append(host)
        wait.wait(10)
        return []

    slow_lookups(monkeypatch, hang)
    with posting("http://slow.test/", 0.3) as post_once:
        for _ in range(5):
            assert_late(post_once())
    assert looked_up == ["slow.test"], "nobody asks again while the answer is awaited"
    wait.set()


def test_a_name_that_no_thread_is_left_for_may_be_looked_up_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with servers.receiver() as receiver:
        resolve_to(monkeypatch, [receiver.server.server_address[:2]])
        with posting("http://name.test/") as post_once:
            with monkeypatch.context() as broken:
                broken.setattr(threading.Thread, "start", refuse)
                answer = post_once()
            assert isinstance(answer, Unavailable)
            assert answer.reason is Reason.CONNECTION
            assert isinstance(post_once(), Answer)
