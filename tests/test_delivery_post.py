"""One POST: over by its deadline whatever the other side, its addresses or its name server do."""

from __future__ import annotations

import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from function.delivery.post import ANSWER_LIMIT, Poster
from function.receivers import Answer, Reason, Request, Unavailable
from tests import servers

REQUEST = Request({"content-type": "application/json"}, b'{"x": 1}')


@contextmanager
def posting(url: str, seconds: float = 5) -> Iterator[Callable[[], Answer | Unavailable]]:
    """What posts to a URL, each time with so many seconds."""
    poster = Poster(url)
    try:
        yield lambda: poster.post(REQUEST, time.monotonic() + seconds)
    finally:
        poster.close()


def post(url: str, seconds: float = 5) -> Answer | Unavailable:
    with posting(url, seconds) as post_once:
        return post_once()


@contextmanager
def raw(serve: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server whose connections are served by a function, one after the other."""

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection, suppress(OSError):
                    serve(connection)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


@contextmanager
def saying(*parts: bytes, pause: float = 0.0) -> Iterator[str]:
    """A server that answers with these bytes, with a pause before each part."""

    def serve(connection: socket.socket) -> None:
        connection.recv(65_536)
        for part in parts:
            time.sleep(pause)
            connection.sendall(part)
        connection.recv(65_536)

    with raw(serve) as url:
        yield url


@contextmanager
def dripping(beginning: bytes) -> Iterator[str]:
    """A server that answers with these bytes and then one more every now and then, for ever."""

    def serve(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(beginning)
        while True:
            time.sleep(0.05)
            connection.sendall(b"x")

    with raw(serve) as url:
        yield url


class TestAnAnswer:
    def test_is_status_headers_and_body(self) -> None:
        reply = servers.Answer(202, b"taken", headers={"x-a": "b"})
        with servers.receiver(reply) as receiver:
            answer = post(receiver.url)
        assert isinstance(answer, Answer)
        assert (answer.status, answer.headers["X-A"], answer.body) == (202, "b", b"taken")
        assert not answer.is_cut

    def test_is_read_up_to_its_limit(self) -> None:
        with servers.receiver(servers.Answer(200, b"x" * (ANSWER_LIMIT + 1))) as receiver:
            answer = post(receiver.url)
        assert isinstance(answer, Answer)
        assert answer.is_cut
        assert len(answer.body) == ANSWER_LIMIT

    @pytest.mark.parametrize("interim", [b"100 Continue", b"102 Processing", b"103 Early Hints"])
    def test_that_is_interim_is_not_the_answer(self, interim: bytes) -> None:
        early = b"HTTP/1.1 %b\r\nlink: </x>\r\n\r\n" % interim
        final = b"HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n"
        with saying(early + early, final, pause=0.05) as url:
            answer = post(url)
        assert isinstance(answer, Answer)
        assert answer.status == 500

    def test_that_is_interim_for_ever_is_no_answer(self) -> None:
        def serve(connection: socket.socket) -> None:
            while True:
                connection.sendall(b"HTTP/1.1 103 x\r\n\r\n")

        with raw(serve) as url:
            assert_late(post(url, 0.3))

    def test_that_is_garbage_is_none(self) -> None:
        with saying(b"\x00garbage\r\n\r\n") as url:
            answer = post(url)
        assert isinstance(answer, Unavailable)
        assert answer.reason is Reason.CONNECTION


def assert_late(answer: Answer | Unavailable) -> None:
    assert answer == Unavailable(Reason.TIMEOUT, "no answer in time")


class TestTheDeadline:
    @pytest.mark.parametrize("seconds", [0, -0.5, -60])
    def test_may_be_over_before_the_post(self, seconds: float) -> None:
        with servers.receiver() as receiver:
            assert_late(post(receiver.url, seconds))
            assert not receiver.requests

    @pytest.mark.parametrize(
        "beginning",
        [
            b"H",  # the head never ends
            b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n",  # the body does not
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n",
        ],
    )
    def test_ends_an_answer_that_drips(self, beginning: bytes) -> None:
        with dripping(beginning) as url:
            assert_late(post(url, 0.4))

    def test_ends_a_request_that_is_read_slowly(self) -> None:
        def serve(connection: socket.socket) -> None:
            for _ in range(40):
                connection.recv(1)
                time.sleep(0.05)

        with raw(serve) as url:
            poster = Poster(url)
            large = Request({}, b"x" * 20_000_000)
            assert_late(poster.post(large, time.monotonic() + 0.4))
            poster.close()

    def test_holds_for_connection_request_and_answer_together(self) -> None:
        head = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n"
        with saying(head, b"a", b"b", b"c", pause=0.25) as url:
            assert_late(post(url, 0.6))  # each part alone is within it

    def test_holds_for_what_is_awaited_when_a_part_of_the_answer_is_there(self) -> None:
        start = time.monotonic()
        with saying(b"HTTP/1.1 200", pause=1.5) as url:
            assert_late(post(url, 2))
            assert time.monotonic() - start < 3, "2 s more for the rest would be 3.5"


class TestAConnection:
    def test_serves_many_posts(self) -> None:
        reply = servers.Answer(200, b"x" * 5000)
        with servers.receiver(reply) as receiver, posting(receiver.url) as post_once:
            for _ in range(5):
                post_once()
            assert len(receiver.requests) == 5
            assert len(receiver.connections) == 1

    def test_uses_no_proxy_of_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{servers.free_port()}")
        with servers.receiver() as receiver:
            assert isinstance(post(receiver.url), Answer)

    def test_takes_no_password_out_of_a_netrc(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        netrc = tmp_path / "netrc"
        netrc.write_text("default login somebody password secret\n")
        monkeypatch.setenv("NETRC", str(netrc))
        with servers.receiver() as receiver:
            post(receiver.url)
            [(headers, _)] = receiver.requests
        assert "authorization" not in map(str.lower, headers)

    def test_that_the_other_side_has_closed_is_opened_again(self) -> None:
        reply = b"HTTP/1.1 204 No Content\r\n\r\n"

        def serve(connection: socket.socket) -> None:
            connection.recv(65_536)
            connection.sendall(reply)

        with raw(serve) as url, posting(url) as post_once:
            for _ in range(3):
                answer = post_once()
                assert isinstance(answer, Answer)
                time.sleep(0.05)

    @pytest.mark.parametrize(
        "url",
        [
            "https://\\hooks.slack.com/T0/secret",
            "http://*.x/secret",
            f"http://{'a' * 64}.test/secret",
        ],
    )
    def test_that_no_request_can_be_made_for_is_told_without_the_url(
        self, url: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        answer = post(url)
        assert isinstance(answer, Unavailable)
        assert "secret" not in answer.detail + caplog.text

    def test_that_no_descriptor_is_left_for_may_be_possible_later(self) -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        with servers.receiver() as receiver, posting(receiver.url) as post_once:
            post("http://127.0.0.1:9/")  # loads the client
            with ExitStack() as stack:
                used = stack.enter_context(socket.socket()).fileno()
                resource.setrlimit(resource.RLIMIT_NOFILE, (used, hard))
                stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
                answer = post_once()
            assert isinstance(answer, Unavailable)
            assert answer.detail == "no answer: Too many open files"
            assert isinstance(post_once(), Answer)
