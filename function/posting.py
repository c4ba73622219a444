"""One HTTP POST and the beginning of its answer, in bounded time whatever the other side does.

A socket's timeout starts again with every byte, so a receiver that sends one now and then would
hold a sender for hours. Here an answer, head and body, has to be whole in the time for a POST, and
so has the connection to each address of the receiver's name before it.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from functools import cache
from http.client import HTTPResponse
from socket import SocketIO, socket
from typing import TYPE_CHECKING, Any, NamedTuple

from function.receivers import (
    Accepted,
    Outcome,
    Reason,
    Receiver,
    Refused,
    Request,
    Unavailable,
)

if TYPE_CHECKING:
    from typing_extensions import Buffer
    from urllib3 import HTTPConnectionPool

# A receiver's own reading of an answer: status, headers, the beginning of the body.
Read = Callable[[int, Mapping[str, str], bytes], Outcome]

_ANSWER_LIMIT = 64 * 1024  # bytes read of an answer; all receivers answer far less


class Poster:
    """Posts to one URL over a kept connection, one request at a time."""

    def __init__(self, url: str, read: Read) -> None:
        self._url = url
        self._read = read
        self._prepared: _Prepared | None = None

    def post(self, request: Request, seconds: float) -> Outcome:
        """Send a request and read what its answer means; raises nothing."""
        from requests import RequestException  # deferred: cold start
        from urllib3 import exceptions

        try:
            return self._exchange(request, time.monotonic() + seconds)
        except (exceptions.HTTPError, RequestException) as error:
            # A refused connection is a ConnectTimeoutError to urllib3, too.
            refused = isinstance(error, exceptions.NewConnectionError)
            if isinstance(error, exceptions.TimeoutError) and not refused:
                return Unavailable(Reason.TIMEOUT, "no answer in time")
            return Unavailable(Reason.CONNECTION, f"no answer: {_innermost(error)}", passing=True)

    def close(self) -> None:
        """Close the connections."""
        if self._prepared is not None:
            self._prepared.pool.close()

    def _exchange(self, request: Request, deadline: float) -> Outcome:
        prepared = self._prepared = self._prepared or _prepared(self._url)
        response = prepared.pool.urlopen(
            "POST",
            prepared.target,
            request.body,
            {**prepared.headers, **request.headers},
            retries=False,
            redirect=False,
            timeout=max(0.001, deadline - time.monotonic()),
            preload_content=False,
        )
        try:
            return self._read(response.status, response.headers, response.read(_ANSWER_LIMIT))
        finally:
            response.close()  # closes the connection only where the answer goes on


class Posters:
    """Posts the same request to all members of a receiver's cluster at once, as Prometheus does."""

    def __init__(self, receiver: Receiver) -> None:
        self._posters = [Poster(url, receiver.outcome) for url in receiver.urls]
        # The last request of each member; one that still hangs is not waited for again.
        self._under_way: dict[Poster, Future[Outcome]] = {}
        self._threads: ThreadPoolExecutor | None = None
        if len(self._posters) > 1:
            self._threads = ThreadPoolExecutor(len(self._posters))

    def post(self, request: Request, seconds: float) -> Outcome:
        """Send a request to all; done as soon as one member accepts it. Raises nothing."""
        if self._threads is None:
            return self._posters[0].post(request, seconds)
        idle = [poster for poster in self._posters if self._is_idle(poster)]
        for poster in idle:
            self._under_way[poster] = self._threads.submit(poster.post, request, seconds)
        outcomes: list[Outcome] = []
        for future in as_completed([self._under_way[poster] for poster in idle]):
            outcomes.append(future.result())
            if isinstance(outcomes[-1], Accepted):
                break
        hanging = Unavailable(Reason.TIMEOUT, "no answer in time")
        return min(outcomes, key=_preference, default=hanging)

    def _is_idle(self, poster: Poster) -> bool:
        last = self._under_way.get(poster)
        return last is None or last.done()

    def close(self) -> None:
        """Close the connections."""
        if self._threads is not None:
            self._threads.shutdown()
        for poster in self._posters:
            poster.close()


def _preference(outcome: Outcome) -> int:
    """Of several outcomes the lowest counts: what one member has cannot be lost."""
    return (Accepted, Unavailable, Refused).index(type(outcome))


class _Prepared(NamedTuple):
    """A POST without its body, and what sends it.

    requests makes it, once: it takes longer to prepare a POST than urllib3 to send it.
    """

    pool: HTTPConnectionPool
    target: str
    headers: dict[str, str]


def _prepared(url: str) -> _Prepared:
    import requests
    from requests.adapters import HTTPAdapter
    from requests.structures import CaseInsensitiveDict

    class Adapter(HTTPAdapter):
        def pool(self, post: requests.PreparedRequest) -> HTTPConnectionPool:
            self.poolmanager.pool_classes_by_scheme = _pools()
            pool: HTTPConnectionPool = self.get_connection_with_tls_context(post, verify=True)  # type: ignore[assignment] # its stubs are wrong
            self.cert_verify(pool, url, verify=True, cert=None)  # type: ignore[no-untyped-call]
            return pool

    session = requests.Session()
    session.headers = CaseInsensitiveDict({"user-agent": "logs-handler"})
    session.trust_env = False  # no proxy and no netrc between pods of one cluster
    post = session.prepare_request(requests.Request("POST", url))
    headers = {name: value for name, value in post.headers.items() if name != "Content-Length"}
    pool = Adapter(pool_connections=1, pool_maxsize=1).pool(post)
    return _Prepared(pool, post.path_url, headers)


@cache
def _pools() -> dict[str, Any]:
    """urllib3's connection pools, with connections whose answers are read against a deadline."""
    from urllib3.connection import HTTPConnection, HTTPSConnection
    from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

    plain = type("Plain", (HTTPConnection,), {"response_class": _Response})
    secure = type("Secure", (HTTPSConnection,), {"response_class": _Response})
    return {
        "http": type("PlainPool", (HTTPConnectionPool,), {"ConnectionCls": plain}),
        "https": type("SecurePool", (HTTPSConnectionPool,), {"ConnectionCls": secure}),
    }


class _Response(HTTPResponse):
    """An answer all of which has to come within the socket's timeout."""

    def __init__(self, sock: socket, *arguments: Any, **options: Any) -> None:
        super().__init__(sock, *arguments, **options)
        self.fp.close()
        self.fp = io.BufferedReader(_Reader(sock))


class _Reader(io.RawIOBase):
    """Reads a socket until the time that its timeout allows from now is over."""

    def __init__(self, sock: socket) -> None:
        self._socket = sock
        self._raw: SocketIO = sock.makefile("rb", buffering=0)
        self._deadline = time.monotonic() + (sock.gettimeout() or 0)

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: Buffer) -> int | None:
        """Wait for bytes; raises TimeoutError where the time is over."""
        remaining = self._deadline - time.monotonic()
        if remaining <= 0:
            raise TimeoutError
        self._socket.settimeout(remaining)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        """Give the socket back to its connection."""
        self._raw.close()
        super().close()


def _innermost(error: BaseException) -> str:
    """What is at the bottom of a chain of errors; the texts above it repeat the URL, a secret."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__ or error
    strerror = getattr(error, "strerror", None)
    return strerror if isinstance(strerror, str) else type(error).__name__
